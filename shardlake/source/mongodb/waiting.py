"""Waiting for a server in a way that ends: at a deadline, and where the run is broken off, whatever the driver waits for."""

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, wait
from contextvars import copy_context
from typing import TypeVar

from shardlake import cancellation

T = TypeVar("T")
_POLL = 0.1


class TooLate(Exception):
    """What was waited for did not come in time."""


def apart(functions: Sequence[Callable[[], T]], seconds: float, *, on_end: Callable[[], None] = lambda: None) -> list[T]:
    """What each of the functions gives, each on a thread of its own that nobody waits for once this has ended.

    Raises what the first of them raises that fails, RunEnded, and TooLate after `seconds`. `on_end` is called where it raises.
    """
    futures = [_begin(function) for function in functions]
    until = time.monotonic() + seconds
    pending = set(futures)
    try:
        while pending:
            done, pending = wait(pending, _POLL, "FIRST_EXCEPTION")
            for future in done:
                future.result()
            cancellation.check()
            if pending and time.monotonic() > until:
                raise TooLate
    except BaseException:
        on_end()
        raise
    return [future.result() for future in futures]


def ahead(items: Iterator[T]) -> Iterator[T]:
    """The items, each fetched while the one before it is in use."""
    fetching = _begin(lambda: next(items, None))
    try:
        while (item := fetching.result()) is not None:
            fetching = _begin(lambda: next(items, None))
            yield item
    finally:
        wait([fetching])  # whoever stops here may close what the items come from


def _begin(function: Callable[[], T]) -> Future[T]:
    future: Future[T] = Future()
    context = copy_context()

    def run() -> None:
        try:
            future.set_result(context.run(function))
        except BaseException as error:  # noqa: BLE001 - it belongs to whoever waits
            future.set_exception(error)

    threading.Thread(target=run, daemon=True).start()
    return future
