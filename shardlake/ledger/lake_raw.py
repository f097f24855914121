"""The ledger's raw files, as the lake sees them: which there are, which may go, which are known to readers."""

from datetime import datetime
from typing import Any

import psycopg

Connection = psycopg.Connection[Any]


def unregistered(connection: Connection, view: str) -> list[tuple[int, str, str, str]]:
    """The raw files of a view that the catalogue was not told of, whoever read them: window, key, load date and shard, newest first."""
    return connection.execute(
        "SELECT w.window_id, f.key, w.load_date::text, w.shard FROM shardlake.files f JOIN shardlake.windows w USING (window_id)"
        " WHERE w.view = %s AND w.raw_registered_at IS NULL AND w.raw_removed_at IS NULL ORDER BY f.key DESC", (view,)
    ).fetchall()  # fmt: skip


def registered(connection: Connection, windows: list[int]) -> None:
    """The catalogue knows these windows' raw files."""
    connection.execute("UPDATE shardlake.windows SET raw_registered_at = now() WHERE window_id = ANY(%s)", (windows,))


def expired(connection: Connection, view: str, layouts: list[str], before: datetime) -> list[int]:
    """Windows whose raw files may go: merged before a time, and in every layout."""
    rows = connection.execute(
        "UPDATE shardlake.windows w SET raw_removed_at = coalesce(raw_removed_at, now()) WHERE w.view = %(view)s"
        " AND EXISTS (SELECT FROM shardlake.files f WHERE f.window_id = w.window_id) AND w.status IN ('merged', 'abandoned')"
        " AND coalesce(w.merged_at, w.opened_at) < %(before)s AND (w.status = 'abandoned' OR NOT EXISTS (SELECT FROM unnest(%(layouts)s::text[]) AS wanted(name)"
        " WHERE NOT EXISTS (SELECT FROM shardlake.lake_windows l JOIN shardlake.lake_commits c USING (commit_id)"
        " WHERE l.view = w.view AND l.layout = wanted.name AND l.window_id = w.window_id AND c.status = 'published')))"
        " AND NOT EXISTS (SELECT FROM shardlake.lake_commits o WHERE o.view = w.view AND o.status = 'open' AND w.window_id = ANY(o.replays)) RETURNING w.window_id",
        {"view": view, "layouts": layouts, "before": before},
    )
    return [row[0] for row in rows.fetchall()]


def raw_keys(connection: Connection, windows: list[int]) -> list[str]:
    """The raw files of windows."""
    return [row[0] for row in connection.execute("SELECT key FROM shardlake.files WHERE window_id = ANY(%s)", (windows,)).fetchall()]


def forget_raw(connection: Connection, windows: list[int]) -> None:
    """Raw files that are gone."""
    connection.execute("DELETE FROM shardlake.files WHERE window_id = ANY(%s)", (windows,))


def open_windows(connection: Connection, view: str) -> set[int]:
    """Windows that are being read: their files are known when they are all written."""
    rows = connection.execute("SELECT window_id FROM shardlake.windows WHERE view = %s AND status = 'open'", (view,))
    return {row[0] for row in rows.fetchall()}


def raw_files(connection: Connection, view: str) -> list[tuple[list[str], list[str], list[int]]]:
    """The raw files of a view that are still there, in the form of `files_by_columns`: each says itself which columns it has."""
    return connection.execute(
        "SELECT ARRAY[]::text[], array_agg(f.key), array_agg(f.bytes) FROM shardlake.files f JOIN shardlake.windows w USING (window_id)"
        " WHERE w.view = %s AND w.status IN ('extracted', 'merged') AND w.raw_removed_at IS NULL HAVING count(*) > 0", (view,)
    ).fetchall()  # fmt: skip
