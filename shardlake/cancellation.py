"""Ending a run from outside: what its threads wait for is broken off, none begins another step, and its claims go last."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from threading import Condition

from shardlake.errors import RunEnded

PATIENCE = 15.0
"""Seconds that a run which is broken off waits for its steps. What they wait for is gone by then, but a chunk is shaped to its end."""


class Cancellation:
    """Whether a run goes on, and which of its steps are under way in this process."""

    def __init__(self) -> None:
        self._changed = Condition()
        self._cancelled = False
        self._working = 0
        self._waits: dict[object, Callable[[], object]] = {}
        self._afterwards: list[Callable[[], object]] = []

    @contextmanager
    def working(self) -> Iterator[None]:
        """One step of the run, in this thread. Raises RunEnded where the run has ended."""
        with self._changed:
            self.check()
            self._working += 1
        token = _current.set(self)
        try:
            yield
        finally:
            _current.reset(token)
            with self._changed:
                self._working -= 1
                self._changed.notify_all()
                last = self._afterwards if self._working == 0 else []
                self._afterwards = [] if self._working == 0 else self._afterwards
            for do in last:
                do()

    @contextmanager
    def waiting(self, break_off: Callable[[], object]) -> Iterator[None]:
        """Within, `break_off` may be called by another thread: it makes what is waited for fail. Raises RunEnded before."""
        key = object()
        with self._changed:
            self.check()
            self._waits[key] = break_off
        try:
            yield
        finally:
            with self._changed:  # a break that has begun is let end: what it breaks belongs to another run afterwards
                del self._waits[key]

    def check(self) -> None:
        """Raise RunEnded where the run has ended."""
        if self._cancelled:
            raise RunEnded("the run was broken off", hint="The next run goes on from where it stopped.")

    def cancel(self, patience: float = PATIENCE) -> bool:
        """End the run: break off what its steps wait for, and wait for them. Returns whether none is under way any more."""
        with self._changed:
            self._cancelled = True
            for break_off in self._waits.values():
                with suppress(Exception):  # it may be over already, and the others are to be broken off as well
                    break_off()
            return self._changed.wait_for(lambda: self._working == 0, patience)

    def afterwards(self, do: Callable[[], object]) -> None:
        """Do something as soon as no step is under way: now, or in the thread of the last one."""
        with self._changed:
            if self._working:
                self._afterwards.append(do)
                return
        do()


_current: ContextVar[Cancellation | None] = ContextVar("cancellation", default=None)


@contextmanager
def waiting(break_off: Callable[[], object]) -> Iterator[None]:
    """`Cancellation.waiting` of the run whose step this thread works at; outside of a step nothing happens."""
    run = _current.get()
    if run is None:
        yield
        return
    with run.waiting(break_off):
        yield


def check() -> None:
    """Raise RunEnded where the run whose step this thread works at has ended."""
    run = _current.get()
    if run is not None:
        run.check()
