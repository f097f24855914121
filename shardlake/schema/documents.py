"""What a sample of documents says: whether they are JSON, which keys they have, and the types that hold what stands there."""

import json
import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

Steps = tuple[str, ...]
"""The keys that lead to a value, from the document down."""
DEPTH, MOST = 6, 100
"""Keys that a path has at most, what lies deeper stays jsonb, and paths that a column has at most: those in the most documents."""
_FURTHEST = timedelta(hours=15, minutes=59)
"""The greatest distance of a zone from UTC that Postgres reads."""


@dataclass(slots=True)
class Documents:
    """A column's values that are not NULL: how many are of each shape, and the types and rows of each path."""

    shapes: Counter[str] = field(default_factory=Counter)
    paths: dict[Steps, Counter[str]] = field(default_factory=dict)
    odd: set[Steps] = field(default_factory=set)

    @property
    def rows(self) -> int:
        """The values that were looked at."""
        return self.shapes.total()

    @property
    def all_json(self) -> bool:
        """Whether every value is an object or an array, and there is one: a text that happens to be a number is no document."""
        return bool(self.rows) and self.rows == self.shapes["object"] + self.shapes["array"]

    def columns(self) -> dict[Steps, str]:
        """The paths that become columns, and their types; what is an object in some documents and none in others is jsonb."""
        most = sorted(self.paths, key=lambda path: -self.paths[path].total())[:MOST]
        parents = {path[:n] for path in self.paths for n in range(1, len(path))}
        return {path: "jsonb" if path in parents else _together(found) for path, found in self.paths.items() if path in most}


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
    if isinstance(value, dict) and value and len(path) < DEPTH:
        for key, item in value.items():
            _walk(found, item, (*path, key))
    elif value is not None and any(re.search("[\0\ud800-\udfff]", key) for key in path):
        found.odd.add(path)
    elif value is not None and path:
        found.paths.setdefault(path, Counter())[_type_of(value)] += 1


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
