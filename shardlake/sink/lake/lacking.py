"""What a layout lacks, and what of it raw does not hold any more."""

from typing import Any
from uuid import UUID

import psycopg
from obstore.store import ObjectStore

from shardlake.errors import FileGone
from shardlake.ledger import lake as ledger
from shardlake.ledger import windows
from shardlake.ledger.extent import RawFile
from shardlake.ledger.sinks import Pending, layout_sink, pending
from shardlake.ledger.windows import Window
from shardlake.raw.files import read_chunk
from shardlake.raw.store import open_store
from shardlake.rows.supply import Supply
from shardlake.view.layout import Layout

Connection = psycopg.Connection[Any]


def lacking(connection: Connection, supply: Supply, run_id: UUID, layout: Layout) -> list[Pending]:
    """The windows that the layout lacks, oldest first; of one that is replaced, those of the run."""
    of_run = run_id if layout.mode_in(supply.view.warehouse.write) == "replace" else None
    return pending(connection, supply.view.name, layout_sink(layout.table), supply.feed, of_run=of_run, empty=of_run is not None)


def removed(supply: Supply, run_id: UUID, layout: Layout) -> list[Window]:
    """The windows that the layout lacks and of which raw is gone, oldest first."""
    with supply.ledger.connection() as connection:
        found = [windows.load(connection, w.window_id) for w in lacking(connection, supply, run_id, layout) if w.removed]
    return [w for w in found if w.raw_removed]


def lost(supply: Supply, run_id: UUID, layout: Layout) -> list[Window]:
    """The windows of which the ledger knows raw files that are not where it says, of those that the layout lacks. Looks at each."""
    store = open_store(supply.lake)
    with supply.ledger.connection() as connection:
        commit = ledger.unfinished(connection, supply.view.name, layout.table)
        waiting = {w.window_id for w in (*lacking(connection, supply, run_id, layout), *(commit.windows if commit else ()))}
        found = [windows.load(connection, window_id) for window_id in sorted(waiting)]
    return [w for w in found if w.raw_removed or not all(_sound(store, file) for file in w.files)]


def _sound(store: ObjectStore, file: RawFile) -> bool:
    try:
        read_chunk(store, file)
    except FileGone:
        return False
    return True
