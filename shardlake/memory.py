"""The process's allocators, set so that they give back what they no longer hold: together a quarter of a run's memory."""

import contextlib
import ctypes
import os

import pyarrow as pa

_M_TRIM_THRESHOLD, _M_ARENA_MAX = -1, -8
"""glibc's own numbers (malloc.h)."""
_ARENAS = 2
"""Heaps of glibc's. By default every thread gets one, up to eight a core, and each keeps what was once needed in it."""
_KEPT = 4 << 20
"""Free bytes at a heap's end that are kept. By default the bound grows with the largest block that was ever given back."""


def give_back() -> None:
    """Settle how this process allocates, before its threads have begun to. What the environment says stays as it is."""
    _arrow_by_jemalloc()
    with contextlib.suppress(AttributeError, OSError):  # another C library
        mallopt = ctypes.CDLL(None).mallopt
        for name, option, value in (("ARENA_MAX", _M_ARENA_MAX, _ARENAS), ("TRIM_THRESHOLD_", _M_TRIM_THRESHOLD, _KEPT)):
            if f"MALLOC_{name}" not in os.environ:
                mallopt(option, value)


def _arrow_by_jemalloc() -> None:
    """jemalloc gives pages back sooner than Arrow's default allocator. Arrow may have been built without."""
    if "ARROW_DEFAULT_MEMORY_POOL" not in os.environ:
        with contextlib.suppress(NotImplementedError):
            pa.set_memory_pool(pa.jemalloc_memory_pool())
