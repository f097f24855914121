"""fan_out: each shard, or group of shards, of a view as a flow run of its own, for a view that outgrows one container."""

import time
from asyncio import CancelledError
from collections.abc import Iterable
from contextlib import suppress
from typing import Any
from uuid import UUID

from prefect import runtime
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.filters import FlowRunFilter
from prefect.client.schemas.objects import FlowRun, State
from prefect.context import FlowRunContext
from prefect.deployments import run_deployment
from prefect.exceptions import ObjectNotFound
from prefect.states import Cancelled, Cancelling

from shardlake.errors import ShardlakeError
from shardlake.ledger.runs import shard_reports
from shardlake.run.job import Job
from shardlake.run.report import RunReport, ShardReport

POLL = 5.0
"""Seconds between looks at the runs under way."""
PATIENCE = 1800.0
"""Seconds without a run that began or ended, after which those that wait are given up."""


class RunFailed(ShardlakeError):
    """A run that was begun for some shards did not complete."""


def fan_out(job: Job, full: bool, report: RunReport) -> None:
    """Run every shard by the view's deployment for shards, wait for them all, and report what the ledger has of them.

    One that fails does not stop the others. Runs that find no room for `PATIENCE` are given up, since this run itself
    takes a place in the pool: a pool needs one more than there are such views.

    Where this run is stopped, those that it began go on: they bring rows in, and when it is begun again it finds them. Where it is
    cancelled, or meets its timeout, they are cancelled.
    """
    began = time.time()
    names, size = list(job.partitions), job.view.run.shards_per_run
    report.shards = {name: ShardReport(name) for name in names}
    waiting: dict[str, list[str]] = {}
    try:
        for part in [names[n : n + size] for n in range(0, len(names), size)]:
            waiting[_begin(job.view.name, part, full)] = part
        _wait(waiting, report)
    except BaseException as end:
        if _for_good(end):
            _cancel(waiting)
        raise
    with job.ledger.connection() as connection:
        for name, done in shard_reports(connection, job.view.name, _first_began(began)).items():
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


def _begin(view: str, shards: list[str], full: bool) -> str:
    """Begin a run for some shards, or find the one that an earlier beginning of this run has begun, if that is under way or has completed.

    Its idempotency key is this run's id and its shards, and a number for each time that one ended otherwise.
    """
    parameters = {"view": view, "shards": shards, "full": full}
    for attempt in range(runtime.flow_run.run_count or 1):  # each beginning of this run may have begun one
        key = f"{runtime.flow_run.id}-{','.join(shards)}" + (f"-{attempt}" if attempt else "")
        try:
            made: Any = run_deployment(f"sync-view/{view}.shards", parameters=parameters, timeout=0, idempotency_key=key)
        except ObjectNotFound:
            raise RunFailed(f"there is no deployment sync-view/{view}.shards", hint="`shardlake publish` makes it.") from None
        if made.state is None or not made.state.is_final() or made.state.is_completed():
            break
    return str(made.id)


def _first_began(now: float) -> float:
    """When this run was begun for the first time: what it began then may have ended before it was begun again."""
    context = FlowRunContext.get()
    first = context.flow_run.start_time if context and context.flow_run else None
    return min(now, first.timestamp()) if first else now


def _for_good(end: BaseException) -> bool:
    """Whether this run ends by its timeout or was cancelled, and is not begun again."""
    if isinstance(end, CancelledError):  # Prefect's way to break a flow off at its timeout
        return True
    with suppress(Exception), get_client(sync_client=True) as client:
        state = client.read_flow_run(UUID(str(runtime.flow_run.id))).state
        return state is not None and (state.is_cancelling() or state.is_cancelled())
    return False


def _cancel(runs: Iterable[str]) -> None:
    """Cancel what has not ended. The server takes what has not started from its queue; who runs the others ends them."""
    for run in runs:
        with suppress(Exception), get_client(sync_client=True) as client:
            client.set_flow_run_state(UUID(run), Cancelling(message="the run that began it was cancelled, or met its timeout"))


def _read(client: SyncPrefectClient, waiting: Iterable[str]) -> list[FlowRun]:
    keys = sorted(waiting)
    pages = [keys[n : n + 200] for n in range(0, len(keys), 200)]
    wheres: list[Any] = [{"id": {"any_": page}} for page in pages]
    return [run for where in wheres for run in client.read_flow_runs(flow_run_filter=FlowRunFilter.model_validate(where), limit=200)]


def _end(report: RunReport, shards: list[str], state: State[Any] | None) -> None:
    for shard in shards if state is None or not state.is_completed() else []:
        why = f"its run is {state.name}: {state.message or ''}" if state else "its run was removed from the server"
        report.shards[shard].failed(RunFailed(why))
