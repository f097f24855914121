"""What a sample of documents says: whether they are JSON, which keys they have, and the types that hold what stands there."""

import json
import re
from collections import Counter
from collections.abc import Iterable, Set
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

Steps = tuple[str, ...]
"""The keys that lead to a value, from the document down."""
DEPTH, MOST = 6, 100
"""Keys that a path has at most, what lies deeper stays jsonb, and paths that a column has at most: those in the most documents."""
_MANY, _RARE = 20, 10
"""Keys from which on an object may be a map, whose keys are data: where most of them are in one of so many of its objects at most."""
_FURTHEST = timedelta(hours=15, minutes=59)
"""The greatest distance of a zone from UTC that Postgres reads."""


@dataclass(slots=True)
class Documents:
    """A column's values that are not NULL: how many are of each shape, the types and rows of each path, and how often a path leads to an
    object, with how many of these each of its keys is in.
    """

    shapes: Counter[str] = field(default_factory=Counter)
    paths: dict[Steps, Counter[str]] = field(default_factory=dict)
    odd: set[Steps] = field(default_factory=set)
    keys: dict[Steps, Counter[str]] = field(default_factory=dict)
    objects: Counter[Steps] = field(default_factory=Counter)

    @property
    def rows(self) -> int:
        """The values that were looked at."""
        return self.shapes.total()

    @property
    def all_json(self) -> bool:
        """Whether every value is an object or an array, and there is one: a text that happens to be a number is no document."""
        return bool(self.rows) and self.rows == self.shapes["object"] + self.shapes["array"]

    @property
    def maps(self) -> set[Steps]:
        """The outermost objects within documents whose keys are data, such as `by_user`."""
        found = {path for path, keys in self.keys.items() if path and _is_map(keys, self.objects[path])}
        return {path for path in found if not _lies_in(path, found)}

    def columns(self, kept: Set[Steps] = frozenset(), room: int = MOST) -> dict[Steps, str]:
        """The paths that become columns, and their types: those that are `kept`, and of the others those in the most documents, as far as
        there is `room`. What is an object in some documents and none in others is jsonb, and so is one whose keys are data.
        """
        maps = self.maps
        rows = {path: types.total() for path, types in self.paths.items() if not _lies_in(path, maps)}
        rows |= {path: self.objects[path] for path in maps}
        others = sorted((path for path in rows if path not in kept), key=lambda path: -rows[path])[: max(0, room)]
        chosen = kept | {*others}
        return {p: "jsonb" if p in self.keys else _together(self.paths[p]) for p in (self.paths | self.keys) if p in chosen}


def read_documents(texts: Iterable[str]) -> Documents:
    """Look through a sample.

    >>> read_documents(['{"a": {"b": 1}, "c": [1]}', '{"c": null}']).columns()
    {('a', 'b'): 'bigint', ('c',): 'jsonb'}
    >>> read_documents(['{"a": 1}', '{"a": {"b": 2}}']).columns()
    {('a',): 'jsonb', ('a', 'b'): 'bigint'}
    """
    found = Documents()
    for text in texts:
        try:
            value = json.loads(text, parse_int=_whole, parse_constant=_refuse)
        except (ValueError, RecursionError):
            found.shapes["no JSON"] += 1
            continue
        found.shapes["object" if isinstance(value, dict) else "array" if isinstance(value, list) else "scalar"] += 1
        if isinstance(value, dict):
            _walk(found, value, ())
    return found


def _walk(found: Documents, value: Any, path: Steps) -> None:
    odd = any(re.search("[\0\ud800-\udfff]", key) for key in path)
    if isinstance(value, dict) and value and len(path) < DEPTH:
        if not odd:
            found.objects[path] += 1
            found.keys.setdefault(path, Counter()).update(value.keys())
        for key, item in value.items():
            _walk(found, item, (*path, key))
    elif value is not None and odd:
        found.odd.add(path)
    elif value is not None and path:
        found.paths.setdefault(path, Counter())[_type_of(value)] += 1


def _is_map(keys: Counter[str], objects: int) -> bool:
    """Whether an object's keys are data: there are more than a column may have paths, or many, most of which few of the objects have."""
    rare = sum(count <= max(1, objects // _RARE) for count in keys.values())
    return len(keys) > MOST or (len(keys) > _MANY and objects > 1 and rare > len(keys) // 2)


def _lies_in(path: Steps, objects: Set[Steps]) -> bool:
    return any(path[:n] in objects for n in range(1, len(path)))


def _whole(text: str) -> Any:
    """An integer; one that no bigint holds may have more digits than Python reads."""
    return int(text) if len(text) < 19 else float("inf")


def _refuse(constant: str) -> Any:
    raise ValueError(constant)


def _type_of(value: Any) -> str:
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, int):
        return "bigint"
    if isinstance(value, float):
        return "numeric"
    if isinstance(value, list | dict):
        return "jsonb"
    return "timestamptz" if _is_instant(str(value)) else "text"


def _is_instant(text: str) -> bool:
    if not re.fullmatch(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(\.\d{1,6})?(Z|[+-]\d\d:?\d\d)", text, re.ASCII):
        return False
    try:
        distance = datetime.fromisoformat(text).utcoffset()
    except ValueError:
        return False
    return distance is not None and abs(distance) <= _FURTHEST


def _together(found: Counter[str]) -> str:
    if len(found) == 1:
        return next(iter(found))
    return "numeric" if set(found) <= {"bigint", "numeric"} else "jsonb" if "jsonb" in found else "text"
