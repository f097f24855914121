"""Which rows of a feed are a view's, by what its source says that it `takes`; the others are counted on a way of their own."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation

import pyarrow as pa

from shardlake.envelope import FAULT, Envelope
from shardlake.quoting import ansi, ansi_text
from shardlake.shape.duck import duck
from shardlake.shape.query import pointer
from shardlake.view.item import Comparison
from shardlake.view.view import View

Takes = tuple[Comparison, ...] | None
"""A view's conditions, all of which must hold; None where it takes every row."""
_TYPES = {"text": "= 'VARCHAR'", "number": "IN ('BIGINT', 'UBIGINT', 'HUGEINT', 'UHUGEINT', 'DOUBLE')", "boolean": "= 'BOOLEAN'"}
_IS_NUMBER, _IS_NUMBER_IN = "_shardlake_is_number", "_shardlake_is_number_in"
"""Functions that compare numbers to the last digit, which a double does not keep."""


@dataclass(frozen=True, slots=True)
class OwnRows:
    """A chunk's rows that are the view's, how many are `others`, and how many of these no view of the feed takes."""

    table: pa.Table
    others: int = 0
    untaken: int = 0


def own_rows(view: View, table: pa.Table, feed: Sequence[Takes] = (), envelope: Envelope | None = None) -> OwnRows:
    """The view's rows of a chunk. `feed` are what all views on the feed take, as far as they are known.

    A row that is deleted, or that could not be read, is judged by its key alone: nothing else is known of it. A change to what is not the
    view's is a delete where the key may be, since the row may have been the view's before.

    The rows are filtered by one statement and the others counted by another, so that a row that is lost between them shows.
    """
    takes = view.source.takes
    if takes is None:
        return OwnRows(table)
    connection = duck()
    condition = _Condition(table.schema, view.source.document, tuple(view.source.primary_key), envelope or Envelope(()))
    connection.register("raw", table)
    numbers = any(one.kind == "number" for other in (takes, *feed) for one in other or ())
    if numbers:
        connection.create_function(_IS_NUMBER, _is_number, ["VARCHAR", "VARCHAR"], "BOOLEAN")
        connection.create_function(_IS_NUMBER_IN, _is_number_in, ["VARCHAR", "VARCHAR", "VARCHAR"], "BOOLEAN")
    try:
        mine = condition.mine(takes)
        own = connection.sql(f"SELECT *{condition.left(takes)} FROM raw WHERE {mine}").to_arrow_table().cast(table.schema)
        nobody = "false" if None in feed else " AND ".join(f"NOT {condition.mine(t)}" for t in (takes, *filter(None, feed)))
        counted = connection.sql(f"SELECT count(*) FILTER (NOT {mine}), count(*) FILTER ({nobody}) FROM raw").fetchall()[0]
    finally:
        connection.unregister("raw")
        if numbers:
            connection.remove_function(_IS_NUMBER)
            connection.remove_function(_IS_NUMBER_IN)
    return OwnRows(own, int(counted[0]), int(counted[1]))


@dataclass(frozen=True, slots=True)
class _Condition:
    """What views take of a chunk as SQL that is true or false, never NULL. What is no attribute of the key is looked for in the document."""

    schema: pa.Schema
    document: str | None
    key: tuple[str, ...]
    envelope: Envelope

    def mine(self, takes: tuple[Comparison, ...]) -> str:
        """Of a row that is the view's."""
        known = [name for name in (self.envelope.op, self.envelope.change, FAULT) if name and name in self.schema.names]
        by_key = f" OR (({' OR '.join(f'{ansi(name)} IS NOT NULL' for name in known)}) AND {self._by_key(takes)})" if known else ""
        return f"({self._fits(takes)}{by_key})"

    def left(self, takes: tuple[Comparison, ...]) -> str:
        """The columns of a row that has left the view, or was never in it, as those of one that is deleted."""
        change, op, document = self.envelope.change, self.envelope.op, self.document
        if not change or not op or not document or change not in self.schema.names:
            return ""
        fault = f"{ansi(FAULT)} IS NULL AND " if FAULT in self.schema.names else ""
        left = f"{fault}{ansi(change)} IS NOT NULL AND NOT {self._fits(takes)}"
        return (
            f" REPLACE (CASE WHEN {left} THEN 'd' ELSE {ansi(op)} END AS {ansi(op)},"
            f" CASE WHEN {left} THEN NULL ELSE {ansi(document)} END AS {ansi(document)})"
        )

    def _fits(self, takes: tuple[Comparison, ...]) -> str:
        return f"coalesce({' AND '.join(_comparison(c, self.schema, self.document, self.key) for c in takes)}, false)"

    def _by_key(self, takes: tuple[Comparison, ...]) -> str:
        """Whether the key may be the view's, as it may where it is not known."""
        found = [c for c in takes if c.path.column in self.key]
        return (
            " AND ".join(f"({ansi(c.path.column)} IS NULL OR {_comparison(c, self.schema, self.document, self.key)})" for c in found)
            or "true"
        )


def _comparison(one: Comparison, schema: pa.Schema, document: str | None, key: Sequence[str]) -> str:
    if one.path.column in key and not one.path.steps:
        kind = schema.field(one.path.column).type
        binary = pa.types.is_binary(kind) or pa.types.is_large_binary(kind)
        value = f"'\\x' || lower(hex({ansi(one.path.column)}))" if binary else ansi(one.path.column)
        if one.kind == "number":
            return _if_near(one, value, f"{_IS_NUMBER}({value}, {ansi_text(str(one.value))})")
        return f"{value} IS NOT NULL" if one.verb == "exists" else _said(one, value)
    steps = ansi_text(pointer((one.path.column, *one.path.steps) if document else one.path.steps))
    where = f"{ansi(document or one.path.column)}, {steps}"
    if one.verb == "exists":
        return f"json_exists({where})"
    found = f"json_extract_string({where})"
    if one.kind == "number":
        exact = f"{_IS_NUMBER_IN}(CAST({ansi(document or one.path.column)} AS VARCHAR), {steps}, {ansi_text(str(one.value))})"
        return (
            f"CASE WHEN json_type({where}) IN ('BIGINT', 'UBIGINT') THEN {_said(one, found)}"
            f" WHEN json_type({where}) {_TYPES['number']} THEN {_if_near(one, found, exact)} ELSE false END"
        )
    return f"json_type({where}) {_TYPES[one.kind]} AND {_said(one, found)}"


def _if_near(one: Comparison, value: str, exact: str) -> str:
    """Ask Python, which takes a hundred times as long, of those alone that a double cannot tell from the number."""
    number = f"CAST({ansi_text(str(one.value))} AS DOUBLE)"
    return f"CASE WHEN abs(TRY_CAST({value} AS DOUBLE) - {number}) <= 1e-9 * abs({number}) THEN {exact} ELSE false END"


def _said(one: Comparison, value: str) -> str:
    text = ansi_text(str(one.value))
    if one.verb == "begins_with":
        return f"starts_with({value}, {text})"
    return f"{value} = {text}"


def _is_number(text: str, number: str) -> bool:
    try:
        return Decimal(text) == Decimal(number)
    except InvalidOperation:
        return False


def _is_number_in(document: str, steps: str, number: str) -> bool:
    """Whether a document has a number at a JSON pointer."""
    found = json.loads(document, parse_float=Decimal, parse_int=Decimal)
    for step in steps.split("/")[1:]:
        found = found[int(step)] if isinstance(found, list) else found[step.replace("~1", "/").replace("~0", "~")]
    return isinstance(found, Decimal) and found == Decimal(number)
