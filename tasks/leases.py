"""Leases of the slots of Prefect's global concurrency limits, and the limits themselves."""

import random
import threading
import time
from contextlib import suppress
from uuid import UUID

import httpx
from prefect.client.orchestration import get_client
from prefect.client.schemas.actions import GlobalConcurrencyLimitCreate
from prefect.client.schemas.objects import ConcurrencyLeaseHolder
from prefect.exceptions import ObjectAlreadyExists, ObjectNotFound

from shardlake import cancellation

LEASE = 60.0
"""Seconds that a slot is lent for, the server's least; who lives renews it."""
_RECHECK = 60.0
_seen: dict[str, tuple[bool, float]] = {}


def take(name: str, holder: UUID, patience: float) -> UUID | None:
    """A lease of one of the limit's slots, waited for up to `patience` seconds; None where there is no such limit.

    Not by `prefect.concurrency`: where the server's SQLite is busy it answers 503, and Prefect's client then pauses for two
    seconds, at slots that are free; and it may wait half a minute for one that has come free. Raises what the API raises, and RunEnded.
    """
    deadline, who = time.monotonic() + patience, ConcurrencyLeaseHolder(type="task_run", id=holder)
    while True:
        cancellation.check()
        try:
            with get_client(httpx_settings={"event_hooks": {"response": [_at_once]}}, sync_client=True) as client:
                found = client.increment_concurrency_slots_with_lease([name], 1, "concurrency", LEASE, who).json()
            return UUID(found["lease_id"]) if found["limits"] else None
        except httpx.HTTPStatusError as error:
            busy = {423: 1.0, 503: 0.1}.get(error.response.status_code)  # all taken; the server's database is busy
            if busy is None or time.monotonic() > deadline:
                raise
        cancellation.pause(busy * random.uniform(0.5, 1.5))


def _at_once(response: httpx.Response) -> None:
    """Raise before Prefect's client takes its pause."""
    if response.status_code == 503:
        raise httpx.HTTPStatusError("busy", request=response.request, response=response)


def renew(lease: UUID, ended: threading.Event) -> None:
    """Renew a lease until `ended`. A renewal that fails is tried again in a third of the lease's time."""
    while not ended.wait(LEASE / 3):
        with suppress(Exception), get_client(sync_client=True) as client:
            client.renew_concurrency_lease(lease, LEASE)


def release(lease: UUID) -> None:
    """Give a slot back; where the API does not take it, the lease runs out by itself."""
    with suppress(Exception), get_client(sync_client=True) as client:
        client.release_concurrency_slots_with_lease(lease)


def there(name: str, make: int | None) -> bool:
    """Whether the limit exists, as was seen within the last minute; with `make` it does afterwards."""
    found, at = _seen.get(name, (False, -_RECHECK))
    if (found or make is None) and time.monotonic() - at < _RECHECK:
        return found
    with get_client(sync_client=True) as client:
        try:
            client.read_global_concurrency_limit_by_name(name)
            found = True
        except ObjectNotFound:
            found = make is not None
            if make is not None:
                with suppress(ObjectAlreadyExists):  # another process was faster
                    client.create_global_concurrency_limit(GlobalConcurrencyLimitCreate(name=name, limit=make))
    _seen[name] = (found, time.monotonic())
    return found
