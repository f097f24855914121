"""fan_out: each shard, or group of shards, of a view as a flow run of its own, for a view that outgrows one container."""

import time
from collections.abc import Iterable
from typing import Any
from uuid import UUID

from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.filters import FlowRunFilter
from prefect.client.schemas.objects import FlowRun, State
from prefect.states import Cancelled
from prefect.utilities.urls import url_for

from flows.shard_runs import RunFailed, begin, cancel, first_began, for_good
from shardlake.ledger.runs import shard_reports
from shardlake.run.job import Job
from shardlake.run.report import RunReport, ShardReport

POLL = 5.0
"""Seconds between looks at the runs under way."""
PATIENCE = 1800.0
"""Seconds without a run that began or ended, after which those that wait are given up."""


def fan_out(job: Job, full: bool, report: RunReport, logs: dict[str, str]) -> None:
    """Run every shard by the view's deployment for shards, wait for them all, and report what the ledger has of them.

    One that fails does not stop the others. Runs that find no room for `PATIENCE` are given up, since this run itself
    takes a place in the pool: a pool needs one more than there are such views.

    Where this run is stopped, those that it began go on: they bring rows in, and when it is begun again it finds them. Where it is
    cancelled, or meets its timeout, they are cancelled. `logs` gets the address of each shard's run.
    """
    began = time.time()
    names, size = list(job.partitions), job.view.run.shards_per_run
    report.shards = {name: ShardReport(name) for name in names}
    waiting: dict[str, list[str]] = {}
    try:
        for part in [names[n : n + size] for n in range(0, len(names), size)]:
            key = begin(job.view.name, part, full)
            waiting[key] = part
            logs.update(dict.fromkeys(part, url_for("flow-run", key) or ""))
        _wait(waiting, report)
    except BaseException as end:
        if for_good(end):
            cancel(waiting)
        raise
    with job.ledger.connection() as connection:
        for name, done in shard_reports(connection, job.view.name, first_began(began)).items():
            if name in report.shards and not report.shards[name].error:
                report.shards[name] = ShardReport.of_json(done)
    report.seconds = time.time() - began


def _wait(waiting: dict[str, list[str]], report: RunReport) -> None:
    """Wait for runs until all have ended, each of which is taken out then."""
    moved = time.time()
    with get_client(sync_client=True) as client:
        while waiting:
            found = {str(run.id): run for run in _read(client, waiting)}
            for key in list(waiting):
                state = found[key].state if key in found else None
                if key not in found or (state and state.is_final()):
                    moved = time.time()
                    _end(report, waiting.pop(key), state)
                elif state and not state.is_scheduled():
                    moved = time.time()
            if waiting and time.time() - moved > PATIENCE:
                for key in waiting:
                    client.set_flow_run_state(UUID(key), Cancelled(message="no worker had room for it"))
            elif waiting:
                time.sleep(POLL)


def _read(client: SyncPrefectClient, waiting: Iterable[str]) -> list[FlowRun]:
    keys = sorted(waiting)
    pages = [keys[n : n + 200] for n in range(0, len(keys), 200)]
    wheres: list[Any] = [{"id": {"any_": page}} for page in pages]
    return [run for where in wheres for run in client.read_flow_runs(flow_run_filter=FlowRunFilter.model_validate(where), limit=200)]


def _end(report: RunReport, shards: list[str], state: State[Any] | None) -> None:
    for shard in shards if state is None or not state.is_completed() else []:
        why = f"its run is {state.name}: {state.message or ''}" if state else "its run was removed from the server"
        report.shards[shard].failed(RunFailed(why))
