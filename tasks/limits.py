"""Slots of a source: reads under way at once over all processes, by a global concurrency limit of Prefect's."""

import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

from prefect.client.orchestration import get_client
from prefect.client.schemas.actions import GlobalConcurrencyLimitCreate
from prefect.concurrency.sync import concurrency
from prefect.context import FlowRunContext, TaskRunContext
from prefect.exceptions import ObjectAlreadyExists, ObjectNotFound
from prefect.logging import get_logger

from shardlake.errors import SourceUnavailable

LEASE = 60.0
"""Seconds that a slot is lent for; whoever lives renews it."""
PATIENCE = {False: 60.0, True: 1800.0}
"""Seconds that a slot is waited for: by a regular run, which then reads without one, and (True) by a backfill, which fails."""
_RECHECK = 60.0
_seen: dict[str, tuple[bool, float]] = {}


def limit_name(reference: str) -> str:
    """The limit of a source: `shardlake-mysql-shards-shop` for `mysql-shards/shop`."""
    return f"shardlake-{reference.replace('/', '-')}"


@contextmanager
def source_slot(reference: str, limit: int, *, strict: bool) -> Iterator[None]:
    """Hold one of a source's slots while it is read.

    `strict` makes the limit of `limit` slots where it is not there, waits for a slot, and raises SourceUnavailable where
    none is to be had. Else a missing limit is asked for once a minute and process (one call), and whatever the API does,
    the read goes on; outside of Prefect nothing happens.

    A slot is a lease (Prefect 3.8): a thread renews it at three quarters of its time. A process that is killed renews
    nothing, and the server takes the slot back when the lease has run out, after a minute and its own round of 15
    seconds. A renewal that fails thrice lets the read go on without its slot, rather than break it off. A server whose
    leases are in memory (the default) forgets them when it is restarted, and may leave slots taken that nobody holds:
    `prefect gcl update NAME --active-slots 0` frees them; till then regular runs lose a minute a window, and go on.
    """
    slot = _taken(limit_name(reference), limit, strict=strict) if TaskRunContext.get() or FlowRunContext.get() else None
    try:
        yield
    finally:
        if slot is not None:
            with suppress(Exception):  # the lease runs out by itself
                slot.__exit__(None, None, None)


def _taken(name: str, limit: int, *, strict: bool) -> Any:
    """A slot that is held; None where the limit is missing or, not strictly, where the API does not give one."""
    try:
        if not _there(name, limit if strict else None):
            return None
        slot: Any = concurrency(
            name, lease_duration=LEASE, timeout_seconds=PATIENCE[strict], strict=strict, raise_on_lease_renewal_failure=False
        )
        slot.__enter__()
        return slot
    except Exception as error:  # noqa: BLE001 - the API fails in many ways, and a regular run goes on in all of them
        if strict:
            raise SourceUnavailable(
                f"no slot of the limit {name} was to be had ({type(error).__name__})",
                hint=f"See who holds them: `prefect gcl inspect {name}`.",
            ) from None
        get_logger("shardlake").warning("No slot of the limit %s was to be had (%s); reading without.", name, type(error).__name__)
        return None


def _there(name: str, make: int | None) -> bool:
    """Whether the limit exists, as was seen within the last minute; with `make` it does afterwards."""
    there, at = _seen.get(name, (False, -_RECHECK))
    if (there or make is None) and time.monotonic() - at < _RECHECK:
        return there
    with get_client(sync_client=True) as client:
        try:
            client.read_global_concurrency_limit_by_name(name)
            there = True
        except ObjectNotFound:
            there = make is not None
            if make is not None:
                with suppress(ObjectAlreadyExists):  # another process was faster
                    client.create_global_concurrency_limit(GlobalConcurrencyLimitCreate(name=name, limit=make))
    _seen[name] = (there, time.monotonic())
    return there
