"""The runs of a view's shards: begun once, found again by a run that is begun again, and cancelled with one that ends for good."""

from asyncio import CancelledError
from collections.abc import Iterable
from contextlib import suppress
from functools import cache, partial
from typing import Any
from uuid import UUID

from prefect import runtime
from prefect.client.orchestration import get_client
from prefect.client.schemas.objects import FlowRun
from prefect.deployments import run_deployment
from prefect.exceptions import ObjectNotFound
from prefect.states import Cancelling

from flows.fleet.again import CRASHED_RUN
from flows.outage import patiently
from shardlake.errors import ShardlakeError


class RunFailed(ShardlakeError):
    """A run that was begun for some shards did not complete."""


def begin(view: str, shards: list[str], full: bool) -> str:
    """Begin a run for some shards, or find the one that an earlier beginning of this run has begun, if that is under way or has completed; its id.

    Raises RunFailed where there is no deployment for it.
    Its idempotency key is the id of this run (or of the one that crashed, in whose place it is) and its shards, and a number for each time that one ended otherwise.
    """
    parameters = {"view": view, "shards": shards, "full": full}
    attempt = 0
    while True:  # one that has just been made has not ended
        key = f"{_root().id}-{','.join(shards)}" + (f"-{attempt}" if attempt else "")
        try:
            made: Any = patiently(
                partial(run_deployment, f"sync-view/{view}.shards", parameters=parameters, timeout=0, idempotency_key=key)
            )
        except ObjectNotFound:
            raise RunFailed(f"there is no deployment sync-view/{view}.shards", hint="`shardlake publish` makes it.") from None
        if made.state is None or not made.state.is_final() or made.state.is_completed():
            return str(made.id)
        attempt += 1


def _root() -> FlowRun:
    """This run; or where it was begun in the place of one that crashed, that one: the runs that it began go on, and are found again."""
    return _first(UUID(str(runtime.flow_run.id)))


@cache
def _first(run: UUID) -> FlowRun:
    with get_client(sync_client=True) as client:
        found = patiently(lambda: client.read_flow_run(run))
        while crashed := CRASHED_RUN.match(found.idempotency_key or ""):
            found = patiently(partial(client.read_flow_run, UUID(crashed[1])))
    return found


def first_began(now: float) -> float:
    """When this run, or the one in whose place it is, was begun for the first time: what it began then may have ended before."""
    first = _root().start_time
    return min(now, first.timestamp()) if first else now


def for_good(end: BaseException) -> bool:
    """Whether this run ends by its timeout or was cancelled, and is not begun again."""
    if isinstance(end, CancelledError):  # Prefect's way to break a flow off at its timeout
        return True
    with suppress(Exception), get_client(sync_client=True) as client:
        state = client.read_flow_run(UUID(str(runtime.flow_run.id))).state
        return state is not None and (state.is_cancelling() or state.is_cancelled())
    return False


def cancel(runs: Iterable[str]) -> None:
    """Cancel what has not ended. The server takes what has not started from its queue; who runs the others ends them."""
    for run in runs:
        with suppress(Exception), get_client(sync_client=True) as client:
            client.set_flow_run_state(UUID(run), Cancelling(message="the run that began it was cancelled, or met its timeout"))
