"""A Prefect server that is away is no reason for a run to end: what would end it by Prefect's own ways, its slot and its last word."""

import contextvars
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar
from uuid import UUID

import httpx
import prefect.flow_engine
from prefect.client.orchestration import get_client
from prefect.settings import PREFECT_API_URL

RENEWALS = 5
"""As many times a lease is renewed while it lasts, so that a server may be away for most of it."""

PATIENCE = 1800.0
"""Seconds that a run waits for a server that is away, to tell it how it ended."""
_POLL = 5.0
SERVERS_FAULT, BUSY = 500, 429
"""The first HTTP status that says nothing of the request, and one that says only that there were too many."""
T = TypeVar("T")


@contextmanager
def kept_slot(
    lease_id: UUID,
    lease_duration: float,
    raise_on_lease_renewal_failure: bool = False,  # noqa: ARG001 - as Prefect calls it
    suppress_warnings: bool = False,  # noqa: ARG001
) -> Iterator[None]:
    """Renew the lease of a deployment's slot while the run goes on, whatever becomes of it.

    Prefect's own breaks the run off when a renewal fails, so that each healthy run crashes when the server restarts (its
    leases are in memory) or is away for a few seconds at the wrong moment. A slot that is lost costs little here: two runs of
    a view do not read the same, since each partition is claimed in the ledger.
    """
    ended = threading.Event()
    context = contextvars.copy_context()  # which server it is, where that is not said by the environment
    threading.Thread(target=context.run, args=(_renew, lease_id, lease_duration, ended), daemon=True, name=f"slot {lease_id}").start()
    try:
        yield
    finally:
        ended.set()


def _renew(lease_id: UUID, lease_duration: float, ended: threading.Event) -> None:
    while not ended.wait(lease_duration / RENEWALS):
        try:
            with get_client(sync_client=True) as client:
                client.renew_concurrency_lease(lease_id, lease_duration)
        except Exception:  # noqa: BLE001, S112 - away, restarted or busy: asked again in a while
            continue


def keep_slots() -> None:
    """Have Prefect's engine keep slots in this way. It has no setting for it."""
    prefect.flow_engine.maintain_concurrency_lease = kept_slot  # type: ignore[attr-defined]


def await_server() -> None:
    """Wait until the server answers, so that a run which did its work can say so: else it would crash at its end.

    After `PATIENCE` it goes on, and Prefect's own client tries for another minute.
    """
    if not PREFECT_API_URL.value():
        return
    given_up = time.monotonic() + PATIENCE
    while not _answers() and time.monotonic() < given_up:
        time.sleep(_POLL)


def refuses(error: httpx.HTTPError) -> bool:
    """Whether the server is there and will not have it: to ask again changes nothing. One that is asked too often (429) will."""
    return isinstance(error, httpx.HTTPStatusError) and error.response.status_code < SERVERS_FAULT and error.response.status_code != BUSY


def patiently(do: Callable[[], T]) -> T:
    """Do something with the server, and once more when it is there again where it was away. Raises what it raises then."""
    try:
        return do()
    except httpx.HTTPError as error:
        if refuses(error):
            raise
    await_server()
    return do()


def _answers() -> bool:
    try:
        with get_client(sync_client=True) as client:  # a new one each time: one that was connected retries for a minute
            said = client.api_healthcheck()
        return said is None or (isinstance(said, httpx.HTTPError) and refuses(said))
    except Exception:  # noqa: BLE001 - whatever it is, it is no answer
        return False
