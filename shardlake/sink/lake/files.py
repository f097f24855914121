"""A commit's Parquet files: one a partition, sorted by key, for Athena, DuckDB, Spark and pyarrow alike.

Two passes over the chunks on the local disk. The first numbers every row's partition; the second takes the rows of as many
partitions as fit into memory at a time, whatever the number of partitions or rows.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from shardlake.ledger.lake import LakeFile
from shardlake.sink.lake.account import Account, require_same
from shardlake.sink.lake.arrow import frame_of, plain_arrow
from shardlake.sink.lake.partition import Partitions, Values, unfit
from shardlake.sink.lake.rows import BATCH, Chunk
from shardlake.view.layout import Layout, folded
from shardlake.view.view import View

LEVEL = 1
"""zstd level: 3 costs a third more time for a twentieth of the bytes."""
LARGE = 32 << 20
"""Bytes of a partition's typed rows that are still sorted as one."""
GROUP = 122_880
"""Rows of a row group, more or less."""
GROUP_BYTES = 32 << 20
"""Bytes of typed rows that are held for one, where fewer rows are as many bytes."""
SAMPLE = 4096
"""Rows that are looked at to see what repeats."""


@dataclass(frozen=True, slots=True)
class Encoded:
    """A file, ready to be put: `data` is the buffer that it was encoded into, and the only copy."""

    file: LakeFile
    data: pa.Buffer


def encode(
    view: View,
    layout: Layout,
    chunks: list[Chunk],
    place: Callable[[Values], str],
    stem: str,
    account: Account,
    *,
    schema: pa.Schema | None = None,
) -> Iterator[Encoded]:
    """The files of a commit's rows. `place` says in which folder a partition's lie, `stem` is the beginning of every file's name:
    both repeat when a commit is begun again. Files have the columns of `schema`, too. Rows whose value cannot name a partition
    are rejects of the layout; those of each window that were written are counted as merged.
    """
    partitions = Partitions(layout.partition_by)
    numbers = [partitions.number(_parts(layout, chunk)) for chunk in chunks]
    values = partitions.values
    if bad := [n for n, row in enumerate(values) if any(map(unfit, row))]:
        numbers = [_reject(view, layout, chunk, found, bad, account) for chunk, found in zip(chunks, numbers, strict=True)]
    counts = pl.concat(numbers).value_counts().rows() if numbers else []
    rows = {number: count for number, count in sorted(counts) if number >= 0}
    repeating = _repeating(stored(layout, chunks[0].whole(chunks[0].read().slice(0, SAMPLE)))) if chunks else []
    width = sum(chunk.path.stat().st_size for chunk in chunks) / max(1, sum(chunk.rows for chunk in chunks))
    for group in _groups(rows, max(1, int(BATCH / max(1.0, width)))):
        places = {n: place(values[n]) for n in group}
        if len(group) == 1 and rows[group[0]] * width > LARGE:
            yield from _large(view, layout, chunks, numbers, group[0], places[group[0]], stem, list(values[group[0]]), account, schema)
            continue
        table, own = _rows(view, layout, chunks, numbers, group)
        start = 0
        for count, number in own.rle().struct.unnest().rows():
            rows_ = widened(table.slice(start, count), schema)
            yield _encoded(_parquet(rows_, repeating), f"{places[number]}/{stem}-000.parquet", list(values[number]), rows_.num_rows)
            _count(account, rows_)
            start += count


def _parts(layout: Layout, chunk: Chunk) -> pl.DataFrame:
    """The columns of a chunk that its partitions are made of."""
    names = list(dict.fromkeys(t.column for t in layout.partition_by if t.column != "_shard"))
    table = chunk.read()
    frame = frame_of(table.select(names)) if names else pl.DataFrame({"_seq": pl.from_arrow(table.column("_seq"))})
    return frame.with_columns(pl.lit(chunk.shard).alias("_shard"))


def _groups(rows: dict[int, int], most: int) -> Iterator[list[int]]:
    """Partitions in groups of at most `most` rows; one with more stands alone."""
    group: list[int] = []
    size = 0
    for number, count in rows.items():
        if group and size + count > most:
            yield group
            group, size = [], 0
        group.append(number)
        size += count
    if group:
        yield group


def _rows(view: View, layout: Layout, chunks: list[Chunk], numbers: list[pl.Series], group: list[int]) -> tuple[pa.Table, pl.Series]:
    """The rows of some partitions, in their order, sorted by key within each; and the number of each row's partition."""
    found, codes = [], []
    consecutive = group[-1] - group[0] == len(group) - 1
    for chunk, own in zip(chunks, numbers, strict=True):
        places = (own.is_between(group[0], group[-1]) if consecutive else own.is_in(group)).arg_true()
        if len(places):
            found.append(chunk.whole(chunk.read().take(places.to_arrow())))
            codes.append(own[places])
    table, code = pa.concat_tables(found), pl.concat(codes)
    order = by_key(frame_of(table.select([k for k in view.key if k in table.column_names])))
    within = pl.DataFrame({"code": code[order]})
    order = order[within.select(pl.arg_sort_by("code", maintain_order=True)).to_series()]
    return stored(layout, table).combine_chunks().take(order.to_arrow()), code[order]


def by_key(key: pl.DataFrame) -> pl.Series:
    """The places of the rows, sorted by key; as they are where they are sorted already, as a shard's first window is."""
    first = key.to_series().rechunk()
    if key.width == 1 and first.is_sorted():
        return pl.int_range(key.height, dtype=pl.UInt32, eager=True)
    if key.width == 1:
        return first.arg_sort()
    return key.rechunk().select(pl.arg_sort_by(key.columns)).to_series()


def sorted_by(table: pa.Table, key: list[str]) -> pa.Table:
    """Rows by their key, as far as the table has its columns."""
    inside = [k for k in key if k in table.column_names]
    if not inside:  # the partition's folder holds all of it
        return table
    frame = frame_of(table)
    return plain_arrow(frame[by_key(frame.select(inside))])


def stored(layout: Layout, table: pa.Table) -> pa.Table:
    """Rows as they lie in a file: folded names, and without the columns that the partition's folder holds."""
    kept = table.drop_columns(list({t.column for t in layout.partition_by if t.unit == "identity"}))
    return kept.rename_columns([folded(n) for n in kept.column_names])


def widened(table: pa.Table, schema: pa.Schema | None) -> pa.Table:
    """A table with the columns of a schema, NULL where it has none of its own, and behind them those that it has besides."""
    if schema is None:
        return table
    missing = [f for f in schema if f.name not in table.column_names]
    for field in missing:
        table = table.append_column(field, pa.nulls(table.num_rows, field.type))
    wanted = pa.schema([*schema, *(f for f in table.schema if f.name not in schema.names)])
    return table.select(wanted.names).cast(wanted)


def _repeating(sample: pa.Table) -> list[str]:
    """The columns whose values repeat: a dictionary of them is worth its making."""
    flat = [n for n in sample.column_names if not pa.types.is_nested(sample.schema.field(n).type)]
    return [n for n in flat if 4 * len(sample.column(n).unique()) <= sample.num_rows]


def _count(account: Account, written: pa.Table) -> None:
    """Count rows that are in a file."""
    account.count("merged", pl.Series(values=pl.from_arrow(written.column("_window"))))


def _parquet(table: pa.Table, repeating: list[str]) -> pa.BufferOutputStream:
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink, compression="zstd", compression_level=LEVEL, row_group_size=GROUP, use_dictionary=repeating)
    return sink


def _large(
    view: View, layout: Layout, chunks: list[Chunk], numbers: list[pl.Series], number: int, place: str, stem: str, values: list[str | None],
    account: Account, schema: pa.Schema | None,
) -> Iterator[Encoded]:  # fmt: skip
    """A partition that does not fit into memory: files of the layout's size, piece by piece, each piece sorted by key."""
    pieces = (widened(_rows(view, layout, piece, own, [number])[0], schema) for piece, own in _pieces(chunks, numbers, number))
    yield from in_files(pieces, layout.file_size, f"{place}/{stem}", values, lambda rows: _count(account, rows))


def in_files(
    tables: Iterable[pa.Table], size: int, stem: str, values: list[str | None], written: Callable[[pa.Table], None] | None = None,
    *, first: int = 0,
) -> Iterator[Encoded]:  # fmt: skip
    """Tables one behind the other, in files of `size` bytes or a little more, numbered from `first` on. `written` is told of the
    rows that are in one.
    """
    sink, writer, rows, nth = pa.BufferOutputStream(), None, 0, first
    for table in _row_groups(tables):
        writer = writer or pq.ParquetWriter(
            sink, table.schema, compression="zstd", compression_level=LEVEL, use_dictionary=_repeating(table.slice(0, SAMPLE))
        )
        groups = max(1, round(table.num_rows / GROUP))
        writer.write_table(table, row_group_size=max(1, -(-table.num_rows // groups)))
        rows += table.num_rows
        if written:
            written(table)
        if sink.tell() >= size:
            writer.close()
            yield _encoded(sink, f"{stem}-{nth:03d}.parquet", values, rows)
            sink, writer, rows, nth = pa.BufferOutputStream(), None, 0, nth + 1
    if writer:
        writer.close()
        yield _encoded(sink, f"{stem}-{nth:03d}.parquet", values, rows)


def _row_groups(tables: Iterable[pa.Table]) -> Iterator[pa.Table]:
    """Tables put together until they fill a row group: small ones cost a reader more than they spare it."""
    held: list[pa.Table] = []
    for table in tables:
        held.append(table)
        if sum(t.num_rows for t in held) >= GROUP or sum(t.nbytes for t in held) >= GROUP_BYTES:
            yield pa.concat_tables(held)
            held = []
    if held:
        yield pa.concat_tables(held)


def _encoded(sink: pa.BufferOutputStream, key: str, values: list[str | None], rows: int) -> Encoded:
    """A file that is closed. Its rows are those of its footer. Raises AccountingError where it was given others."""
    data = sink.getvalue()
    footer = pq.read_metadata(pa.BufferReader(data)).num_rows
    require_same(key, {"rows in the footer": (rows, footer)})
    return Encoded(LakeFile(key, values, footer, data.size), data)


def _pieces(chunks: list[Chunk], numbers: list[pl.Series], number: int) -> Iterator[tuple[list[Chunk], list[pl.Series]]]:
    piece: list[Chunk] = []
    own: list[pl.Series] = []
    size = 0.0
    for chunk, found in zip(chunks, numbers, strict=True):
        share = int((found == number).sum()) / max(1, len(found))
        if not share:
            continue
        piece.append(chunk)
        own.append(found)
        size += chunk.path.stat().st_size * float(share)
        if size >= BATCH / 2:
            yield piece, own
            piece, own, size = [], [], 0.0
    if piece:
        yield piece, own


def _reject(view: View, layout: Layout, chunk: Chunk, numbers: pl.Series, bad: list[int], account: Account) -> pl.Series:
    """Take the rows of partitions that cannot be named out of a chunk: their number becomes -1."""
    wrong = numbers.is_in(bad)
    if not wrong.any():
        return numbers
    rows = chunk.whole(chunk.read().take(wrong.arg_true().to_arrow()))
    names = [t.column for t in layout.partition_by if t.unit == "identity"]
    for row in rows.to_pylist():
        column = next(n for n in names if isinstance(row[n], str) and unfit(row[n]))
        account.reject_partition(view, row, column)
    return numbers.zip_with(~wrong, pl.repeat(-1, len(numbers), dtype=pl.Int32, eager=True))
