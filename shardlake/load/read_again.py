"""Rejects whose row is read again: what the newer reading makes of it counts, and the old line becomes history.

So a row that was mended at the source leaves the list by itself, and one that is still bad stands there once.
"""

from collections.abc import Iterator
from typing import Any

import psycopg

from shardlake.load.merge_sql import MergeSql
from shardlake.load.names import quoted, staging_rejects, text

Connection = psycopg.Connection[Any]


def mark(connection: Connection, sql: MergeSql) -> None:
    """Mark the rejects of earlier windows whose rows are in this window's staging. Most shards have none, and cost one look."""
    open_ = f"r.view = {text(sql.view.name)} AND r.shard = {text(sql.shard)} AND r.window_id < {sql.window_id} AND r.read_again_at IS NULL"
    if connection.execute(f"SELECT 1 FROM shardlake.rejects r WHERE {open_} LIMIT 1").fetchone() is None:
        return
    for condition in _same_row(sql):
        connection.execute(f"UPDATE shardlake.rejects r SET read_again_at = now() WHERE {open_} AND {condition}")


def settled(connection: Connection, window_id: int) -> list[str]:
    """Take the rejects of a window away; returns the keys of those that a later window had read again."""
    rows = connection.execute("DELETE FROM shardlake.rejects WHERE window_id = %s RETURNING row_key::text, read_again_at", (window_id,))
    return [key for key, again in rows.fetchall() if again is not None]


def stay_settled(connection: Connection, window_id: int, keys: list[str]) -> None:
    """Rejects of a replayed window whose rows were read again since: a later window has had its say of them."""
    if keys:
        connection.execute(
            "UPDATE shardlake.rejects SET read_again_at = now() WHERE window_id = %s AND row_key::text = ANY(%s)", (window_id, keys)
        )


def _same_row(sql: MergeSql) -> Iterator[str]:
    """Conditions that a reject `r` is of a row of this window. Shape names a row by its source's key, the merge by the target's."""
    view = sql.view
    of_unit = {k: k for k in view.unit_key if k != "_shard"}
    targets = {k: view.target_of(k) for k in view.source.primary_key}
    of_source = {k: t for k, t in targets.items() if t is not None}
    whole = len(of_source) == len(targets)
    if of_unit:
        yield f"r.stage <> 'shape' AND {_among(sql.staging, of_unit)}"
    if whole:
        yield f"r.stage = 'shape' AND {_among(sql.staging, of_source)}"
    rejected = staging_rejects(sql.window_id)
    yield f"r.stage = 'shape' AND r.row_key IN (SELECT s.row_key FROM {rejected} s)"
    if whole and {*of_source.values()} <= {*view.key}:
        same = " AND ".join(f"s.row_key ->> {text(k)} = r.row_key ->> {text(t)}" for k, t in of_source.items())
        yield f"r.stage <> 'shape' AND EXISTS (SELECT FROM {rejected} s WHERE {same})"


def _among(table: str, columns: dict[str, str]) -> str:
    """Whether a staged row has the reject's key: `columns` maps its names to staging's. Keys are kept to 500 characters."""
    same = " AND ".join(f"left(s.{quoted(column)}, 500) = r.row_key ->> {text(key)}" for key, column in columns.items())
    return f"EXISTS (SELECT FROM {table} s WHERE {same})"
