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
    """A commit under way. Its windows are fixed when it is opened, so that one that is begun again holds the same.

    A `replay` has windows that the layout holds already: their rows take the place of those that are there. Of one that is
    `settled` everything is written, and readers are being told.
    """

    commit_id: int
    windows: tuple[Pending, ...]
    replay: bool = False
    settled: bool = False


@dataclass(frozen=True, slots=True)
class LakeFile:
    """A file of a layout: its key under the lake's URL, and the values of its partition's columns."""

    key: str
    partition: list[str | None]
    rows: int
    bytes: int


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
        "SELECT commit_id, replays, switch IS NOT NULL FROM shardlake.lake_commits WHERE view = %s AND layout = %s AND status = 'open'",
        (view, layout),
    ).fetchone()
    if row is None:
        return None
    with connection.cursor(row_factory=class_row(Pending)) as cursor:
        windows = cursor.execute(
            "SELECT w.window_id, w.partition, coalesce(w.raw_rows, 0) AS raw_rows, coalesce(w.raw_bytes, 0) AS raw_bytes,"
            " w.raw_removed_at IS NOT NULL AS removed FROM shardlake.windows w WHERE w.window_id = ANY(%s)"
            " OR w.window_id IN (SELECT window_id FROM shardlake.sink_windows WHERE commit_id = %s) ORDER BY w.window_id", (row[1], row[0])
        ).fetchall()  # fmt: skip
    return Commit(row[0], tuple(windows), row[1] is not None, row[2])


def open_commit(
    connection: Connection, run_id: UUID, view: str, layout: str, windows: Iterable[Pending], *, replay: bool = False
) -> Commit:
    """Write down what is about to be written. The windows of a replay stay with the commits that brought them."""
    chosen = tuple(windows)
    with connection.transaction():
        row = connection.execute(
            "INSERT INTO shardlake.lake_commits (run_id, view, layout, replays) VALUES (%s, %s, %s, %s) RETURNING commit_id",
            (run_id, view, layout, [w.window_id for w in chosen] if replay else None),
        ).fetchone()
        assert row is not None
        with connection.cursor() as cursor:
            cursor.executemany(
                "INSERT INTO shardlake.sink_windows (view, sink, window_id, commit_id) VALUES (%s, %s, %s, %s)",
                [(view, layout_sink(layout), w.window_id, row[0]) for w in chosen if not replay],
            )
    return Commit(row[0], chosen, replay)


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


def forget_commit(connection: Connection, commit_id: int) -> None:
    """A commit that was begun is given up; not one that is settled."""
    connection.execute("DELETE FROM shardlake.lake_commits WHERE commit_id = %s AND status = 'open' AND switch IS NULL", (commit_id,))


def record_rejects(
    connection: Connection, view: str, layout: str, commit: Commit, rejects: Iterable[tuple[int, str, dict[str, str | None], str, str | None, str]]
) -> None:  # fmt: skip
    """The commit's own rejects, as (window_id, shard, row_key, column, value, reason), however many; those that the layout
    had of its windows before go first.
    """
    with connection.transaction(), connection.cursor() as cursor:
        cursor.execute(
            "DELETE FROM shardlake.rejects WHERE view = %s AND layout = %s AND stage = 'lake' AND window_id = ANY(%s)",
            (view, layout, [w.window_id for w in commit.windows]),
        )
        with cursor.copy(
            "COPY shardlake.rejects (view, layout, commit_id, stage, window_id, shard, row_key, column_name, value, reason) FROM STDIN"
        ) as copy:
            for window_id, shard, key, column, value, reason in rejects:
                copy.write_row((view, layout, commit.commit_id, "lake", window_id, shard, Jsonb(key), column, value, reason))


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


def replaced(connection: Connection, view: str, before: datetime) -> dict[str, list[str]]:
    """Files that were replaced before a time, by layout."""
    rows = connection.execute(
        "SELECT f.layout, array_agg(f.key) FROM shardlake.lake_files f JOIN shardlake.lake_commits c ON c.commit_id = f.replaced_by"
        " WHERE f.view = %s AND f.replaced_at < %s AND c.status = 'published' GROUP BY 1 ORDER BY 1", (view, before)
    )  # fmt: skip
    return dict(rows.fetchall())


def known(connection: Connection, view: str, feed: str, keys: list[str]) -> set[str]:
    """Which of these keys the ledger knows: files of any commit, and raw files of any window that is not given up."""
    rows = connection.execute(
        "SELECT key FROM shardlake.lake_files WHERE view = %(view)s AND key = ANY(%(keys)s)"
        " UNION SELECT f.key FROM shardlake.files f JOIN shardlake.windows w USING (window_id) WHERE w.feed = %(feed)s AND f.key = ANY(%(keys)s)",
        {"view": view, "feed": feed, "keys": keys},
    )
    return {row[0] for row in rows.fetchall()}
