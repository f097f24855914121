"""register: the tables and partitions of the lake, where readers look for them.

The ledger always knows them, and with `glue: true` AWS Glue does as well. Both are told before a commit is published; the
ledger alone says which files are a table's.
"""

from typing import Any, Protocol

import psycopg

from shardlake.connection.lake import Lake
from shardlake.ledger import lake as ledger
from shardlake.sink.lake.tables import LakeTable

Connection = psycopg.Connection[Any]


class Catalogue(Protocol):
    """A catalogue outside the ledger."""

    def ensure(self, table: LakeTable, view: str) -> None:
        """Create the table or bring it to what it is to be. Raises ContractError where it is somebody else's."""

    def add_partitions(self, table: LakeTable, partitions: dict[tuple[str | None, ...], str]) -> None:
        """Register partitions by their values, each with its folder under the lake's URL; those that are there already stay."""

    def move_partitions(self, table: LakeTable, partitions: dict[tuple[str | None, ...], str]) -> None:
        """Set the places of partitions that are there, each in one step."""

    def drop_other_partitions(self, table: LakeTable, kept: set[tuple[str | None, ...]]) -> None:
        """Take out the partitions whose values are not among `kept`."""


def catalogue(lake: Lake) -> Catalogue | None:
    """The lake's catalogue beside the ledger, if it has one."""
    if not lake.glue:
        return None
    from shardlake.sink.lake.glue import Glue

    return Glue(lake)


def register(
    connection: Connection, lake: Lake, view: str, layout: str, tables: list[LakeTable],
    partitions: dict[tuple[str | None, ...], str], *, whole: bool = False,
) -> None:  # fmt: skip
    """Make tables known; `partitions` are those of the first, or with `whole` all that it has. The ledger comes last, within
    the caller's transaction.
    """
    outside = catalogue(lake)
    for number, table in enumerate(tables):
        if outside and table.format != "iceberg":  # that one's library registers it itself
            outside.ensure(table, view)
            if number == 0 and (partitions or (whole and table.partitions)) and not table.projection:
                outside.add_partitions(table, partitions)
                if whole:
                    outside.move_partitions(table, partitions)
                    outside.drop_other_partitions(table, set(partitions))
        ledger.record_table(connection, table.database, table.name, view, layout, table.as_json())


def move_partitions(lake: Lake, table: LakeTable, partitions: dict[tuple[str | None, ...], str]) -> None:
    """Move partitions in the catalogue beside the ledger, where there is one."""
    if outside := catalogue(lake):
        outside.move_partitions(table, partitions)
