"""What check-freshness mends: runs that are gone without a word are marked as crashed, and what crashed is begun again."""

from collections.abc import Mapping
from datetime import timedelta
from uuid import UUID

from prefect.logging import get_run_logger

from flows.fleet.again import RECENT, Crash, begin_again, by_ledger, found
from flows.fleet.project_runs import ProjectRuns
from flows.fleet.silent import NEVER, crash_silent
from shardlake.ledger.alarms import Alarm
from shardlake.view.view import View
from tasks.log import say
from tasks.view_job import view_job


def mend(views: Mapping[str, View], run_id: UUID, silence: float, pending: float) -> list[Alarm]:
    """Judge the project's runs, and begin again what crashed; what does not come back by that is an alarm.

    Nothing is done by a check by hand, which belongs to no project.
    """
    try:
        crashes = _crashes(run_id, timedelta(seconds=silence), timedelta(seconds=pending))
    except Exception as error:  # noqa: BLE001 - what watches goes on, whatever Prefect's API says
        get_run_logger().warning("Runs that crashed could not be looked after (%s); the next check does.", type(error).__name__)
        return []
    told = [(crash, views[name]) for crash in crashes if _is_told(crash) for name in crash.views if name in views]
    return [Alarm(view.name, "", "crashed", _message(crash)) for crash, view in told]


def _crashes(run_id: UUID, silence: timedelta, pending: timedelta) -> list[Crash]:
    """What has crashed, and was begun again where that is due."""
    with ProjectRuns.around() as runs:
        if runs is None:
            return []
        for ended in crash_silent(runs, silence, pending):
            say("run.crashed", flow_run=ended.run.name, why="it never started" if ended.never_started else "no sign of life")
        crashes = found(runs, by_ledger(lambda view: view_job(view, run_id)), RECENT)
        for crash in crashes:
            if crash.returns and not crash.under_way:
                begun = begin_again(runs, crash)
                say("run.again", flow_run=crash.run.name, deployment=crash.deployment.name, by=begun.name)
        return crashes


def _is_told(crash: Crash) -> bool:
    """A crash that is made up for in a minute is told nobody; one that shows that runs do not come up, or do not come through, is."""
    return crash.message.startswith(NEVER) or not (crash.returns or crash.under_way)


def _message(crash: Crash) -> str:
    due = crash.run.expected_start_time
    run = f"the run that was due at {due:%Y-%m-%d %H:%M} UTC" if due else f"the run {crash.run.name}"
    twice = ", as did the one before it" if crash.is_rerun else ""
    again = crash.returns or crash.begun or crash.under_way
    then = "It was begun again." if again else f"Mend it, then `shardlake rerun --crashed {' '.join(crash.views)}`."
    return f"{run} crashed{twice}: {crash.message.rstrip('.')}. {then}"
