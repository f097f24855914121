"""The tables and partitions of the lake, where readers look for them.

The ledger always knows them, and with `glue: true` AWS Glue does as well; the ledger alone says which files are a table's.
"""

from typing import Protocol

from shardlake.connection.lake import Lake
from shardlake.sink.lake.tables import LakeTable


class Catalogue(Protocol):
    """A catalogue outside the ledger."""

    def ensure(self, table: LakeTable, view: str) -> None:
        """Create the table or bring it to what it is to be. Raises ContractError where it is somebody else's."""

    def add_partitions(self, table: LakeTable, partitions: dict[tuple[str | None, ...], str]) -> None:
        """Register partitions by their values, each with its folder under the lake's URL; those that are there already stay."""

    def move_partitions(self, table: LakeTable, partitions: dict[tuple[str | None, ...], str]) -> None:
        """Set the places of partitions that are there, each in one step."""

    def places(self, table: LakeTable) -> dict[tuple[str | None, ...], str]:
        """The partitions that it knows, each with its folder under the lake's URL; the whole address of one that is elsewhere."""

    def drop_partitions(self, table: LakeTable, partitions: list[tuple[str | None, ...]]) -> None:
        """Take out partitions; those that are gone already do not matter."""


def catalogue(lake: Lake) -> Catalogue | None:
    """The lake's catalogue beside the ledger, if it has one."""
    if not lake.glue:
        return None
    from shardlake.sink.lake.glue import Glue

    return Glue(lake)
