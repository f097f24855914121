"""Drafting a view from a live table: columns and types that all shards have, key, cursor, and the JSON found in a sample."""

import json
import re
from collections import Counter
from typing import Any

import yaml

from shardlake.connection.address import Shard
from shardlake.errors import ContractError
from shardlake.source.sql.dialect import SourceColumn, dialect
from shardlake.view.jsonpath import Path

SAMPLE = 200
"""Rows of the first shard in which JSON paths are looked for."""

_TARGET = {
    "int": "bigint", "float": "double precision", "decimal": "numeric", "bool": "bigint", "text": "text", "json": "jsonb",
    "bytes": "bytea", "date": "date", "datetime": "timestamptz", "instant": "timestamptz", "time": "interval",
    "geometry": "text", "array": "text[]",
}  # fmt: skip
_CURSOR_NAMES = ("updated_at", "modified_at", "last_modified", "updated", "modified", "changed_at", "updated_on", "mtime")


def discover(reference: str, shards: tuple[Shard, ...], table: str) -> str:
    """The draft of a view, as YAML with remarks. Raises ContractError where the shards' columns are not alike."""
    speaker = dialect(shards[0].dialect)
    columns: dict[str, SourceColumn] = {}
    keys: list[str] = []
    indexes: dict[str, list[str]] = {}
    samples: dict[str, list[str]] = {}
    for place, shard in enumerate(shards):
        with speaker.connect(shard) as connection:
            try:
                if table not in speaker.tables(connection, shard.database):
                    raise ContractError(
                        f"{shard.name} has no table {table!r}; it has: {', '.join(speaker.tables(connection, shard.database)[:30])}",
                        hint="Check the name.",
                    )
                found = {c.name: c for c in speaker.columns(connection, speaker.quote(table))}
                if place == 0:
                    columns, keys, indexes = found, speaker.primary_key(connection, table), speaker.indexes(connection, table)
                    samples = _sample(speaker, connection, table, [c for c in found.values() if c.kind in ("json", "text")])
            except speaker.errors as error:
                raise speaker.failure(error, shard) from None
        _compare(shards[0].name, columns, shard.name, found)
    return _draft(reference, shards, table, columns, keys, indexes, samples)


def _compare(first: str, columns: dict[str, SourceColumn], name: str, found: dict[str, SourceColumn]) -> None:
    for column in columns.values():
        if column.name not in found:
            raise ContractError(
                f"{name} has no column {column.name!r}, which {first} has",
                hint="Make the shards alike, or write the view by hand with `source.drift: null`.",
            )
        if found[column.name].kind != column.kind:
            raise ContractError(
                f"{name}, {column.name}: is {found[column.name].declared} here and {column.declared} on {first}",
                hint="Make the shards alike, or convert it in an extract.sql.",
            )


def _sample(speaker: Any, connection: Any, table: str, columns: list[SourceColumn]) -> dict[str, list[str]]:
    if not columns:
        return {}
    cursor = connection.cursor()
    cursor.execute(
        f"SELECT {', '.join(speaker.safe(c, speaker.quote(c.name)) for c in columns)} FROM {speaker.quote(table)} LIMIT {SAMPLE}"
    )
    rows = cursor.fetchall()
    return {c.name: [str(row[n]) for row in rows if row[n] is not None] for n, c in enumerate(columns)}


def json_paths(documents: list[str]) -> dict[tuple[str | int, ...], str]:
    """The paths of a sample of documents and the type that holds what stands there.

    >>> json_paths(['{"a": {"b": 1}, "c": [1]}'])
    {('a', 'b'): 'bigint', ('c',): 'jsonb'}
    """
    types: dict[tuple[str | int, ...], Counter[str]] = {}

    def walk(value: Any, path: tuple[str | int, ...]) -> None:
        if isinstance(value, dict) and len(path) < 6:
            for key, item in value.items():
                walk(item, (*path, key))
        elif value is not None:
            types.setdefault(path, Counter())[_type_of(value)] += 1

    for document in documents:
        try:
            parsed = json.loads(document)
        except ValueError:
            continue
        if isinstance(parsed, dict):
            walk(parsed, ())
    return {path: _together(found) for path, found in types.items() if path}


def _type_of(value: Any) -> str:
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, int):
        return "bigint" if abs(value) < 2**63 else "numeric"
    if isinstance(value, float):
        return "numeric"
    if isinstance(value, list | dict):
        return "jsonb"
    return "timestamptz" if re.fullmatch(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(\.\d{1,6})?(Z|[+-]\d\d:?\d\d)", str(value)) else "text"


def _together(found: Counter[str]) -> str:
    if len(found) == 1:
        return next(iter(found))
    return "numeric" if set(found) <= {"bigint", "numeric"} else "jsonb" if "jsonb" in found else "text"


def _draft(
    reference: str,
    shards: tuple[Shard, ...],
    table: str,
    columns: dict[str, SourceColumn],
    keys: list[str],
    indexes: dict[str, list[str]],
    samples: dict[str, list[str]],
) -> str:
    name = re.sub(r"[^a-z0-9_]+", "_", table.lower()).strip("_") or "view"
    name = name if name[0].isalpha() else f"v_{name}"
    leading = {first[0] for first in indexes.values() if first}
    times = [c.name for c in columns.values() if c.kind in ("datetime", "instant")]
    cursor = next((c for c in _CURSOR_NAMES if c in times), None) or next((c for c in times if c in leading), None)
    remarks = [f"drafted from {len(shards)} shards of {reference}; look through it, then: shardlake plan {name}"]
    source: dict[str, Any] = {"connection": reference, "table": table, "primary_key": keys or ["FILL_IN"]}
    if not keys:
        remarks.append("the table has no primary key: name the columns that are unique together and never NULL")
    if cursor:
        source |= {"cursor": cursor, "lookback": "5m"}
        if cursor not in leading:
            remarks.append(f"no index begins with {cursor}: each run would read the whole table; create one on the shards")
    else:
        remarks.append("no datetime that looks like a cursor: the table is loaded whole (write: replace)")
    outs: dict[str, Any] = {}
    for column in columns.values():
        paths = json_paths(samples.get(column.name, [])) if column.kind in ("json", "text") else {}
        if column.kind in _TARGET and (column.kind == "json" or not paths):
            declared = "numeric" if column.declared.endswith("longlong unsigned") else _TARGET[column.kind]
            target = _free(column.name, outs)
            outs[target] = declared if target == column.name else {"type": declared, "from": [column.name]}
        elif column.kind not in _TARGET:
            remarks.append(f"{column.name} is left out: {column.declared} cannot be read exactly")
        for path, type_ in paths.items():
            outs[_free("_".join(str(p) for p in path), outs)] = {"type": type_, "from": str(Path(column.name, path))}
    warehouse = {"connection": "postgres-warehouse/main", "table": f"analytics.{name[:50]}"} | ({} if cursor else {"write": "replace"})
    view = {
        "name": name[:48],
        "owner": "you@example.com",
        "description": f"One row per row of {table}.",
        "source": source,
        "columns": outs,
        "warehouse": warehouse,
    }
    text = yaml.safe_dump(view, sort_keys=False, allow_unicode=True, default_flow_style=None, width=120)
    return "".join(f"# {r}\n" for r in remarks) + text


def _free(name: str, taken: dict[str, Any]) -> str:
    name = re.sub(r"[^A-Za-z0-9_]+", "_", name).strip("_").lower()[:50] or "column"
    candidate, n = name, 2
    while candidate in taken:
        candidate, n = f"{name}_{n}", n + 1
    return candidate
