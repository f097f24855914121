"""The lake's types: how a column's text becomes a typed value that Athena, Iceberg, Delta and DuckDB all read."""

import pyarrow as pa

from shardlake.view.columns import TargetColumn
from shardlake.view.layout import folded
from shardlake.view.nested import List, Part, Struct
from shardlake.view.types import Type

_ARROW: dict[str, pa.DataType] = {
    "smallint": pa.int16(), "integer": pa.int32(), "bigint": pa.int64(), "real": pa.float32(), "double precision": pa.float64(),
    "boolean": pa.bool_(), "date": pa.date32(), "timestamp": pa.timestamp("us"), "timestamptz": pa.timestamp("us", "UTC"),
    "bytea": pa.binary(),
}  # fmt: skip
_DUCK = {
    "smallint": "SMALLINT", "integer": "INTEGER", "bigint": "BIGINT", "real": "FLOAT", "double precision": "DOUBLE", "boolean": "BOOLEAN",
    "date": "DATE", "timestamp": "TIMESTAMP",
}  # fmt: skip
_OFFSET = r"[0-9](?:Z|[+-][0-9]{2}(?::?[0-9]{2})?)"
NAIVE = "_shardlake_naive_"
"""Before a timestamptz column's name: its value where the text has no offset and the zone is not UTC."""


def arrow_type(type_: Type) -> pa.DataType:
    """The Arrow type of a column. What has no exact type of its own (time, interval, uuid, inet, jsonb, numeric without a
    size or of more than 38 digits) is text, spelt as Postgres spells it.

    >>> from shardlake.view.types import parse
    >>> str(arrow_type(parse("numeric(12,2)"))), str(arrow_type(parse("bigint[]"))), str(arrow_type(parse("uuid")))
    ('decimal128(12, 2)', 'list<element: int64>', 'string')
    """
    if type_.array:
        return pa.list_(pa.field("element", arrow_type(Type(type_.name, type_.sizes))))
    if type_.name == "numeric" and type_.sizes and type_.sizes[0] <= 38:
        return pa.decimal128(type_.sizes[0], (*type_.sizes, 0)[1])
    return _ARROW.get(type_.name, pa.string())


def lake_type(column: TargetColumn) -> pa.DataType:
    """The Arrow type of a target's column in the lake: nested where the view says so."""
    return part_type(column.lake) if column.lake else arrow_type(column.type)


def part_type(part: Part) -> pa.DataType:
    """The Arrow type of a nested type, or of a part of one. Keys are folded, as columns are.

    >>> from shardlake.view.nested import parse
    >>> str(part_type(parse('array<struct<Sku: text, "a.b": integer>>')))
    'list<element: struct<sku: string, a_b: int32>>'
    """
    if isinstance(part, List):
        return pa.list_(pa.field("element", part_type(part.element)))
    if isinstance(part, Struct):
        return pa.struct([pa.field(folded(key), part_type(inner)) for key, inner in part.fields])
    return arrow_type(part)


def typed(type_: Type, value: str) -> str:
    """A DuckDB expression for the typed value of a text that is certainly of the type, as `types.CERTAIN` has it."""
    if type_.array:
        return f"CAST(from_json({value}, '[\"VARCHAR\"]') AS {_duck(Type(type_.name, type_.sizes))}[])"
    if type_.name == "timestamptz":
        return f"CAST(CASE WHEN {has_offset(value)} THEN {value} ELSE {value} || '+00' END AS TIMESTAMPTZ)"
    if type_.name in ("time", "uuid"):
        return f"CAST(CAST({value} AS {type_.name.upper()}) AS VARCHAR)"
    if type_.name == "bytea":
        return f"unhex(substr({value}, 3))"
    if (kind := _duck(type_)) == "VARCHAR":
        return value
    return f"CAST({value} AS {kind})"


def tried(type_: Type, value: str) -> str:
    """A DuckDB expression for the typed value of a text as Postgres prints it; NULL where the lake has no such value."""
    if arrow_type(type_) == pa.string():
        return value
    found = f"try({typed(type_, value)})"
    if type_.name in ("date", "timestamp", "timestamptz") and not type_.array:
        # infinity, years before 1 and past 9999: Athena has none of them
        return f"CASE WHEN regexp_matches({value}, '^[0-9]{{4}}-') AND NOT suffix({value}, 'BC') AND NOT contains({value}, 'BC+') THEN {found} END"
    return found


def has_offset(value: str) -> str:
    """The condition that a timestamp's text names its offset."""
    return f"regexp_matches(substr({value}, 12), '{_OFFSET}')"


def odd(type_: Type, value: str) -> str | None:
    """The condition that a certain text is not spelt as Postgres would print it, where the lake keeps text."""
    if type_.array:
        return None
    if type_.name == "interval":
        return f"NOT regexp_full_match({value}, '-?(?:[0-9]{{2}}|[1-9][0-9]{{2}}):[0-5][0-9]:[0-5][0-9]') OR {value} = '-00:00:00'"
    if type_.name == "numeric" and arrow_type(type_) == pa.string():
        # Postgres pads to a declared scale, drops leading zeros and the sign of zero
        return "true" if type_.sizes else f"regexp_matches({value}, '^-?0[0-9]|^-[0.]*$')"
    return None


def _duck(type_: Type) -> str:
    if type_.name == "numeric" and type_.sizes and type_.sizes[0] <= 38:
        return f"DECIMAL({type_.sizes[0]},{(*type_.sizes, 0)[1]})"
    return _DUCK.get(type_.name, "VARCHAR")


def glue_type(type_: pa.DataType) -> str:
    """The type as Glue and Athena spell it.

    >>> glue_type(pa.decimal128(12, 2)), glue_type(pa.list_(pa.int64())), glue_type(pa.struct({"at": pa.timestamp("us", "UTC")}))
    ('decimal(12,2)', 'array<bigint>', 'struct<at:timestamp>')
    """
    if pa.types.is_struct(type_):
        return f"struct<{','.join(f'{f.name}:{glue_type(f.type)}' for f in type_)}>"
    if pa.types.is_list(type_):
        return f"array<{glue_type(type_.value_type)}>"
    if pa.types.is_decimal(type_):
        return f"decimal({type_.precision},{type_.scale})"
    if pa.types.is_timestamp(type_):
        return "timestamp"
    names = {
        pa.int16(): "smallint", pa.int32(): "int", pa.int64(): "bigint", pa.float32(): "float", pa.float64(): "double",
        pa.bool_(): "boolean", pa.date32(): "date", pa.binary(): "binary",
    }  # fmt: skip
    return names.get(type_, "string")
