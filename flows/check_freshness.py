"""check-freshness: what the views promise against the ledger; what breaks a promise is an alarm."""

from datetime import timedelta
from typing import Any
from uuid import uuid4

from prefect import flow
from prefect.client.schemas.objects import State
from prefect.states import Completed, Failed

from flows.begins import begins
from flows.ending import ends
from flows.fleet.alert import alert_of_failure, tell
from flows.fleet.heartbeat import beat
from flows.fleet.late import leave_out_late
from flows.fleet.mend import begin_crashed, end_silent, unharmed
from flows.pages.fleet_page import show
from flows.presentation import outcome
from flows.runner import RUNNER
from shardlake.errors import ShardlakeError
from shardlake.run.freshness import Judgement
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
    """Compare the ledger with what the views promise, and mend runs that are gone. Ends Failed while anything is wrong, as `shardlake status` ends with 1.

    Args:
        views: The views' names; all of the folder where it is left out.
        notify: Prefect notification blocks that hear of what is new, as in slack-webhook/data-team.
        heartbeat: A Prefect webhook block that is called when all has been looked at and told, as in webhook/healthchecks.
        silence: Seconds without a sign of life after which a run is listened to, and has crashed if it gives none.
        pending: Seconds after which a run that does not begin has crashed.
    """
    found: list[Judgement] = []
    delays: dict[str, list[timedelta | None]] = {}
    unasked: dict[str, str] = {}
    run_id = uuid4()
    begins(None, run_id)
    known, unreadable = all_views(run_id)
    if views:
        known, unreadable = {n: v for n, v in known.items() if n in views}, {n: why for n, why in unreadable.items() if n in views}
    checks = {name: check.submit(name, run_id) for name in known}
    for name, future in checks.items():
        result, error = outcome(future)
        if error:
            unasked[name] = str(error) if isinstance(error, ShardlakeError) else type(error).__name__
        else:
            found.append(result[0])
            delays[name] = result[1]
    unknown, ledgers = unasked | unreadable, Told([n for n in known if n not in unasked], run_id)

    def tell_all() -> tuple[Judgement, list[str]]:
        crashed = begin_crashed(known, run_id)
        judged = Judgement.of([*found, Judgement([], crashed or [], crashed or [])], unknown)
        if not views:  # the page is the whole fleet's
            show(judged, delays)
        others = unknown.keys() | {alarm.view for alarm in crashed or [] if alarm.view not in known}
        left_open = {"crashed"} if crashed is None else set[str]()
        return judged, tell(ledgers, judged.alarms, others, notify or [], whole=not views, unknown=left_open)

    judged, untold = tell_all()
    left = unharmed(lambda runs: leave_out_late(runs, known)) or 0
    if end_silent(silence, pending):  # it listens to runs for a minute: people are told of the rest before
        judged, untold = tell_all()
    untold = untold or beat(heartbeat)
    details = [*(f"{w.view}: {w.message}" for w in judged.wrong[:20]), *untold]
    message = "; ".join([judged.headline() + (f"; {left} late runs left out" if left else ""), *details])
    return Completed(message=message) if judged.ok and not untold else Failed(message=message)
