"""What the ledger says of views and shards: how fresh, how they last ended, what never came; and the rejects."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
from psycopg.rows import class_row

Connection = psycopg.Connection[Any]
_OPEN = "read_again_at IS NULL"
"""A reject whose row was not read again since."""


@dataclass(frozen=True, slots=True)
class ShardStatus:
    """One shard of one view. `lag` is how long ago its watermark was moved; None where it never was."""

    view: str
    shard: str
    watermark: str | None
    lag: timedelta | None
    last_run: datetime | None
    last_state: str | None
    last_error: str | None
    open_rejects: int
    freshness: timedelta | None

    @property
    def problem(self) -> str | None:
        """What is wrong with it, if anything."""
        if self.lag is None:
            return "never arrived"
        if self.freshness is not None and self.lag > self.freshness:
            return f"staler than {self.freshness}"
        return "failed" if self.last_state == "failed" else None

    def as_json(self) -> dict[str, Any]:
        """As a program reads it."""
        return {
            "view": self.view, "shard": self.shard, "watermark": self.watermark,
            "lag_seconds": None if self.lag is None else round(self.lag.total_seconds(), 1),
            "last_run": None if self.last_run is None else self.last_run.isoformat(), "last_state": self.last_state,
            "last_error": self.last_error, "rejects": self.open_rejects, "problem": self.problem,
        }  # fmt: skip


@dataclass(frozen=True, slots=True)
class RejectLine:
    """A rejected row."""

    reject_id: int
    window_id: int
    shard: str
    stage: str
    row_key: dict[str, Any]
    column_name: str
    value: str | None
    reason: str
    seen_at: datetime
    read_again_at: datetime | None


def status(connection: Connection, view: str, shards: list[str], freshness: timedelta | None) -> list[ShardStatus]:
    """A line for every shard that the connection has, whether it ever came or not."""
    now = datetime.now(UTC)
    marks = {row[0]: row[1:] for row in connection.execute(
        "SELECT shard, coalesce(cursor_value, 'scanning to ' || upper_bound), moved_at FROM shardlake.watermarks WHERE view = %s"
        " UNION ALL SELECT DISTINCT ON (shard) shard, 'replaced', merged_at FROM (SELECT shard, merged_at FROM shardlake.windows"
        " WHERE view = %s AND status = 'merged' AND kind IS NULL ORDER BY merged_at DESC) w", (view, view)).fetchall()}  # fmt: skip
    ends = {row[0]: row[1:] for row in connection.execute(
        "SELECT DISTINCT ON (shard) shard, ended_at, state, error FROM shardlake.run_shards WHERE view = %s ORDER BY shard, ended_at DESC", (view,)).fetchall()}  # fmt: skip
    rejects = dict(
        connection.execute(f"SELECT shard, count(*) FROM shardlake.rejects WHERE view = %s AND {_OPEN} GROUP BY shard", (view,)).fetchall()
    )
    lines = []
    for shard in shards:
        watermark, moved = marks.get(shard, (None, None))
        ended, state, error = ends.get(shard, (None, None, None))
        lines.append(
            ShardStatus(view, shard, watermark, now - moved if moved else None, ended, state, error, rejects.get(shard, 0), freshness)
        )
    return lines


def rejects(connection: Connection, view: str, shard: str | None, limit: int, *, every: bool = False) -> list[RejectLine]:
    """A view's rejects, newest first; with `every` those as well whose row was read again since."""
    with connection.cursor(row_factory=class_row(RejectLine)) as cursor:
        return cursor.execute(
            "SELECT reject_id, window_id, shard, stage, row_key, column_name, value, reason, seen_at, read_again_at FROM shardlake.rejects"
            f" WHERE view = %s AND (%s::text IS NULL OR shard = %s) AND {'true' if every else _OPEN} ORDER BY reject_id DESC LIMIT %s",
            (view, shard, shard, limit),
        ).fetchall()


def reject_count(connection: Connection, view: str, *, every: bool = False) -> int:
    """How many rejects a view has."""
    row = connection.execute(f"SELECT count(*) FROM shardlake.rejects WHERE view = %s AND {'true' if every else _OPEN}", (view,)).fetchone()
    return int(row[0]) if row else 0
