"""Kinds of items in one table, told apart by what their keys begin with, or else by an attribute that says so."""

import re
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

Plain = dict[str, Any]
"""An item as plain JSON."""
_PREFIX = re.compile(r"([A-Za-z][A-Za-z0-9_-]*)[#|:/@]")
_TELLING = re.compile(r"(_|__|item_?|entity_?|record_?|object_?)?(type|kind|entity|typename|class)(_?name)?", re.IGNORECASE)
"""Names of attributes that say what an item is."""
_MOST = 50
"""Kinds at most: what has more distinct values tells items apart, and no kinds."""


@dataclass(slots=True)
class ItemKind:
    """Items of one kind: the condition by which a view takes them, and what it is called; both empty where a table has one kind alone."""

    name: str
    condition: str
    items: list[Plain] = field(default_factory=list)


def item_kinds(items: list[Plain], key: tuple[str, ...]) -> list[ItemKind]:
    """The kinds of a sample, the most frequent first. Items that have none of a table with several are left out.

    >>> some = [{"pk": "U#1", "sk": "FIN#1"}, {"pk": "U#1", "sk": "FIN#2"}, {"pk": "U#1", "sk": "PROFILE"}]
    >>> [(k.name, k.condition, len(k.items)) for k in item_kinds(some, ("pk", "sk"))]
    [('fin', "sk begins_with 'FIN#'", 2), ('profile', "sk = 'PROFILE'", 1)]
    """
    for attribute in reversed(key):
        if kinds := _by_beginning(items, attribute):
            return kinds
    for attribute in sorted({name for item in items for name in item if _TELLING.fullmatch(name)}):
        values = Counter(str(item.get(attribute)) for item in items if isinstance(item.get(attribute), str))
        if 1 < len(values) <= _MOST and values.total() == len(items):
            return _sorted({value: ItemKind(_name(value), f"{_path(attribute)} = {_text(value)}") for value in values}, items, attribute)
    return [ItemKind("", "", items)] if items else []


def _by_beginning(items: list[Plain], attribute: str) -> list[ItemKind]:
    """Kinds by the beginning of a key, where it has such: `FIN#…`, or a whole key that several items have. None where that tells nothing."""
    values = [str(item[attribute]) if isinstance(item.get(attribute), str) else "" for item in items]
    whole = Counter(values)
    kinds: dict[str, ItemKind] = {}
    found: list[str | None] = []
    for value in values:
        if prefix := _PREFIX.match(value):
            kinds.setdefault(prefix[0], ItemKind(_name(prefix[1]), f"{_path(attribute)} begins_with {_text(prefix[0])}"))
            found.append(prefix[0])
        elif re.fullmatch(r"[A-Z][A-Z0-9_]*", value) and (whole[value] > 1 or len(items) < _MOST):
            kinds.setdefault(value, ItemKind(_name(value), f"{_path(attribute)} = {_text(value)}"))
            found.append(value)
        else:
            found.append(None)
    if not 1 < len(kinds) <= _MOST or sum(f is None for f in found) * 10 > len(items):
        return []
    for item, kind in zip(items, found, strict=True):
        if kind is not None:
            kinds[kind].items.append(item)
    return sorted(kinds.values(), key=lambda k: -len(k.items))


def _sorted(kinds: dict[str, ItemKind], items: list[Plain], attribute: str) -> list[ItemKind]:
    for item in items:
        kinds[str(item[attribute])].items.append(item)
    return sorted(kinds.values(), key=lambda k: -len(k.items))


def _name(text: str) -> str:
    return re.sub(r"[^a-z0-9]+", "_", text.lower()).strip("_")


def _path(attribute: str) -> str:
    return attribute if re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", attribute) else '"' + attribute.replace('"', '""') + '"'


def _text(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"
