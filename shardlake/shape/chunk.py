"""Shaping one chunk: bad documents set apart with their reasons, all other rows to view rows."""

import threading
from dataclasses import dataclass
from typing import Any

import duckdb
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc

from shardlake.shape.poison import FINE, MALFORMED, SUSPICIOUS, examine, extract_exact, harmless, parse_exact, why_malformed
from shardlake.shape.query import ROW, JsonColumn, extraction, json_columns, name, shape_query
from shardlake.view import View

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
    """A chunk's view rows (all text, see `shape_query`), what was rejected, and how many raw rows became rows."""

    rows: pa.Table
    shaped: int
    rejects: list[Reject]


def shape(view: View, table: pa.Table, kinds: dict[str, str]) -> Shaped:
    """Make view rows of a chunk of raw rows.

    `kinds` says of each source column what it holds (`SourceColumn.kind`). Pure: the same chunk gives the same rows.
    """
    table = table.append_column(ROW, pl.int_range(table.num_rows, dtype=pl.Int32, eager=True).to_arrow())
    documents = json_columns(view)
    bad, exact = _examine(view, table, documents, kinds)
    connection = _connection()
    try:
        connection.register("raw", table)
        source = _extracted(connection, view, documents, bad, exact)
        query = shape_query(view, {f.name: f.type for f in table.schema}, kinds, extracted=source)
        rows = connection.sql(query).to_arrow_table()
    finally:
        connection.unregister("raw")
    malformed = pc.equal(rows.column("_op"), "m").fill_null(False)
    if pc.any(malformed).as_py():
        for row in rows.filter(malformed).column(ROW).to_pylist():
            bad[row] = _first_malformed(table, row, documents)
        rows = rows.filter(pc.invert(malformed))
    rejects = [_reject(view, table, row, column, reason) for row, (column, reason) in sorted(bad.items())]
    return Shaped(rows.drop_columns(ROW), table.num_rows - len(bad), rejects)


def _connection() -> duckdb.DuckDBPyConnection:
    """The thread's own in-memory DuckDB: opening one costs as much as shaping five thousand rows."""
    found: duckdb.DuckDBPyConnection | None = getattr(_mine, "connection", None)
    if found is None:
        found = _mine.connection = duckdb.connect(config={"threads": 1})
    return found


def _extracted(
    connection: duckdb.DuckDBPyConnection,
    view: View,
    documents: tuple[JsonColumn, ...],
    bad: dict[int, tuple[str, str]],
    exact: dict[int, dict[str, Any]],
) -> str:
    """The raw rows that are not rejected, each JSON column with the lists of what its paths find."""
    items = "".join(f", {extraction(j)}" for j in documents)
    query = f"SELECT *{items} FROM raw"
    if bad or exact:
        query += f" WHERE {ROW} NOT IN ({', '.join(map(str, sorted({*bad, *exact})))})"
    if exact:
        rows = {ROW: pa.array(exact, pa.int32())}
        for json in documents:
            for prefix, paths, as_json in (("t_", json.texts, False), ("d_", json.documents, True)):
                if paths:
                    exploded = view.explode.path.steps if view.explode and as_json and view.explode.path.column == json.name else None
                    rows[prefix + json.name] = pa.array(
                        [_lists(found.get(json.name), paths, as_json, exploded) for found in exact.values()], pa.list_(pa.string())
                    )
        connection.register("exact", pa.table(rows))
        lists = ", ".join(f"exact.{name(c)}" for c in rows if c != ROW)
        # a row with one document to be taken apart exactly has all of them taken apart so
        query += f" UNION ALL SELECT raw.*, {lists} FROM raw JOIN exact USING ({ROW})"
    return f"({query})"


def _lists(
    document: Any, paths: tuple[tuple[str | int, ...], ...], as_json: bool, exploded: tuple[str | int, ...] | None
) -> list[str | None] | None:
    return None if document is None else [extract_exact(document, steps, as_json=as_json, marked=steps == exploded) for steps in paths]


def _first_malformed(table: pa.Table, row: int, documents: tuple[JsonColumn, ...]) -> tuple[str, str]:
    reasons = {j.name: why_malformed(str(value)) for j in documents if (value := table.column(j.name)[row].as_py()) is not None}
    return next(((n, r) for n, r in reasons.items() if r != FINE), next(iter(reasons.items())))


def _reject(view: View, table: pa.Table, row: int, column: str, reason: str) -> Reject:
    key = {k: None if (value := table.column(k)[row].as_py()) is None else str(value) for k in view.source.primary_key}
    value = table.column(column)[row].as_py()
    return Reject(key, column, None if value is None else str(value)[:VALUE].replace("\0", "␀"), reason)


def _examine(
    view: View, table: pa.Table, documents: tuple[JsonColumn, ...], kinds: dict[str, str]
) -> tuple[dict[int, tuple[str, str]], dict[int, dict[str, Any]]]:
    """Rows to reject (column, reason), and rows whose documents must be taken apart exactly."""
    free = ("text", "json", "array")  # what else comes as text (times, decimals) is the server's own print
    bad: dict[int, tuple[str, str]] = {}
    exact: dict[int, dict[str, Any]] = {}
    limit = harmless(view.source.json_limits)
    of_json = {j.name for j in documents}
    for field in table.schema:
        if not (pa.types.is_string(field.type) or pa.types.is_large_string(field.type)) or kinds.get(field.name, "text") not in free:
            continue
        values = pl.Series(values=pl.from_arrow(table.column(field.name)))
        if field.name in of_json:
            hits = values.str.contains(SUSPICIOUS) | (values.str.len_bytes() > limit)
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
