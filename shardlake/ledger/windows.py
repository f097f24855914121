"""The ledger's windows and watermarks: opening, recording what was read, and moving on."""

import json
from dataclasses import dataclass, field
from datetime import date
from typing import Any, cast
from uuid import UUID

import psycopg
from psycopg.rows import class_row
from psycopg.types.json import Jsonb

from shardlake.raw.files import RawFile
from shardlake.source.sql.dialect import Kind
from shardlake.source.sql.window import Order, Watermark, Window

Connection = psycopg.Connection[Any]


@dataclass(frozen=True, slots=True)
class OpenWindow:
    """A window that the ledger knows and that is not merged yet. `files` are there once it was extracted.

    `backfill` is the one that it belongs to; the windows of regular runs belong to none.
    """

    window_id: int
    window: Window
    load_date: date
    extracted: bool
    files: tuple[RawFile, ...] = ()
    raw_rows: int = 0
    raw_bytes: int = 0
    seconds: dict[str, float] = field(default_factory=dict)
    backfill: UUID | None = None


def watermark(connection: Connection, view: str, shard: str) -> Watermark | None:
    """How far a shard is; None before its first window."""
    row = connection.execute(
        "SELECT kind, cursor_value, upper_bound, scan_order, after_position, lower_bound FROM shardlake.watermarks WHERE view = %s AND shard = %s",
        (view, shard),
    ).fetchone()
    if row is None:
        return None
    kind, cursor, upper, order, after, lower = row
    return Watermark(cast(Kind, kind), cursor, upper, cast(Order, order), _position(after), lower)


def unfinished(connection: Connection, view: str, shard: str) -> OpenWindow | None:
    """The window that an earlier run left behind, if one did. Those of backfills are theirs."""
    row = connection.execute(
        "SELECT window_id FROM shardlake.windows WHERE view = %s AND shard = %s AND status IN ('open', 'extracted') AND backfill_id IS NULL",
        (view, shard),
    ).fetchone()
    return load(connection, row[0]) if row else None


def load(connection: Connection, window_id: int) -> OpenWindow:
    """A window and its files, whatever its status."""
    row = connection.execute(
        "SELECT kind, lower_bound, upper_bound, scan_order, after_position, until_position, load_date, status, coalesce(raw_rows, 0), coalesce(raw_bytes, 0), seconds, backfill_id"
        " FROM shardlake.windows WHERE window_id = %s", (window_id,)
    ).fetchone()  # fmt: skip
    assert row is not None
    kind, lower, upper, order, after, until, day, status, rows, size, seconds, backfill = row
    with connection.cursor(row_factory=class_row(RawFile)) as cursor:
        files = cursor.execute("SELECT key, rows, bytes FROM shardlake.files WHERE window_id = %s ORDER BY key", (window_id,)).fetchall()
    window = Window(kind, lower, upper, order, _position(after), _position(until), ranged=backfill is not None)
    return OpenWindow(window_id, window, day, status != "open", tuple(files), rows, size, seconds, backfill)


def open_window(
    connection: Connection, run_id: UUID, view: str, shard: str, window: Window, *, backfill: UUID | None = None, slice: int | None = None
) -> OpenWindow:
    """Write down what is about to be read, before it is read."""
    row = connection.execute(
        "INSERT INTO shardlake.windows (run_id, view, shard, status, kind, lower_bound, upper_bound, scan_order, after_position, backfill_id, slice)"
        " VALUES (%s, %s, %s, 'open', %s, %s, %s, %s, %s, %s, %s) RETURNING window_id, load_date",
        (run_id, view, shard, window.kind, window.lower, window.upper, window.order, _jsonb(window.after), backfill, slice),
    ).fetchone()
    assert row is not None
    return OpenWindow(row[0], window, row[1], extracted=False, backfill=backfill)


def record_extracted(
    connection: Connection, window_id: int, until: tuple[str, ...] | None, files: tuple[RawFile, ...], seconds: dict[str, float]
) -> None:
    """The manifest: which files hold the window. Only what stands here was read."""
    with connection.transaction():
        connection.execute("DELETE FROM shardlake.files WHERE window_id = %s", (window_id,))
        with connection.cursor() as cursor:
            cursor.executemany(
                "INSERT INTO shardlake.files (window_id, key, rows, bytes) VALUES (%s, %s, %s, %s)",
                [(window_id, f.key, f.rows, f.bytes) for f in files],
            )
        connection.execute(
            "UPDATE shardlake.windows SET status = 'extracted', until_position = %s, raw_rows = %s, raw_bytes = %s, seconds = seconds || %s WHERE window_id = %s",
            (_jsonb(until), sum(f.rows for f in files), sum(f.bytes for f in files), Jsonb(seconds), window_id),
        )


def record_merged(connection: Connection, window_id: int, counts: dict[str, int], seconds: dict[str, float]) -> None:
    """The counts of a merged window; the table's own checks refuse those that do not add up."""
    connection.execute(
        "UPDATE shardlake.windows SET status = 'merged', merged_at = now(), shaped = %(shaped)s, shape_rejected = %(shape_rejected)s,"
        " view_rows = %(view_rows)s, merged = %(merged)s, unchanged = %(unchanged)s, superseded = %(superseded)s,"
        " rejected = %(rejected)s, removed = %(removed)s, seconds = seconds || %(seconds)s WHERE window_id = %(window_id)s",
        {**counts, "seconds": Jsonb(seconds), "window_id": window_id},
    )


def move_watermark(connection: Connection, view: str, shard: str, mark: Watermark) -> None:
    """Set a shard's position."""
    connection.execute(
        "INSERT INTO shardlake.watermarks (view, shard, kind, cursor_value, upper_bound, scan_order, after_position, lower_bound)"
        " VALUES (%s, %s, %s, %s, %s, %s, %s, %s) ON CONFLICT (view, shard) DO UPDATE SET kind = excluded.kind,"
        " cursor_value = excluded.cursor_value, upper_bound = excluded.upper_bound, scan_order = excluded.scan_order,"
        " after_position = excluded.after_position, lower_bound = excluded.lower_bound, moved_at = now()",
        (view, shard, mark.kind, mark.cursor, mark.upper, mark.order, _jsonb(mark.after), mark.lower),
    )


def forget(connection: Connection, view: str, shard: str) -> None:
    """Begin a shard anew: no watermark, and what was left unfinished is given up, but for backfills, which go on by themselves."""
    with connection.transaction():
        connection.execute("DELETE FROM shardlake.watermarks WHERE view = %s AND shard = %s", (view, shard))
        connection.execute(
            "UPDATE shardlake.windows SET status = 'abandoned' WHERE view = %s AND shard = %s AND status IN ('open', 'extracted') AND backfill_id IS NULL",
            (view, shard),
        )


def merged_windows(connection: Connection, view: str, shard: str) -> list[int]:
    """The shard's merged windows of which raw is still there, oldest first, for a replay; those of backfills among them."""
    rows = connection.execute(
        "SELECT window_id FROM shardlake.windows WHERE view = %s AND shard = %s AND status = 'merged' AND raw_removed_at IS NULL ORDER BY window_id",
        (view, shard),
    )
    return [row[0] for row in rows.fetchall()]


def merged_since(connection: Connection, window_id: int) -> list[tuple[Kind, str | None, str | None]]:
    """The ranges of the same view and shard that were opened after this window and are merged before it.

    That happens between a backfill and the regular runs alone: each by itself takes its windows of a range in turn.
    """
    rows = connection.execute(
        "SELECT w.kind, w.lower_bound, w.upper_bound FROM shardlake.windows o JOIN shardlake.windows w USING (view, shard)"
        " WHERE o.window_id = %s AND w.window_id > o.window_id AND w.status = 'merged' AND w.kind = o.kind"
        " AND w.backfill_id IS DISTINCT FROM o.backfill_id ORDER BY w.window_id", (window_id,)
    ).fetchall()  # fmt: skip
    return [(cast(Kind, kind), lower, upper) for kind, lower, upper in rows]


def _jsonb(position: tuple[str, ...] | None) -> Jsonb | None:
    return None if position is None else Jsonb(list(position), dumps=json.dumps)


def _position(value: list[str] | None) -> tuple[str, ...] | None:
    return None if value is None else tuple(value)
