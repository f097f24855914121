"""Nested columns of doubtful rows: documents taken apart in Python, number by number, each leaf judged and printed by Postgres.

What this says of a document that `nested.py` reads as well is the same to the letter, so that a row that goes the one way
today and the other tomorrow has not changed: numbers that become text are spelt by DuckDB here, too.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import psycopg
import pyarrow as pa

from shardlake.jsonpath import Path
from shardlake.lake.columns import arrow_type, part_type, printed, tried
from shardlake.layout import folded
from shardlake.nested import List, Nested, Part
from shardlake.shape.chunk import duck
from shardlake.shape.poison import FINE, MALFORMED, Members, Number, dumps, parse_exact, rounds
from shardlake.types import Type

Connection = psycopg.Connection[Any]
_SHOWN = 60
"""Characters of a bad value in a reason: the whole document stands beside it."""


@dataclass(frozen=True, slots=True)
class _Leaf:
    """A leaf's type and text; with `json` the text is JSON that has yet to be spelt as DuckDB spells it."""

    kind: Type
    text: str
    json: bool = False


Judged: TypeAlias = dict[_Leaf, tuple[Any, str | None]]
"""Of each leaf its value, and what is wrong with it."""


class _Unfit(Exception):
    """A document that the type does not hold, and why."""

    def __init__(self, place: Path, reason: str) -> None:
        super().__init__(f"{place}: {reason}")


def exact_values(connection: Connection, column: str, part: Nested, documents: list[str | None]) -> tuple[pa.Array, dict[int, str]]:
    """The values of a column's documents; and the reasons, by row, for those that the lake cannot hold, which are NULL."""
    reasons: dict[int, str] = {}

    def each(make: Callable[[Any], Any], found: Iterable[Any]) -> list[Any]:
        made: list[Any] = []
        for row, document in enumerate(found):
            try:
                made.append(None if document is None else make(document))
            except _Unfit as unfit:
                reasons[row] = str(unfit)
                made.append(None)
        return made

    leaves: dict[_Leaf, None] = {}
    shaped = each(lambda document: _shaped(part, parse_exact(document), Path(column), leaves), documents)
    judged = _judged(connection, list(leaves))
    return pa.array(each(lambda made: _filled(part, made, Path(column), judged), shaped), part_type(part)), reasons


def _shaped(part: Part, value: Any, place: Path, leaves: dict[_Leaf, None]) -> Any:
    """A document with the declared keys alone and its leaves as such, which are noted. Raises _Unfit."""
    if value is MALFORMED:
        raise _Unfit(place, FINE)
    if value is None:
        return None
    if isinstance(part, Type):
        leaf = _leaf(part, value)
        leaves[leaf] = None
        return leaf
    if isinstance(part, List):
        if not isinstance(value, list):
            raise _Unfit(place, f"{dumps(value)[:_SHOWN]} is not an array")
        return [_shaped(part.element, v, _below(place, n), leaves) for n, v in enumerate(value)]
    if not isinstance(value, Members):
        raise _Unfit(place, f"{dumps(value)[:_SHOWN]} is not an object")
    return {key: _shaped(inner, value.get(key), _below(place, key), leaves) for key, inner in part.fields}


def _filled(part: Part, made: Any, place: Path, judged: Judged) -> Any:
    """What `_shaped` made, with values as leaves and the lake's keys. Raises _Unfit."""
    if made is None:
        return None
    if isinstance(part, Type):
        value, reason = judged[made]
        if reason:
            raise _Unfit(place, reason)
        return value
    if isinstance(part, List):
        return [_filled(part.element, v, _below(place, n), judged) for n, v in enumerate(made)]
    return {folded(key): _filled(inner, made[key], _below(place, key), judged) for key, inner in part.fields}


def _below(place: Path, step: str | int) -> Path:
    return Path(place.column, (*place.steps, step))


def _leaf(kind: Type, value: Any) -> _Leaf:
    if isinstance(value, str) and kind.name != "jsonb":
        return _Leaf(kind, value)
    return _Leaf(kind, dumps(value), json=not _would_round(value))


def _would_round(value: Any) -> bool:
    """Whether DuckDB would round a number in it: such numbers are left as they were written."""
    if isinstance(value, Members):
        return any(_would_round(v) for _, v in value.pairs)
    if isinstance(value, list):
        return any(map(_would_round, value))
    return isinstance(value, Number) and rounds(value.text)


def _judged(connection: Connection, leaves: list[_Leaf]) -> Judged:
    spelt = _spelt(list(dict.fromkeys(leaf.text for leaf in leaves if leaf.json)))
    final = {leaf: spelt[leaf.text] if leaf.json else leaf.text for leaf in leaves}
    texts: dict[Type, dict[str, None]] = defaultdict(dict)
    for leaf, text in final.items():
        texts[leaf.kind][text] = None
    found = {kind: _values(connection, kind, list(own)) for kind, own in texts.items()}
    return {leaf: found[leaf.kind][text] for leaf, text in final.items()}


def _spelt(fragments: list[str]) -> dict[str, str]:
    """JSON as DuckDB writes it."""
    return dict(zip(fragments, _asked(fragments, "from_json(t, '\"JSON\"')").to_pylist(), strict=True))


def _values(connection: Connection, kind: Type, texts: list[str]) -> dict[str, tuple[Any, str | None]]:
    """Texts as Postgres casts them, in the session's zone."""
    if kind.name in ("text", "jsonb"):
        return {text: (text, None) for text in texts}
    rows = connection.execute(
        f"SELECT t, wrong, CASE WHEN wrong IS NULL THEN {printed(kind, 't')} END"
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
