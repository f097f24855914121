"""The door out: what a sink is to the engine. A warehouse table is one, each lake layout is one, peers of each other.

A sink takes the windows that it does not hold yet, whoever read them and whenever, and applies them in a commit of its own.
To apply a window again changes nothing, but for a replay, in which a mended view's rows count.
"""

from collections.abc import Sequence
from typing import Protocol
from uuid import UUID

from shardlake.ledger.sinks import Applied
from shardlake.ledger.windows import Window


class Sink(Protocol):
    """What every sink can do."""

    name: str
    """Its name in the ledger."""

    def prepare(self, window: Window, run_id: UUID) -> None:
        """Create what holds the view's rows, let it evolve, or refuse with the statement to run.

        Raises ContractError, NarrowingRefused, AccessRefused.
        """

    def apply(self, window: Window, run_id: UUID, *, again: bool = False) -> Applied:
        """Bring a window's rows in, in one commit that is recorded in the ledger. `again` is a replay.

        Raises FileGone where raw does not hold the window any more, AccountingError, and what the sink's server raises.
        """

    def switch(self, run_id: UUID, arrived: Sequence[str], missing: Sequence[str]) -> None:
        """The end of a replace: what `arrived` in this run comes in place of what was; the partitions in `missing` stay as they are."""
