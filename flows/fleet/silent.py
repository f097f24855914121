"""Runs that ended without a word: those that fell silent, and those that never began. Judged while the server was there to hear."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import UUID

import httpx
from prefect import runtime
from prefect.client.schemas.objects import FlowRun

from flows.fleet.project_runs import ProjectRuns

BEAT = timedelta(seconds=30)
"""What Prefect lets pass between a run's signs of life at least, and our deployments do."""
LISTENING = 2 * BEAT + timedelta(seconds=15)
"""How long a run that seems silent is listened to: its next sign, and one more, with the time that a sign takes."""
LONGEST = timedelta(minutes=10)
"""After as long it is left to the next check: the server comes and goes."""
POLL = 5.0
NEVER = "never started"
"""How the message of a run begins that did not."""


@dataclass(frozen=True, slots=True)
class Ended:
    """A run that check-freshness marked as crashed; `never_started`: it had not even begun."""

    run: FlowRun
    never_started: bool


def crash_silent(runs: ProjectRuns, silence: timedelta, pending: timedelta) -> list[Ended]:
    """Mark runs as crashed that gave no sign of life for `silence`, and those that a worker took `pending` ago and that have not begun.

    One that never gave a sign of life has `pending` as well. A server that was away has heard nobody, and does not know that it
    was. So a run that seems silent is listened to first, for `LISTENING` in which the server answers; whoever lives beats meanwhile.
    """
    now = datetime.now(UTC)
    running = [run for run in runs.where(state={"type": {"any_": ["RUNNING"]}}) if _since(run) < now - silence and not _own(run)]
    running = [run for run in running if not runs.heard(run.id, now - silence)]
    running = [run for run in running if _since(run) < now - pending or runs.heard(run.id, beats=True)]
    stuck = [run for run in runs.where(state={"type": {"any_": ["PENDING"]}}) if _since(run) < now - pending]
    silent = set(_listened(lambda run, since: runs.heard(run, since), [run.id for run in [*running, *stuck]]))
    gone = f"no sign of life for more than {_short(silence)}, nor while the server listened for it"
    never = f"{NEVER}: no container or process came up for it in {_short(pending)}"
    found = [Ended(run, never_started=False) for run in running if run.id in silent and runs.crash(run, gone)]
    return found + [Ended(run, never_started=True) for run in stuck if run.id in silent and runs.crash(run, never)]


def _listened(heard: Callable[[UUID, datetime], bool], suspects: list[UUID]) -> list[UUID]:
    """Those that are not heard for `LISTENING`. When the server does not answer the time begins anew; none are silent after `LONGEST`."""
    given_up = time.monotonic() + LONGEST.total_seconds()
    began = datetime.now(UTC)
    while suspects and datetime.now(UTC) < began + LISTENING:
        if time.monotonic() > given_up:
            return []
        time.sleep(POLL)
        try:
            suspects = [run for run in suspects if not heard(run, began)]
        except httpx.HTTPError:
            began = datetime.now(UTC)
    return suspects


def _since(run: FlowRun) -> datetime:
    """Since when a run is in its state."""
    return run.state.timestamp if run.state else datetime.now(UTC)


def _own(run: FlowRun) -> bool:
    return bool(str(run.id) == runtime.flow_run.id)


def _short(time: timedelta) -> str:
    seconds = time.total_seconds()
    return f"{seconds / 60:g} minutes" if seconds >= 60 else f"{seconds:g} seconds"
