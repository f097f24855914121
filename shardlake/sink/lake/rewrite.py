"""Plain Parquet that holds current rows: the partitions that a commit changes are written anew, beside the old ones.

Decisions are `current.py`'s. What a commit changes is kept on the local disk beside the table's files, each of which knows
which of its keys are stale; at the end the partitions concerned are written as a whole. A row whose partition's value has
changed leaves its old partition in the same commit, since a key is looked for in every file that may hold it.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
from obstore.store import ObjectStore

from shardlake.ledger.lake import LakeFile
from shardlake.raw.store import reader
from shardlake.rows.spool import read_table, write_table
from shardlake.sink.lake.account import require_same
from shardlake.sink.lake.arrow import frame_of, plain_arrow, rows_among
from shardlake.sink.lake.files import Encoded, in_files, sorted_by
from shardlake.sink.lake.keys import Keys
from shardlake.sink.lake.partition import Partitions, Values, folder
from shardlake.sink.lake.rows import BATCH
from shardlake.sink.lake.typed import lake_schema
from shardlake.view.columns import TargetColumn
from shardlake.view.layout import Layout, folded
from shardlake.view.view import View


@dataclass(slots=True)
class _File:
    """A file of the table, or with `spans` rows of this commit on the local disk: by partition's number, the first row and how
    many. `stale` keys are not its any more.
    """

    rows: int
    partition: Values = ()
    key: str = ""
    path: Path | None = None
    spans: dict[int, tuple[int, int]] | None = None
    stale: list[pl.DataFrame] = field(default_factory=list)

    def fresh(self, rows: pl.DataFrame, key: list[str]) -> pl.DataFrame:
        """Rows of the file without the stale ones."""
        return rows.join(pl.concat(self.stale), on=key, how="anti", maintain_order="left") if self.stale and rows.height else rows


class Rewrite:
    """The table as a `CurrentTable`: `rows_of` and `apply` know the commit so far, `files` are what it comes to."""

    def __init__(
        self, view: View, layout: Layout, columns: tuple[TargetColumn, ...], store: ObjectStore, live: list[LakeFile], scratch: Path
    ) -> None:
        self._layout, self._store, self._scratch = layout, store, scratch
        self._keys = Keys.of(view)
        self._files = [_File(f.rows, tuple(f.partition), f.key) for f in live]
        self._partitions = Partitions(layout.partition_by)
        own = [f.with_name(folded(f.name)) for f in lake_schema(columns) if f.name not in ("_op", "_seq")]
        self._types = dict(frame_of(pa.schema([*own, pa.field("_shard", pa.string())]).empty_table()).schema)
        self._identity = [folded(t.column) if t.unit == "identity" else "" for t in layout.partition_by]
        self._constant = {folded(t.column) for t in layout.partition_by} <= set(self._keys.unit)
        self._found: list[tuple[_File, pl.DataFrame]] = []
        self.replaced: list[str] = []
        """Files of the table whose rows `files` has, or that have none any more."""
        self.places: dict[Values, str] = {}
        """Where the partitions are that were written anew."""
        self.columns: list[str] = []
        """What every new file has."""

    def rows_of(self, units: pl.DataFrame) -> pl.DataFrame | None:
        """As `CurrentTable` has it."""
        self._found, rows = [], []
        wanted = self._values(units) if self._constant else None
        for file in self._files:
            if wanted is not None and file.spans is None and file.partition not in wanted:
                continue  # its keys cannot be there
            for part in self._holding(file, units):
                found = file.fresh(part[self._keys.among(part, units)], list(self._keys.key))
                if found.height:
                    rows.append(found)
                    self._found.append((file, found.select(*self._keys.key)))
        return pl.concat(rows, how="diagonal_relaxed") if rows else None

    def apply(self, upserts: pl.DataFrame, gone: pl.DataFrame, *, replaced: int) -> None:
        """As `CurrentTable` has it."""
        key, rows = list(self._keys.key), 0
        changed = pl.concat([upserts.select(key), gone.select(key)])
        for file, found in self._found:
            if (stale := found.join(changed, on=key, how="semi")).height:
                file.stale.append(stale)
                rows += stale.height
        require_same("rows that are replaced", {"rows": (replaced, rows)})
        if upserts.height:
            path, numbers = self._scratch / f"changed-{len(self._files)}", self._numbers(upserts)
            order = numbers.arg_sort()
            write_table(path, plain_arrow(upserts[order]))
            runs = numbers[order].rle().struct.unnest()
            starts = runs.get_column("len").cum_sum() - runs.get_column("len")
            spans = dict(zip(runs.get_column("value"), zip(starts, runs.get_column("len"), strict=True), strict=True))
            self._files.append(_File(upserts.height, path=path, spans=spans))

    def files(self, table: str, commit: str, size: int) -> Iterator[Encoded]:
        """The files of the partitions that have changed, in folders of the commit's name. Raises AccountingError."""
        touched = {f.partition for f in self._files if f.spans is None and f.stale}
        values = self._partitions.values
        for file in self._files:
            touched |= {values[n] for n in file.spans or ()}
        old = [f for f in self._files if f.spans is None and f.partition in touched]
        self.replaced = [f.key for f in old]
        new = [f for f in self._files if f.spans is not None]
        types = {**self._types, **{n: t for f in old for n, t in self._schema(f).items() if n not in self._types}}
        types = {n: t for n, t in types.items() if n not in self._identity}
        self.columns = list(types)
        expected = sum(f.rows - sum(s.height for s in f.stale) for f in (*old, *new))
        written = 0
        by_partition: dict[Values, list[_File]] = defaultdict(list)
        for file in old:
            by_partition[file.partition].append(file)
        numbers = {partition: number for number, partition in enumerate(values)}
        for partition in sorted(touched, key=str):
            place = "/".join((table, folder(self._layout.partition_by, partition), commit))
            pieces = (_conform(piece, types) for piece in self._pieces(numbers.get(partition, -1), by_partition[partition], new))
            tables = (sorted_by(plain_arrow(piece), list(self._keys.key)) for piece in _batched(pieces))
            for encoded in in_files(tables, size, f"{place}/{commit}", list(partition)):
                self.places[partition] = place
                written += encoded.file.rows
                yield encoded
        place = f"{len(touched)} partitions of {table} written anew, of {len(old)} files with {sum(f.rows for f in old)} rows"
        require_same(place, {"rows in the new files' footers": (expected, written)})

    def _pieces(self, number: int, old: list[_File], new: list[_File]) -> Iterator[pl.DataFrame]:
        """The rows of a partition, of its files and of this commit."""
        key = list(self._keys.key)
        for file in old:
            parquet = pq.ParquetFile(reader(self._store, file.key))
            for group in range(parquet.num_row_groups):
                yield file.fresh(self._whole(file, frame_of(parquet.read_row_group(group))), key)
        for file in new:
            if file.path and file.spans and (span := file.spans.get(number)):
                yield file.fresh(frame_of(read_table(file.path).slice(*span)), key)

    def _holding(self, file: _File, units: pl.DataFrame) -> Iterator[pl.DataFrame]:
        """The parts of a file that hold any of the units; of the others little more than the keys is read."""
        names = list(self._keys.unit)
        if file.path is not None:
            table = read_table(file.path)
            yield rows_among(table, units, self._keys)
            return
        parquet = pq.ParquetFile(reader(self._store, file.key))
        inside = [n for n in names if n in parquet.schema_arrow.names]
        for group in range(parquet.num_row_groups):
            if _apart(parquet.metadata.row_group(group), {n: self._keys.bounds(units, n) for n in inside}):
                continue
            keys = self._whole(file, frame_of(parquet.read_row_group(group, [*inside])), parquet.metadata.row_group(group).num_rows)
            if len(self._keys.among(keys, units)):
                yield self._whole(file, frame_of(parquet.read_row_group(group)))

    def _whole(self, file: _File, rows: pl.DataFrame, height: int = 0) -> pl.DataFrame:
        """Rows with the columns that their partition's folder holds."""
        rows = rows if rows.width else pl.DataFrame({"_place": pl.int_range(height, eager=True)})
        texts = {n: pl.lit(v, pl.String) for n, v in zip(self._identity, file.partition, strict=True) if n}
        return rows.with_columns(
            (v == "true" if self._types[n] == pl.Boolean else v.cast(self._types[n])).alias(n) for n, v in texts.items()
        )

    def _schema(self, file: _File) -> dict[str, Any]:
        return dict(frame_of(pq.ParquetFile(reader(self._store, file.key)).schema_arrow.empty_table()).schema)

    def _numbers(self, rows: pl.DataFrame) -> pl.Series:
        return self._partitions.number(rows.select(pl.col(folded(t.column)).alias(t.column) for t in self._layout.partition_by))

    def _values(self, units: pl.DataFrame) -> set[Values]:
        numbers = self._numbers(units).unique().to_list()
        return {self._partitions.values[n] for n in numbers}


def _apart(group: Any, bounds: dict[str, tuple[Any, Any] | None]) -> bool:
    """Whether a row group's statistics say that it holds none of the units, of which each column lies between its bounds. Of other
    types than numbers and texts Parquet and polars may speak differently.
    """
    statistics = {group.column(n).path_in_schema: group.column(n).statistics for n in range(group.num_columns)}
    for name, edges in bounds.items():
        found = statistics.get(name)
        if edges is None or not isinstance(edges[0], int | str) or found is None or not found.has_min_max:
            continue
        if type(found.min) is type(edges[0]) and (found.max < edges[0] or found.min > edges[1]):
            return True
    return False


def _conform(rows: pl.DataFrame, types: dict[str, Any]) -> pl.DataFrame:
    return rows.select((pl.col(n) if n in rows.columns else pl.lit(None)).cast(t).alias(n) for n, t in types.items())


def _batched(pieces: Iterable[pl.DataFrame]) -> Iterator[pl.DataFrame]:
    held: list[pl.DataFrame] = []
    size = 0.0
    for piece in pieces:
        if piece.height:
            held.append(piece)
            size += piece.estimated_size()
        if size >= BATCH:
            yield pl.concat(held)
            held, size = [], 0
    if held:
        yield pl.concat(held)
