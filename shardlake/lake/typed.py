"""View rows from text to the lake's types: a chunk at once where it is certain, through Postgres where it is not.

Postgres judges the doubtful rows for the lake as it does for the warehouse, and prints them as it keeps them, so that
both hold the same rows with the same values.
"""

from dataclasses import dataclass
from typing import Any

import duckdb
import polars as pl
import psycopg
import pyarrow as pa
import pyarrow.compute as pc

from shardlake.lake.columns import NAIVE, arrow_type, has_offset, odd, typed
from shardlake.load.merge_sql import MergeSql
from shardlake.load.names import cast, quoted, quoted_list
from shardlake.load.target import TargetColumn
from shardlake.shape.chunk import Shaped, duck
from shardlake.shape.query import name
from shardlake.types import Type
from shardlake.values import Unread, values
from shardlake.view import View

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


@dataclass(frozen=True, slots=True)
class Split:
    """A chunk for the lake: typed rows, and doubtful ones as text. Both have `_op` and PLACE beside the columns."""

    rows: pa.Table
    doubtful: pa.Table


def lake_schema(columns: tuple[TargetColumn, ...]) -> pa.Schema:
    """The typed columns of a window's rows: the view's (`_shard` is added when they are written), `_op` and PLACE."""
    own = [pa.field(c.name, arrow_type(c.type)) for c in columns if c.name != "_shard"]
    return pa.schema([*own, pa.field("_op", pa.string()), pa.field(PLACE, pa.int64())])


def split(columns: tuple[TargetColumn, ...], shaped: Shaped, base: int, zone: str) -> Split:
    """Type a shaped chunk. `base` is the place of its first raw row in the window; `zone` that of times without an offset."""
    rows = shaped.rows.append_column(PLACE, pc.add(shaped.places.cast(pa.int64()), base))
    own = [c for c in columns if c.name != "_shard"]
    try:
        return _at_once(own, rows, lake_schema(columns), zone)
    except Unread:
        return _by_sql(own, rows, lake_schema(columns), zone)


def _at_once(own: list[TargetColumn], rows: pa.Table, schema: pa.Schema, zone: str) -> Split:
    """The ordinary case, in which text stays where it is. Raises Unread."""
    if any(odd(c.type, "") or c.type.name == "time" for c in own):
        raise Unread
    doubt = pc.is_valid(rows.column("_suspect"))
    sure = rows.filter(pc.invert(doubt)) if pc.any(doubt).as_py() else rows
    found = [values(c.type, sure.column(c.name), zone).cast(schema.field(c.name).type) for c in own]
    doubtful = rows.filter(doubt).select([*(c.name for c in own), "_op", "_suspect", PLACE])
    return Split(pa.table([*found, sure.column("_op"), sure.column(PLACE)], schema), doubtful)


def _by_sql(own: list[TargetColumn], rows: pa.Table, schema: pa.Schema, zone: str) -> Split:
    """What has to be judged or spelt anew, by DuckDB."""
    conditions = ["_suspect IS NOT NULL"]
    conditions += [f"coalesce({found}, false)" for c in own if (found := odd(c.type, name(c.name)))]
    connection = duck()
    connection.register("shaped", rows)
    try:
        items, condition = ", ".join(_items(own, zone)), " OR ".join(conditions)
        texts = f"SELECT {', '.join(name(c.name) for c in own)}, _op, _suspect, {PLACE} FROM shaped"
        doubt = connection.sql(f"{texts} WHERE {condition}").to_arrow_table()
        try:
            sure = connection.sql(f"SELECT {items}, _op, {PLACE} FROM shaped WHERE NOT ({condition})").to_arrow_table()
        except duckdb.ConversionException:  # a text that looked certain was not: Postgres judges the whole chunk
            doubt = connection.sql(texts.replace("_suspect,", "'1' AS _suspect,")).to_arrow_table()
            sure = schema.empty_table()
    finally:
        connection.unregister("shaped")
    sure, unsure = _in_zone(own, sure, zone)
    if unsure is not None:  # a time that the zone has twice or not at all
        doubt = pa.concat_tables([doubt, rows.filter(pc.is_in(rows.column(PLACE), unsure)).select(doubt.column_names).cast(doubt.schema)])
    return Split(sure.cast(schema), doubt)


def _items(columns: list[TargetColumn], zone: str) -> list[str]:
    items = []
    for column in columns:
        value = name(column.name)
        if column.type.name == "timestamptz" and not column.type.array and zone != "UTC":
            items.append(f"CASE WHEN {has_offset(value)} THEN CAST({value} AS TIMESTAMPTZ) END AS {value}")
            items.append(f"CASE WHEN NOT {has_offset(value)} THEN CAST({value} AS TIMESTAMP) END AS {name(NAIVE + column.name)}")
        else:
            items.append(f"{typed(column.type, value)} AS {value}")
    return items


def _in_zone(columns: list[TargetColumn], rows: pa.Table, zone: str) -> tuple[pa.Table, pa.Array | None]:
    """Times without an offset, in their zone. Rows whose time is there twice, or not at all, are left to Postgres."""
    unsure: set[int] = set()
    for column in columns:
        if NAIVE + column.name not in rows.column_names:
            continue
        naive = pl.Series(values=pl.from_arrow(rows.column(NAIVE + column.name)))
        found = naive.dt.replace_time_zone(zone, ambiguous="null", non_existent="null").dt.convert_time_zone("UTC")
        places = pl.Series(values=pl.from_arrow(rows.column(PLACE)))
        unsure |= set(places.filter(naive.is_not_null() & found.is_null()).to_list())
        place = rows.column_names.index(column.name)
        instant = pc.coalesce(rows.column(column.name).cast(pa.timestamp("us", "UTC")), found.to_arrow().cast(pa.timestamp("us", "UTC")))
        rows = rows.set_column(place, column.name, instant).drop_columns(NAIVE + column.name)
    if not unsure:
        return rows, None
    odd_places = pa.array(sorted(unsure), pa.int64())
    return rows.filter(pc.invert(pc.is_in(rows.column(PLACE), odd_places))), odd_places


def settle(connection: Connection, sql: MergeSql, doubtful: pa.Table) -> tuple[pa.Table, int, list[LakeReject]]:
    """Typed rows of doubtful ones, how many of them the warehouse rejects, too, and those that the lake alone cannot hold."""
    view, columns = sql.view, [c for c in sql.columns if c.name != "_shard"]
    with connection.transaction(force_rollback=True):
        connection.execute("SELECT set_config('TimeZone', %s, true)", (sql.zone,))
        lines = ", ".join(f"{quoted(n)} text" for n in doubtful.column_names)
        connection.execute(f"CREATE TEMP TABLE doubtful ({lines})")
        with connection.cursor() as cursor, cursor.copy(f"COPY doubtful ({quoted_list(tuple(doubtful.column_names))}) FROM STDIN") as copy:
            for row in zip(*(c.cast(pa.string()).to_pylist() for c in doubtful.columns), strict=True):
                copy.write_row(row)
        judged = connection.execute(sql.judge("doubtful")).rowcount
        printed = ", ".join(f"{_printed(c.type, 's.' + quoted(c.name))}" for c in columns)
        found = connection.execute(f"SELECT {printed}, s._op, s.{PLACE} FROM doubtful s ORDER BY s.{PLACE}::bigint").fetchall()
    names = [*(c.name for c in columns), "_op", PLACE]
    texts = pa.table({n: pa.array([row[i] for row in found], pa.string()) for i, n in enumerate(names)})
    rows, rejects = _held(view, columns, texts, lake_schema(sql.columns))
    return rows, judged, rejects


def _printed(type_: Type, value: str) -> str:
    """A text as Postgres prints the value that it makes of it; an instant in UTC."""
    if type_.array:
        return f"to_jsonb(({cast(type_, value)})::text[])::text"  # as texts: DuckDB reads numbers of JSON as doubles
    if type_.name == "timestamptz":
        return f"(({value}::timestamptz AT TIME ZONE 'UTC')::text || '+00')"
    return f"({cast(type_, value)})::text"


def _held(view: View, columns: list[TargetColumn], texts: pa.Table, schema: pa.Schema) -> tuple[pa.Table, list[LakeReject]]:
    connection = duck()
    connection.register("printed", texts)
    try:
        items = ", ".join(f"{_tried(c.type, name(c.name))} AS {name(c.name)}" for c in columns)
        rows = connection.sql(f"SELECT {items}, _op, CAST({PLACE} AS BIGINT) AS {PLACE} FROM printed").to_arrow_table().cast(schema)
    finally:
        connection.unregister("printed")
    bad: dict[int, LakeReject] = {}
    for column in columns:
        lost = pc.and_(pc.is_valid(texts.column(column.name)), pc.is_null(rows.column(column.name)))
        for place in pc.indices_nonzero(lost).to_pylist():
            key = {k: texts.column(k)[place].as_py() for k in view.key if k != "_shard"}
            value = texts.column(column.name)[place].as_py()
            bad.setdefault(place, LakeReject(key, column.name, value[:500], f"no {arrow_type(column.type)} of the lake holds it"))
    keep = pa.array([n not in bad for n in range(rows.num_rows)], pa.bool_())
    return rows.filter(keep), list(bad.values())


def _tried(type_: Type, value: str) -> str:
    found = f"try({typed(type_, value)})"
    if type_.name in ("date", "timestamp", "timestamptz") and not type_.array:
        # infinity, years before 1 and past 9999: Athena has none of them
        return f"CASE WHEN regexp_matches({value}, '^[0-9]{{4}}-') AND NOT suffix({value}, 'BC') AND NOT contains({value}, 'BC+') THEN {found} END"
    return found
