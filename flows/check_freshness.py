"""check-freshness: what the views promise against the ledger; whatever is late is an alarm."""

from typing import Any
from uuid import uuid4

from prefect import flow
from prefect.artifacts import create_table_artifact
from prefect.client.schemas.objects import State
from prefect.events import emit_event
from prefect.states import Completed, Failed

from flows.alert import alert, alert_of_failure
from flows.begins import begins
from flows.ending import ends
from flows.heartbeat import beat
from flows.late import leave_out_late
from flows.mend import mend
from flows.presentation import outcome
from flows.runner import RUNNER
from shardlake.errors import ShardlakeError
from shardlake.ledger.alarms import Alarm
from shardlake.ledger.status import ShardStatus
from tasks.freshness import Told, check
from tasks.view_job import all_views


@flow(name="check-freshness", task_runner=RUNNER, persist_result=False, on_failure=[alert_of_failure])
@ends
def check_freshness(
    views: list[str] | None = None,
    notify: list[str] | None = None,
    heartbeat: str | None = None,
    silence: float = 180,
    pending: float = 900,
) -> State[Any]:
    """Compare the ledger with what the views promise, and mend runs that are gone. Ends Failed while anything is late.

    Args:
        views: The views' names; all of the folder where it is left out.
        notify: Prefect notification blocks that hear of what is new, as in slack-webhook/data-team.
        heartbeat: A Prefect webhook block that is called when all has been looked at and told, as in webhook/healthchecks.
        silence: Seconds without a sign of life after which a run is listened to, and has crashed if it gives none.
        pending: Seconds after which a run that does not begin has crashed.
    """
    lines: list[ShardStatus] = []
    alarms: list[Alarm] = []
    unasked: set[str] = set()
    run_id = uuid4()
    begins(None, run_id)
    known, unreadable = all_views(run_id)
    if views:
        known, unreadable = {n: v for n, v in known.items() if n in views}, {n: why for n, why in unreadable.items() if n in views}
    checks = {name: check.submit(name, run_id) for name in known}
    for name, future in checks.items():
        result, error = outcome(future)
        if error:
            unasked.add(name)
            alarms.append(Alarm(name, "", "unknown", str(error) if isinstance(error, ShardlakeError) else type(error).__name__))
        else:
            lines, alarms = lines + result[0], alarms + result[1]
    alarms += [Alarm(name, "", "unknown", why) for name, why in unreadable.items()]
    alarms += mend(known, run_id, silence, pending)
    ledgers = Told([n for n in known if n not in unasked], run_id)
    fresh, ended = ledgers.record(alarms, sorted(unasked | unreadable.keys()), whole=not views)
    _show(lines, alarms)
    for alarm in fresh:
        _emit("shardlake.alarm.raised", alarm)
    for alarm in ended:
        _emit("shardlake.alarm.ended", alarm)
    left = leave_out_late(known)
    untold = alert(notify or [], fresh, ended)
    if not untold:
        ledgers.told(fresh, ended)
        untold = beat(heartbeat)
    if alarms or untold:
        return Failed(message="; ".join([*(f"{a.view}: {a.message}" for a in alarms[:20]), *untold]))
    return Completed(message=f"all {len(lines)} shards of {len(known)} views are fresh" + (f"; {left} late runs left out" if left else ""))


def _show(lines: list[ShardStatus], alarms: list[Alarm]) -> None:
    """The whole fleet as an artifact, and what is late as another."""
    wrong = {(a.view, a.shard): a.kind for a in alarms}
    rows = [
        {
            "view": line.view, "shard": line.shard, "state": wrong.get((line.view, line.shard)) or line.problem or "fresh",
            "lag": "" if line.lag is None else str(line.lag).split(".")[0], "watermark": line.watermark or "", "rejects": line.open_rejects,
            "last run": f"{line.last_run:%Y-%m-%d %H:%M}" if line.last_run else "", "last error": line.last_error or "",
        }
        for line in lines
    ]  # fmt: skip
    create_table_artifact(rows, key="status", description="Every view × shard, as `shardlake status` shows it.")
    late = [{"view": a.view, "shard": a.shard, "what": a.kind, "message": a.message} for a in alarms]
    create_table_artifact(late, key="alarms", description=f"{len(late)} alarms. Look at the view's last run first.")


def _emit(event: str, alarm: Alarm) -> None:
    emit_event(
        event, resource={"prefect.resource.id": f"shardlake.view.{alarm.view}", "prefect.resource.name": alarm.view},
        payload={"shard": alarm.shard, "kind": alarm.kind, "message": alarm.message},
    )  # fmt: skip
