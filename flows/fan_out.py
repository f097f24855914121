"""fan_out: each shard, or group of shards, of a view as a flow run of its own, for a view that outgrows one container."""

import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import httpx
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.filters import FlowRunFilter
from prefect.client.schemas.objects import FlowRun, State
from prefect.states import Cancelled
from prefect.utilities.urls import url_for

from flows.outage import await_server
from flows.shard_runs import RunFailed, begin, cancel, first_began, for_good
from shardlake.ledger.runs import close_run, open_run, shard_reports
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

    def start(part: list[str]) -> None:
        key = begin(job.view.name, part, full)
        waiting[key] = part
        logs.update(dict.fromkeys(part, url_for("flow-run", key) or ""))

    try:
        for part in [names[n : n + size] for n in range(0, len(names), size)]:
            start(part)
        _wait(waiting, report, start)
    except BaseException as end:
        if for_good(end):
            cancel(waiting)
        raise
    with job.ledger.connection() as connection:
        for name, done in shard_reports(connection, job.view.name, first_began(began)).items():
            if name in report.shards and not report.shards[name].error:
                report.shards[name] = ShardReport.of_json(done)
        report.seconds = time.time() - began
        run, shards = (report.run_id, report.view), [shard.as_json() for shard in report.shards.values()]
        with connection.transaction():  # the whole of it, of which each shard's run knows a part
            open_run(connection, *run, job.feed, datetime.fromtimestamp(began, UTC))
            close_run(connection, *run, shards, ok=report.ok, message=report.headline())


def _wait(waiting: dict[str, list[str]], report: RunReport, start: Callable[[list[str]], None]) -> None:
    """Wait for runs until all have ended, each of which is taken out then. One that crashes is begun once more: it has said nothing of its
    shards. A server that is away is waited for.
    """
    moved, crashed = time.time(), set[str]()
    with get_client(sync_client=True) as client:
        while waiting:
            try:
                found = {str(run.id): run for run in _read(client, waiting)}
            except httpx.HTTPError:
                moved = time.time()
                await_server()
                continue
            for key in list(waiting):
                state = found[key].state if key in found else None
                if key not in found or (state and state.is_final()):
                    moved = time.time()
                    part = waiting.pop(key)
                    if state and state.is_crashed() and part[0] not in crashed:
                        crashed.add(part[0])
                        start(part)
                    elif state is None or not state.is_completed():
                        _failed(
                            report,
                            part,
                            _how(state),
                        )
                elif state and not state.is_scheduled():
                    moved = time.time()
            if waiting and time.time() - moved > PATIENCE:
                for key in waiting:
                    with suppress(httpx.HTTPError):
                        client.set_flow_run_state(UUID(key), Cancelled(message="no worker had room for it"))
            elif waiting:
                time.sleep(POLL)


def _read(client: SyncPrefectClient, waiting: Iterable[str]) -> list[FlowRun]:
    keys = sorted(waiting)
    pages = [keys[n : n + 200] for n in range(0, len(keys), 200)]
    wheres: list[Any] = [{"id": {"any_": page}} for page in pages]
    return [run for where in wheres for run in client.read_flow_runs(flow_run_filter=FlowRunFilter.model_validate(where), limit=200)]


def _how(state: State[Any] | None) -> str:
    if state is None:
        return "its run was removed from the server"
    return f"its run is {state.name}: {state.message}" if state.message else f"its run is {state.name}"


def _failed(report: RunReport, shards: list[str], why: str) -> None:
    for shard in shards:
        report.shards[shard].failed(RunFailed(why))
