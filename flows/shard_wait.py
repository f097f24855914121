"""Waiting for the runs of a view's shards: what they come to, once more what crashed, and a server that is away."""

import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Any
from uuid import UUID

import httpx
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.filters import FlowRunFilter
from prefect.client.schemas.objects import FlowRun, State
from prefect.states import Cancelled

from flows.outage import await_server, refuses
from flows.shard_runs import RunFailed
from shardlake.run.report import RunReport

POLL = 5.0
"""Seconds between looks at the runs under way."""
PATIENCE = 1800.0
"""Seconds without a run that began or ended, after which those that wait are given up."""


def wait(waiting: dict[str, list[str]], report: RunReport, start: Callable[[list[str]], None]) -> None:
    """Wait for runs until all have ended, each of which is taken out then. One that crashes is begun once more: it has said nothing of its
    shards. A server that is away is waited for.
    """
    moved, crashed = time.time(), set[str]()
    with get_client(sync_client=True) as client:
        while waiting:
            try:
                found = {str(run.id): run for run in _read(client, waiting)}
            except httpx.HTTPError as error:
                if refuses(error):
                    raise
                moved = time.time()
                time.sleep(POLL)
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
                        _failed(report, part, _how(state))
                elif state and not state.is_scheduled():
                    moved = time.time()
            if waiting and time.time() - moved > PATIENCE:
                for key in waiting:
                    with suppress(httpx.HTTPError):
                        client.set_flow_run_state(UUID(key), Cancelled(message="no worker had room for it"))
            if waiting:
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
