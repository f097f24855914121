"""Parquet files of a batch: one a partition, sorted by key, for Athena, DuckDB, Spark and pyarrow alike."""

import io
from collections.abc import Iterator
from dataclasses import dataclass

import polars as pl

from shardlake.lake.partition import folder, split, unfit
from shardlake.layout import Layout, folded
from shardlake.ledger.lake import LakeFile
from shardlake.view import View

_LEVEL = 1
"""zstd level: 3 costs a third more time for a twentieth of the bytes."""
_PACKED = 4
"""How many times smaller a file is than its rows in memory, at least; so long a file stays below its target size."""
_GROUP = 122_880
"""Rows of a row group."""


@dataclass(frozen=True, slots=True)
class Encoded:
    """A file, ready to be put."""

    file: LakeFile
    data: bytes


def stored(layout: Layout, frame: pl.DataFrame) -> pl.DataFrame:
    """A batch's columns as they lie in a file: folded names, and without those that the partition's folder holds."""
    own = [t.column for t in layout.partition_by if t.unit == "identity"]
    kept = frame.drop(own)
    return kept.rename({n: folded(n) for n in kept.columns})


def unfit_rows(layout: Layout, frame: pl.DataFrame) -> dict[str, pl.Series]:
    """Masks of the rows that a partition's folder cannot hold, by column. Few values are looked at: the distinct ones."""
    found = {}
    for transform in layout.partition_by:
        if transform.unit != "identity" or frame.schema[transform.column] != pl.String:
            continue
        column = frame.get_column(transform.column)
        bad = [v for v in column.unique().to_list() if unfit(v)]
        if bad:
            found[transform.column] = column.is_in(bad).fill_null(False)
    return found


def encode(view: View, layout: Layout, frame: pl.DataFrame, prefix: str, stem: str) -> Iterator[Encoded]:
    """A batch's files. `prefix` is the table's folder, `stem` the beginning of every file's name: both repeat when begun again."""
    for values, part in split(frame, layout.partition_by, tuple(k for k in view.key if k in frame.columns)):
        place = "/".join(filter(None, (prefix, folder(layout.partition_by, values))))
        rows = max(1, min(part.height, int(layout.file_size * _PACKED / max(1, part.estimated_size() / part.height))))
        for number, start in enumerate(range(0, part.height, rows)):
            piece = part.slice(start, rows)
            yield encode_one(stored(layout, piece), f"{place}/{stem}-{number:03d}.parquet", list(values))


def encode_one(frame: pl.DataFrame, key: str, partition: list[str | None]) -> Encoded:
    """One file."""
    sink = io.BytesIO()
    frame.write_parquet(sink, compression="zstd", compression_level=_LEVEL, row_group_size=_GROUP, statistics=True)
    data = sink.getvalue()
    return Encoded(LakeFile(key, partition, frame.height, len(data)), data)
