"""Between Arrow and polars: frames of tables, tables of frames, and rows taken without keeping the rest in memory."""

import polars as pl
import pyarrow as pa

from shardlake.sink.lake.keys import Keys


def rows_among(table: pa.Table, units: pl.DataFrame, keys: Keys) -> pl.DataFrame:
    """The rows of a table whose unit is among `units`. They are taken by Arrow: polars' own texts keep all of the table's in memory."""
    return frame_of(table.take(keys.among(frame_of(table.select(keys.unit)), units).to_arrow()))


def frame_of(table: pa.Table) -> pl.DataFrame:
    """A table as a frame."""
    found = pl.from_arrow(table)
    assert isinstance(found, pl.DataFrame)
    return found


def plain_arrow(frame: pl.DataFrame) -> pa.Table:
    """A frame as Arrow, in the plain types that every writer knows."""
    table = frame.to_arrow()
    fields = [f.with_type(_plain(f.type)) for f in table.schema]
    return table.cast(pa.schema(fields))


def _plain(type_: pa.DataType) -> pa.DataType:
    if pa.types.is_large_string(type_) or pa.types.is_string_view(type_):
        return pa.string()
    if pa.types.is_large_binary(type_) or pa.types.is_binary_view(type_):
        return pa.binary()
    if pa.types.is_large_list(type_):
        return pa.list_(pa.field("element", _plain(type_.value_type)))
    if pa.types.is_struct(type_):
        return pa.struct([f.with_type(_plain(f.type)) for f in type_])
    return type_
