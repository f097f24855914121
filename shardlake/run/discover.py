"""Drafting a view of a live table: columns and types that all partitions have, key, how changes are told, and the JSON found in a sample."""

import json
import re
from collections import Counter
from typing import Any

import yaml

from shardlake.errors import SpecError
from shardlake.source.door import Sample, Samples, Source
from shardlake.view.jsonpath import Path

_TARGET = {
    "int": "bigint", "float": "double precision", "decimal": "numeric", "bool": "bigint", "text": "text", "json": "jsonb",
    "bytes": "bytea", "date": "date", "datetime": "timestamptz", "instant": "timestamptz", "time": "interval",
    "geometry": "text", "array": "text[]",
}  # fmt: skip


def discover(reference: str, source: Source, table: str) -> str:
    """The draft of a view, as YAML with remarks. Raises SpecError where the source has no sample to give, ContractError."""
    if not isinstance(source, Samples):
        raise SpecError(f"{reference} cannot be drafted from", hint="Write the view by hand.")
    return _draft(reference, len(source.partitions()), table, source.sample(table))


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


def _draft(reference: str, partitions: int, table: str, sample: Sample) -> str:
    name = re.sub(r"[^a-z0-9_]+", "_", table.lower()).strip("_") or "view"
    name = name if name[0].isalpha() else f"v_{name}"
    remarks = [f"drafted from {partitions} shards of {reference}; look through it, then: shardlake plan {name}", *sample.remarks]
    outs: dict[str, Any] = {}
    for column in sample.columns:
        paths = json_paths(sample.documents.get(column.name, [])) if column.kind in ("json", "text") else {}
        if column.kind in _TARGET and (column.kind == "json" or not paths):
            declared = "numeric" if column.declared.endswith("longlong unsigned") else _TARGET[column.kind]
            target = _free(column.name, outs)
            outs[target] = declared if target == column.name else {"type": declared, "from": [column.name]}
        elif column.kind not in _TARGET:
            remarks.append(f"{column.name} is left out: {column.declared} cannot be read exactly")
        for path, type_ in paths.items():
            outs[_free("_".join(str(p) for p in path), outs)] = {"type": type_, "from": str(Path(column.name, path))}
    whole = {} if sample.tells_changes else {"write": "replace"}
    view = {
        "name": name[:48],
        "owner": "you@example.com",
        "description": f"One row per row of {table}.",
        "source": sample.source,
        "columns": outs,
        "warehouse": {"connection": "postgres-warehouse/main", "table": f"analytics.{name[:50]}"} | whole,
    }
    text = yaml.safe_dump(view, sort_keys=False, allow_unicode=True, default_flow_style=None, width=120)
    return "".join(f"# {r}\n" for r in remarks) + text


def _free(name: str, taken: dict[str, Any]) -> str:
    name = re.sub(r"[^A-Za-z0-9_]+", "_", name).strip("_").lower()[:50] or "column"
    candidate, n = name, 2
    while candidate in taken:
        candidate, n = f"{name}_{n}", n + 1
    return candidate
