"""Watching a run: what it does is told to whoever wants to show it, while it does it."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path

from shardlake.run.report import LayoutReport, ShardReport


class Watch:
    """Is told what a run does; by itself it does nothing with it. A method may be called by any of the run's threads."""

    counts: bool = False
    """Whether it wants to know about how many rows there will be, which a source has to be asked for."""

    def begins(self, view: str, partitions: Sequence[str]) -> None:
        """A run of a view begins, with these partitions."""

    def expects(self, partition: str, rows: int) -> None:
        """The partition's next window holds about so many rows."""

    def reads(self, partition: str) -> Path | None:
        """The partition's next window is being read. Returns the file that is to hold the number of rows that are read, as it grows."""
        return None

    def merges(self, partition: str) -> None:
        """What was read is on its way into the warehouse."""

    def merged(self, partition: str, shard: ShardReport) -> None:
        """A window is in the warehouse; `shard` has the sums of the run so far."""

    def ends(self, partition: str, shard: ShardReport) -> None:
        """A partition has come to its end, well or not."""

    def writes(self, table: str) -> None:
        """A table of the lake is being written."""

    def wrote(self, table: str, layout: LayoutReport) -> None:
        """A commit of a table of the lake has come to its end, well or not; `layout` has the sums of the run so far."""

    def left(self, count: int, total: int) -> None:
        """Of `total` partitions, or slices of a backfill, that many are still on their way."""


UNWATCHED = Watch()
watching: ContextVar[Watch] = ContextVar("watching", default=UNWATCHED)
"""Who watches the runs that begin in this context: so a flow's process can be watched by the command that began it."""


@contextmanager
def watched(watch: Watch) -> Iterator[None]:
    """Within, runs that begin are told to `watch`."""
    token = watching.set(watch)
    try:
        yield
    finally:
        watching.reset(token)
