"""The ledger's windows and positions: opening a window, recording what was read, and moving on.

Windows and positions belong to a feed (what is read once) and a partition. What a window reads, and where a partition
stands, is JSON that the source alone reads.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any
from uuid import UUID

import psycopg
from psycopg.rows import class_row
from psycopg.types.json import Jsonb

from shardlake.errors import ClaimLost
from shardlake.ledger import claims, items
from shardlake.ledger.extent import Extent, Json, RawFile, Reading

Connection = psycopg.Connection[Any]


@dataclass(frozen=True, slots=True)
class Window:
    """A window that the ledger knows. `files` are there once it was read; `backfill` is the one that it belongs to."""

    window_id: int
    feed: str
    partition: str
    extent: Extent
    load_date: date
    read: bool
    attempt: int
    more: bool = False
    files: tuple[RawFile, ...] = ()
    raw_rows: int = 0
    raw_bytes: int = 0
    seconds: dict[str, float] = field(default_factory=dict)
    backfill: UUID | None = None
    raw_removed: bool = False


def position(connection: Connection, feed: str, partition: str) -> Json | None:
    """Where a partition stands; None before its first window."""
    row = connection.execute("SELECT position FROM shardlake.positions WHERE feed = %s AND partition = %s", (feed, partition)).fetchone()
    return row[0] if row else None


def unfinished(connection: Connection, feed: str, partition: str) -> Window | None:
    """The window whose reading was broken off, if one was. Those of backfills are theirs."""
    row = connection.execute(
        "SELECT window_id FROM shardlake.windows WHERE feed = %s AND partition = %s AND status = 'open' AND backfill_id IS NULL",
        (feed, partition),
    ).fetchone()
    return load(connection, row[0]) if row else None


def read_before(connection: Connection, run_id: UUID, feed: str, partition: str, extent: Extent) -> Window | None:
    """The run's own window of this extent, where a try before this one has read it, and did not hear that it is written down."""
    row = connection.execute(
        "SELECT window_id FROM shardlake.windows WHERE run_id = %s AND feed = %s AND partition = %s AND status = 'read' AND backfill_id IS NULL"
        " AND plan = %s AND start_position IS NOT DISTINCT FROM %s",
        (run_id, feed, partition, Jsonb(extent.plan), _jsonb(extent.start)),
    ).fetchone()
    return load(connection, row[0]) if row else None


_COLUMNS = (
    "window_id, feed, partition, plan, start_position, end_position, version_kind, from_version, to_version, snapshot, complete_to,"
    " load_date, status, attempt, more, coalesce(raw_rows, 0), coalesce(raw_bytes, 0), seconds, backfill_id, raw_removed_at"
)


def load(connection: Connection, window_id: int) -> Window:
    """A window and its files, whatever its status."""
    row = connection.execute(f"SELECT {_COLUMNS} FROM shardlake.windows WHERE window_id = %s", (window_id,)).fetchone()
    assert row is not None
    (number, feed, partition, plan, start, end, kind, lower, upper, snapshot, complete, day, status, attempt, more, rows, size, seconds, backfill, gone) = row  # fmt: skip
    with connection.cursor(row_factory=class_row(RawFile)) as cursor:
        files = cursor.execute("SELECT key, rows, bytes FROM shardlake.files WHERE window_id = %s ORDER BY key", (window_id,)).fetchall()
    extent = Extent(plan, start, end or {}, kind, lower, upper, snapshot, complete)
    return Window(
        number, feed, partition, extent, day, status != "open", attempt, more, tuple(files), rows, size, seconds, backfill, gone is not None
    )


def among(connection: Connection, feed: str, partitions: list[str], window_ids: list[int]) -> list[int]:
    """Those of the windows that belong to partitions of a feed, and not to a backfill that may be at work on them: that takes no claim."""
    rows = connection.execute(
        "SELECT window_id FROM shardlake.windows w WHERE feed = %s AND partition = ANY(%s) AND window_id = ANY(%s)"
        " AND NOT EXISTS (SELECT FROM shardlake.backfills b WHERE b.backfill_id = w.backfill_id AND b.state = 'running')",
        (feed, partitions, window_ids),
    )
    return [row[0] for row in rows.fetchall()]


def open_window(
    connection: Connection,
    run_id: UUID,
    feed: str,
    partition: str,
    extent: Extent,
    *,
    backfill: UUID | None = None,
    slice: int | None = None,
) -> Window:
    """Write down what is about to be read, before it is read."""
    row = connection.execute(
        "INSERT INTO shardlake.windows (run_id, feed, partition, status, plan, start_position, end_position, version_kind, from_version,"
        " to_version, snapshot, complete_to, backfill_id, slice) VALUES (%s, %s, %s, 'open', %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)"
        " RETURNING window_id, load_date",
        (
            run_id, feed, partition, Jsonb(extent.plan), _jsonb(extent.start), Jsonb(extent.end), extent.version_kind, extent.from_version,
            extent.to_version, extent.snapshot, extent.complete_to, backfill, slice,
        ),
    ).fetchone()  # fmt: skip
    assert row is not None
    return Window(row[0], feed, partition, extent, row[1], read=False, attempt=0, backfill=backfill)


def begin_reading(connection: Connection, window_id: int) -> int:
    """A new attempt at reading a window; raw's file names carry its number, so that no two attempts write the same names."""
    row = connection.execute(
        "UPDATE shardlake.windows SET attempt = attempt + 1 WHERE window_id = %s RETURNING attempt", (window_id,)
    ).fetchone()
    assert row is not None
    return int(row[0])


def record_read(
    connection: Connection, window: Window, attempt: int, reading: Reading, held_by: str | None, shown: str | None, claimed_by: UUID | None
) -> None:  # fmt: skip
    """The manifest: which files hold the window. Only what stands here was read; the partition's position moves with it.

    Raises ClaimLost where another attempt at the same window has begun since, or the partition is not `claimed_by` the run any more.
    """
    end = reading.position or window.extent.end
    with connection.transaction():
        if claimed_by:
            claims.require(connection, window.feed, window.partition, claimed_by)
        row = connection.execute(
            "UPDATE shardlake.windows SET status = 'read', read_at = now(), end_position = %s, raw_rows = %s,"
            " more = CASE status WHEN 'open' THEN %s ELSE more END, ends_snapshot = CASE status WHEN 'open' THEN %s ELSE ends_snapshot END,"
            " raw_bytes = %s, seconds = seconds || %s, raw_removed_at = NULL, complete_to = CASE WHEN %s THEN NULL ELSE complete_to END"
            " WHERE window_id = %s AND attempt = %s AND (status = 'open' OR raw_removed_at IS NOT NULL) RETURNING complete_to",
            (
                Jsonb(end), sum(f.rows for f in reading.files), reading.more, reading.ends_snapshot, sum(f.bytes for f in reading.files),
                Jsonb(dict(reading.seconds)), reading.position is not None, window.window_id, attempt,
            ),
        ).fetchone()  # fmt: skip
        if row is None:
            raise ClaimLost(
                f"{window.partition}: window {window.window_id} was taken over by another run while it was read",
                hint="Nothing of this attempt counts; the other run goes on.",
            )
        connection.execute("DELETE FROM shardlake.files WHERE window_id = %s", (window.window_id,))
        with connection.cursor() as cursor:
            cursor.executemany(
                "INSERT INTO shardlake.files (window_id, key, rows, bytes) VALUES (%s, %s, %s, %s)",
                [(window.window_id, f.key, f.rows, f.bytes) for f in reading.files],
            )
        items.record(connection, window.feed, window.partition, window.window_id, reading.items, reading.gone)
        if window.backfill is None and not window.read:
            move_position(connection, window.feed, window.partition, end, shown, row[0], held_by)


def move_position(
    connection: Connection, feed: str, partition: str, value: Json, shown: str | None, complete_to: datetime | None, held_by: str | None
) -> None:
    """Set where a partition stands. A window that does not end where it was to does not say how complete raw is."""
    connection.execute(
        "INSERT INTO shardlake.positions AS p (feed, partition, position, shown, complete_to, held_by) VALUES (%s, %s, %s, %s, %s, %s)"
        " ON CONFLICT (feed, partition) DO UPDATE SET position = excluded.position, shown = excluded.shown,"
        " complete_to = coalesce(excluded.complete_to, p.complete_to), held_by = excluded.held_by, moved_at = now()",
        (feed, partition, Jsonb(value), shown, complete_to, held_by),
    )


def note_unreachable(connection: Connection, feed: str, partition: str, found: Mapping[str, int]) -> None:
    """Rows that the source holds and that no window will take, by why."""
    connection.execute(
        "UPDATE shardlake.positions SET unreachable = %(found)s WHERE feed = %(feed)s AND partition = %(partition)s AND unreachable <> %(found)s",
        {"feed": feed, "partition": partition, "found": Jsonb(dict(found))},
    )


def raw_is_gone(connection: Connection, window_id: int) -> None:
    """A window's raw files are not there any more: its reading may be recorded once more."""
    connection.execute("UPDATE shardlake.windows SET raw_removed_at = coalesce(raw_removed_at, now()) WHERE window_id = %s", (window_id,))


def forget(connection: Connection, feed: str, partition: str) -> None:
    """Begin a partition anew: no position, and a reading that was broken off is given up, but for backfills, which go on by themselves."""
    with connection.transaction():
        connection.execute("DELETE FROM shardlake.positions WHERE feed = %s AND partition = %s", (feed, partition))
        items.forget(connection, feed, partition)
        connection.execute(
            "UPDATE shardlake.windows SET status = 'abandoned' WHERE feed = %s AND partition = %s AND status = 'open' AND backfill_id IS NULL",
            (feed, partition),
        )


def _jsonb(value: Json | None) -> Jsonb | None:
    return None if value is None else Jsonb(value)
