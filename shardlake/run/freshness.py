"""What the views promise against what the ledger says: late, never arrived, never started, gone silent, rejecting more.

Nobody else is asked: a scheduler that believes that all went well is no witness.
"""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

from shardlake.ledger import alarms as ledger
from shardlake.ledger.alarms import Alarm, News, Rates
from shardlake.ledger.runs import last_active
from shardlake.ledger.status import ShardStatus, status
from shardlake.run.job import Job
from shardlake.view.operation import short
from shardlake.view.view import View
from shardlake.view.view_set import promised, run_of

START_GRACE = timedelta(minutes=5)
"""How long after it was due a run may begin: a container takes its time."""
QUIET = 3
"""A shard is odd when it is without a change for so many times its longest stretch."""
ENOUGH = 20
"""Windows with changes before a shard's usual is known."""
JUMP = 5
"""A rate of rejects is odd from so many times its usual."""


def alarms(job: Job, views: Mapping[str, View], now: datetime | None = None) -> tuple[list[ShardStatus], list[Alarm]]:
    """The state of each of a view's shards, and what is wrong. `views` are all of the project."""
    now = now or datetime.now(UTC)
    view = job.view
    limit = promised(view, views)
    with job.ledger.connection() as connection:
        since = ledger.watched_since(connection, view.name)
        lines = status(connection, view.name, job.feed, list(job.partitions), list(job.sinks), limit, replaces=job.warehouse.replaces)
        mates = [v.name for v in views.values() if v.group == view.group] if view.group else [view.name]
        active = last_active(connection, mates)
        quiet = {n.shard: n for n in ledger.news(connection, view.name)}
        rates = ledger.rates(connection, view.name)
    young = limit is None or now - since < limit
    found = [_arrival(view, line, limit, young) for line in lines]
    found.append(_start(view, active, since, now))
    found += [_silence(view, quiet[shard]) for shard in job.partitions if shard in quiet]
    found += [_refused(view, line) for line in lines]
    found += [_rejects(view, rate) for rate in rates if rate.shard in job.partitions]
    return lines, [alarm for alarm in found if alarm]


def _arrival(view: View, line: ShardStatus, limit: timedelta | None, young: bool) -> Alarm | None:
    if limit is None:
        return None
    why = f"; its last run failed: {line.last_error}" if line.last_error else f"; held by {line.held_by}" if line.held_by else ""
    if line.lag is None:
        what = "never arrived" if line.watermark is None else "has not arrived whole yet"
        return None if young else Alarm(view.name, line.shard, "never arrived", f"{line.shard} {what}{why}")
    if line.lag > limit:
        return Alarm(view.name, line.shard, "late", f"{line.shard} is staler than {short(limit)}{why}")
    return None


def _start(view: View, active: datetime | None, since: datetime, now: datetime) -> Alarm | None:
    """A run that was due and never began, while none of the view (or its group) was under way either. A view that runs after
    others begins when they have arrived, and is only late.
    """
    if view.after and not view.group:
        return None
    due = max((s.last_due(run_of(view), now - START_GRACE) for s in view.schedule), default=None)
    if due is None or due < since or (active is not None and active >= due - timedelta(seconds=1)):
        return None
    return Alarm(view.name, "", "not started", f"the run that was due at {due:%Y-%m-%d %H:%M} UTC never began")


def _silence(view: View, shard: News) -> Alarm | None:
    if shard.windows < ENOUGH or shard.current < max(QUIET * shard.longest, timedelta(hours=1)):
        return None
    return Alarm(
        view.name, shard.shard, "silent",
        f"{shard.shard} has had no changed row for {_hours(shard.current)}; before, never longer than {_hours(shard.longest)}",
    )  # fmt: skip


def _refused(view: View, line: ShardStatus) -> Alarm | None:
    """A shard that is up to date by its position, and of which nothing has arrived."""
    if line.last_state != "rejected":
        return None
    return Alarm(view.name, line.shard, "rejected", f"{line.shard}: {line.last_error}")


def _rejects(view: View, shard: Rates) -> Alarm | None:
    if shard.rejected < 10 or shard.rows_before < 100:
        return None
    rate, usual = shard.rejected / max(1, shard.rows), shard.rejected_before / shard.rows_before
    if rate < 0.001 or rate < JUMP * usual:
        return None
    return Alarm(
        view.name, shard.shard, "rejects",
        f"{shard.shard} had {rate:.1%} of its rows rejected in a day, and {usual:.2%} before; look at `shardlake rejects {view.name}`",
    )  # fmt: skip


def _hours(span: timedelta) -> str:
    minutes = int(span.total_seconds() // 60)
    return f"{minutes // 60} h {minutes % 60} min" if minutes >= 60 else f"{minutes} min"
