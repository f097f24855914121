"""The process's allocators, set so that they give back what they no longer hold: together a quarter of a run's memory."""

import contextlib
import ctypes
import os

import pyarrow as pa

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD, _M_ARENA_MAX = -1, -3, -8
"""glibc's own numbers (malloc.h)."""
_KEPT = 4 << 20
"""Free bytes at a heap's end that are kept, and the size from which a block is a mapping of its own. By default both grow with
the largest block that was ever given back; to set one stops both, and blocks from 128 kB on would be mapped anew each time."""


def tune_allocators(arenas: int = 2) -> None:
    """Settle how this process allocates, before its threads have begun to. What the environment says stays as it is.

    `arenas` are heaps of glibc's. By default every thread gets one, up to eight a core, and each keeps what was once needed in
    it; with fewer than threads they wait for each other.
    """
    _arrow_by_jemalloc()
    with contextlib.suppress(AttributeError, OSError):  # another C library
        mallopt = ctypes.CDLL(None).mallopt
        if not any(name.startswith("MALLOC_") for name in os.environ):
            for option, value in ((_M_ARENA_MAX, arenas), (_M_TRIM_THRESHOLD, _KEPT), (_M_MMAP_THRESHOLD, _KEPT)):
                mallopt(option, value)


def _arrow_by_jemalloc() -> None:
    """jemalloc gives pages back sooner than Arrow's default allocator. Arrow may have been built without."""
    if "ARROW_DEFAULT_MEMORY_POOL" not in os.environ:
        with contextlib.suppress(NotImplementedError):
            pa.set_memory_pool(pa.jemalloc_memory_pool())
