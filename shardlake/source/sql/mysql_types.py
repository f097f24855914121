"""The types of MySQL and MariaDB: what each is to the engine, and the type that a draft declares for it. One line a type."""

import re
from typing import Any

from pymysql.constants import FIELD_TYPE, FLAG

from shardlake.source.sql.dialect import ColumnType, SourceColumn

TYPES: dict[str, ColumnType] = {
    "tinyint": ColumnType("int", "bigint"),
    "smallint": ColumnType("int", "bigint"),
    "mediumint": ColumnType("int", "bigint"),
    "int": ColumnType("int", "bigint"),
    "bigint": ColumnType("int", "bigint"),
    "bigint unsigned": ColumnType("int", "numeric"),
    "year": ColumnType("int", "bigint"),
    "bit(1)": ColumnType("bool", "boolean"),
    "bit(64)": ColumnType("bool", "numeric"),
    "bit": ColumnType("bool", "bigint"),
    "decimal": ColumnType("decimal", "numeric"),
    "float": ColumnType("float", "double precision"),
    "double": ColumnType("float", "double precision"),
    "date": ColumnType("date", "date"),
    "datetime": ColumnType("datetime", "timestamptz"),
    "timestamp": ColumnType("instant", "timestamptz"),
    "time": ColumnType("time", "interval"),
    "char": ColumnType("text", "text"),
    "varchar": ColumnType("text", "text"),
    "tinytext": ColumnType("text", "text"),
    "text": ColumnType("text", "text"),
    "mediumtext": ColumnType("text", "text"),
    "longtext": ColumnType("text", "text"),
    "enum": ColumnType("text", "text", ordered=False),  # sorted by the number of the value
    "set": ColumnType("text", "text", ordered=False),
    "uuid": ColumnType("text", "uuid"),
    "inet4": ColumnType("text", "inet"),
    "inet6": ColumnType("text", "inet"),
    "json": ColumnType("json", "jsonb"),
    "binary": ColumnType("bytes", "bytea"),
    "varbinary": ColumnType("bytes", "bytea"),
    "tinyblob": ColumnType("bytes", "bytea"),
    "blob": ColumnType("bytes", "bytea"),
    "mediumblob": ColumnType("bytes", "bytea"),
    "longblob": ColumnType("bytes", "bytea"),
    "geometry": ColumnType("geometry", "text"),
    "point": ColumnType("geometry", "text"),
    "linestring": ColumnType("geometry", "text"),
    "polygon": ColumnType("geometry", "text"),
    "multipoint": ColumnType("geometry", "text"),
    "multilinestring": ColumnType("geometry", "text"),
    "multipolygon": ColumnType("geometry", "text"),
    "geomcollection": ColumnType("geometry", "text"),
    "geometrycollection": ColumnType("geometry", "text"),
    "null": ColumnType("null", "text"),
    "vector": ColumnType("other", advice="select HEX of it (every digit), or VECTOR_TO_STRING (six digits)"),
    "xmltype": ColumnType("other", advice="select it as CAST(… AS CHAR)"),
}
"""By the name in SHOW COLUMNS; a line with a length or `unsigned` goes before the one without. A type without a line is refused."""

_WIRE = {
    FIELD_TYPE.TINY: "tinyint", FIELD_TYPE.SHORT: "smallint", FIELD_TYPE.INT24: "mediumint", FIELD_TYPE.LONG: "int",
    FIELD_TYPE.LONGLONG: "bigint", FIELD_TYPE.YEAR: "year", FIELD_TYPE.BIT: "bit", FIELD_TYPE.FLOAT: "float",
    FIELD_TYPE.DOUBLE: "double", FIELD_TYPE.DECIMAL: "decimal", FIELD_TYPE.NEWDECIMAL: "decimal", FIELD_TYPE.DATE: "date",
    FIELD_TYPE.NEWDATE: "date", FIELD_TYPE.DATETIME: "datetime", FIELD_TYPE.TIMESTAMP: "timestamp", FIELD_TYPE.TIME: "time",
    FIELD_TYPE.JSON: "json", FIELD_TYPE.GEOMETRY: "geometry", FIELD_TYPE.NULL: "null", 242: "vector",
}  # fmt: skip
_TEXTS = {
    FIELD_TYPE.VARCHAR: ("varchar", "varbinary"), FIELD_TYPE.VAR_STRING: ("varchar", "varbinary"),
    FIELD_TYPE.STRING: ("char", "binary"), FIELD_TYPE.TINY_BLOB: ("tinytext", "tinyblob"), FIELD_TYPE.BLOB: ("text", "blob"),
    FIELD_TYPE.MEDIUM_BLOB: ("mediumtext", "mediumblob"), FIELD_TYPE.LONG_BLOB: ("longtext", "longblob"),
    FIELD_TYPE.ENUM: ("enum", "binary"), FIELD_TYPE.SET: ("set", "binary"),
}  # fmt: skip
"""By the code in a result's column packets: the type's name, of texts with a character set and without one."""
_BINARY = 63


def column(field: Any, declared: str | None = None, extra: str = "") -> SourceColumn:
    """A column by the packet that describes it and, of a table's, by its Type and Extra in SHOW COLUMNS.

    A type without a line is of the kind `other`.
    """
    sent = _sent(field)
    spelt = declared.lower() if declared else sent
    found = next((TYPES[name] for name in _names(spelt) if name in TYPES), ColumnType("other"))
    if found.kind == "text" and field.charsetnr == _BINARY:  # an enum of bytes
        found = ColumnType("bytes", "bytea", ordered=found.ordered)
    return SourceColumn(
        field.name, found.kind, _names(spelt)[1], not field.flags & FLAG.NOT_NULL, found.ordered,
        target=found.target, advice=found.advice,
        on_update="on update" in extra.lower(), flag=spelt.startswith("tinyint(1)"),
    )  # fmt: skip


def _names(spelt: str) -> tuple[str, str, str]:
    """The names under which a type may have a line: with its length, with `unsigned`, and plain.

    >>> _names("bigint(20) unsigned zerofill"), _names("bigint unsigned")
    (('bigint(20)', 'bigint unsigned', 'bigint'), ('bigint unsigned', 'bigint unsigned', 'bigint'))
    """
    base = re.split(r"[( ]", spelt, maxsplit=1)[0]
    signed = base + (" unsigned" if " unsigned" in spelt else "")
    length = re.match(r"\w+\(\d+\)", spelt)
    return length[0] if length else signed, signed, base


def _sent(field: Any) -> str:
    """A type as the packet alone tells it."""
    if listed := {FLAG.ENUM: "enum", FLAG.SET: "set"}.get(field.flags & (FLAG.ENUM | FLAG.SET)):
        return listed
    if field.type_code in _TEXTS:
        return _TEXTS[field.type_code][field.charsetnr == _BINARY]
    name = _WIRE.get(field.type_code, f"number_{field.type_code}")
    if name == "bit":
        return f"bit({field.length})"
    return f"{name} unsigned" if TYPES.get(name, ColumnType("other")).kind == "int" and field.flags & FLAG.UNSIGNED else name
