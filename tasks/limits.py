"""Slots of a source: reads under way at once over all processes, by a global concurrency limit of Prefect's."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from uuid import UUID

import httpx
from prefect.context import TaskRunContext
from prefect.logging import get_logger

from shardlake.errors import RunEnded, SourceUnavailable
from tasks.leases import release, renew, take, there

PATIENCE = {False: 60.0, True: 1800.0}
"""Seconds that a slot is waited for: by a regular run, which then reads without one, and (True) by a backfill, which fails."""


def limit_name(reference: str) -> str:
    """The limit of a source: `shardlake-mysql-shards-shop` for `mysql-shards/shop`."""
    return f"shardlake-{reference.replace('/', '-')}"


@contextmanager
def source_slot(reference: str, limit: int, *, strict: bool) -> Iterator[None]:
    """Hold one of a source's slots while it is read. Outside of a task nothing happens.

    `strict` makes the limit of `limit` slots where it is not there, waits for a slot, and raises SourceUnavailable where
    none is to be had. Else a missing limit is asked for once a minute and process (one call), and whatever the API does,
    the read goes on.

    A slot is a lease (Prefect 3.8): a thread renews it. A process that is killed renews nothing, and the server takes the
    slot back within 75 seconds. A renewal that fails lets the read go on rather than breaks it off. A server whose leases
    are in memory (the default) forgets them at a restart, and may leave slots taken that nobody holds: `prefect gcl
    update NAME --active-slots 0` frees them; till then regular runs lose a minute a window, and go on.
    """
    context, name = TaskRunContext.get(), limit_name(reference)
    lease, ended = (_taken(name, limit, context.task_run.id, strict=strict) if context else None), threading.Event()
    if lease is not None:
        threading.Thread(target=renew, args=(lease, ended), daemon=True, name=f"lease of {name}").start()
    try:
        yield
    finally:
        ended.set()
        if lease is not None:
            release(lease)


def _taken(name: str, limit: int, holder: UUID, *, strict: bool) -> UUID | None:
    """A lease of a slot; None where the limit is missing or, not strictly, where the API does not give one."""
    try:
        return take(name, holder, PATIENCE[strict]) if there(name, limit if strict else None) else None
    except RunEnded:
        raise
    except Exception as error:  # noqa: BLE001 - the API fails in many ways, and a regular run goes on in all of them
        why = "all are taken" if isinstance(error, httpx.HTTPStatusError) and error.response.status_code == 423 else type(error).__name__
        if strict:
            raise SourceUnavailable(
                f"no slot of the limit {name} is free: {why}", hint=f"See who holds them: `prefect gcl inspect {name}`."
            ) from None
        get_logger("shardlake").warning("No slot of the limit %s is free (%s); reading without one.", name, why)
        return None
