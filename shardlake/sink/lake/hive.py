"""Hive's types, as Glue and the ledger have them, in the words of who else reads the lake: DuckDB, and Presto's views."""

from collections.abc import Iterator, Mapping

_DUCK = {"string": "VARCHAR", "binary": "BLOB"}
_PRESTO = {"string": "varchar", "int": "integer", "float": "real", "binary": "varbinary", "timestamp": "timestamp(3)"}


def duck(type_: str) -> str:
    """The type as DuckDB spells it.

    >>> duck("array<struct<sku:string,price:decimal(8,2)>>")
    'STRUCT("sku" VARCHAR, "price" decimal(8,2))[]'
    """
    return _spelt(type_, _DUCK, "{}[]", "STRUCT({})")


def presto(type_: str) -> str:
    """The type as Presto spells it in a view. Fields are quoted: a key may be a word of SQL.

    >>> presto("struct<order:array<int>>")
    'row("order" array(integer))'
    """
    return _spelt(type_, _PRESTO, "array({})", "row({})")


def _spelt(type_: str, names: Mapping[str, str], array: str, struct: str) -> str:
    if type_.startswith("array<"):
        return array.format(_spelt(type_[6:-1], names, array, struct))
    if type_.startswith("struct<"):
        fields = (field.split(":", 1) for field in _parts(type_[7:-1]))
        return struct.format(", ".join(f'"{key}" {_spelt(inner, names, array, struct)}' for key, inner in fields))
    return names.get(type_, type_)


def _parts(fields: str) -> Iterator[str]:
    """What stands between commas that are inside of nothing."""
    depth = start = 0
    for at, sign in enumerate(fields):
        depth += (sign in "<(") - (sign in ">)")
        if sign == "," and not depth:
            yield fields[start:at]
            start = at + 1
    yield fields[start:]
