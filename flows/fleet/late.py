"""Late runs: one run brings a view up to now, so those that were due meanwhile have nothing left to do."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from prefect.client.schemas.objects import FlowRun
from prefect.context import FlowRunContext

from flows.fleet.project_runs import ProjectRuns
from shardlake.ledger.runs import completed_since
from shardlake.run.job import Job
from shardlake.view.view import View


def superfluous(job: Job) -> bool:
    """Whether this scheduled run has nothing to do: another that began after it was due has read what it would have."""
    context = FlowRunContext.get()
    run: Any = context.flow_run if context else None
    if run is None or not run.auto_scheduled or run.expected_start_time is None:
        return False
    if run.run_count > 1:  # begun again: what it brought in before it was stopped is still to be told
        return False
    if job.view.late == "queue":
        return False
    with job.ledger.connection() as connection:
        return completed_since(connection, job.view.name, len(job.partitions), run.expected_start_time)


def leave_out_late(runs: ProjectRuns, views: Mapping[str, View]) -> int:
    """Cancel the late runs of views that say `late: skip`, but the newest of each; returns how many.

    After an hour without a worker there are as many as were due in it, and each would take a container to find nothing.
    """
    names = {v.name for v in views.values() if v.late == "skip"}
    late = runs.where(state={"name": {"any_": ["Late", "Scheduled"]}}, expected_start_time={"before_": datetime.now(UTC)})
    by_deployment: dict[Any, list[FlowRun]] = {}
    for run in late:
        given = {run.parameters.get("view"), *(run.parameters.get("views") or [])}
        if run.auto_scheduled and given & names:
            by_deployment.setdefault(run.deployment_id, []).append(run)
    old = [r for mine in by_deployment.values() for r in sorted(mine, key=lambda r: str(r.expected_start_time))[:-1]]
    return sum(runs.leave_out(run, "left out: a later run of the same view was due already") for run in old)
