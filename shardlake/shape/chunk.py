"""Shaping one chunk: bad documents set apart with their reasons, all other rows to view rows."""

import threading
from dataclasses import dataclass
from dataclasses import field as dataclass_field
from json import loads
from typing import Any

import duckdb
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc

from shardlake.envelope import UNDECODED, Envelope
from shardlake.quoting import ansi
from shardlake.shape.json_limits import FINE, MALFORMED, SUSPICIOUS, examine, extract_exact, harmless, parse_exact, why_malformed
from shardlake.shape.query import (
    DOCUMENTS,
    ELEMENTS,
    MISLEADING,
    ROW,
    TEXTS,
    JsonColumn,
    can_be_one_pass,
    extraction,
    is_json,
    json_columns,
    shape_query,
)
from shardlake.shape.uncertain import uncertain
from shardlake.view.source import JsonLimits
from shardlake.view.view import View

_mine = threading.local()
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

    `places` are the rows' raw rows, counted from the chunk's first; `due` how many rows those have to give; `judged` the rows that the judge has rejected since.
    """

    rows: pa.Table
    shaped: int
    rejects: list[Reject]
    places: pa.ChunkedArray
    due: int
    judged: list[Reject] = dataclass_field(default_factory=list)


def shape(view: View, table: pa.Table, kinds: dict[str, str], envelope: Envelope) -> Shaped:
    """Make view rows of a chunk of raw rows.

    `kinds` says of each source column what it holds, `envelope` which of them tell a row's key, version and end. Pure: the
    same chunk gives the same rows. `shaped` is counted from what came out: the raw rows that gave a row, each once.
    """
    documents = json_columns(view)
    original = table
    table, undecodable = _undecoded(table)
    table, malformed_bytes = _decoded(table, documents)
    undecodable = {**malformed_bytes, **undecodable}
    table = table.append_column(ROW, pl.int_range(table.num_rows, dtype=pl.Int32, eager=True).to_arrow())
    bad, exact = _examine(view, table, documents, kinds, undecodable)
    rows = _in_one_pass(view, table, documents, kinds, envelope, bad) if can_be_one_pass(view) and not exact else None
    if rows is None:
        rows = _queried(view, table, documents, kinds, envelope, bad, exact, one_pass=False)
    malformed = pc.equal(rows.column("_op"), "m").fill_null(False)
    if pc.any(malformed).as_py():
        for row in rows.filter(malformed).column(ROW).to_pylist():
            bad[row] = _first_malformed(view, table, row, documents)
        rows = rows.filter(pc.invert(malformed))
    rejects = [_reject(envelope, original, row, column, reason) for row, (column, reason) in sorted(bad.items())]
    places = rows.column(ROW)
    shaped = pc.count_distinct(places).as_py()
    due = _promised(rows) if view.explode else shaped
    marks = pc.if_else(uncertain(view, rows, table.schema), "1", pa.scalar(None, pa.string()))
    rows = rows.drop_columns([ROW, *([ELEMENTS] if view.explode else [])]).append_column("_uncertain", marks)
    return Shaped(rows, shaped, rejects, places, due)


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
    bad: dict[int, tuple[str, str]],
) -> pa.Table | None:
    """The view rows of a chunk in which every document is JSON and nothing misleads, as is usual; None where it is not so."""
    for json in documents:
        values = pl.Series(values=pl.from_arrow(table.column(json.name)))
        if values.dtype != pl.String:
            return None
        if json.documents and any(values.str.contains(text, literal=True).any() for text in MISLEADING):
            return None
    try:
        rows = _queried(view, table, documents, kinds, envelope, bad, {}, one_pass=True)
    except duckdb.InvalidInputException:  # a document is malformed
        return None
    found = [rows.column(n) for n, column in view.columns.items() if column.path.steps and is_json(column)]
    nested = all(pc.all(pc.match_substring_regex(c, r"\A[\[{]"), min_count=0).as_py() for c in found)
    return rows if nested else None


def _queried(
    view: View, table: pa.Table, documents: tuple[JsonColumn, ...], kinds: dict[str, str], envelope: Envelope,
    bad: dict[int, tuple[str, str]], exact: dict[int, dict[str, Any]], *, one_pass: bool,
) -> pa.Table:  # fmt: skip
    connection = duck()
    try:
        connection.register("raw", table)
        source = _extracted(connection, view, documents, bad, exact, one_pass=one_pass)
        query = shape_query(view, {f.name: f.type for f in table.schema}, kinds, envelope, extracted=source, one_pass=one_pass)
        return connection.sql(query).to_arrow_table()
    finally:
        connection.unregister("raw")


def duck() -> duckdb.DuckDBPyConnection:
    """The thread's own in-memory DuckDB: opening one costs as much as shaping five thousand rows."""
    found: duckdb.DuckDBPyConnection | None = getattr(_mine, "connection", None)
    if found is None:
        found = _mine.connection = duckdb.connect(
            config={"threads": 1, "allocator_flush_threshold": "16MB", "allocator_bulk_deallocation_flush_threshold": "16MB"}
        )
    return found


def _extracted(
    connection: duckdb.DuckDBPyConnection,
    view: View,
    documents: tuple[JsonColumn, ...],
    bad: dict[int, tuple[str, str]],
    exact: dict[int, dict[str, Any]],
    *,
    one_pass: bool,
) -> str:
    """The raw rows that are not rejected, each JSON column with the lists of what its paths find."""
    items = "".join(f", {extraction(j, one_pass=one_pass)}" for j in documents)
    query = f"SELECT *{items} FROM raw"
    if bad or exact:
        query += f" WHERE {ROW} NOT IN ({', '.join(map(str, sorted({*bad, *exact})))})"
    if exact:
        rows = {ROW: pa.array(exact, pa.int32())}
        for json in documents:
            for prefix, paths, as_json in ((TEXTS, json.texts, False), (DOCUMENTS, json.documents or (() if json.texts else ((),)), True)):
                if paths:
                    exploded = view.explode.path.steps if view.explode and as_json and view.explode.path.column == json.name else None
                    rows[prefix + json.name] = pa.array(
                        [_lists(found, json.name, paths, as_json, exploded) for found in exact.values()], pa.list_(pa.string())
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


def _may_break(values: pl.Series, limits: JsonLimits) -> pl.Series:
    """Documents that may break a limit: brackets bound the depth, and colons the keys, without any reading."""
    long = values.str.len_bytes() > limits.bytes
    return long | (values.str.count_matches(r"[\[{]") > limits.depth) | (values.str.count_matches(":", literal=True) > limits.keys)


def _reject(envelope: Envelope, table: pa.Table, row: int, column: str, reason: str) -> Reject:
    def shown(name: str) -> str | None:
        value = table.column(name)[row].as_py()
        return (
            None if value is None else ("\\x" + value[:VALUE].hex() if isinstance(value, bytes) else str(value))[:VALUE].replace("\0", "␀")
        )

    return Reject({k: shown(k) for k in envelope.key}, column, shown(column), reason)


def _undecoded(table: pa.Table) -> tuple[pa.Table, dict[int, tuple[str, str]]]:
    """The table without UNDECODED, and the rows that it names."""
    if UNDECODED not in table.column_names:
        return table, {}
    why = "holds bytes that are not UTF-8; mend them at the source, or bring the column as bytes by extract.sql"
    marks = table.column(UNDECODED).to_pylist()
    return table.drop_columns([UNDECODED]), {row: (loads(mark)[0], why) for row, mark in enumerate(marks) if mark}


def _decoded(table: pa.Table, documents: tuple[JsonColumn, ...]) -> tuple[pa.Table, dict[int, tuple[str, str]]]:
    """JSON that the source keeps as bytes, as text; and the rows in which it is no UTF-8."""
    bad: dict[int, tuple[str, str]] = {}
    for json in documents:
        place = table.schema.get_field_index(json.name)
        if not (pa.types.is_binary(table.schema.field(place).type) or pa.types.is_large_binary(table.schema.field(place).type)):
            continue
        try:
            texts = table.column(place).cast(pa.large_string())
        except pa.ArrowInvalid:
            values = [None if v is None else v.decode(errors="replace") for v in table.column(place).to_pylist()]
            again = (v if v is None else v.encode() for v in values)
            for row, (before, after) in enumerate(zip(table.column(place).to_pylist(), again, strict=True)):
                if before != after:
                    bad.setdefault(row, (json.name, "is not JSON (its bytes are no UTF-8)"))
            texts = pa.array(values, pa.large_string())
        table = table.set_column(place, json.name, texts)
    return table, bad


def _examine(
    view: View, table: pa.Table, documents: tuple[JsonColumn, ...], kinds: dict[str, str], bad: dict[int, tuple[str, str]]
) -> tuple[dict[int, tuple[str, str]], dict[int, dict[str, Any]]]:
    """Rows to reject (column, reason), `bad` among them, and rows whose documents must be taken apart exactly."""
    free = ("text", "json", "array", "bytes")  # what else comes as text (times, decimals) is the server's own print
    exact: dict[int, dict[str, Any]] = {}
    limit = harmless(view.source.json_limits)
    of_json = {j.name for j in documents}
    for field in table.schema:
        if not (pa.types.is_string(field.type) or pa.types.is_large_string(field.type)) or kinds.get(field.name, "text") not in free:
            continue
        values = pl.Series(values=pl.from_arrow(table.column(field.name)))
        if field.name in of_json:
            hits = values.str.contains(SUSPICIOUS)
            if bool((values.str.len_bytes() > limit).any()):
                hits = hits | _may_break(values, view.source.json_limits)
        else:
            hits = values.str.contains("\0", literal=True)
        for row in hits.fill_null(False).arg_true().to_list():
            if field.name not in of_json:
                bad.setdefault(row, (field.name, "holds a NUL character, which Postgres cannot store"))
            elif verdict := examine(values[row], view.source.json_limits):
                if verdict.reason:
                    bad.setdefault(row, (field.name, verdict.reason))
                else:
                    exact.setdefault(row, {})[field.name] = verdict.exact
    exact = {row: found for row, found in sorted(exact.items()) if row not in bad}
    for row, found in exact.items():
        for json in documents:
            value = table.column(json.name)[row].as_py()
            if json.name not in found and value is not None:
                found[json.name] = parse_exact(value)
                if found[json.name] is MALFORMED:
                    bad.setdefault(row, (json.name, why_malformed(value)))
    return bad, {row: found for row, found in exact.items() if row not in bad}
