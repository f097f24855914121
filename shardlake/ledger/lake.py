"""The ledger's lake: commits, the windows and files in them, and the tables that readers know."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import psycopg
from psycopg.rows import class_row
from psycopg.types.json import Jsonb

from shardlake.ledger.sinks import Pending, layout_sink, pending

Connection = psycopg.Connection[Any]


@dataclass(frozen=True, slots=True)
class Commit:
    """A commit under way. Its windows are fixed when it is opened, so that one that is begun again holds the same."""

    commit_id: int
    windows: tuple[Pending, ...]


@dataclass(frozen=True, slots=True)
class LakeFile:
    """A file of a layout: its key under the lake's URL, and the values of its partition's columns."""

    key: str
    partition: list[str | None]
    rows: int
    bytes: int


@dataclass(frozen=True, slots=True)
class Counts:
    """A commit's rows: `view_rows` = written + skipped (older than what is there) + rejected."""

    view_rows: int = 0
    written: int = 0
    skipped: int = 0
    rejected: int = 0

    def __add__(self, other: "Counts") -> "Counts":
        return Counts(
            self.view_rows + other.view_rows, self.written + other.written, self.skipped + other.skipped, self.rejected + other.rejected
        )


def in_all(connection: Connection, view: str, layouts: list[str], commit: Commit) -> list[int]:
    """Those windows of a commit that every layout holds."""
    rows = connection.execute(
        "SELECT window_id FROM shardlake.sink_windows WHERE view = %s AND window_id = ANY(%s) AND sink = ANY(%s)"
        " AND applied_at IS NOT NULL GROUP BY window_id HAVING count(*) = %s",
        (view, [w.window_id for w in commit.windows], [layout_sink(t) for t in layouts], len(layouts)),
    )
    return [row[0] for row in rows.fetchall()]


def unfinished(connection: Connection, view: str, layout: str) -> Commit | None:
    """The commit that was broken off, if one was."""
    row = connection.execute(
        "SELECT commit_id FROM shardlake.lake_commits WHERE view = %s AND layout = %s AND status = 'open'", (view, layout)
    ).fetchone()
    if row is None:
        return None
    with connection.cursor(row_factory=class_row(Pending)) as cursor:
        windows = cursor.execute(
            "SELECT w.window_id, w.partition, w.raw_bytes, w.raw_removed_at IS NOT NULL AS removed FROM shardlake.sink_windows s"
            " JOIN shardlake.windows w USING (window_id) WHERE s.commit_id = %s ORDER BY w.window_id", (row[0],)
        ).fetchall()  # fmt: skip
    return Commit(row[0], tuple(windows))


def open_commit(connection: Connection, run_id: UUID, view: str, layout: str, windows: Iterable[Pending]) -> Commit:
    """Write down what is about to be written."""
    chosen = tuple(windows)
    with connection.transaction():
        row = connection.execute(
            "INSERT INTO shardlake.lake_commits (run_id, view, layout) VALUES (%s, %s, %s) RETURNING commit_id", (run_id, view, layout)
        ).fetchone()
        assert row is not None
        with connection.cursor() as cursor:
            cursor.executemany(
                "INSERT INTO shardlake.sink_windows (view, sink, window_id, commit_id) VALUES (%s, %s, %s, %s)",
                [(view, layout_sink(layout), w.window_id, row[0]) for w in chosen],
            )
    return Commit(row[0], chosen)


def files_of(connection: Connection, commit_id: int) -> list[LakeFile]:
    """The files of a commit."""
    with connection.cursor(row_factory=class_row(LakeFile)) as cursor:
        return cursor.execute(
            "SELECT key, partition, rows, bytes FROM shardlake.lake_files WHERE commit_id = %s ORDER BY key", (commit_id,)
        ).fetchall()


def record_files(connection: Connection, view: str, layout: str, commit_id: int, files: Iterable[LakeFile]) -> None:
    """Write down files before they are put."""
    with connection.transaction(), connection.cursor() as cursor:
        cursor.executemany(
            "INSERT INTO shardlake.lake_files (key, commit_id, view, layout, partition, rows, bytes) VALUES (%s, %s, %s, %s, %s, %s, %s)",
            [(f.key, commit_id, view, layout, Jsonb(f.partition), f.rows, f.bytes) for f in files],
        )


def forget_files(connection: Connection, keys: list[str]) -> None:
    """Files that are gone."""
    connection.execute("DELETE FROM shardlake.lake_files WHERE key = ANY(%s)", (keys,))


def publish(
    connection: Connection, commit_id: int, counts: Counts, columns: Iterable[str], seconds: float, *, replaces: list[str] | None = None
) -> None:
    """A commit is there for readers from here on, and the files that it replaces are not. Raises CheckViolation where rows do not add up."""
    with connection.transaction():
        connection.execute(
            "UPDATE shardlake.lake_commits SET status = 'published', published_at = now(), view_rows = %s, written = %s, skipped = %s,"
            " rejected = %s, seconds = %s, columns = %s WHERE commit_id = %s",
            (counts.view_rows, counts.written, counts.skipped, counts.rejected, round(seconds, 4), Jsonb(list(columns)), commit_id),
        )
        connection.execute("UPDATE shardlake.sink_windows SET applied_at = now() WHERE commit_id = %s", (commit_id,))
        if replaces:
            connection.execute(
                "UPDATE shardlake.lake_files SET replaced_by = %s, replaced_at = now() WHERE key = ANY(%s)", (commit_id, replaces)
            )


def record_rejects(connection: Connection, view: str, layout: str, commit_id: int, rejects: Iterable[tuple[Any, ...]]) -> None:
    """The commit's own rejects, as (window_id, shard, row_key, column, value, reason); those of a broken-off try go first."""
    with connection.transaction(), connection.cursor() as cursor:
        cursor.execute("DELETE FROM shardlake.rejects WHERE commit_id = %s", (commit_id,))
        cursor.executemany(
            "INSERT INTO shardlake.rejects (view, layout, commit_id, stage, window_id, shard, row_key, column_name, value, reason)"
            " VALUES (%s, %s, %s, 'lake', %s, %s, %s, %s, %s, %s)",
            [(view, layout, commit_id, w, s, Jsonb(k), c, v, r) for w, s, k, c, v, r in rejects],
        )


def live_files(connection: Connection, view: str, layout: str) -> list[LakeFile]:
    """The files that a reader of the layout sees."""
    with connection.cursor(row_factory=class_row(LakeFile)) as cursor:
        return cursor.execute(
            "SELECT f.key, f.partition, f.rows, f.bytes FROM shardlake.lake_files f JOIN shardlake.lake_commits c USING (commit_id)"
            " WHERE f.view = %s AND f.layout = %s AND c.status = 'published' AND f.replaced_by IS NULL ORDER BY f.key", (view, layout)
        ).fetchall()  # fmt: skip


def live_files_since(connection: Connection, view: str, layout: str) -> list[tuple[LakeFile, datetime]]:
    """The same files, each with when it was published."""
    rows = connection.execute(
        "SELECT f.key, f.partition, f.rows, f.bytes, c.published_at FROM shardlake.lake_files f JOIN shardlake.lake_commits c USING (commit_id)"
        " WHERE f.view = %s AND f.layout = %s AND c.status = 'published' AND f.replaced_by IS NULL ORDER BY f.key", (view, layout)
    )  # fmt: skip
    return [(LakeFile(key, partition, rows, size), at) for key, partition, rows, size, at in rows.fetchall()]


def partition_locations(connection: Connection, view: str, layout: str) -> dict[tuple[str | None, ...], str]:
    """Where the files of each partition lie: compaction moves them."""
    rows = connection.execute(
        "SELECT f.partition, max(regexp_replace(f.key, '/[^/]+$', '')) FROM shardlake.lake_files f JOIN shardlake.lake_commits c USING (commit_id)"
        " WHERE f.view = %s AND f.layout = %s AND c.status = 'published' AND f.replaced_by IS NULL GROUP BY f.partition", (view, layout)
    )  # fmt: skip
    return {tuple(partition): place for partition, place in rows.fetchall()}


def files_by_columns(connection: Connection, view: str, layout: str) -> list[tuple[list[str], list[str], list[int]]]:
    """The same files with their sizes, by the columns that they have: columns were added meanwhile."""
    return connection.execute(
        "SELECT c.columns, array_agg(f.key ORDER BY f.key), array_agg(f.bytes ORDER BY f.key)"
        " FROM shardlake.lake_files f JOIN shardlake.lake_commits c USING (commit_id)"
        " WHERE f.view = %s AND f.layout = %s AND c.status = 'published' AND f.replaced_by IS NULL GROUP BY c.columns", (view, layout)
    ).fetchall()  # fmt: skip


def record_table(connection: Connection, database: str, name: str, view: str, layout: str, definition: dict[str, Any]) -> None:
    """A table of the lake, or a view on one, as readers know it."""
    connection.execute(
        "INSERT INTO shardlake.lake_tables (database, name, view, layout, definition) VALUES (%s, %s, %s, %s, %s)"
        " ON CONFLICT (database, name) DO UPDATE SET view = excluded.view, layout = excluded.layout, definition = excluded.definition, changed_at = now()"
        " WHERE (lake_tables.view, lake_tables.layout, lake_tables.definition) IS DISTINCT FROM (excluded.view, excluded.layout, excluded.definition)",
        (database, name, view, layout, Jsonb(definition)),
    )


def table(connection: Connection, database: str, name: str) -> tuple[str, str, dict[str, Any]] | None:
    """A table's view, layout and definition."""
    row = connection.execute(
        "SELECT view, layout, definition FROM shardlake.lake_tables WHERE database = %s AND name = %s", (database, name)
    ).fetchone()
    return (row[0], row[1], row[2]) if row else None


def tables(connection: Connection) -> list[tuple[str, str, str, str, dict[str, Any]]]:
    """Every table: database, name, view, layout, definition."""
    return connection.execute("SELECT database, name, view, layout, definition FROM shardlake.lake_tables ORDER BY 1, 2").fetchall()


def last_write(connection: Connection, view: str, layout: str, feed: str) -> tuple[datetime | None, int]:
    """When the layout was last written, and how many windows wait for it."""
    row = connection.execute(
        "SELECT max(published_at) FROM shardlake.lake_commits WHERE view = %s AND layout = %s AND status = 'published'", (view, layout)
    ).fetchone()
    return (row[0] if row else None), len(pending(connection, view, layout_sink(layout), feed, empty=False))


def read_by(connection: Connection, run_id: UUID, feed: str) -> list[tuple[str, str, str]]:
    """The raw files that a run read: key, load date and shard."""
    return connection.execute(
        "SELECT f.key, w.load_date::text, w.partition FROM shardlake.files f JOIN shardlake.windows w USING (window_id)"
        " WHERE w.run_id = %s AND w.feed = %s AND w.raw_removed_at IS NULL ORDER BY f.key DESC", (run_id, feed)
    ).fetchall()  # fmt: skip


def expired(connection: Connection, feed: str, sinks: dict[str, list[str]], before: datetime) -> list[int]:
    """Windows whose raw files may go: read before a time, and in every sink of every view that takes its rows from the feed.

    `sinks` are those of the views that are known here; of another view those count that it has been written to.
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
        " AND s.window_id = w.window_id AND s.applied_at IS NOT NULL))) RETURNING w.window_id",
        {"feed": feed, "views": list(sinks), "of": [v for v, _ in wanted], "sinks": [s for _, s in wanted], "before": before},
    )
    return [row[0] for row in rows.fetchall()]


def raw_keys(connection: Connection, windows: list[int]) -> list[str]:
    """The raw files of windows."""
    return [row[0] for row in connection.execute("SELECT key FROM shardlake.files WHERE window_id = ANY(%s)", (windows,)).fetchall()]


def forget_raw(connection: Connection, windows: list[int]) -> None:
    """Raw files that are gone."""
    connection.execute("DELETE FROM shardlake.files WHERE window_id = ANY(%s)", (windows,))


def replaced(connection: Connection, view: str, before: datetime) -> list[str]:
    """Files that were replaced before a time."""
    rows = connection.execute(
        "SELECT f.key FROM shardlake.lake_files f JOIN shardlake.lake_commits c ON c.commit_id = f.replaced_by"
        " WHERE f.view = %s AND f.replaced_at < %s AND c.status = 'published'", (view, before)
    )  # fmt: skip
    return [row[0] for row in rows.fetchall()]


def known(connection: Connection, view: str, feed: str, keys: list[str]) -> set[str]:
    """Which of these keys the ledger knows: files of any commit, and raw files of any window that is not given up."""
    rows = connection.execute(
        "SELECT key FROM shardlake.lake_files WHERE view = %(view)s AND key = ANY(%(keys)s)"
        " UNION SELECT f.key FROM shardlake.files f JOIN shardlake.windows w USING (window_id) WHERE w.feed = %(feed)s AND f.key = ANY(%(keys)s)",
        {"view": view, "feed": feed, "keys": keys},
    )
    return {row[0] for row in rows.fetchall()}


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
