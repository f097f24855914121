"""Shaping one chunk: bad documents set apart with their reasons, all other rows to view rows."""

from collections.abc import Sequence
from dataclasses import dataclass
from dataclasses import field as dataclass_field
from typing import Any

import duckdb
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc

from shardlake.envelope import Envelope
from shardlake.quoting import ansi
from shardlake.shape.documents import Careful, Told, look_at
from shardlake.shape.duck import duck
from shardlake.shape.json_limits import FINE, extract_exact, parse_exact, why_malformed
from shardlake.shape.own_rows import Takes, own_rows
from shardlake.shape.query import (
    DOCUMENTS,
    ELEMENT,
    ELEMENTS,
    ROW,
    TEXTS,
    JsonColumn,
    can_be_one_pass,
    element_paths,
    extraction,
    is_json,
    json_columns,
    shape_query,
)
from shardlake.shape.twice import have_twice, in_few_orders, pattern, repeated
from shardlake.shape.uncertain import uncertain
from shardlake.view.view import View

VALUE = 500
"""Characters of a bad value that a reject keeps."""


@dataclass(frozen=True, slots=True)
class Reject:
    """A row that cannot be a view row: its source key, and the column, value and reason."""

    key: dict[str, str | None]
    column: str
    value: str | None
    reason: str


@dataclass(frozen=True, slots=True)
class Shaped:
    """A chunk's view rows (all text, see `shape_query`), what was rejected, and how many raw rows became rows.

    `places` are the rows' raw rows, counted from the chunk's first; `due` how many rows those have to give; `judged` the rows that the judge has rejected since. `encoded` counts, by source column, documents that are JSON inside a JSON string.
    `others` are raw rows that are not the view's; of these `untaken` are of no view on the feed.
    """

    rows: pa.Table
    shaped: int
    rejects: list[Reject]
    places: pa.ChunkedArray
    due: int
    judged: list[Reject] = dataclass_field(default_factory=list)
    encoded: dict[str, int] = dataclass_field(default_factory=dict)
    others: int = 0
    untaken: int = 0


def shape(view: View, table: pa.Table, kinds: dict[str, str], envelope: Envelope, feed: Sequence[Takes] = ()) -> Shaped:
    """Make view rows of a chunk of raw rows, of those that are the view's. `feed` are what all views on the feed take.

    `kinds` says of each source column what it holds, `envelope` which of them tell a row's key, version and end. Pure: the
    same chunk gives the same rows. `shaped` is counted from what came out: the raw rows that gave a row, each once.
    """
    documents = json_columns(view)
    own = own_rows(view, table, feed, envelope)
    original = table = own.table
    table, found = look_at(table, documents, kinds, view.source.json_limits)
    table = table.append_column(ROW, pl.int_range(table.num_rows, dtype=pl.Int32, eager=True).to_arrow())
    bad = found.bad
    rows = _in_one_pass(view, table, documents, kinds, envelope, found) if can_be_one_pass(view) and not found.exact else None
    if rows is None:
        rows = _queried(view, table, documents, kinds, envelope, found, one_pass=False)
    if view.explode and (twice := _twice_inside(view, rows)):
        path = view.explode.path.column
        found.take_exactly(table, documents, {n: {path: parse_exact(table.column(path)[n].as_py())} for n in twice if n not in found.exact})
        rows = _queried(view, table, documents, kinds, envelope, found, one_pass=False)
    malformed = pc.equal(rows.column("_op"), "m").fill_null(False)
    if pc.any(malformed).as_py():
        for row in rows.filter(malformed).column(ROW).to_pylist():
            bad[row] = _first_malformed(view, table, row, documents)
        rows = rows.filter(pc.invert(malformed))
    rejects = [_reject(envelope, original, row, column, reason, found.told.get(row)) for row, (column, reason) in sorted(bad.items())]
    places = rows.column(ROW)
    shaped = pc.count_distinct(places).as_py()
    due = _promised(rows) if view.explode else shaped
    doubt = uncertain(view, rows, table.schema)
    if found.judged:
        doubt = pc.or_(doubt, pc.is_in(places, pa.array(sorted(found.judged), places.type)))
    marks = pc.if_else(doubt, "1", pa.scalar(None, pa.string()))
    rows = rows.drop_columns([ROW, *([ELEMENTS, ELEMENT] if view.explode else [])]).append_column("_uncertain", marks)
    return Shaped(rows, shaped, rejects, places, due, encoded=found.encoded, others=own.others, untaken=own.untaken)


def _twice_inside(view: View, rows: pa.Table) -> list[int]:
    """The raw rows with an element that has a key of the view's twice."""
    paths = element_paths(view)
    elements = pl.Series(values=pl.from_arrow(rows.column(ELEMENT)))
    if elements.dtype != pl.String or not (twice := pattern(paths, remembering=(remembering := in_few_orders(elements, paths)))):
        return []
    may = elements.str.contains(twice).fill_null(False)
    places = (may if remembering else may | repeated(elements, paths)).arg_true()
    if not len(places):
        return []
    found = places.gather(have_twice(elements.gather(places), paths))
    return list(dict.fromkeys(rows.column(ROW).take(found.to_arrow()).to_pylist()))


def _promised(rows: pa.Table) -> int:
    """How many rows the documents of exploded raw rows are to give: one an element, and one for a parent that has none."""
    found = pl.DataFrame(pl.from_arrow(rows.select([ROW, ELEMENTS])))
    return int(found.unique(ROW).select(pl.col(ELEMENTS).clip(lower_bound=1).sum()).item())


def _in_one_pass(
    view: View,
    table: pa.Table,
    documents: tuple[JsonColumn, ...],
    kinds: dict[str, str],
    envelope: Envelope,
    found: Careful,
) -> pa.Table | None:
    """The view rows of a chunk in which every document is JSON and nothing misleads, as is usual; None where it is not so."""
    for json in documents:
        kind = table.schema.field(json.name).type
        if not (pa.types.is_string(kind) or pa.types.is_large_string(kind)) or (json.documents and json.name in found.misleading):
            return None
    try:
        rows = _queried(view, table, documents, kinds, envelope, found, one_pass=True)
    except duckdb.InvalidInputException:  # a document is malformed
        return None
    json_texts = [rows.column(n) for n, column in view.columns.items() if column.path.steps and is_json(column)]
    nested = all(pc.all(pc.match_substring_regex(c, r"\A[\[{]"), min_count=0).as_py() for c in json_texts)
    return rows if nested else None


def _queried(
    view: View, table: pa.Table, documents: tuple[JsonColumn, ...], kinds: dict[str, str], envelope: Envelope,
    found: Careful, *, one_pass: bool,
) -> pa.Table:  # fmt: skip
    connection = duck()
    try:
        connection.register("raw", table)
        source = _extracted(connection, view, documents, found, one_pass=one_pass)
        query = shape_query(view, {f.name: f.type for f in table.schema}, kinds, envelope, extracted=source, one_pass=one_pass)
        return connection.sql(query).to_arrow_table()
    finally:
        connection.unregister("raw")


def _extracted(
    connection: duckdb.DuckDBPyConnection,
    view: View,
    documents: tuple[JsonColumn, ...],
    found: Careful,
    *,
    one_pass: bool,
) -> str:
    """The raw rows that are not rejected, each JSON column with the lists of what its paths find."""
    items = "".join(f", {extraction(j, one_pass=one_pass)}" for j in documents)
    query, exact = f"SELECT *{items} FROM raw", found.exact
    if found.bad or exact:
        query += f" WHERE {ROW} NOT IN ({', '.join(map(str, sorted({*found.bad, *exact})))})"
    if exact:
        rows = {ROW: pa.array(exact, pa.int32())}
        for json in documents:
            for prefix, paths, as_json in ((TEXTS, json.texts, False), (DOCUMENTS, json.documents or (() if json.texts else ((),)), True)):
                if paths:
                    exploded = view.explode.path.steps if view.explode and as_json and view.explode.path.column == json.name else None
                    rows[prefix + json.name] = pa.array(
                        [_lists(of, json.name, paths, as_json, exploded) for of in exact.values()], pa.list_(pa.string())
                    )
        connection.register("exact", pa.table(rows))
        lists = ", ".join(f"exact.{ansi(c)}" for c in rows if c != ROW)
        # a row with one document to be taken apart exactly has all of them taken apart so
        query += f" UNION ALL SELECT raw.*, {lists} FROM raw JOIN exact USING ({ROW})"
    return f"({query})"


def _lists(
    found: dict[str, Any], column: str, paths: tuple[tuple[str | int, ...], ...], as_json: bool, exploded: tuple[str | int, ...] | None
) -> list[str | None] | None:
    if column not in found:
        return None
    return [extract_exact(found[column], steps, as_json=as_json, marked=steps == exploded) for steps in paths]


def _first_malformed(view: View, table: pa.Table, row: int, documents: tuple[JsonColumn, ...]) -> tuple[str, str]:
    reasons = {j.name: why_malformed(str(value)) for j in documents if (value := table.column(j.name)[row].as_py()) is not None}
    if view.explode and all(reason == FINE for reason in reasons.values()):
        return view.explode.path.column, f"has something else than an array at {view.explode.path}, which is to be exploded"
    return next(((n, r) for n, r in reasons.items() if r != FINE), next(iter(reasons.items())))


def _reject(envelope: Envelope, table: pa.Table, row: int, column: str, reason: str, told: Told | None) -> Reject:
    def shown(name: str) -> str | None:
        value = table.column(name)[row].as_py()
        return (
            None if value is None else ("\\x" + value[:VALUE].hex() if isinstance(value, bytes) else str(value))[:VALUE].replace("\0", "␀")
        )

    key = told.key if told and told.key else {k: shown(k) for k in envelope.key}
    return Reject(key, column, (told.value or "")[:VALUE].replace("\0", "␀") or None if told else shown(column), reason)
