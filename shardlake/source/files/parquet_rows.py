"""Parquet files as rows: typed values as the texts and numbers that raw keeps, exactly."""

from collections.abc import Iterator
from typing import Any, BinaryIO

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from shardlake.errors import AccountingError, SourceFailed
from shardlake.shape.duck import duck
from shardlake.source.files.columns import Columns
from shardlake.source.files.raw_rows import Part
from shardlake.view.files import Files

_ROWS = 50_000
"""Rows of a part."""


def parquet_rows(stream: BinaryIO, source: Files, place: str) -> Iterator[Part]:
    """The rows of a file, some at a time. Raises SourceFailed for what is no Parquet."""
    try:
        file = pq.ParquetFile(stream, buffer_size=1 << 20, pre_buffer=False)
        kinds = {field.name: kind_of(field.type) for field in file.schema_arrow}
        names, counted, at = tuple(kinds), file.metadata.num_rows, 0
        op = Columns(names, header=True).op if source.format == "dms" else None
        for batch in file.iter_batches(batch_size=_ROWS, use_threads=False):
            table = _as_raw(pa.Table.from_batches([batch]), kinds)
            yield Part(table, pa.array(range(at + 1, at + table.num_rows + 1), pa.int64()), [], table.num_rows, op, dict(kinds))
            at += table.num_rows
    except (pa.ArrowException, OSError) as error:
        raise SourceFailed(f"{place} cannot be read as Parquet ({type(error).__name__})", hint="Have it written anew.") from None
    if at != counted:
        raise AccountingError(f"{place}: its footer says {counted} rows, {at} were read", hint="Nothing of it counts; please report it.")


def parquet_kinds(stream: BinaryIO, place: str) -> dict[str, str]:
    """The columns of a file with what they hold, of which its footer alone is read. Raises SourceFailed for what is no Parquet."""
    try:
        return {field.name: kind_of(field.type) for field in pq.read_schema(stream)}
    except (pa.ArrowException, OSError) as error:
        raise SourceFailed(f"{place} cannot be read as Parquet ({type(error).__name__})", hint="Have it written anew.") from None


def kind_of(found: pa.DataType) -> str:
    """What a column of that type holds, in shape's words."""
    if pa.types.is_dictionary(found):
        return kind_of(found.value_type)
    if pa.types.is_timestamp(found):
        return "instant" if found.tz else "datetime"
    if pa.types.is_uint64(found) or pa.types.is_decimal(found):
        return "decimal"
    if pa.types.is_integer(found):
        return "int"
    if pa.types.is_nested(found):
        return "json"
    for kind, test in (
        ("bool", pa.types.is_boolean), ("float", pa.types.is_floating), ("date", pa.types.is_date), ("time", pa.types.is_time),
        ("bytes", pa.types.is_binary), ("bytes", pa.types.is_large_binary), ("bytes", pa.types.is_fixed_size_binary),
    ):  # fmt: skip
        if test(found):
            return kind
    return "text"


def _as_raw(table: pa.Table, kinds: dict[str, str]) -> pa.Table:
    columns = {name: _column(table.column(name), kind) for name, kind in kinds.items()}
    if nested := [name for name, kind in kinds.items() if kind == "json"]:
        columns |= _json(table.select(nested))
    return pa.table(columns)


def _column(column: Any, kind: str) -> Any:
    """A column as raw keeps it: integers, floats, booleans and bytes as they are, the rest as text with every digit."""
    if pa.types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    if kind == "json":
        return column.cast(_exact(column.type))
    if kind in ("int", "bool"):
        return column
    if kind == "bytes":
        return column.cast(pa.large_binary())
    if kind == "float":
        return column.cast(pa.float64())
    if kind in ("datetime", "instant"):
        naive = (
            column.cast(pa.timestamp(column.type.unit)) if column.type.tz is None else column.cast(pa.timestamp(column.type.unit, "UTC"))
        )
        return pc.strftime(naive, "%Y-%m-%d %H:%M:%S")
    return column.cast(pa.large_string())


def _exact(found: pa.DataType) -> pa.DataType:
    """A nested type with its decimals as text: as numbers of JSON they would become doubles on the way."""
    if pa.types.is_decimal(found):
        return pa.string()
    if pa.types.is_struct(found):
        return pa.struct([pa.field(f.name, _exact(f.type)) for f in found])
    if pa.types.is_map(found):
        return pa.map_(_exact(found.key_type), _exact(found.item_type))
    return pa.list_(_exact(found.value_type)) if pa.types.is_nested(found) else found


def _json(table: pa.Table) -> dict[str, Any]:
    """Lists, structs and maps as JSON."""
    connection = duck()
    connection.register("nested", table)
    try:
        items = ", ".join(f'CAST(to_json("{name}") AS VARCHAR) AS "{name}"' for name in (n.replace('"', '""') for n in table.column_names))
        found = connection.sql(f"SELECT {items} FROM nested").to_arrow_table()
        return {name: found.column(name) for name in table.column_names}
    finally:
        connection.unregister("nested")
