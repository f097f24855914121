"""The types of Postgres: what each is to the engine, and the type that a draft declares for it. One line a type."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from shardlake.source.sql.dialect import ColumnType

_PRINTED = ColumnType("text", "text")
"""As the server prints it, which reads back as the same value."""
_UNORDERED = ColumnType("text", "text", ordered=False)
"""The same, of what has no order, or one that a text of it does not follow."""

TYPES: dict[str, ColumnType] = {
    "int2": ColumnType("int", "bigint"),
    "int4": ColumnType("int", "bigint"),
    "int8": ColumnType("int", "bigint"),
    "oid": ColumnType("int", "bigint"),
    "float4": ColumnType("float", "real"),
    "float8": ColumnType("float", "double precision"),
    "numeric": ColumnType("decimal", "numeric"),
    "bool": ColumnType("bool", "boolean"),
    "text": ColumnType("text", "text"),
    "varchar": ColumnType("text", "text"),
    "bpchar": ColumnType("text", "text"),
    "name": ColumnType("text", "text"),
    "char": _PRINTED,
    "citext": _PRINTED,
    "uuid": ColumnType("text", "uuid"),
    "inet": ColumnType("text", "inet"),
    "cidr": ColumnType("text", "inet"),
    "macaddr": _PRINTED,
    "macaddr8": _PRINTED,
    "json": ColumnType("json", "jsonb"),
    "jsonb": ColumnType("json", "jsonb"),
    "jsonpath": _UNORDERED,
    "xml": _UNORDERED,
    "hstore": _UNORDERED,
    "bytea": ColumnType("bytes", "bytea"),
    "bit": _PRINTED,
    "varbit": _PRINTED,
    "date": ColumnType("date", "date"),
    "timestamp": ColumnType("datetime", "timestamptz"),
    "timestamptz": ColumnType("instant", "timestamptz"),
    "time": ColumnType("time", "time"),
    "timetz": _PRINTED,
    "interval": ColumnType("time", "interval"),
    "money": _PRINTED,
    "tsvector": _UNORDERED,
    "tsquery": _UNORDERED,
    "ltree": _PRINTED,
    "pg_lsn": _PRINTED,
    "xid": _UNORDERED,
    "xid8": _PRINTED,
    "cid": _UNORDERED,
    "tid": _UNORDERED,
    "pg_snapshot": _UNORDERED,
    "txid_snapshot": _UNORDERED,
    "refcursor": _UNORDERED,
    "aclitem": _UNORDERED,
    "int2vector": _UNORDERED,
    "oidvector": _UNORDERED,
    "regclass": _UNORDERED,
    "regcollation": _UNORDERED,
    "regconfig": _UNORDERED,
    "regdictionary": _UNORDERED,
    "regnamespace": _UNORDERED,
    "regoper": _UNORDERED,
    "regoperator": _UNORDERED,
    "regproc": _UNORDERED,
    "regprocedure": _UNORDERED,
    "regrole": _UNORDERED,
    "regtype": _UNORDERED,
    "point": _UNORDERED,
    "line": _UNORDERED,
    "lseg": _UNORDERED,
    "box": _UNORDERED,
    "path": _UNORDERED,
    "polygon": _UNORDERED,
    "circle": _UNORDERED,
    "cube": _UNORDERED,
    "geometry": _UNORDERED,  # PostGIS prints EWKB, which has the SRID
    "geography": _UNORDERED,
    "vector": _UNORDERED,
    "halfvec": _UNORDERED,
    "sparsevec": _UNORDERED,
}
"""By pg_type.typname, those of common extensions among them. A base type without a line is refused."""

_FAMILIES = {"e": _PRINTED, "c": _UNORDERED, "r": _PRINTED, "m": _PRINTED}
"""Enums, composite types, ranges and multiranges, by typtype: whatever their names are."""
_ARRAYS = {
    "int2": "smallint[]", "int4": "integer[]", "int8": "bigint[]", "numeric": "numeric[]", "float4": "real[]",
    "float8": "double precision[]",
}  # fmt: skip
"""What arrays are declared as, by their elements; all others are text[]."""


@dataclass(frozen=True, slots=True)
class _PgType:
    oid: int
    name: str
    family: str
    delimiter: str
    base: int
    element: int
    """Of a true array; 0 for all else, vectors and points among them, whose typelem says how they are stored."""


def types_of(connection: Any, oids: Iterable[int]) -> dict[int, tuple[str, ColumnType]]:
    """By the oid of a type: its name for people, and what it is. One that has no line is of the kind `other`."""
    asked = set(oids)
    catalogue: dict[int, _PgType] = {}
    wanted = set(asked)
    while wanted:
        rows = connection.execute(_CATALOGUE, (list(wanted),)).fetchall()
        catalogue |= {row[0]: _PgType(*row) for row in rows}
        wanted = {oid for t in catalogue.values() for oid in (t.base, t.element) if oid} - catalogue.keys()
    return {oid: _known(catalogue, oid) for oid in asked}


_CATALOGUE = """
    SELECT t.oid, t.typname, t.typtype::text, e.typdelim::text, t.typbasetype, CASE WHEN e.typarray = t.oid THEN t.typelem ELSE 0 END
    FROM pg_type t LEFT JOIN pg_type e ON e.oid = t.typelem AND t.typcategory = 'A'
    WHERE t.oid = ANY(%s)
"""


def _known(catalogue: dict[int, _PgType], oid: int) -> tuple[str, ColumnType]:
    found = catalogue[oid]
    if found.family == "d":
        return found.name, _known(catalogue, found.base)[1]
    if found.element:
        name, element = _known(catalogue, found.element)
        if element.kind == "other":
            return f"{name}[]", element
        if found.delimiter != ",":  # box: its elements are parted by semicolons, which no text[] reads
            return f"{name}[]", _UNORDERED
        return f"{name}[]", ColumnType("array", _ARRAYS.get(_under(catalogue, found.element), "text[]"))
    if found.family in _FAMILIES:
        return found.name, _FAMILIES[found.family]
    advice = f"select it as a type that can, such as its text: {found.name}::text"
    return found.name, TYPES.get(found.name, ColumnType("other", advice=advice)) if found.family == "b" else ColumnType("other")


def _under(catalogue: dict[int, _PgType], oid: int) -> str:
    """The name of a type, of a domain's the type that it is made of."""
    while catalogue[oid].family == "d":
        oid = catalogue[oid].base
    return catalogue[oid].name if catalogue[oid].family == "b" else ""
