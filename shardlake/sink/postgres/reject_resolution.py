"""Rejects whose row is read again: what the newer reading makes of it counts, and the old line becomes history.

So a row that was mended at the source leaves the list by itself, and one that is still bad stands there once.
"""

from collections.abc import Iterator
from typing import Any

import psycopg

from shardlake.quoting import ansi, postgres_text
from shardlake.sink.postgres.merge_sql import MergeSql
from shardlake.sink.postgres.names import staging_rejects

Connection = psycopg.Connection[Any]


def mark(connection: Connection, sql: MergeSql) -> None:
    """Mark the rejects of earlier windows whose rows this window has read. Most shards have none, and cost one look."""
    of_shard = f"r.view = {postgres_text(sql.view.name)} AND r.shard = {postgres_text(sql.shard)} AND r.read_again_at IS NULL"
    if (
        connection.execute(f"SELECT 1 FROM shardlake.rejects r WHERE {of_shard} AND r.window_id < {sql.window_id} LIMIT 1").fetchone()
        is None
    ):
        return
    for condition in (f"r.window_id < {sql.window_id} AND {same}" for same in _same_row(sql)):
        connection.execute(f"UPDATE shardlake.rejects r SET read_again_at = now() WHERE {of_shard} AND {condition}")
    connection.execute(f"UPDATE shardlake.rejects r SET read_again_at = now() WHERE {of_shard} AND r.window_id < ({_scan(sql)})")


def _scan(sql: MergeSql) -> str:
    """The first window of the scan of a whole shard that ends with this one; NULL where it ends none.

    Behind a scan every row has been read again, those among them that went direct into the target and are in no staging.
    """
    same = "w.feed = e.feed AND w.partition = e.partition AND w.backfill_id IS NULL AND w.snapshot"
    return (
        f"SELECT max(w.window_id) FROM shardlake.windows e JOIN shardlake.windows w ON {same} AND w.start_position IS NULL"
        f" AND w.status <> 'abandoned' AND w.window_id <= e.window_id WHERE e.window_id = {sql.window_id} AND e.backfill_id IS NULL"
        " AND e.ends_snapshot"
    )


def settled(connection: Connection, window_id: int) -> list[str]:
    """Take the rejects of a window away, but the lake's; returns the keys of those that a later window had read again."""
    rows = connection.execute(
        "DELETE FROM shardlake.rejects WHERE window_id = %s AND stage <> 'lake' RETURNING row_key::text, read_again_at", (window_id,)
    )
    return [key for key, again in rows.fetchall() if again is not None]


def stay_settled(connection: Connection, window_id: int, keys: list[str]) -> None:
    """Rejects of a replayed window whose rows were read again since: a later window has had its say of them."""
    if keys:
        connection.execute(
            "UPDATE shardlake.rejects SET read_again_at = now() WHERE window_id = %s AND stage <> 'lake' AND row_key::text = ANY(%s)",
            (window_id, keys),
        )


def _same_row(sql: MergeSql) -> Iterator[str]:
    """Conditions that a reject `r` is of a row of this window. Shape names a row by its source's key, the merge by the target's.

    A row is known by its source's key alone: two rows of a shard may have one key in the target.
    """
    view = sql.view
    targets = {k: view.target_of(k) for k in view.source.primary_key}
    known = {k: t for k, t in targets.items() if t is not None}
    rejected = f"(SELECT s.row_key FROM {staging_rejects(sql.window_id)} s)"
    yield f"r.stage = 'shape' AND r.row_key IN {rejected}"
    if len(known) < len(targets):
        return
    spelt = {t: _AS_IT_IS if view.columns[t].type.name in ("text", "varchar") else _SPELT for t in known.values()}
    yield f"r.stage = 'shape' AND {_among(sql.staging, known, spelt)}"
    if {*known.values()} <= {*view.key}:
        yield f"r.stage <> 'shape' AND {_among(sql.staging, {t: t for t in known.values()}, spelt)}"
        same = " AND ".join(
            f"{spelt[t].format(f's.row_key ->> {postgres_text(k)}')} = {spelt[t].format(f'r.row_key ->> {postgres_text(t)}')}"
            for k, t in known.items()
        )
        yield f"r.stage <> 'shape' AND EXISTS (SELECT FROM {rejected} s WHERE {same})"


_AS_IT_IS = "{}"
_SPELT = "regexp_replace(lower({}), '^\\\\x|\\+00$', '', 'g')"
"""A key as shape writes it into a reject and as staging has it, alike: bytes, instants and booleans are spelt in two ways. Texts are
not, and two that differ in capitals are two."""


def _among(table: str, columns: dict[str, str], spelt: dict[str, str]) -> str:
    """Whether a staged row has the reject's key: `columns` maps its names to staging's. Keys are kept to 500 characters."""
    same = (
        f"{spelt[c].format(f'left(s.{ansi(c)}, 500)')} = {spelt[c].format(f'r.row_key ->> {postgres_text(k)}')}" for k, c in columns.items()
    )
    return f"EXISTS (SELECT FROM {table} s WHERE {' AND '.join(same)})"
