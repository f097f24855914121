"""The door out: what a sink is to the engine. A warehouse table is one, each lake layout is one, peers of each other.

A sink takes the windows that it does not hold yet, whoever read them and whenever, and applies them in a commit of its own.
To apply a window again changes nothing, but for a replay, in which a mended view's rows count.
"""

from collections.abc import Sequence
from typing import Protocol
from uuid import UUID

from shardlake.connection.kinds import Connection
from shardlake.errors import SpecError
from shardlake.kinds import KINDS, kind_of
from shardlake.ledger.sinks import Applied
from shardlake.ledger.windows import Window
from shardlake.rows.supply import Supply
from shardlake.view.columns import TargetColumn


class Sink(Protocol):
    """What every sink can do."""

    name: str
    """Its name in the ledger."""

    def planned(self, columns: tuple[TargetColumn, ...]) -> list[str]:
        """The statements that would create what holds the view's rows, or let it evolve. Raises ContractError, NarrowingRefused."""

    def clear(self, partitions: list[str]) -> None:
        """Remove what runs that were killed have left. The caller holds the claims on the partitions."""

    def apply(self, window: Window, run_id: UUID, *, again: bool = False) -> Applied:
        """Bring a window's rows in, in one commit that is recorded in the ledger. `again` is a replay. What is to hold the rows is
        created, or evolves, before.

        Raises FileGone where raw does not hold the window any more, AccountingError, and what the sink's server raises.
        """

    def switch(self, run_id: UUID, arrived: Sequence[str], missing: Sequence[str]) -> None:
        """The end of a replace: what `arrived` in this run comes in place of what was; the partitions in `missing` stay as they are."""


def open_sink(connection: Connection, reference: str, supply: Supply) -> Sink:
    """The sink behind the connection of a view's `warehouse`. Raises SpecError for one that is none."""
    kind = kind_of(reference)
    if kind is None or kind.role != "warehouse":
        raise SpecError(
            f"{supply.view.name}: warehouse.connection is a {connection.slug}, which cannot be a warehouse",
            hint=f"Name one of {' or '.join(slug for slug, other in KINDS.items() if other.role == 'warehouse')}.",
        )
    sink: Sink = kind.open()(connection, supply)
    return sink
