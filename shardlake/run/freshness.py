"""What the views promise against what the ledger says: late, never arrived, never started, broken off, gone silent, rejecting more.

Nobody else is asked: a scheduler that believes that all went well is no witness. `shardlake status` and check-freshness show the
same judgement, and end by it.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Self

from shardlake.ledger import alarms as ledger
from shardlake.ledger.alarms import Alarm, News, Rates
from shardlake.ledger.runs import Begun, begun_since, failing_since
from shardlake.ledger.status import ShardStatus, status
from shardlake.run.job import Job
from shardlake.view.operation import short
from shardlake.view.view import View
from shardlake.view.view_set import expected_period, promised, run_of

START_GRACE = timedelta(minutes=5)
"""How long after it was due a run may begin: a container takes its time."""
MEND_GRACE = timedelta(minutes=15)
"""How long a shard may fail before people are told, and a period of its view at most: the next run may mend it."""
QUIET = 3
"""A shard is odd when it is without a change for so many times its longest stretch."""
ENOUGH = 20
"""Windows with changes before a shard's usual is known."""
JUMP = 5
"""A rate of rejects is odd from so many times its usual."""
WORST = ("unknown", "never arrived", "not started", "broken off", "crashed", "late", "failed", "rejected", "rejects", "silent")
"""The kinds of what may be wrong, the worst first."""
_NOUNS = {"unknown": "view", "not started": "run", "broken off": "run", "crashed": "run", "silent": "shard", "rejects": "shard"}
_ADJECTIVES = {"unknown": "that cannot be asked", "rejects": "with more rejects than usual"}
_STATES = ("never arrived", "staler", "failed", "every row rejected", "not whole yet", "not arrived yet", "fresh")


@dataclass(frozen=True, slots=True)
class Judgement:
    """What is known of views' shards, worst first. `wrong` is all that is not as it should be; of that people are told the `alarms`:
    what breaks a promise, or is not mended by itself.
    """

    lines: list[ShardStatus]
    wrong: list[Alarm]
    alarms: list[Alarm]

    @classmethod
    def of(cls, parts: Iterable[Self], unknown: Mapping[str, str] | None = None) -> Self:
        """Several views' judgements as one; `unknown` says why views could not be judged."""
        found = list(parts)
        unasked = [Alarm(view, "", "unknown", why) for view, why in (unknown or {}).items()]
        return cls(
            sorted((line for part in found for line in part.lines), key=_line_rank),
            sorted([*unasked, *(w for part in found for w in part.wrong)], key=_rank),
            sorted([*unasked, *(a for part in found for a in part.alarms)], key=_rank),
        )

    @property
    def ok(self) -> bool:
        """Whether nothing is wrong: `status` ends with 0, and check-freshness Completed."""
        return not self.wrong

    def headline(self) -> str:
        """All in a line: how many shards are fresh, and what the others are.

        >>> Judgement([], [Alarm("orders", "", "not started", "…")], []).headline()
        'there are no shards, 1 run not started'
        """
        counts, views = Counter(line.state for line in self.lines), len({line.view for line in self.lines})
        fresh, shards = counts.pop("fresh", 0), len(self.lines)
        how_many = f"{fresh:,} of {shards:,}" if counts else f"all {shards:,}" if shards > 1 else "the"
        said = [f"{how_many} {_many(shards, 'shard', counted=False)} of {_many(views, 'view')} {'is' if shards == 1 else 'are'} fresh"]
        said = said if shards else ["there are no shards"]
        said += [f"{count} {_were(state)}" for state, count in sorted(counts.items(), key=lambda item: _state_rank(item[0]))]
        shown = {(line.view, line.shard) for line in self.lines if line.problem}
        others = Counter(w.kind for w in self.wrong if (w.view, w.shard) not in shown)
        return ", ".join([*said, *(f"{_many(count, _NOUNS[kind])} {_ADJECTIVES.get(kind, kind)}" for kind, count in others.items())])


def judge(job: Job, views: Mapping[str, View], now: datetime | None = None, *, watch: bool = False) -> Judgement:
    """The state of each of a view's shards, and what is wrong. `views` are all of the project; with `watch` a view is watched from
    now on, so that a run that never begins is missed. Without it what check-freshness last found of runs that crashed is wrong as well.
    """
    now = now or datetime.now(UTC)
    view = job.view
    limit = promised(view, views)
    mates = [v.name for v in views.values() if v.group == view.group] if view.group else [view.name]
    with job.ledger.connection() as connection:
        if watch:
            ledger.watch(connection, view.name)
        since = ledger.watched_since(connection, view.name)
        young = since is not None and limit is not None and now - since < limit
        lines = status(
            connection, view.name, job.feed, list(job.partitions), list(job.sinks), limit, replaces=job.warehouse.replaces, young=young
        )
        due = _due(view, now)
        begun = begun_since(connection, mates, due - timedelta(seconds=1)) if due else []
        failing = failing_since(connection, view.name) if any(line.last_state == "failed" for line in lines) else {}
        quiet = {n.shard: n for n in ledger.news(connection, view.name)}
        rates = ledger.rates(connection, view.name)
        crashed = [] if watch else ledger.open_alarms(connection, view.name, "crashed")  # check-freshness sees for itself
    told: list[Alarm | None] = [_start(view, begun, due, now) if due and since and since <= due else None]
    told += [_silence(view, quiet[shard]) for shard in job.partitions if shard in quiet]
    told += [_rejects(view, rate) for rate in rates if rate.shard in job.partitions]
    wrong: list[Alarm] = []
    mend = min(expected_period(view, views) or MEND_GRACE, MEND_GRACE)
    for line in lines:
        for alarm in _of_shard(view, line):
            first = failing.get(line.shard) or failing.get("")
            known = alarm.kind == "failed" and first is not None and now - first < mend
            wrong.append(alarm)
            told.append(None if known or (limit is None and alarm.kind != "rejected") else alarm)
    alarms = [alarm for alarm in told if alarm]
    return Judgement.of([Judgement(lines, [*wrong, *(a for a in alarms if a not in wrong), *crashed], alarms)])


def _of_shard(view: View, line: ShardStatus) -> list[Alarm]:
    """What is wrong with a shard. One that is late and fails is both: that it is late is news, and that it fails is not over."""
    why = f"; its last run failed: {line.last_error}" if line.last_error else f"; held by {line.held_by}" if line.held_by else ""
    found: list[Alarm] = []
    if line.problem in ("never arrived", "not whole yet"):
        what = "never arrived" if line.watermark is None else "has not arrived whole yet"
        found.append(Alarm(view.name, line.shard, "never arrived", f"{line.shard} {what}{why}"))
    elif line.late and line.freshness:
        found.append(Alarm(view.name, line.shard, "late", f"{line.shard} is staler than {short(line.freshness)}{why}"))
    if line.last_state == "failed" and line.problem != "never arrived":
        found.append(Alarm(view.name, line.shard, "failed", f"{line.shard}: its last run failed: {line.last_error}"))
    if line.last_state == "rejected":  # up to date by its position, and nothing of it has arrived
        found.append(Alarm(view.name, line.shard, "rejected", f"{line.shard}: {line.last_error}"))
    return found


def _due(view: View, now: datetime) -> datetime | None:
    """When a run of the view was last due that should have begun by now. A view that runs after others begins when they have
    arrived, and is only late.
    """
    if view.after and not view.group:
        return None
    return max((s.last_due(run_of(view), now - START_GRACE) for s in view.schedule), default=None)


def _start(view: View, begun: list[Begun], due: datetime, now: datetime) -> Alarm | None:
    """A run that was due and never began, or was broken off, while none of the view (or its group) is under way or has ended since:
    what ended badly has said of which shards.
    """
    if any(run.live or (run.ended_at is None and now - run.started_at < START_GRACE) for run in begun):
        return None
    own = [run for run in begun if run.view == view.name]
    if (own and own[0].ended_at is not None) or any(run.state == "completed" for run in own):
        return None
    dead = [run for run in begun if run.ended_at is None and run.started_at >= due - timedelta(seconds=1)]
    if any(run.view == view.name for run in dead):
        what = f"the run that was due at {due:%Y-%m-%d %H:%M} UTC was broken off, and none has done its work since"
        return Alarm(view.name, "", "broken off", what)
    if not dead and any(run.ended_at for run in begun):
        return None  # others of the group ran, and this one is late where it was left out
    return Alarm(view.name, "", "not started", f"the run that was due at {due:%Y-%m-%d %H:%M} UTC never began")


def _silence(view: View, shard: News) -> Alarm | None:
    if shard.windows < ENOUGH or shard.current < max(QUIET * shard.longest, timedelta(hours=1)):
        return None
    return Alarm(
        view.name, shard.shard, "silent",
        f"{shard.shard} has had no changed row for {_hours(shard.current)}; before, never longer than {_hours(shard.longest)}",
    )  # fmt: skip


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


def _rank(alarm: Alarm) -> tuple[int, str, str]:
    return WORST.index(alarm.kind), alarm.view, alarm.shard


def _line_rank(line: ShardStatus) -> tuple[int, float, str, str]:
    return _state_rank(line.state), -(line.lag.total_seconds() if line.lag and line.late else 0.0), line.view, line.shard


def _state_rank(state: str) -> int:
    return next(place for place, word in enumerate(_STATES) if state.startswith(word))


def _many(count: int, noun: str, *, counted: bool = True) -> str:
    return f"{f'{count:,} ' if counted else ''}{noun}{'' if count == 1 else 's'}"


def _were(state: str) -> str:
    """A state behind a number.

    >>> _were("never arrived"), _were("staler than 10m"), _were("every row rejected")
    ('never arrived', 'staler than 10m', 'with every row rejected')
    """
    return f"with {state}" if state.startswith("every") else state


def _hours(span: timedelta) -> str:
    minutes = int(span.total_seconds() // 60)
    return f"{minutes // 60} h {minutes % 60} min" if minutes >= 60 else f"{minutes} min"
