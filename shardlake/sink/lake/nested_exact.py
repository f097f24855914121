"""Nested columns of unresolved rows: documents taken apart in Python, number by number, each leaf judged and printed by Postgres.

What this says of a document that `nested.py` reads as well is the same to the letter, so that a row that goes the one way
today and the other tomorrow has not changed: both read the lake's own spelling of the document.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple, TypeAlias

import psycopg
import pyarrow as pa

from shardlake.rows.judge import as_printed
from shardlake.shape.duck import duck
from shardlake.shape.json_limits import FINE, MALFORMED, Members, parse_exact
from shardlake.sink.lake.columns import arrow_type, part_type, tried
from shardlake.sink.lake.json_text import written
from shardlake.view.jsonpath import Path
from shardlake.view.layout import folded
from shardlake.view.nested import List, Nested, Part
from shardlake.view.types import Type

Connection = psycopg.Connection[Any]
_SHOWN = 60
"""Characters of a bad value in a reason: the whole document stands beside it."""


class _Leaf(NamedTuple):
    """A leaf's type and text."""

    kind: Type
    text: str


Judged: TypeAlias = dict[_Leaf, tuple[Any, str | None]]
"""Of each leaf its value, and what is wrong with it."""


class _Unfit(Exception):
    """A part of a document that its type does not hold: why, and the way there, which is known once the exception has passed it."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason
        self.steps: tuple[str | int, ...] = ()


def exact_values(connection: Connection, column: str, part: Nested, documents: list[str | None]) -> tuple[pa.Array, dict[int, str]]:
    """The values of a column's documents; and the reasons, by row, for those that the lake cannot hold, which are NULL."""
    reasons: dict[int, str] = {}

    def each(make: Callable[[Any], Any], found: Iterable[Any]) -> list[Any]:
        made: list[Any] = []
        for row, document in enumerate(found):
            try:
                made.append(None if document is None else make(document))
            except _Unfit as unfit:
                reasons[row] = f"{Path(column, unfit.steps)}: {unfit.reason}"
                made.append(None)
        return made

    leaves: dict[_Leaf, None] = {}
    shaped = each(lambda document: _shaped(part, parse_exact(document), leaves), documents)
    judged = _judged(connection, list(leaves))
    return pa.array(each(lambda made: _filled(part, made, judged), shaped), part_type(part)), reasons


def _shaped(part: Part, value: Any, leaves: dict[_Leaf, None]) -> Any:
    """A document as lists: the elements of arrays, the declared keys of objects; its leaves are such, and noted. Raises _Unfit."""
    if value is None:
        return None
    if value is MALFORMED:
        raise _Unfit(FINE)
    if isinstance(part, Type):
        leaf = _leaf(part, value)
        leaves[leaf] = None
        return leaf
    if isinstance(part, List):
        if not isinstance(value, list):
            raise _Unfit(f"{written(value)[:_SHOWN]} is not an array")
        return _each(((n, part.element, v) for n, v in enumerate(value)), _shaped, leaves)
    if not isinstance(value, Members):
        raise _Unfit(f"{written(value)[:_SHOWN]} is not an object")
    return _each(((key, inner, value.get(key)) for key, inner in part.fields), _shaped, leaves)


def _filled(part: Part, made: Any, judged: Judged) -> Any:
    """What `_shaped` made, with values as leaves and the lake's keys. Raises _Unfit."""
    if made is None:
        return None
    if isinstance(part, Type):
        value, reason = judged[made]
        if reason:
            raise _Unfit(reason)
        return value
    if isinstance(part, List):
        return _each(((n, part.element, m) for n, m in enumerate(made)), _filled, judged)
    fields = _each(((key, inner, m) for (key, inner), m in zip(part.fields, made, strict=True)), _filled, judged)
    return {folded(key): value for (key, _), value in zip(part.fields, fields, strict=True)}


def _each(parts: Iterable[tuple[str | int, Part, Any]], make: Callable[[Part, Any, Any], Any], given: Any) -> list[Any]:
    """What is made of the parts of a document; of one that is unfit the step to it is noted."""
    made = []
    for step, part, value in parts:
        try:
            made.append(make(part, value, given))
        except _Unfit as unfit:
            unfit.steps = (step, *unfit.steps)
            raise
    return made


def _leaf(kind: Type, value: Any) -> _Leaf:
    return _Leaf(kind, value if isinstance(value, str) and kind.name != "jsonb" else written(value))


def _judged(connection: Connection, leaves: list[_Leaf]) -> Judged:
    texts: dict[Type, dict[str, None]] = defaultdict(dict)
    for leaf in leaves:
        texts[leaf.kind][leaf.text] = None
    found = {kind: _values(connection, kind, list(own)) for kind, own in texts.items()}
    return {leaf: found[leaf.kind][leaf.text] for leaf in leaves}


def _values(connection: Connection, kind: Type, texts: list[str]) -> dict[str, tuple[Any, str | None]]:
    """Texts as Postgres casts them, in the session's zone."""
    if kind.name in ("text", "jsonb"):
        return {text: (text, None) for text in texts}
    rows = connection.execute(
        f"SELECT t, wrong, CASE WHEN wrong IS NULL THEN {as_printed(kind, 't')} END"
        " FROM (SELECT t, shardlake.cast_error(t, %s) AS wrong FROM unnest(%s::text[]) t OFFSET 0) AS judged",
        (str(kind), texts),
    ).fetchall()
    values = _asked([row[2] for row in rows], tried(kind, "t")).cast(arrow_type(kind)).to_pylist()
    found: dict[str, tuple[Any, str | None]] = {}
    for (text, wrong, print_), value in zip(rows, values, strict=True):
        if wrong is None and value is None:
            wrong = f"no {arrow_type(kind)} of the lake holds {print_!r}"
        elif wrong is not None:
            wrong = f"{text[:_SHOWN]!r} {wrong}"
        found[text] = (value, wrong)
    return found


def _asked(texts: Sequence[str | None], expression: str) -> pa.ChunkedArray:
    """An expression of DuckDB's over texts, each `t` in it."""
    connection = duck()
    connection.register("texts", pa.table({"t": pa.array(texts, pa.string())}))
    try:
        return connection.sql(f"SELECT {expression} AS found FROM texts").to_arrow_table().column("found")
    finally:
        connection.unregister("texts")
