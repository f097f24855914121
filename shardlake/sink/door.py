"""The door out: what a sink is to the engine. A warehouse table is one, each lake layout is one, peers of each other.

A sink takes the windows that it does not hold yet, whoever read them and whenever, and applies them in a commit of its own.
To apply a window again changes nothing, but for a replay, in which a mended view's rows count.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Any, Protocol
from uuid import UUID

from shardlake.connection.kinds import Connection
from shardlake.errors import SpecError
from shardlake.kinds import KINDS, kind_of
from shardlake.ledger.sinks import Applied, Pending
from shardlake.ledger.windows import Window
from shardlake.rows.supply import Supply
from shardlake.shape.chunk import Shaped
from shardlake.view.columns import TargetColumn

COMMIT_BYTES = 1 << 30
"""Bytes of raw that a commit of a sink of many windows should hold; a first load takes several."""


@dataclass(frozen=True, slots=True)
class Committed:
    """A sink's commit: what became of each window in it, and what was written, where that is files; notes for people."""

    windows: Mapping[int, Applied]
    files: int = 0
    bytes: int = 0
    seconds: float = 0.0
    notes: tuple[str, ...] = ()

    @property
    def total(self) -> Applied:
        """All windows together."""
        return sum(self.windows.values(), Applied())


def fill_a_commit(windows: Sequence[Pending]) -> bool:
    """Whether windows are as many as a commit should hold."""
    return sum(w.raw_bytes for w in windows) >= COMMIT_BYTES


def one_commit(windows: Sequence[Pending]) -> list[Pending]:
    """The first windows, as many as a commit should hold, and one at least."""
    return list(windows[: max(1, sum(size <= COMMIT_BYTES for size in accumulate(w.raw_bytes for w in windows)))])


class Sink(Protocol):
    """What every sink can do."""

    name: str
    """Its name in the ledger."""
    replaces: bool
    """Whether each run fills it anew: then it takes the windows of one run alone, and a layout all of them at once."""

    def planned(self, columns: tuple[TargetColumn, ...]) -> list[str]:
        """The statements that would create what holds the view's rows, or let it evolve. Raises ContractError, NarrowingRefused."""

    def clear(self, partitions: list[str]) -> None:
        """Remove what runs that were killed have left. The caller holds the claims on the partitions."""

    def apply(self, windows: Sequence[Pending], run_id: UUID, *, again: bool = False) -> list[Committed]:
        """Bring windows in, oldest first, in one commit or several, each of which is recorded in the ledger. What a run that was killed
        has begun is finished before. `again` is a replay. What is to hold the rows is created, or evolves, before.

        Raises FileGone where raw does not hold a window any more, SinkBusy where another run is at it, AccountingError, and what
        the sink's server raises.
        """

    def switch(self, run_id: UUID, arrived: Sequence[str], missing: Sequence[str]) -> None:
        """The end of a replace: what `arrived` in this run comes in place of what was; the partitions in `missing` stay as they are."""


class Layouts(Protocol):
    """A view's part of a lake: its layouts, each of which is a sink, and its raw, which lies there."""

    sinks: Sequence[Sink]

    def keep(self, window: Window, chunks: Iterator[Shaped]) -> Iterator[Shaped]:
        """Keep a window's rows for the layouts as they pass on to another sink."""

    def register_raw(self) -> None:
        """Make known to readers what was read into raw. Raises ShardlakeError."""

    def expire(self) -> None:
        """Remove raw that is past its retention and in every sink, and files that were replaced. Raises ShardlakeError."""


def open_sink(connection: Connection, reference: str, supply: Supply) -> Sink:
    """The sink behind the connection of a view's `warehouse`. Raises SpecError for one that is none."""
    found: Sink = _opener(reference, "warehouse", supply)(connection, supply)
    return found


def open_lake(connection: Connection, reference: str, supply: Supply) -> Layouts:
    """The lake behind the connection of a view's `lake`. Raises SpecError for one that is none."""
    found: Layouts = _opener(reference, "lake", supply)(connection, supply)
    return found


def _opener(reference: str, role: str, supply: Supply) -> Callable[[Connection, Supply], Any]:
    kind = kind_of(reference)
    if kind is None or kind.role != role:
        raise SpecError(
            f"{supply.view.name}: {role}.connection is a {reference.partition('/')[0]}, which cannot be a {role}",
            hint=f"Name one of {' or '.join(slug for slug, other in KINDS.items() if other.role == role)}.",
        )
    opener: Callable[[Connection, Supply], Any] = kind.open()
    return opener
