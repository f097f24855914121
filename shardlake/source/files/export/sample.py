"""A look at some exports, for views that are to be drafted: a view for each kind of item."""

from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from itertools import islice
from typing import Any

import orjson

from shardlake.errors import ContractError
from shardlake.source.door import Sample
from shardlake.source.files.export.look import first_lines
from shardlake.source.files.export.manifest import Export, Summary, open_export, read_summary
from shardlake.source.files.store import Listed, Moved, Store
from shardlake.source.item.draft import by_key, drafted, kind_of, kinds_of
from shardlake.source.item.plain import document
from shardlake.source.item.taken import takes
from shardlake.view.files import EXPORT, Files

_EXPORTS, _FILES, _ITEMS = 12, 8, 250
"""Exports that are looked into, the last of those that match, files of each, and items of each file."""
_PAIRS = (("pk", "sk"), ("partitionkey", "sortkey"), ("hashkey", "rangekey"))
_SINGLE = ("pk", "id", "key", "uuid")
_BY_MORE = "the key alone does not tell the view's items: each change of another item is written down as one that is not in the view"
Item = dict[str, Any]
_Told = tuple[Listed, Summary]
"""A manifest with what it says."""


def export_samples(reference: str, store: Store, found: list[Listed], text: str, shards: int) -> list[Sample]:
    """A sample for each kind of item of each table in some exports, of which `found` are the manifests.

    Raises ContractError, SourceFailed.
    """
    tables = _by_table(store, found)
    made = [sample for table in tables for sample in _of_table(reference, store, tables[table], text, shards)]
    if not made:
        raise ContractError(f"{reference}: the exports of {text} hold no items to look at", hint="Write the view by hand.")
    return made


def _of_table(reference: str, store: Store, manifests: list[_Told], text: str, shards: int) -> list[Sample]:
    """A sample for each kind of item of a table; none where its exports hold no items."""
    items, key = _looked(store, manifests)
    if not items:
        return []
    remarks = list[str]()
    if not key:
        key = _guessed(items)
        remarks.append(f"a full export does not say what the table's key is; {' and '.join(key)} is taken for it: check primary_key")
    items = [item for item in items if set(key) <= set(item)]
    kinds, rest = kinds_of(items, key)
    remarks += [rest] if rest else []
    table = manifests[-1][1].table
    source = {"connection": reference, "files": text, "format": EXPORT, **({"table": table} if table else {})}
    made = []
    for kind in kinds:
        more = () if by_key(kind, key) else (_BY_MORE,)
        made.append(drafted(kind, key, source, table or "items", len(items), (*remarks, *more), shards))
    return made


def export_sample_of(reference: str, store: Store, found: list[Listed], of: Files, shards: int) -> Sample:
    """A sample of the items that a view takes of some exports, which may be none. Raises ContractError, SourceFailed."""
    tables = _by_table(store, found)
    told = next((one for one in reversed(tables.values()) if not of.table or of.table in (one[-1][1].table, one[-1][1].tableArn)), [])
    items, _ = _looked(store, told)
    whole = [item for item in items if set(of.primary_key) <= set(item)]
    key = {name: next(iter(whole[0][name])) if whole else "S" for name in of.primary_key}
    kind = kind_of((item for item in whole if takes(of.takes or (), item)), key, of.takes_text)
    return drafted(kind, key, {"connection": reference, "files": of.files}, "items", len(items), (), shards)


def _by_table(store: Store, found: list[Listed]) -> dict[str, list[_Told]]:
    """The last manifests with what they say, by the ARN of their table; the table of the last of them comes last."""
    tables = dict[str, list[_Told]]()
    for manifest in found[-_EXPORTS:]:
        with suppress(Moved):
            summary = read_summary(store, manifest, manifest.name)
            tables[summary.tableArn] = [*tables.pop(summary.tableArn, []), (manifest, summary)]
    return tables


def _looked(store: Store, manifests: list[_Told]) -> tuple[list[Item], dict[str, str]]:
    """Items of some exports of a table, and the types of its key's attributes where they are said."""
    items, key = list[Item](), dict[str, str]()
    for manifest, summary in manifests:
        with suppress(Moved):  # what goes or is written anew meanwhile is not looked into
            for line, incremental in _some_lines(store, open_export(store, manifest, summary, manifest.name)):
                image, keys = _seen(line, incremental=incremental)
                key = key or keys
                items += [image] if image else []
    return items, key


def _some_lines(store: Store, export: Export) -> Iterator[tuple[bytes, bool]]:
    """Lines that some files of an export begin with, and whether they are changes. Raises SourceFailed, Moved."""
    holding = ((name, expected) for name, expected in export.data_files(store) if expected.items)
    for name, expected in islice(holding, _FILES):
        if file := store.find(name):
            yield from ((line, expected.incremental) for line in islice(first_lines(store, file), _ITEMS))


def _seen(line: bytes, *, incremental: bool) -> tuple[Item | None, dict[str, str]]:
    """The item of a line, and the types of its key's attributes where the line says them. What a run rejects is passed over."""
    try:
        found = orjson.loads(line)
        item, keys = (found.get("NewImage"), found["Keys"]) if incremental else (found["Item"], {})
        for one in (item, keys):
            orjson.loads(document(one or {}))
        types = {name: next(iter(value)) for name, value in keys.items()}
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
        return None, {}
    return (item, types) if set(types.values()) <= {"S", "N", "B"} else (None, {})


def _guessed(items: list[Item]) -> dict[str, str]:
    """The attributes that every item has and a key may have, and of them those that are called like a key or tell the items apart."""
    everywhere = [name for name, count in Counter(n for item in items for n in item).items() if count == len(items)]
    fitting = {name: next(iter(items[0][name])) for name in everywhere if {next(iter(item[name])) for item in items} <= {"S", "N", "B"}}
    plain = {name.lower().replace("_", "").replace("-", ""): name for name in fitting}
    for names in (*_PAIRS, *((name,) for name in _SINGLE)):
        if all(name in plain for name in names):
            return {plain[name]: fitting[plain[name]] for name in names}
    unique = [name for name in fitting if len({str(item[name]) for item in items}) == len(items)]
    chosen = unique[:1] or list(fitting)[:2]
    if not chosen:
        raise ContractError("the items have no attribute in common that could be their key", hint="Write the view by hand.")
    return {name: fitting[name] for name in chosen}
