"""The judge: Postgres' verdict on the values that no rule is sure of, once a window, and the same for every sink.

A row with a value that is not exactly of its column's type is a reject. The others go on, spelt as Postgres prints them
where a sink wants that: what is printed reads the same everywhere.
"""

from dataclasses import replace
from typing import Any

import polars as pl
import psycopg
import pyarrow as pa
import pyarrow.compute as pc

from shardlake.quoting import ansi, ansi_list, postgres_text
from shardlake.rows.binary_copy import HEADER, TRAILER, encode
from shardlake.rows.cast import cast
from shardlake.shape.chunk import VALUE, Reject, Shaped
from shardlake.shape.uncertain import INDEXABLE_BYTES
from shardlake.view.columns import TargetColumn
from shardlake.view.types import Type
from shardlake.view.view import View

Connection = psycopg.Connection[Any]
_NTH = "_shardlake_nth"
_JSONB = Type("jsonb")


def judge(
    connection: Connection, view: View, columns: tuple[TargetColumn, ...], shaped: Shaped, zone: str, *, everything: bool, printing: bool
) -> Shaped:
    """A chunk whose uncertain rows (or all, with `everything`) have had their verdict. Its rows keep their order.

    `zone` is that of times without an offset. With `printing` the judged rows come back as Postgres prints them.
    """
    doubt = pc.is_valid(shaped.rows.column("_uncertain"))
    if not everything and not pc.any(doubt, min_count=0).as_py():
        return shaped
    nth = pl.int_range(shaped.rows.num_rows, dtype=pl.Int64, eager=True).to_arrow()
    places = nth if everything else nth.filter(doubt.combine_chunks() if isinstance(doubt, pa.ChunkedArray) else doubt)
    rows = shaped.rows.take(places)
    own = tuple(c for c in columns if c.name != "_shard")
    with connection.transaction(force_rollback=True):
        connection.execute("SELECT set_config('TimeZone', %s, true)", (zone,))
        _stage(connection, own, rows, places)
        bad = connection.execute(_verdicts(view, own)).fetchall()
        printed = _printed(connection, own, rows.schema) if printing else None
    rejects = [Reject(key, name, None if value is None else value[:VALUE], reason) for _, key, name, value, reason in bad]
    gone = pa.array([int(row[0]) for row in bad], pa.int64())
    if printed is not None:
        kept = nth.filter(pc.invert(pc.is_in(nth, value_set=places)))
        order = pa.concat_arrays([kept, printed.column(_NTH).combine_chunks().cast(pa.int64())])
        rest = pa.concat_tables([shaped.rows.take(kept), printed.select(shaped.rows.column_names).cast(shaped.rows.schema)])
        sorting = pc.sort_indices(order)
        return replace(shaped, rows=rest.take(sorting), places=shaped.places.take(order.take(sorting)), judged=rejects)
    left = nth.filter(pc.invert(pc.is_in(nth, value_set=gone))) if bad else nth
    return replace(
        shaped,
        rows=shaped.rows.take(left) if bad else shaped.rows,
        places=shaped.places.take(left) if bad else shaped.places,
        judged=rejects,
    )


def printed(connection: Connection, columns: tuple[TargetColumn, ...], rows: pa.Table, zone: str) -> pa.Table:
    """Rows that do cast, as Postgres prints them, in their order: the columns and `_op`, all of text."""
    own = tuple(c for c in columns if c.name != "_shard")
    nth = pl.int_range(rows.num_rows, dtype=pl.Int64, eager=True).to_arrow()
    with connection.transaction(force_rollback=True):
        connection.execute("SELECT set_config('TimeZone', %s, true)", (zone,))
        _stage(connection, own, rows, nth)
        found = _printed(connection, own, pa.schema([]))
    return found.take(pc.sort_indices(found.column(_NTH).cast(pa.int64()))).drop_columns(_NTH)


def _stage(connection: Connection, columns: tuple[TargetColumn, ...], rows: pa.Table, places: pa.Array) -> None:
    names = (*(c.name for c in columns), "_op", _NTH)
    connection.execute(f"CREATE TEMP TABLE uncertain ({', '.join(f'{ansi(n)} text' for n in names)})")
    table = rows.select(names[:-1]).append_column(_NTH, places.cast(pa.string()))
    with connection.cursor() as cursor, cursor.copy(f"COPY uncertain ({ansi_list(names)}) FROM STDIN (FORMAT binary)") as copy:
        copy.write(HEADER)
        for part in encode(table.cast(pa.schema([(n, pa.string()) for n in names])), {}):
            copy.write(part)
        copy.write(TRAILER)


def _verdicts(view: View, columns: tuple[TargetColumn, ...]) -> str:
    """The rows that do not cast, taken out: their place, key, and the first column that does not with its value and the reason."""
    indexed = {c for group in (view.key, *view.warehouse.indexes) for c in group}
    checks: list[str] = []
    for column in columns:
        value = f"s.{ansi(column.name)}"
        reason = f"shardlake.cast_error({value}, {postgres_text(str(column.type))})"
        if column.type.certain is None:
            reason = "NULL" if column.type.name == "text" else reason
        elif column.type.name != "varchar":  # a pattern costs a tenth of the cast that it spares
            reason = f"CASE WHEN {value} ~ {postgres_text(f'^(?:{column.type.certain})$')} THEN NULL ELSE {reason} END"
        if column.name in indexed and column.type.name in ("text", "varchar", "jsonb", "bytea"):
            reason = f"CASE WHEN octet_length({value}) > {INDEXABLE_BYTES} THEN 'is longer than the {INDEXABLE_BYTES} bytes that a value in a key or an index may have' ELSE {reason} END"
        if column.name in view.key:
            live = "" if column.name in view.unit_key else " AND s._op IS NULL"
            reason = f"CASE WHEN {value} IS NULL{live} THEN 'is NULL in the key' ELSE {reason} END"
        checks.append(f"({len(checks)}, {postgres_text(column.name)}, {value}, {reason})")
    key = ", ".join(f"{postgres_text(k)}, left(s.{ansi(k)}, 500)" for k in view.key if k != "_shard")
    return (
        f"WITH judged AS (SELECT s.{_NTH} AS nth, s.ctid AS place, jsonb_build_object({key}) AS row_key, f.name, f.value, f.reason FROM uncertain s"
        f" CROSS JOIN LATERAL (SELECT c.name, c.value, c.reason FROM (VALUES {', '.join(checks)}) AS c(nth, name, value, reason)"
        " WHERE c.reason IS NOT NULL ORDER BY c.nth LIMIT 1) f), gone AS (DELETE FROM uncertain u USING judged j WHERE u.ctid = j.place)"
        " SELECT nth, row_key, name, value, reason FROM judged ORDER BY nth::bigint"
    )


def _printed(connection: Connection, columns: tuple[TargetColumn, ...], schema: pa.Schema) -> pa.Table:
    """What is left, as Postgres prints it. JSON stays as it came: the lake has a spelling of its own for it."""
    shown = [value if c.type == _JSONB else as_printed(c.type, value) for c in columns for value in [f"s.{ansi(c.name)}"]]
    found = connection.execute(f"SELECT {', '.join([*shown, 's._op', f's.{_NTH}'])} FROM uncertain s").fetchall()
    names = [*(c.name for c in columns), "_op", _NTH]
    table = pa.table({n: pa.array([row[i] for row in found], pa.string()) for i, n in enumerate(names)})
    return table.append_column("_uncertain", pa.array(["1"] * len(found), pa.string())) if "_uncertain" in schema.names else table


def as_printed(type_: Type, value: str) -> str:
    """An SQL expression: a text as Postgres prints the value that it makes of it; an instant in UTC.

    An array is a JSON list of texts, since readers of JSON numbers may take them for doubles; one of several dimensions, or with
    bounds of its own, is in Postgres's own spelling, which no list has.
    """
    if type_.array:
        array = f"({cast(type_, value)})"
        plain = f"coalesce(array_ndims({array}) = 1 AND array_lower({array}, 1) = 1, true)"
        return f"CASE WHEN {plain} THEN to_jsonb({array}::text[])::text ELSE {array}::text END"
    if type_.name == "timestamptz":
        # infinity has no offset, and Postgres reads none behind it since 18
        return f"(({value}::timestamptz AT TIME ZONE 'UTC')::text || CASE WHEN isfinite({value}::timestamptz) THEN '+00' ELSE '' END)"
    if type_.name == "inet":
        return f"abbrev({value}::inet)"  # a cast to text adds the mask of a whole address
    return f"({cast(type_, value)})::text"
