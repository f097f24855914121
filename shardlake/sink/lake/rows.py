"""A commit's rows: its windows' typed rows in chunks on the local disk, from the spool or made of raw again."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import polars as pl
import pyarrow as pa

from shardlake.ledger import windows
from shardlake.ledger.lake import Commit, Pending
from shardlake.raw import files as raw
from shardlake.raw.store import open_store
from shardlake.run.job import Job
from shardlake.shape.chunk import Shaped, shape
from shardlake.sink.lake.account import Account, Tally
from shardlake.sink.lake.arrow import frame_of
from shardlake.sink.lake.spool import read_table, write_chunk, write_table
from shardlake.sink.lake.typed import Split, settle, split
from shardlake.sink.postgres.merge_sql import MergeSql
from shardlake.view.columns import TargetColumn, target_columns, version_type

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


def chunks(job: Job, commit: Commit, account: Account, folder: Path) -> Iterator[Chunk]:
    """The commit's rows, window by window in order: as the spool has them, or else made of raw into `folder`. `account` counts them."""
    if job.spool:
        job.spool.fill([w.window_id for w in commit.windows], lambda window_id: _made(job, window_id))
    for window in commit.windows:
        tally = account.of(window.window_id)
        kept = job.spool.files(window.window_id) if job.spool else None
        paths = kept if kept is not None else _written(job, window.window_id, folder)
        for path in paths:
            table = read_table(path)
            if path.suffix == ".rows":
                tally.view_rows += table.num_rows
                yield Chunk(path, table.num_rows, window.shard, window.window_id)
                continue
            settled = _settled(job, window, table, tally)
            if settled.num_rows:
                place = folder / f"{window.window_id}-{path.stem}.settled"
                write_table(place, settled)
                yield Chunk(place, settled.num_rows, window.shard, window.window_id)


def _columns(job: Job, window_id: int) -> tuple[windows.OpenWindow, tuple[TargetColumn, ...]]:
    with job.warehouse.connection() as connection:
        found = windows.load(connection, window_id)
    return found, target_columns(job.view, version_type(found.window.kind or ""))


def _made(job: Job, window_id: int) -> Iterator[Split]:
    """A window's rows, made of raw. A source column that raw does not hold is NULL."""
    found, columns = _columns(job, window_id)
    store, base = open_store(job.lake), 0
    for file in found.files:
        table = raw.read_chunk(store, file)
        kinds = raw.kinds_of(table)
        for name in job.view.source_columns:
            if name not in table.column_names:
                table = table.append_column(name, pa.nulls(table.num_rows, pa.string()))
        yield split(columns, shape(job.view, table, kinds), base, job.source.timezone)
        base += table.num_rows


def _written(job: Job, window_id: int, folder: Path) -> Iterator[Path]:
    """A window that the spool has no room for, in the commit's own folder."""
    for number, made in enumerate(_made(job, window_id)):
        yield from write_chunk(folder, f"{window_id}-{number:06d}", made)


def _settled(job: Job, window: Pending, unresolved: pa.Table, tally: Tally) -> pa.Table:
    _, columns = _columns(job, window.window_id)
    sql = MergeSql(job.view, window.window_id, window.shard, columns, "", job.source.timezone)
    with job.warehouse.connection() as connection:
        settled, rejected, rejects = settle(connection, sql, unresolved)
    tally.view_rows += unresolved.num_rows
    tally.rejected += rejected
    tally.reject(window.window_id, window.shard, rejects)
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


def keeper(job: Job, window: windows.OpenWindow) -> Callable[[Shaped, int], Split]:
    """How a window's shaped chunks are typed for the spool."""
    columns = target_columns(job.view, version_type(window.window.kind or ""))
    return lambda shaped, base: split(columns, shaped, base, job.source.timezone)
