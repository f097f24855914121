"""View rows from text to the lake's types: a chunk at once where it is certain, through Postgres where it is not.

Postgres judges the unresolved rows for the lake as it does for the warehouse, and prints them as it keeps them, so that
both hold the same rows with the same values.
"""

from dataclasses import dataclass
from typing import Any

import duckdb
import polars as pl
import psycopg
import pyarrow as pa
import pyarrow.compute as pc

from shardlake.quoting import ansi
from shardlake.rows.judge import printed
from shardlake.rows.spool import Split
from shardlake.shape.chunk import Shaped
from shardlake.shape.duck import duck
from shardlake.shape.query import ROW
from shardlake.shape.values import Unread, in_zone, values
from shardlake.sink.lake.columns import NAIVE, arrow_type, has_offset, lake_type, odd, tried, typed
from shardlake.sink.lake.json_text import spelt
from shardlake.sink.lake.nested import nested_values
from shardlake.sink.lake.nested_exact import exact_values
from shardlake.view.columns import TargetColumn
from shardlake.view.types import Type
from shardlake.view.view import View

Connection = psycopg.Connection[Any]
PLACE = "_seq"
"""A row's place in its window: rows of one parent have one place."""


@dataclass(frozen=True, slots=True)
class LakeReject:
    """A row that the warehouse holds and the lake cannot."""

    row_key: dict[str, str | None]
    column: str
    value: str | None
    reason: str


def lake_schema(columns: tuple[TargetColumn, ...]) -> pa.Schema:
    """The typed columns of a window's rows: the view's (`_shard` is added when they are written), `_op` and PLACE."""
    own = [pa.field(c.name, lake_type(c)) for c in columns if c.name != "_shard"]
    return pa.schema([*own, pa.field("_op", pa.string()), pa.field(PLACE, pa.int64())])


def split(columns: tuple[TargetColumn, ...], shaped: Shaped, base: int, zone: str) -> Split:
    """Type a shaped chunk. `base` is the place of its first raw row in the window; `zone` that of times without an offset."""
    rows = shaped.rows.append_column(PLACE, pc.add(shaped.places.cast(pa.int64()), base))
    own = [c for c in columns if c.name != "_shard"]
    for column in own:
        if column.type.name == "jsonb":
            rows = rows.set_column(rows.column_names.index(column.name), column.name, spelt(rows.column(column.name)))
    nested, rows = _nested(own, rows, zone)
    try:
        return _at_once(own, rows, nested, lake_schema(columns), zone)
    except Unread:
        return _by_sql(own, rows, nested, lake_schema(columns), zone)


def _nested(own: list[TargetColumn], rows: pa.Table, zone: str) -> tuple[dict[str, pa.Array], pa.Table]:
    """The values of nested columns; and the rows, those that are unresolved in one of them marked as uncertain."""
    found: dict[str, pa.Array] = {}
    for column in own:
        if column.lake:
            found[column.name], doubt = nested_values(column.lake, rows.column(column.name), zone)
            place = rows.column_names.index("_uncertain")
            rows = rows.set_column(place, "_uncertain", pc.if_else(doubt, "1", rows.column(place)))
    return found, rows


def _at_once(own: list[TargetColumn], rows: pa.Table, nested: dict[str, pa.Array], schema: pa.Schema, zone: str) -> Split:
    """The ordinary case, in which text stays where it is. Raises Unread."""
    if any(odd(c.type, "") or c.type.name == "time" for c in own):
        raise Unread
    doubt = pc.is_valid(rows.column("_uncertain"))
    certain = pc.invert(doubt)
    every = not pc.any(doubt).as_py()
    sure = rows if every else rows.filter(certain)
    found = [
        (nested[c.name] if every else pa.chunked_array([nested[c.name]]).filter(certain)) if c.lake
        else values(c.type, sure.column(c.name), zone).cast(schema.field(c.name).type)
        for c in own
    ]  # fmt: skip
    unresolved = rows.filter(doubt).select([*(c.name for c in own), "_op", "_uncertain", PLACE])
    return Split(pa.table([*found, sure.column("_op"), sure.column(PLACE)], schema), unresolved)


def _by_sql(own: list[TargetColumn], rows: pa.Table, nested: dict[str, pa.Array], schema: pa.Schema, zone: str) -> Split:
    """What has to be judged or spelt anew, by DuckDB. ROW tells which rows are left of those that came."""
    conditions = ["_uncertain IS NOT NULL"]
    conditions += [f"coalesce({found}, false)" for c in own if (found := odd(c.type, ansi(c.name)))]
    rows = rows.append_column(ROW, pl.int_range(rows.num_rows, eager=True).to_arrow())
    plain = [c for c in own if not c.lake]
    connection = duck()
    connection.register("shaped", rows)
    try:
        items, condition = ", ".join(_items(plain, zone)), " OR ".join(conditions)
        texts = f"SELECT {', '.join(ansi(c.name) for c in own)}, _op, _uncertain, {PLACE} FROM shaped"
        doubt = connection.sql(f"{texts} WHERE {condition}").to_arrow_table()
        try:
            sure = connection.sql(f"SELECT {items}, _op, {PLACE}, {ROW} FROM shaped WHERE NOT ({condition})").to_arrow_table()
        except duckdb.ConversionException:  # a text that looked certain was not: Postgres judges the whole chunk
            doubt = connection.sql(texts.replace("_uncertain,", "'1' AS _uncertain,")).to_arrow_table()
            return Split(schema.empty_table(), doubt)
    finally:
        connection.unregister("shaped")
    sure, unsure = _in_zone(plain, sure, zone)
    if unsure is not None:  # a time that the zone has twice or not at all
        doubt = pa.concat_tables([doubt, rows.take(unsure).select(doubt.column_names).cast(doubt.schema)])
    for column, values_ in nested.items():
        sure = sure.append_column(column, values_.take(sure.column(ROW).combine_chunks()))
    return Split(sure.select(schema.names).cast(schema), doubt)


def _items(columns: list[TargetColumn], zone: str) -> list[str]:
    items = []
    for column in columns:
        value = ansi(column.name)
        if column.type.name == "timestamptz" and not column.type.array and zone != "UTC":
            items.append(f"CASE WHEN {has_offset(value)} THEN CAST({value} AS TIMESTAMPTZ) END AS {value}")
            items.append(f"CASE WHEN NOT {has_offset(value)} THEN CAST({value} AS TIMESTAMP) END AS {ansi(NAIVE + column.name)}")
        else:
            items.append(f"{typed(column.type, value)} AS {value}")
    return items


def _in_zone(columns: list[TargetColumn], rows: pa.Table, zone: str) -> tuple[pa.Table, pa.Array | None]:
    """Times without an offset, in their zone. Rows whose time is there twice, or not at all, are left to Postgres: their ROWs."""
    unsure: set[int] = set()
    for column in columns:
        if NAIVE + column.name not in rows.column_names:
            continue
        naive = rows.column(NAIVE + column.name).combine_chunks()
        found = in_zone(naive, zone)
        unsure |= set(rows.column(ROW).filter(pc.and_(naive.is_valid(), found.is_null())).to_pylist())
        place = rows.column_names.index(column.name)
        instant = pc.coalesce(rows.column(column.name).cast(pa.timestamp("us", "UTC")), found)
        rows = rows.set_column(place, column.name, instant).drop_columns(NAIVE + column.name)
    if not unsure:
        return rows, None
    left = pa.array(sorted(unsure), pa.int64())
    return rows.filter(pc.invert(pc.is_in(rows.column(ROW), left))), left


def settle(
    connection: Connection, view: View, columns: tuple[TargetColumn, ...], unresolved: pa.Table, zone: str
) -> tuple[pa.Table, list[LakeReject]]:
    """Typed rows of those that are typed from what Postgres prints, and those that the lake alone cannot hold."""
    own = [c for c in columns if c.name != "_shard"]
    unresolved = unresolved.sort_by(PLACE)
    texts = printed(connection, columns, unresolved, zone).append_column(PLACE, unresolved.column(PLACE).cast(pa.string()))
    with connection.transaction(force_rollback=True):
        connection.execute("SELECT set_config('TimeZone', %s, true)", (zone,))
        nested = {c.name: exact_values(connection, c.name, c.lake, texts.column(c.name).to_pylist()) for c in own if c.lake}
    return _held(view, own, texts, nested, lake_schema(columns))


def _held(
    view: View, columns: list[TargetColumn], texts: pa.Table, nested: dict[str, tuple[pa.Array, dict[int, str]]], schema: pa.Schema
) -> tuple[pa.Table, list[LakeReject]]:
    """Rows typed from what Postgres printed, and those that the lake has no value for."""
    connection = duck()
    connection.register("printed", texts)
    try:
        items = ", ".join(f"{tried(c.type, ansi(c.name))} AS {ansi(c.name)}" for c in columns if not c.lake)
        rows = connection.sql(f"SELECT {items}, _op, CAST({PLACE} AS BIGINT) AS {PLACE} FROM printed").to_arrow_table()
    finally:
        connection.unregister("printed")
    bad: dict[int, LakeReject] = {}
    for column in columns:
        found = texts.column(column.name)
        if column.lake:
            made, reasons = nested[column.name]
            rows = rows.append_column(column.name, made)
        else:
            lost = pc.and_(pc.is_valid(found), pc.is_null(rows.column(column.name)))
            reasons = {place: _why(column.type, found[place].as_py()) for place in pc.indices_nonzero(lost).to_pylist()}
        for place, reason in reasons.items():
            key = {k: texts.column(k)[place].as_py() for k in view.key if k != "_shard"}
            bad.setdefault(place, LakeReject(key, column.name, found[place].as_py()[:500], reason))
    keep = pa.array([n not in bad for n in range(rows.num_rows)], pa.bool_())
    return rows.select(schema.names).cast(schema).filter(keep), list(bad.values())


def _why(type_: Type, printed: str) -> str:
    """Why the lake has no value for what Postgres prints: of an array JSON, or else its own spelling (see `judge.as_printed`)."""
    if type_.array and not printed.startswith(('["', "[null")):
        return "has several dimensions, or bounds of its own, which no list of the lake has; declare text, or jsonb with to_jsonb(col) in extract.sql"
    return f"no {arrow_type(type_)} of the lake holds it"
