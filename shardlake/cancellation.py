"""Ending a run from outside: what its threads wait for is broken off, none begins another step, and its claims go last."""

import os
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from contextvars import ContextVar
from threading import Condition, Event, Lock, Thread, Timer
from typing import Protocol
from weakref import WeakSet

from shardlake.errors import RunEnded

PATIENCE = 7.0
"""Seconds that a run which is broken off waits for its steps. What they wait for is gone by then, but a chunk is shaped to its end."""


class Cancellation:
    """Whether a run goes on, and which of its steps are under way in this process."""

    def __init__(self) -> None:
        self._changed = Condition()
        self._cancelled = _over.is_set()
        self._working = 0
        self._waits: dict[object, Callable[[], object]] = {}
        self._afterwards: list[Callable[[], object]] = []
        with _noting:
            _every.add(self)

    @contextmanager
    def working(self) -> Iterator[None]:
        """One step of the run, in this thread. Raises RunEnded where the run has ended, and in place of whatever fails in a step
        since then: it is no failure that could be tried again.
        """
        with self._changed:
            self.check()
            self._working += 1
        token = _current.set(self)
        try:
            with ExitStack() as stack:
                inner = _open.set(stack)
                try:
                    yield
                finally:
                    _open.reset(inner)
        except Exception as error:
            if not isinstance(error, RunEnded):
                self.check()
            raise
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

    def pause(self, seconds: float) -> None:
        """Sleep. Raises RunEnded as soon as the run has ended."""
        with self._changed:
            self._changed.wait_for(lambda: self._cancelled, seconds)
        self.check()

    def break_off(self) -> None:
        """End the run: no step begins any more, and what those under way wait for is broken off, all at once."""
        with self._changed:
            self._cancelled = True
            self._changed.notify_all()
            breaking = [Thread(target=_suppressed, args=(do,), daemon=True) for do in self._waits.values()]
            for thread in breaking:
                thread.start()
            for thread in breaking:  # a server that hangs takes a second, and so do ten
                thread.join()

    def cancel(self, patience: float = PATIENCE) -> bool:
        """Break the run off, and wait for its steps. Returns whether none is under way any more."""
        self.break_off()
        with self._changed:
            return self._changed.wait_for(lambda: self._working == 0, patience)

    def afterwards(self, do: Callable[[], object]) -> None:
        """Do something as soon as no step is under way: now, or in the thread of the last one."""
        with self._changed:
            if self._working:
                self._afterwards.append(do)
                return
        do()


def _suppressed(break_off: Callable[[], object]) -> None:
    with suppress(Exception):  # it may be over already
        break_off()


_over = Event()
"""Set where the whole process is to end: what is begun afterwards ends at once."""
_every: WeakSet[Cancellation] = WeakSet()
_noting = Lock()
_current: ContextVar[Cancellation | None] = ContextVar("cancellation", default=None)
_open: ContextVar[ExitStack | None] = ContextVar("open", default=None)


def break_off_all() -> None:
    """Break off every run of this process, and whichever it would begin yet."""
    _over.set()
    with _noting:
        runs = list(_every)
    for run in runs:
        run.break_off()


@contextmanager
def waiting(break_off: Callable[[], object]) -> Iterator[None]:
    """`Cancellation.waiting` of the run whose step this thread works at; outside of a step nothing happens."""
    run = _current.get()
    if run is None:
        yield
        return
    with run.waiting(break_off):
        yield


def attach(break_off: Callable[[], object]) -> None:
    """As `waiting`, up to the end of the step that this thread works at: for a connection that the step closes by itself."""
    run, stack = _current.get(), _open.get()
    if run is not None and stack is not None:
        stack.enter_context(run.waiting(break_off))


@contextmanager
def within(seconds: float) -> Iterator[None]:
    """Within, what this thread waits for is broken off when the seconds are over. Raises RunEnded then."""
    own = Cancellation()
    with _noting:
        _every.discard(own)  # these are a run's last words
    own._cancelled = False
    timer = Timer(seconds, own.break_off)
    timer.daemon = True
    timer.start()
    try:
        with own.working():
            yield
    finally:
        timer.cancel()


class _Socket(Protocol):
    def fileno(self) -> int: ...


def shut(connection: _Socket) -> None:
    """Shut a connection's socket under whoever waits for it: it is told that the server has gone."""
    with socket.socket(fileno=os.dup(connection.fileno())) as own:
        own.shutdown(socket.SHUT_RDWR)


def check() -> None:
    """Raise RunEnded where the run whose step this thread works at has ended."""
    run = _current.get()
    if run is not None:
        run.check()


def pause(seconds: float) -> None:
    """Sleep. Raises RunEnded as soon as the run whose step this thread works at has ended."""
    run = _current.get()
    if run is None:
        time.sleep(seconds)
    else:
        run.pause(seconds)
