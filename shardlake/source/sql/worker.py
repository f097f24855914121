"""The readers: processes that can be ended, since connectorx cannot be interrupted. Their pool is the process's own."""

import atexit
import ctypes
import multiprocessing
import os
import signal
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import CancelledError
from concurrent.futures import TimeoutError as Deadline
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager, suppress
from multiprocessing import forkserver, resource_tracker
from multiprocessing.connection import wait
from threading import BoundedSemaphore, Lock, Thread
from typing import Any

from pebble import ProcessExpired, ProcessFuture, ProcessPool

from shardlake import cancellation
from shardlake.allocators import tune_allocators
from shardlake.errors import ReaderStopped, SourceTimeout, WorkerDied
from shardlake.ledger.extent import Reading
from shardlake.source.sql.read import Request, extract
from shardlake.source.sql.select import tables

GRACE = 30.0
"""Seconds behind a window's deadline after which the whole pool is taken to hang: it should have ended the reader itself."""
FEWEST = 2
"""Readers where nobody has said how many: they keep two cores busy."""


class Readers:
    """A pool of readers. A request waits for its turn here and not in the pool, so that none is begun once it was cancelled."""

    def __init__(self, count: int) -> None:
        context = multiprocessing.get_context("forkserver")
        context.set_forkserver_preload(["shardlake.source.sql.read"])
        with _sigterm_blocked():
            forkserver.ensure_running()
        atexit.unregister(_reap)
        atexit.register(_reap)
        self.count = count
        self._turns = BoundedSemaphore(count)
        self._under_way: set[ProcessFuture[Any]] = set()
        self._pool = ProcessPool(max_workers=count, context=context, initializer=_prepare)
        self._stopped = False
        self.hung = False
        self._lock = Lock()

    def warm_up(self) -> None:
        """Start the processes."""
        for _ in range(self.count):
            self._pool.schedule(os.getpid)

    @property
    def idle(self) -> bool:
        """Whether nothing is being read."""
        return not self._under_way

    @property
    def broken(self) -> bool:
        """Whether the pool takes nothing any more: it breaks when a reader dies that has nothing to do."""
        return not self._pool.active

    @contextmanager
    def reading(self, function: Callable[..., Any], *args: Any, deadline: float) -> Iterator[ProcessFuture[Any]]:
        """Wait for a reader and give it something to do. Raises RunEnded, and ReaderStopped where the pool was stopped."""
        while not self._turns.acquire(timeout=0.2):
            cancellation.check()
        try:
            cancellation.check()
            with self._lock:
                if self._stopped:
                    raise ReaderStopped("the readers were stopped", hint="The next run goes on from where this one was.")
                try:
                    future = self._pool.schedule(function, args=args, timeout=deadline)
                except RuntimeError as error:  # it broke a moment ago
                    raise BrokenProcessPool from error
                self._under_way.add(future)
            try:
                with cancellation.waiting(future.cancel):  # pebble ends the process of a future that is cancelled
                    yield future
            except Deadline:
                if not future.done():  # by GRACE: pebble has failed to end it
                    self.hung = True
                    self.stop()
                raise
            finally:
                # where the wait was broken off before it was registered; else it is done, and this is nothing
                future.cancel()  # type: ignore[no-untyped-call]  # pebble's is untyped
                self._under_way.discard(future)
        finally:
            self._turns.release()

    def stop(self) -> None:
        """End every process, whatever it does. Whoever waits for one is told so."""
        with self._lock:
            self._stopped = True
            for future in list(self._under_way):
                # `stop` of pebble leaves them unresolved
                future.cancel()  # type: ignore[no-untyped-call]  # pebble's is untyped
        self._pool.stop()  # type: ignore[no-untyped-call]  # pebble's is untyped
        self._pool.join()


_making = Lock()
_readers: Readers | None = None


def _provided(count: int = FEWEST) -> Readers:
    """The process's readers: made anew where they broke, or where more are wanted and nothing is being read."""
    global _readers
    with _making:
        if _readers is not None and (_readers.broken or (count > _readers.count and _readers.idle)):
            count = max(count, _readers.count)
            _readers.stop()
            _readers = None
        if _readers is None:
            _readers = Readers(count)
            _readers.warm_up()
        return _readers


def warm_up(count: int = FEWEST) -> None:
    """Start readers while the flow still plans. There are `count` of them at least, unless fewer read already."""
    _provided(count)


def stop(*, idle: bool = False) -> None:
    """End the readers, whatever they do, if any were started; with `idle` only where nothing is being read. The next
    extraction starts new ones. Raises ReaderStopped in the threads that wait for one.
    """
    global _readers
    with _making:
        if _readers is not None and (_readers.idle or not idle):
            ending, _readers = _readers, None
            ending.stop()


def extract_in_worker(request: Request) -> Reading:
    """`extract` in a process of its own. Raises what it raises, SourceTimeout at the deadline, WorkerDied, and ReaderStopped."""
    cancellation.check()  # before any reader is started
    deadline, readers = tables(request.view).deadline.total_seconds(), _provided()
    try:
        with readers.reading(extract, request, deadline=deadline) as future:
            result: Reading = future.result(timeout=deadline + GRACE)
            return result
    except CancelledError:
        if readers.hung:
            raise WorkerDied(f"{request.shard.name}: its reader was ended with others that hung", hint="It is tried again.") from None
        raise ReaderStopped(
            f"{request.shard.name}: its reader was stopped, since the run was broken off", hint="The next run reads the window."
        ) from None
    except Deadline:
        raise SourceTimeout(
            f"{request.shard.name} ({request.shard.address}): the window was not read in {deadline:g} s; its reader was ended",
            hint="Check the shard, or raise source.deadline.",
        ) from None
    except (ProcessExpired, BrokenProcessPool) as error:
        cancellation.check()
        code = f" (exit code {error.exitcode})" if isinstance(error, ProcessExpired) else ""
        raise WorkerDied(
            f"{request.shard.name}: its reader died{code}, most likely for lack of memory",
            hint="It is tried again with smaller chunks; give the run more memory, or set source.chunk.",
        ) from None


@contextmanager
def _sigterm_blocked() -> Iterator[None]:
    """Within, a process that is started has SIGTERM blocked: where the whole group is told to end, the readers' parent leaves it to the run
    to end them. Else their death would look like a lack of memory to it, and be made good by new ones.
    """
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _reap() -> None:
    """At this process's end, end multiprocessing's helpers and wait for them. They belong to its group: where a container has no init, they
    would stay behind as zombies, and Prefect, which waits for the group, would wait for them.
    """
    stop()
    with suppress(Exception):  # private in every version of Python's, and no run may fail by it
        server: Any = forkserver._forkserver
        tracker: Any = resource_tracker._resource_tracker
        os.kill(server._forkserver_pid, signal.SIGKILL)
        server._stop()
        tracker._stop()


def _prepare() -> None:
    """Be ended by the run alone, and with it; and say nothing: a panic of connectorx prints cell data."""
    os.setpgid(0, 0)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)  # a handler of Python's would wait for connectorx to come back
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})
    Thread(target=_die_with_the_run, daemon=True).start()
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # and with the fork server, which is the parent that the kernel knows
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
    tune_allocators()


def _die_with_the_run() -> None:
    """Wait for the end of the process that started the pool, however it ends: a pipe of which it alone has the other end. The fork
    server does not end with it, since the readers themselves keep that alive. connectorx holds no GIL while it waits for a server.
    """
    run = multiprocessing.parent_process()
    assert run is not None
    wait([run.sentinel])
    os.kill(os.getpid(), signal.SIGKILL)
