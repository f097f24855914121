"""A commit's rows: its windows' typed rows in batches of bounded size, from the spool or made of raw again."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import polars as pl
import pyarrow as pa

from shardlake import raw
from shardlake.job import Job
from shardlake.lake.typed import LakeReject, Split, settle, split
from shardlake.ledger import windows
from shardlake.ledger.lake import Commit, Pending
from shardlake.load.merge_sql import MergeSql
from shardlake.load.target import TargetColumn, target_columns
from shardlake.shape.chunk import Shaped, shape
from shardlake.shape.query import version_type
from shardlake.store import open_store

BATCH = 64 << 20
"""Bytes of typed rows that a layout's writer holds at a time."""


@dataclass(slots=True)
class Tally:
    """What a commit's rows came to: rows of the view, those that the warehouse rejected as well, and the lake's own rejects."""

    view_rows: int = 0
    rejected: int = 0
    rejects: list[tuple[int, str, LakeReject]] = field(default_factory=list)

    def reject(self, window_id: int, shard: str, found: list[LakeReject]) -> None:
        """Rows that the lake cannot hold."""
        self.rejected += len(found)
        self.rejects += [(window_id, shard, reject) for reject in found]


def _made(job: Job, found: windows.OpenWindow, columns: tuple[TargetColumn, ...]) -> Iterator[Split]:
    """A window's rows, made of raw. A source column that raw does not hold is NULL."""
    store, base = open_store(job.lake), 0
    for file in found.files:
        table = raw.read_chunk(store, file)
        kinds = raw.kinds_of(table)
        for name in job.view.source_columns:
            if name not in table.column_names:
                table = table.append_column(name, pa.nulls(table.num_rows, pa.string()))
        shaped = shape(job.view, table, kinds)
        yield split(columns, shaped, base, job.source.timezone)
        base += table.num_rows


def batches(job: Job, commit: Commit, tally: Tally) -> Iterator[pl.DataFrame]:
    """The commit's rows, window by window in order, with `_shard` and `_window`. Counts what passes in `tally`."""
    held: list[pa.Table] = []
    size = 0
    for window in commit.windows:
        for table in _window(job, window, tally):
            held.append(table)
            size += table.nbytes
            if size >= BATCH:
                yield _frame(held)
                held, size = [], 0
    if held:
        yield _frame(held)


def _frame(tables: list[pa.Table]) -> pl.DataFrame:
    frame = pl.from_arrow(pa.concat_tables(tables, promote_options="default"), rechunk=True)
    assert isinstance(frame, pl.DataFrame)
    return frame


def _window(job: Job, window: Pending, tally: Tally) -> Iterator[pa.Table]:
    with job.warehouse.connection() as connection:
        opened = windows.load(connection, window.window_id)
    columns = target_columns(job.view, version_type(opened.window.kind or ""))
    kept = job.spool.read(window.window_id) if job.spool else None
    for found in kept if kept is not None else _made(job, opened, columns):
        tally.view_rows += found.rows.num_rows + found.doubtful.num_rows
        rows = found.rows
        if found.doubtful.num_rows:
            sql = MergeSql(job.view, window.window_id, window.shard, columns, "", job.source.timezone)
            with job.warehouse.connection() as connection:
                settled, rejected, rejects = settle(connection, sql, found.doubtful)
            tally.rejected += rejected
            tally.reject(window.window_id, window.shard, rejects)
            rows = pa.concat_tables([rows, settled]) if rows.num_rows else settled
        if rows.num_rows:
            rows = rows.append_column("_shard", pa.repeat(pa.scalar(window.shard), rows.num_rows))
            yield rows.append_column("_window", pa.repeat(pa.scalar(window.window_id, pa.int64()), rows.num_rows))


def keeper(job: Job, window: windows.OpenWindow) -> Callable[[Shaped, int], Split]:
    """How a window's shaped chunks are typed for the spool."""
    columns = target_columns(job.view, version_type(window.window.kind or ""))
    return lambda shaped, base: split(columns, shaped, base, job.source.timezone)
