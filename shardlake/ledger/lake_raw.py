"""The ledger's raw files, as the lake sees them: which there are, which may go, which are known to readers."""

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Any

import psycopg

Connection = psycopg.Connection[Any]


def unregistered(connection: Connection, feed: str) -> list[tuple[int, str, str, str]]:
    """The raw files of a feed that the catalogue was not told of, whoever read them: window, key, load date and shard, newest first."""
    return connection.execute(
        "SELECT w.window_id, f.key, w.load_date::text, w.partition FROM shardlake.files f JOIN shardlake.windows w USING (window_id)"
        " WHERE w.feed = %s AND w.raw_registered_at IS NULL AND w.raw_removed_at IS NULL ORDER BY f.key DESC", (feed,)
    ).fetchall()  # fmt: skip


def registered(connection: Connection, windows: list[int]) -> None:
    """The catalogue knows these windows' raw files."""
    connection.execute("UPDATE shardlake.windows SET raw_registered_at = now() WHERE window_id = ANY(%s)", (windows,))


def expired(
    connection: Connection, feed: str, sinks: Mapping[str, list[str]], before: datetime, *, replaced: Collection[str] = ()
) -> list[int]:
    """Windows whose raw files may go: read before a time, and in every sink of every view that takes its rows from the feed.

    `sinks` are those of the views that are known here; of another view those count that it has been written to. In one that is
    `replaced` by every run, a later window of the same partition has taken the place of one that never came.
    """
    wanted = [(view, sink) for view, names in sinks.items() for sink in names]
    rows = connection.execute(
        "WITH others AS (SELECT DISTINCT s.view, s.sink FROM shardlake.feed_views f JOIN shardlake.sink_windows s USING (view)"
        " WHERE f.feed = %(feed)s AND f.view <> ALL(%(views)s)),"
        " wanted AS (SELECT * FROM others UNION SELECT * FROM unnest(%(of)s::text[], %(sinks)s::text[]))"
        " UPDATE shardlake.windows w SET raw_removed_at = coalesce(raw_removed_at, now()) WHERE w.feed = %(feed)s"
        " AND EXISTS (SELECT FROM shardlake.files f WHERE f.window_id = w.window_id) AND w.status IN ('read', 'abandoned')"
        " AND coalesce(w.read_at, w.opened_at) < %(before)s AND (w.status = 'abandoned' OR NOT EXISTS (SELECT FROM wanted"
        " WHERE NOT EXISTS (SELECT FROM shardlake.sink_windows s WHERE s.view = wanted.view AND s.sink = wanted.sink"
        " AND s.window_id = w.window_id AND s.applied_at IS NOT NULL) AND NOT (wanted.view = ANY(%(views)s) AND wanted.sink = ANY(%(replaced)s)"
        " AND EXISTS (SELECT FROM shardlake.windows o JOIN shardlake.sink_windows s USING (window_id) WHERE o.feed = w.feed"
        " AND o.partition = w.partition AND o.window_id > w.window_id AND s.view = wanted.view AND s.sink = wanted.sink"
        " AND s.applied_at IS NOT NULL))))"
        " AND NOT EXISTS (SELECT FROM shardlake.lake_commits o JOIN shardlake.feed_views f USING (view) WHERE f.feed = w.feed"
        " AND o.status = 'open' AND w.window_id = ANY(o.replays)) RETURNING w.window_id",
        {
            "feed": feed,
            "views": list(sinks),
            "of": [v for v, _ in wanted],
            "sinks": [s for _, s in wanted],
            "before": before,
            "replaced": list(replaced),
        },
    )
    return [row[0] for row in rows.fetchall()]


def raw_keys(connection: Connection, windows: list[int]) -> list[str]:
    """The raw files of windows."""
    return [row[0] for row in connection.execute("SELECT key FROM shardlake.files WHERE window_id = ANY(%s)", (windows,)).fetchall()]


def forget_raw(connection: Connection, windows: list[int]) -> None:
    """Raw files that are gone."""
    connection.execute("DELETE FROM shardlake.files WHERE window_id = ANY(%s)", (windows,))


def open_windows(connection: Connection, feed: str) -> set[int]:
    """Windows that are being read: their files are known when they are all written."""
    rows = connection.execute("SELECT window_id FROM shardlake.windows WHERE feed = %s AND status = 'open'", (feed,))
    return {row[0] for row in rows.fetchall()}


def raw_files(connection: Connection, feed: str) -> list[tuple[list[str], list[str], list[int]]]:
    """The raw files of a feed that are still there, in the form of `files_by_columns`: each says itself which columns it has."""
    return connection.execute(
        "SELECT ARRAY[]::text[], array_agg(f.key), array_agg(f.bytes) FROM shardlake.files f JOIN shardlake.windows w USING (window_id)"
        " WHERE w.feed = %s AND w.status = 'read' AND w.raw_removed_at IS NULL HAVING count(*) > 0", (feed,)
    ).fetchall()  # fmt: skip
