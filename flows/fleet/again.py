"""Runs that crashed, and that nothing has made up for: found, and begun again."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from prefect.client.schemas.objects import FlowRun, StateType
from prefect.client.schemas.responses import DeploymentResponse

from flows.fleet.project_runs import JUDGED, ProjectRuns
from shardlake.errors import ShardlakeError
from shardlake.ledger.runs import completed_since
from shardlake.run.job import Job

RERUN = "rerun"
"""The tag of a run that was begun in place of one that crashed. It is not begun again by itself."""
CRASHED_RUN = re.compile(rf"{RERUN}-([0-9a-f-]{{36}})-\d+$")
"""The idempotency key of such a run, with the id of the one that crashed."""
RECENT, LONG_AGO = timedelta(days=1), timedelta(days=7)
"""How long ago a run may have crashed that is begun again unasked, and how long it is known that it did."""
JUST_NOW = timedelta(hours=1)
"""How far back either looks for runs that lost their slot: among those that were cancelled, of which there may be many."""
GOES_ON = ("flows.sync_view.", "flows.sync_views.", "flows.backfill.", "flows.compact_lake.")
"""Flows that go on where they were, so that a run may be begun again unasked; a backfill too: what it has merged is not read again."""
SLOT_LOST = "Deployment concurrency slot lost"
"""How Prefect's message begins for a run that it cancels since the server forgot its slot at a restart, while its container came up."""
Arrived = Callable[[list[str], datetime], bool]
"""Whether runs that began since a time, wherever, have brought all of some views."""


@dataclass(frozen=True, slots=True)
class Crash:
    """A run that crashed, and that no later run has made up for.

    `under_way`: a later one goes on, or is due; `begun`: how often one was begun in its place.
    """

    run: FlowRun
    deployment: DeploymentResponse
    under_way: bool
    begun: int

    @property
    def views(self) -> list[str]:
        """The views that it was for."""
        given = self.run.parameters
        return [given["view"]] if given.get("view") else list(given.get("views") or [])

    @property
    def message(self) -> str:
        """Why it crashed, as far as Prefect knows."""
        return ((self.run.state.message if self.run.state else None) or "").removeprefix(JUDGED)

    @property
    def is_rerun(self) -> bool:
        """Whether it was itself begun in place of one that crashed."""
        return RERUN in self.run.tags

    @property
    def key(self) -> str:
        """The idempotency key of the next run in its place: of two who begin it at once, one does."""
        return f"{_key(self.run)}{self.begun}"

    @property
    def returns(self) -> bool:
        """Whether it is begun again unasked: a scheduled run, one by an automation, a backfill; each once."""
        by = self.run.created_by.type if self.run.created_by else None
        if (self.run.end_time or _due(self.run)) < datetime.now(UTC) - RECENT:
            return False
        unasked = self.run.auto_scheduled or by == "AUTOMATION" or _entrypoint(self.deployment).startswith("flows.backfill.")
        return unasked and not self.is_rerun and not self.begun and _entrypoint(self.deployment).startswith(GOES_ON)


def found(runs: ProjectRuns, arrived: Arrived, back: timedelta = LONG_AGO) -> list[Crash]:
    """The newest run of each deployment, for the same work, that crashed not longer ago and that nothing has made up for.

    What makes up for it: a later run of the deployment for as much that has ended by itself, or the ledger, where others brought
    the rows. Left out are runs of a view's shards that its own run began, which begins them again, and check-freshness.
    """
    now = datetime.now(UTC)
    lost = runs.where(end_time={"after_": now - back}, state={"type": {"any_": [StateType.CRASHED]}})
    lost += runs.where(end_time={"after_": now - JUST_NOW}, state={"type": {"any_": [StateType.CANCELLED]}})
    lost = [run for run in lost if run.deployment_id and run.parent_task_run_id is None and _crashed(run)]
    deployments = runs.deployments(run.deployment_id for run in lost if run.deployment_id)
    crashes = []
    for key, deployment in deployments.items():
        if _entrypoint(deployment).startswith("flows.check_freshness."):
            continue
        mine = [run for run in lost if run.deployment_id == key]
        after = min(_due(run) for run in mine)
        others = runs.where(deployment_id={"any_": [key]}, expected_start_time={"after_": after - RECENT})
        alive = {run.id for run in others if not _crashed(run)}  # its engine had it scheduled again meanwhile
        mine = [run for run in mine if run.id not in alive]
        crashes += [
            Crash(run, deployment, _under_way(run, others), _times_begun(run, others)) for run in mine if not _made_up_for(run, others)
        ]
    return [crash for crash in crashes if not (_reads_views(crash) and arrived(crash.views, _due(crash.run)))]


def by_ledger(job_of: Callable[[str], Job]) -> Arrived:
    """What the ledger knows of runs that have arrived; a view that it cannot be asked about has not."""

    def arrived(view: str, since: datetime) -> bool:
        try:
            job = job_of(view)
            with job.ledger.connection() as connection:
                return completed_since(connection, view, len(job.partitions), since)
        except ShardlakeError:
            return False

    return lambda views, since: all(arrived(view, since) for view in views)


def begin_again(runs: ProjectRuns, crash: Crash) -> FlowRun:
    """A run in the place of one that crashed: of the same deployment, with the same parameters. Again changes nothing."""
    return runs.begin(crash.deployment.id, crash.run.parameters, key=crash.key, tag=RERUN)


def _made_up_for(run: FlowRun, others: list[FlowRun]) -> bool:
    """Whether another run, for as much, has ended that began after this one was due; or was lost as well, and later."""
    for other in others:
        if other.id == run.id or not _covers(other, run):
            continue
        if other.state_type in (StateType.COMPLETED, StateType.FAILED) and _begun(other) > _due(run):
            return True
        if _crashed(other) and (_begun(other), other.id) > (_begun(run), run.id):
            return True
    return False


def _under_way(run: FlowRun, others: list[FlowRun]) -> bool:
    return any(other.id != run.id and _covers(other, run) and _is_under_way(other) for other in others)


def _times_begun(run: FlowRun, others: list[FlowRun]) -> int:
    return sum((other.idempotency_key or "").startswith(_key(run)) for other in others)


def _key(run: FlowRun) -> str:
    return f"{RERUN}-{run.id}-"


def _is_under_way(run: FlowRun) -> bool:
    """Whether a run goes on, or is due now."""
    if run.state_type == StateType.SCHEDULED:
        due = run.next_scheduled_start_time or run.expected_start_time
        return run.start_time is not None or (due is not None and due <= datetime.now(UTC))
    return run.state_type in (StateType.PENDING, StateType.RUNNING, StateType.PAUSED, StateType.CANCELLING)


def _crashed(run: FlowRun) -> bool:
    why = (run.state.message if run.state else None) or ""
    return run.state_type == StateType.CRASHED or (run.state_type == StateType.CANCELLED and why.startswith(SLOT_LOST))


def _covers(other: FlowRun, run: FlowRun) -> bool:
    """Whether another run of the deployment does all that this one would have."""
    given = {name: value for name, value in run.parameters.items() if value not in (None, False)}
    theirs = {name: value for name, value in other.parameters.items() if value not in (None, False)}
    whole = {name: value for name, value in given.items() if name != "shards"}
    return theirs in (given, whole, {**given, "full": True}, {**whole, "full": True})


def _due(run: FlowRun) -> datetime:
    """When a run was to begin."""
    return run.expected_start_time or run.start_time or run.created or datetime.now(UTC)


def _begun(run: FlowRun) -> datetime:
    """When a run began; of one that did not, when it was to."""
    return run.start_time or _due(run)


def _reads_views(crash: Crash) -> bool:
    return bool(crash.views) and _entrypoint(crash.deployment).startswith(("flows.sync_view.", "flows.sync_views."))


def _entrypoint(deployment: DeploymentResponse) -> str:
    return deployment.entrypoint or ""
