"""How readers come to see a commit: it is settled in the ledger, then the catalogue is told, then it is published.

settle ─▶ tell (tables, partitions, batch by batch) ─▶ publish. A commit that is broken off behind `settle` is finished from what
the ledger has of it; its files stay, since a catalogue may name them already. One that is broken off before has told nobody, and
its files go. Files that it replaces stay until the sweep, which asks the catalogue once more.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import psycopg

from shardlake.failpoints import failpoint
from shardlake.ledger import lake as ledger
from shardlake.ledger import lake_switch
from shardlake.ledger.lake import Commit
from shardlake.ledger.sinks import Applied
from shardlake.rows.supply import Supply
from shardlake.sink.lake.catalogue import Catalogue, catalogue
from shardlake.sink.lake.partition import Values
from shardlake.sink.lake.tables import LakeTable, from_json
from shardlake.view.layout import Layout

Connection = psycopg.Connection[Any]
_MOVED = re.compile(r"/[cv]\d{8}(?:/|$)")
"""A folder that a commit gave to a partition, or to a table that is replaced."""


@dataclass(frozen=True, slots=True)
class Switch:
    """What readers are told: `tables` as they are from here on, and `places`, the folder of each partition of the first one.

    With `moves` partitions that are known already go to their place, else they stay where they are; with `whole` others go.
    `replaced` are files that no reader sees any more.
    """

    tables: list[LakeTable]
    places: dict[Values, str] = field(default_factory=dict)
    moves: bool = False
    whole: bool = False
    replaced: list[str] = field(default_factory=list)

    def as_json(self) -> dict[str, Any]:
        """As the ledger keeps it."""
        tables = [{"database": t.database, "name": t.name, **t.as_json()} for t in self.tables]
        places = [[list(values), place] for values, place in self.places.items()]
        return {"tables": tables, "places": places, "moves": self.moves, "whole": self.whole, "replaced": self.replaced}

    @classmethod
    def of_json(cls, found: dict[str, Any]) -> "Switch":
        """As `as_json` gave it."""
        tables = [from_json(t["database"], t["name"], t) for t in found["tables"]]
        places = {tuple(values): place for values, place in found["places"]}
        return cls(tables, places, found["moves"], found["whole"], found["replaced"])


def settle(
    connection: Connection, commit_id: int, switch: Switch, total: Applied, columns: list[str], seconds: float,
    windows: Mapping[int, Applied] | None = None,
) -> None:  # fmt: skip
    """Write down a commit that is all written, with the counts of its windows, in the session that holds the layout's lock."""
    lake_switch.settle(connection, commit_id, switch.as_json(), total, columns, seconds, windows or {})


def finish(connection: Connection, supply: Supply, layout: Layout, commit: Commit) -> None:
    """Tell readers of a settled commit, and publish it.

    Raises CatalogueUnavailable, AccessRefused and ContractError with the commit settled: the next run goes on from there.
    """
    failpoint("lake.settled")
    switch = Switch.of_json(lake_switch.switch_of(connection, commit.commit_id))
    if outside := catalogue(supply.lake):
        _tell(outside, supply.view.name, switch)
    failpoint("lake.registered")
    with connection.transaction():
        for table in switch.tables:
            ledger.record_table(connection, table.database, table.name, supply.view.name, layout.table, table.as_json())
        lake_switch.publish(connection, commit.commit_id, switch.replaced, [w.window_id for w in commit.windows])
        failpoint("lake.before_publish")


def _tell(outside: Catalogue, view: str, switch: Switch) -> None:
    """Partitions come before others go, so that a row which goes from one to another is there all the time."""
    for number, table in enumerate(switch.tables):
        if table.format == "iceberg":  # its library registers it
            continue
        outside.ensure(table, view)
        if number or not table.partitions or table.projection:
            continue
        outside.add_partitions(table, switch.places)
        if switch.moves:
            outside.move_partitions(table, switch.places)
        if switch.whole:
            there = outside.places(table)
            outside.drop_partitions(table, [values for values in there if values not in switch.places])


def restore(connection: Connection, supply: Supply, layout: Layout) -> None:
    """Bring the catalogue to what the ledger has published of a layout of plain Parquet, before files go that it may name.

    The caller holds the layout's lock, and has no settled commit in hand. Raises CatalogueUnavailable, AccessRefused.
    """
    outside = catalogue(supply.lake)
    known = ledger.table(connection, supply.view.lake.database, layout.table)
    if outside is None or known is None or known[2]["format"] != "parquet":
        return
    table = from_json(supply.view.lake.database, layout.table, known[2])
    outside.ensure(table, supply.view.name)
    if not table.partitions or table.projection:
        return
    places, there = ledger.partition_locations(connection, supply.view.name, layout.table), outside.places(table)
    outside.add_partitions(table, {v: p for v, p in places.items() if v not in there})
    outside.move_partitions(table, {v: p for v, p in places.items() if there.get(v, p) != p})
    outside.drop_partitions(table, [v for v, p in there.items() if v not in places and _MOVED.search(p)])


def readers_follow(connection: Connection, supply: Supply, layout: Layout) -> bool:
    """Whether readers of a layout know no other files than the ledger does, after they were told where they had to be. The caller
    holds the layout's lock.
    """
    left = ledger.unfinished(connection, supply.view.name, layout.table)
    if left is not None and left.settled:
        return False
    restore(connection, supply, layout)
    return True
