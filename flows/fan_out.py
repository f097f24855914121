"""fan_out: each shard, or group of shards, of a view as a flow run of its own, for a view that outgrows one container."""

import time
from typing import Any

from prefect import runtime
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import FlowRunFilter
from prefect.deployments import run_deployment

from shardlake.errors import ShardlakeError
from shardlake.job import Job
from shardlake.ledger.runs import shard_reports
from shardlake.report import RunReport, ShardReport

POLL = 5.0
"""Seconds between looks at the runs under way."""


class RunFailed(ShardlakeError):
    """A run that was begun for some shards did not complete."""


def fan_out(job: Job, full: bool, report: RunReport) -> None:
    """Run every shard by the view's deployment for shards, wait for them all, and report what the ledger has of them.

    One that fails does not stop the others. A run of this flow that begins again finds the runs that it began: their
    idempotency key is its own id and their shards.
    """
    began = time.time()
    names, size = list(job.shards), job.view.run.shards_per_run
    parts = [names[n : n + size] for n in range(0, len(names), size)]
    report.shards = {name: ShardReport(name) for name in names}
    waiting = {str(_begin(job.view.name, part, full).id): part for part in parts}
    with get_client(sync_client=True) as client:
        while waiting:
            where: Any = {"id": {"any_": sorted(waiting)[:200]}}
            for run in client.read_flow_runs(flow_run_filter=FlowRunFilter.model_validate(where), limit=200):
                if run.state and run.state.is_final():
                    for shard in waiting.pop(str(run.id)):
                        if not run.state.is_completed():
                            report.shards[shard].failed(RunFailed(f"the run {run.name!r} is {run.state.name}: {run.state.message or ''}"))
            if waiting:
                time.sleep(POLL)
    with job.warehouse.connection() as connection:
        for name, found in shard_reports(connection, job.view.name, began).items():
            if name in report.shards and not report.shards[name].error:
                report.shards[name] = found
    report.seconds = time.time() - began


def _begin(view: str, shards: list[str], full: bool) -> Any:
    key = f"{runtime.flow_run.id}-{','.join(shards)}"
    parameters = {"view": view, "shards": shards, "full": full}
    return run_deployment(f"sync-view/{view}.shards", parameters=parameters, timeout=0, idempotency_key=key)
