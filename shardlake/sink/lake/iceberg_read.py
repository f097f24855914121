"""Iceberg's files as DuckDB reads them: by the numbers of their columns, where names are spelt otherwise in the files.

Names in a file follow Avro's rules: none begins with a digit, and pyiceberg writes `2fa` as `_2fa`. Readers go by the numbers.
"""

from pyiceberg import types as iceberg
from pyiceberg.schema import Schema

from shardlake.quoting import ansi, ansi_text
from shardlake.view.layout import in_iceberg

_DUCK: dict[type[iceberg.IcebergType], str] = {
    iceberg.BooleanType: "BOOLEAN", iceberg.IntegerType: "INTEGER", iceberg.LongType: "BIGINT", iceberg.FloatType: "FLOAT",
    iceberg.DoubleType: "DOUBLE", iceberg.DateType: "DATE", iceberg.TimestampType: "TIMESTAMP", iceberg.BinaryType: "BLOB",
    iceberg.TimestamptzType: "TIMESTAMP WITH TIME ZONE", iceberg.StringType: "VARCHAR",
}  # fmt: skip


def by_number(schema: Schema, paths: str) -> str | None:
    """What to select from in place of the files at `paths` (a list in SQL); None where every name is the same in the files."""
    if not any(_differs(field.name, field.field_type) for field in schema.fields):
        return None
    wanted = ", ".join(
        f"{f.field_id}: {{name: {ansi_text(f.name)}, type: {ansi_text(_spelt(f.field_type))}, default_value: NULL}}" for f in schema.fields
    )
    items = ", ".join(f"{_renamed(f.field_type, ansi(f.name))} AS {ansi(f.name)}" for f in schema.fields)
    return f"(SELECT {items} FROM read_parquet({paths}, schema = MAP {{{wanted}}}))"


def _differs(name: str, type_: iceberg.IcebergType) -> bool:
    return in_iceberg(name) != name or _has_differing(type_)


def _has_differing(type_: iceberg.IcebergType) -> bool:
    if isinstance(type_, iceberg.ListType):
        return _has_differing(type_.element_type)
    return isinstance(type_, iceberg.StructType) and any(_differs(f.name, f.field_type) for f in type_.fields)


def _spelt(type_: iceberg.IcebergType) -> str:
    """The type as DuckDB has it, with the names of the files."""
    if isinstance(type_, iceberg.ListType):
        return f"{_spelt(type_.element_type)}[]"
    if isinstance(type_, iceberg.StructType):
        return f"STRUCT({', '.join(f'{ansi(in_iceberg(f.name))} {_spelt(f.field_type)}' for f in type_.fields)})"
    if isinstance(type_, iceberg.DecimalType):
        return f"DECIMAL({type_.precision},{type_.scale})"
    return _DUCK[type(type_)]


def _renamed(type_: iceberg.IcebergType, value: str, depth: int = 0) -> str:
    """A value of the files with the table's names."""
    if not _has_differing(type_):
        return value
    if isinstance(type_, iceberg.ListType):
        return f"list_transform({value}, lambda e{depth}: {_renamed(type_.element_type, f'e{depth}', depth + 1)})"
    assert isinstance(type_, iceberg.StructType)
    fields = [f"{ansi(f.name)} := {_renamed(f.field_type, f'{value}.{ansi(in_iceberg(f.name))}', depth)}" for f in type_.fields]
    return f"CASE WHEN {value} IS NOT NULL THEN struct_pack({', '.join(fields)}) END"
