"""What check-freshness mends: runs that are gone without a word are marked as crashed, and what crashed is begun again."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from uuid import UUID

from flows.again import RECENT, Crash, begin_again, crashes
from flows.project_runs import JUDGED, ProjectRuns
from flows.silent import crash_silent
from shardlake.errors import ShardlakeError
from shardlake.ledger.alarms import Alarm
from shardlake.ledger.runs import completed_since
from shardlake.view.view import View
from tasks.log import say
from tasks.view_job import view_job

NEVER_STARTED = JUDGED + "never started"


def mend(views: Mapping[str, View], run_id: UUID, silence: float, pending: float) -> list[Alarm]:
    """Judge the project's runs, and begin again what crashed; what does not come back by that is an alarm.

    Nothing is done by a check by hand, which belongs to no project.
    """
    with ProjectRuns.around() as runs:
        if runs is None:
            return []
        for ended in crash_silent(runs, timedelta(seconds=silence), timedelta(seconds=pending)):
            say("run.crashed", flow_run=ended.run.name, why="it never started" if ended.never_started else "no sign of life")

        def arrived(names: list[str], since: datetime) -> bool:
            return all(name in views and _arrived(name, run_id, since) for name in names)

        found = crashes(runs, arrived, datetime.now(UTC) - RECENT)
        for crash in found:
            if crash.returns and not crash.under_way:
                begun = begin_again(runs, crash)
                say("run.begun_again", flow_run=crash.run.name, deployment=crash.deployment.name, by=begun.name)
    return [Alarm(view, "", "crashed", _message(crash)) for crash in found if _is_told(crash) for view in crash.views if view in views]


def _arrived(view: str, run_id: UUID, since: datetime) -> bool:
    try:
        job = view_job(view, run_id)
        with job.ledger.connection() as connection:
            return completed_since(connection, view, len(job.partitions), since)
    except ShardlakeError:
        return False


def _is_told(crash: Crash) -> bool:
    """A crash that is made up for in a minute is told nobody; one that shows that runs do not come up, or do not come through, is."""
    return (
        crash.is_rerun or not crash.returns or (crash.run.state is not None and (crash.run.state.message or "").startswith(NEVER_STARTED))
    )


def _message(crash: Crash) -> str:
    why = ((crash.run.state.message if crash.run.state else None) or "").removeprefix(JUDGED).rstrip(".")
    due = crash.run.expected_start_time
    run = f"the run that was due at {due:%Y-%m-%d %H:%M} UTC" if due else f"the run {crash.run.name}"
    twice = ", as did the one before it" if crash.is_rerun else ""
    then = "It was begun again once." if crash.returns else f"Mend it, then `shardlake rerun --crashed {' '.join(crash.views)}`."
    return f"{run} crashed{twice}: {why}. {then}"
