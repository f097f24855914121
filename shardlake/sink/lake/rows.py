"""A commit's rows: its windows' typed rows in chunks on the local disk, from the spool or made of raw again."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa

from shardlake.ledger.lake import Commit
from shardlake.ledger.sinks import Pending
from shardlake.run.job import Job
from shardlake.sink.lake.current import frame_of
from shardlake.sink.lake.partition import unfit
from shardlake.sink.lake.spool import read_table, write_chunk, write_table
from shardlake.sink.lake.typed import LakeReject, Split, settle, split
from shardlake.view.view import View

BATCH = 24 << 20
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

    def reject_partition(self, view: View, row: dict[str, Any], column: str) -> None:
        """A row (with `_window` and `_shard`) whose value of `column` cannot name a partition."""
        key = {k: None if row[k] is None else str(row[k]) for k in view.key if k != "_shard"}
        found = LakeReject(key, column, row[column][:500], str(unfit(row[column])))
        self.reject(row["_window"], row["_shard"], [found])


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


def chunks(job: Job, commit: Commit, tally: Tally, folder: Path) -> Iterator[Chunk]:
    """The commit's rows, window by window in order: as the spool has them, or else made of raw into `folder`. Counts in `tally`."""
    if job.spool:
        job.spool.fill([w.window_id for w in commit.windows], lambda window_id: _made(job, window_id))
    for window in commit.windows:
        kept = job.spool.files(window.window_id) if job.spool else None
        paths = kept if kept is not None else _written(job, window.window_id, folder)
        for path in paths:
            table = read_table(path)
            if path.suffix == ".rows":
                tally.view_rows += table.num_rows
                yield Chunk(path, table.num_rows, window.partition, window.window_id)
                continue
            settled = _settled(job, window, table, tally)
            if settled.num_rows:
                place = folder / f"{window.window_id}-{path.stem}.settled"
                write_table(place, settled)
                yield Chunk(place, settled.num_rows, window.partition, window.window_id)


def _made(job: Job, window_id: int) -> Iterator[Split]:
    """A window's rows, made of raw. A source column that raw does not hold is NULL."""
    window, base = job.supply.window(window_id), 0
    columns = job.supply.columns(window)
    for shaped in job.supply.rows(window, lacking_is_null=True):
        yield split(columns, shaped, base, job.supply.zone)
        base += shaped.shaped + len(shaped.rejects)


def _written(job: Job, window_id: int, folder: Path) -> Iterator[Path]:
    """A window that the spool has no room for, in the commit's own folder."""
    for number, made in enumerate(_made(job, window_id)):
        yield from write_chunk(folder, f"{window_id}-{number:06d}", made)


def _settled(job: Job, window: Pending, unresolved: pa.Table, tally: Tally) -> pa.Table:
    columns = job.supply.columns(job.supply.window(window.window_id))
    with job.ledger.connection() as connection:
        settled, rejects = settle(connection, job.view, columns, unresolved)
    tally.view_rows += unresolved.num_rows
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
