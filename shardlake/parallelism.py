"""How many chains of windows and how many readers a run has: a rule of the cores and the memory that it may use."""

from dataclasses import dataclass
from functools import cache

from shardlake import machine
from shardlake.view.operation import Resources

MOST_CHAINS, MOST_READERS = 10, 8
"""What was measured to be worth it on sixteen cores; Postgres and the source have to keep up with more."""
_BASE, _CHAIN, _READER = 240 << 20, 56 << 20, 36 << 20
"""Bytes of a run by itself, of each chain (a chunk as it is shaped and loaded), and of each reader, as bench/scaling.py saw them."""
_SPARE = 3
"""Sessions of the warehouse beside those of the chains: the run's own, and lake tables that are written meanwhile."""


@dataclass(frozen=True, slots=True)
class Parallelism:
    """`chains` of windows that are read, shaped and loaded at once, and processes that read."""

    chains: int
    readers: int

    @property
    def sessions(self) -> int:
        """Sessions of the warehouse that such a run may need at once."""
        return self.chains + _SPARE

    @property
    def arenas(self) -> int:
        """Heaps of the C library's allocator: two for three chains."""
        return max(2, self.chains * 2 // 3)


def parallelism(cores: float, memory: int, run: Resources | None = None) -> Parallelism:
    """The rule: a chain for every two cores and two more, a reader for every two cores and one more, as far as memory goes.

    A view's `run.cpu` and `run.memory` lower what there is and never raise it. Least of all are two chains and a reader.

    >>> GB = 1 << 30
    >>> for cores, size in (
    ...     (0.5, GB),
    ...     (1, GB),
    ...     (2, GB // 2),
    ...     (2, 4 * GB),
    ...     (4, 8 * GB),
    ...     (8, 16 * GB),
    ...     (16, 32 * GB),
    ...     (16, GB),
    ...     (64, 64 * GB),
    ... ):
    ...     found = parallelism(cores, size)
    ...     print(f"{cores:>4} cores, {size / GB:>4} GB: {found.chains:>2} chains, {found.readers} readers")
     0.5 cores,  1.0 GB:  2 chains, 1 readers
       1 cores,  1.0 GB:  2 chains, 1 readers
       2 cores,  0.5 GB:  3 chains, 2 readers
       2 cores,  4.0 GB:  3 chains, 2 readers
       4 cores,  8.0 GB:  4 chains, 3 readers
       8 cores, 16.0 GB:  6 chains, 5 readers
      16 cores, 32.0 GB: 10 chains, 8 readers
      16 cores,  1.0 GB:  8 chains, 7 readers
      64 cores, 64.0 GB: 10 chains, 8 readers
    >>> parallelism(16, 32 * GB, Resources(cpu=2048))
    Parallelism(chains=3, readers=2)
    """
    if run is not None:
        cores = min(cores, run.cpu / 1024) if run.cpu else cores
        memory = min(memory, run.memory) if run.memory else memory
    chains, readers = min(MOST_CHAINS, int(cores / 2 + 2)), min(MOST_READERS, int(cores / 2 + 1))
    while chains > 2 and _BASE + chains * _CHAIN + readers * _READER > memory:
        chains, readers = chains - 1, max(1, min(readers, chains - 2))
    return Parallelism(chains, readers)


def of_machine(run: Resources | None = None) -> Parallelism:
    """What the rule says here, for a view's `run` where one is given."""
    return parallelism(*_machine(), run)


@cache
def _machine() -> tuple[float, int]:
    return machine.cores(), machine.memory()
