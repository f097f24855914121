"""Late runs: one run brings a view up to now, so those that were due meanwhile have nothing left to do."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from prefect import runtime
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import FlowRunFilter
from prefect.client.schemas.objects import FlowRun
from prefect.context import FlowRunContext
from prefect.settings import PREFECT_API_URL
from prefect.states import Cancelled

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


def leave_out_late(views: Mapping[str, View]) -> int:
    """Cancel the late runs of views that say `late: skip`, but the newest of each; returns how many.

    After an hour without a worker there are as many as were due in it, and each would take a container to find nothing.
    """
    if not PREFECT_API_URL.value():
        return 0
    project = [tag for tag in runtime.flow_run.tags if tag.startswith("project:")]
    if not project:  # a check by hand belongs to none
        return 0
    names = {v.name for v in views.values() if v.late == "skip"}
    with get_client(sync_client=True) as client:
        where: Any = {"state": {"name": {"any_": ["Late", "Scheduled"]}}, "expected_start_time": {"before_": datetime.now(UTC).isoformat()}}
        late: list[FlowRun] = client.read_flow_runs(
            flow_run_filter=FlowRunFilter.model_validate({**where, "tags": {"all_": ["shardlake", *project]}}), limit=200
        )
        by_deployment: dict[Any, list[FlowRun]] = {}
        for run in late:
            given = {run.parameters.get("view"), *(run.parameters.get("views") or [])}
            if run.auto_scheduled and given & names:
                by_deployment.setdefault(run.deployment_id, []).append(run)
        old = [r for runs in by_deployment.values() for r in sorted(runs, key=lambda r: str(r.expected_start_time))[:-1]]
        for run in old:
            client.set_flow_run_state(run.id, Cancelled(message="left out: a later run of the same view was due already"))
    return len(old)
