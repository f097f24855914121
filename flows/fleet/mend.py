"""What check-freshness mends: runs that are gone without a word are marked as crashed, and what crashed is begun again."""

from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import TypeVar
from uuid import UUID

from prefect.logging import get_run_logger

from flows.fleet.again import LONG_AGO, Crash, begin_again, by_ledger, found
from flows.fleet.project_runs import ProjectRuns
from flows.fleet.silent import NEVER, crash_silent
from shardlake.ledger.alarms import Alarm
from shardlake.view.view import View
from tasks.log import say
from tasks.view_job import known_job

T = TypeVar("T")


def begin_crashed(views: Mapping[str, View], run_id: UUID) -> list[Alarm] | None:
    """Begin again what crashed; what does not come back by that is an alarm, of its views or, where it has none, of its deployment.

    None where it is not known: the API does not answer, or the check is one by hand, which is of no project.
    """
    crashes = unharmed(lambda runs: _begun(runs, run_id))
    if crashes is None:
        return None
    told = [(name, crash) for crash in crashes if _is_told(crash) for name in crash.views or [crash.deployment.name]]
    return [Alarm(name, "", "crashed", _message(crash)) for name, crash in told if name in views or not crash.views]


def end_silent(silence: float, pending: float) -> bool:
    """Mark the project's runs as crashed that give no sign of life, or do not begin; whether there were any. To be sure takes a minute."""
    ended = unharmed(lambda runs: crash_silent(runs, timedelta(seconds=silence), timedelta(seconds=pending))) or []
    for one in ended:
        say("run.crashed", flow_run=one.run.name, why="it never started" if one.never_started else "no sign of life")
    return bool(ended)


def unharmed(do: Callable[[ProjectRuns], T]) -> T | None:
    """Do something with the project's runs: what watches goes on, whatever Prefect's API says. None where it said no, or a check belongs
    to no project.
    """
    try:
        with ProjectRuns.around() as runs:
            return None if runs is None else do(runs)
    except Exception as error:  # noqa: BLE001 - the API fails in many ways, and what is late is to be told in all of them
        get_run_logger().warning("Runs that crashed or are late could not be looked after (%s); the next check does.", type(error).__name__)
        return None


def _begun(runs: ProjectRuns, run_id: UUID) -> list[Crash]:
    """What has crashed, and was begun again where that is due."""
    crashes = found(runs, by_ledger(lambda view: known_job(view, run_id)), LONG_AGO)
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
