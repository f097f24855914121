"""Turns at a source: no more reads of it at once, in this process, than its connection allows."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from shardlake import cancellation

_gates: dict[str, threading.BoundedSemaphore] = {}
_making = threading.Lock()


class Turns:
    """The turns of one connection, which all sources behind it share."""

    def __init__(self, reference: str, most: int) -> None:
        with _making:
            self._gate = _gates.setdefault(f"{reference} {most}", threading.BoundedSemaphore(most))

    @contextmanager
    def turn(self) -> Iterator[None]:
        """Hold one of them. Raises RunEnded where the run is broken off while it waits."""
        while not self._gate.acquire(timeout=0.2):
            cancellation.check()
        try:
            yield
        finally:
            self._gate.release()
