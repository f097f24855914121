"""Which rows of a feed are a view's, by what its source says that it `takes`; the others are counted on a way of their own."""

from collections.abc import Sequence
from dataclasses import dataclass

import pyarrow as pa

from shardlake.quoting import ansi, ansi_text
from shardlake.shape.duck import duck
from shardlake.shape.query import pointer
from shardlake.view.item import Comparison
from shardlake.view.view import View

Takes = tuple[Comparison, ...] | None
"""A view's conditions, all of which must hold; None where it takes every row."""
_TYPES = {"text": "= 'VARCHAR'", "number": "IN ('BIGINT', 'UBIGINT', 'HUGEINT', 'UHUGEINT', 'DOUBLE')", "boolean": "= 'BOOLEAN'"}


@dataclass(frozen=True, slots=True)
class OwnRows:
    """A chunk's rows that are the view's, how many are `others`, and how many of these no view of the feed takes."""

    table: pa.Table
    others: int = 0
    untaken: int = 0


def own_rows(view: View, table: pa.Table, feed: Sequence[Takes] = ()) -> OwnRows:
    """The view's rows of a chunk. `feed` are what all views on the feed take, as far as they are known.

    The rows are filtered by one statement and the others counted by another, so that a row that is lost between them shows.
    """
    takes = view.source.takes
    if takes is None:
        return OwnRows(table)
    connection, document = duck(), view.source.document
    connection.register("raw", table)
    try:
        mine = condition(takes, table.schema, document)
        own = connection.sql(f"SELECT * FROM raw WHERE {mine}").to_arrow_table().cast(table.schema)
        nobody = (
            "false" if None in feed else " AND ".join(f"NOT {condition(t, table.schema, document)}" for t in (takes, *filter(None, feed)))
        )
        counted = connection.sql(f"SELECT count(*) FILTER (NOT {mine}), count(*) FILTER ({nobody}) FROM raw").fetchall()[0]
    finally:
        connection.unregister("raw")
    return OwnRows(own, int(counted[0]), int(counted[1]))


def condition(takes: tuple[Comparison, ...], schema: pa.Schema, document: str | None) -> str:
    """Comparisons as SQL that is true or false, never NULL."""
    return f"coalesce({' AND '.join(_comparison(c, schema, document) for c in takes)}, false)"


def _comparison(one: Comparison, schema: pa.Schema, document: str | None) -> str:
    if one.path.column in schema.names and not one.path.steps:
        kind = schema.field(one.path.column).type
        binary = pa.types.is_binary(kind) or pa.types.is_large_binary(kind)
        value = f"'\\x' || lower(hex({ansi(one.path.column)}))" if binary else ansi(one.path.column)
        return f"{value} IS NOT NULL" if one.verb == "exists" else _said(one, value)
    where = f"{ansi(document or one.path.column)}, {ansi_text(pointer((one.path.column, *one.path.steps) if document else one.path.steps))}"
    if one.verb == "exists":
        return f"json_exists({where})"
    return f"json_type({where}) {_TYPES[one.kind]} AND {_said(one, f'json_extract_string({where})')}"


def _said(one: Comparison, value: str) -> str:
    text = ansi_text(str(one.value))
    if one.verb == "begins_with":
        return f"starts_with({value}, {text})"
    return f"{value} = {text}"
