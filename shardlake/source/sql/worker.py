"""The extracting processes: a pool whose members can be ended at a deadline, since connectorx cannot be interrupted."""

import ctypes
import multiprocessing
import os
import signal
import sys
from collections.abc import Callable
from concurrent.futures import TimeoutError as Deadline
from concurrent.futures.process import BrokenProcessPool
from functools import cache
from threading import Lock
from typing import Any

from pebble import ProcessExpired, ProcessFuture, ProcessPool

from shardlake.allocators import tune_allocators
from shardlake.errors import SourceTimeout, WorkerDied
from shardlake.ledger.extent import Reading
from shardlake.source.sql.read import Request, extract
from shardlake.source.sql.select import tables

_making = Lock()
WORKERS = 2
"""Two readers keep two cores busy; more only add memory."""


@cache
def pool() -> ProcessPool:
    """The process's pool. Its members are forked from a small server that has imported what they need."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["shardlake.source.sql.read"])
    return ProcessPool(max_workers=WORKERS, context=context, initializer=_prepare)


def _schedule(function: Callable[..., Any], *args: Any, deadline: float | None = None) -> ProcessFuture[Any]:
    """Give a reader something to do. A pool that broke, as it does when a reader dies that has nothing to do, is made anew."""
    with _making:
        if not pool().active:
            broken = pool()
            pool.cache_clear()
            broken.stop()  # type: ignore[no-untyped-call]  # pebble's is untyped
            broken.join()
        return pool().schedule(function, args=args, timeout=deadline)


def warm_up() -> None:
    """Start the readers while the flow still plans."""
    for _ in range(WORKERS):
        _schedule(os.getpid)


def stop() -> None:
    """End the readers, whatever they do, if any were started. The next extraction starts new ones."""
    with _making:
        if pool.cache_info().currsize:
            ending = pool()
            pool.cache_clear()
            ending.stop()  # type: ignore[no-untyped-call]  # pebble's is untyped
            ending.join(timeout=2)


def extract_in_worker(request: Request) -> Reading:
    """`extract` in a process of its own. Raises what it raises, SourceTimeout at the deadline, and WorkerDied."""
    deadline = tables(request.view).deadline.total_seconds()
    try:
        result: Reading = _schedule(extract, request, deadline=deadline).result()
        return result
    except Deadline:
        raise SourceTimeout(
            f"{request.shard.name} ({request.shard.address}): the window was not read in {deadline:g} s; its reader was ended",
            hint="Check the shard, or raise source.deadline.",
        ) from None
    except (ProcessExpired, BrokenProcessPool) as error:
        code = f" (exit code {error.exitcode})" if isinstance(error, ProcessExpired) else ""
        raise WorkerDied(
            f"{request.shard.name}: its reader died{code}, most likely for lack of memory",
            hint="It is tried again with smaller chunks; give the run more memory, or set source.chunk.",
        ) from None


def _prepare() -> None:
    """Die with the parent, and say nothing: a panic of connectorx prints cell data."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)  # a handler of Python's would wait for connectorx to come back
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(1, signal.SIGKILL)
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
    tune_allocators()
