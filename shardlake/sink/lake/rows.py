"""A commit's rows: its windows' typed rows in chunks on the local disk, from the spool or made of raw again."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import polars as pl
import pyarrow as pa

from shardlake.ledger.lake import Commit
from shardlake.ledger.sinks import Pending
from shardlake.rows.spool import Kept, Made, Split, read_table, write_chunk, write_table
from shardlake.rows.supply import Supply
from shardlake.sink.lake.account import Account, Tally, require_same
from shardlake.sink.lake.arrow import frame_of
from shardlake.sink.lake.typed import settle, split

BATCH = 24 << 20
"""Bytes of typed rows that a layout's writer holds at a time."""


@dataclass(frozen=True, slots=True)
class Chunk:
    """Some of a window's typed rows, in a file on the local disk."""

    path: Path
    rows: int
    shard: str
    window_id: int

    def read(self) -> pa.Table:
        """The rows, mapped; `_shard` and `_window` are not among the columns yet."""
        return read_table(self.path)

    def whole(self, rows: pa.Table) -> pa.Table:
        """Rows taken of the chunk, with `_shard` and `_window`."""
        rows = rows.append_column("_shard", pa.repeat(pa.scalar(self.shard), rows.num_rows))
        return rows.append_column("_window", pa.repeat(pa.scalar(self.window_id, pa.int64()), rows.num_rows))


def chunks(supply: Supply, commit: Commit, account: Account, folder: Path) -> Iterator[Chunk]:
    """The commit's rows, window by window in order: as the spool has them, or else made of raw into `folder`. `account` counts them."""
    if supply.spool:
        supply.spool.fill([w.window_id for w in commit.windows], lambda window_id: _made(supply, window_id))
    for window in commit.windows:
        tally = account.of(window.window_id)
        kept = (supply.spool.kept(window.window_id) if supply.spool else None) or _written(supply, window.window_id, folder)
        tally.came(window.raw_rows, kept.made)
        tables = [read_table(path) for path in kept.paths]  # mapped, not read
        require_same(f"window {window.window_id}", {"rows on the local disk": (kept.made.rows, sum(t.num_rows for t in tables))})
        for path, table in zip(kept.paths, tables, strict=True):
            tally.taken += table.num_rows
            if path.suffix == ".rows":
                yield Chunk(path, table.num_rows, window.partition, window.window_id)
                continue
            settled = _settled(supply, window, table, tally)
            if settled.num_rows:
                place = folder / f"{window.window_id}-{path.stem}.settled"
                write_table(place, settled)
                yield Chunk(place, settled.num_rows, window.partition, window.window_id)


def _made(supply: Supply, window_id: int) -> Iterator[tuple[Split, Made]]:
    """A window's rows, made of raw, and what became of them on the way. A source column that raw does not hold is NULL."""
    window, base = supply.window(window_id), 0
    columns = supply.columns(window)
    for shaped in supply.rows(window, lacking_is_null=True):
        yield split(columns, shaped, base, supply.zone), Made.of(shaped)
        base += shaped.shaped + len(shaped.rejects)


def _written(supply: Supply, window_id: int, folder: Path) -> Kept:
    """A window that the spool has no room for, in the commit's own folder."""
    kept = Kept([], Made())
    for number, (found, made) in enumerate(_made(supply, window_id)):
        kept = Kept([*kept.paths, *write_chunk(folder, f"{window_id}-{number:06d}", found)], kept.made + made)
    return kept


def _settled(supply: Supply, window: Pending, unresolved: pa.Table, tally: Tally) -> pa.Table:
    columns = supply.columns(supply.window(window.window_id))
    with supply.ledger.connection() as connection:
        settled, rejects = settle(connection, supply.view, columns, unresolved, supply.zone)
    tally.reject(window.window_id, window.partition, rejects)
    return settled


def batches(found: Iterable[Chunk]) -> Iterator[pl.DataFrame]:
    """Chunks as frames of bounded size."""
    held: list[pl.DataFrame] = []
    size = 0
    for chunk in found:
        table = chunk.whole(chunk.read())
        held.append(frame_of(table))
        size += table.nbytes
        if size >= BATCH:
            yield pl.concat(held)
            held, size = [], 0
    if held:
        yield pl.concat(held)
