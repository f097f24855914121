"""What the ledger says of views and shards: how fresh, how they last ended, what never came; and the rejects."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import psycopg
from psycopg.rows import class_row

from shardlake.ledger.sinks import all_rejected, first_missing
from shardlake.view.operation import short

Connection = psycopg.Connection[Any]
_OPEN = "read_again_at IS NULL"
"""A reject whose row was not read again since."""


@dataclass(frozen=True, slots=True)
class ShardStatus:
    """One partition of one view. `lag` is the age of the source's time up to which every row is in the sinks asked about; None
    where not all rows up to any time are. `held_by` names what keeps it from being now, `unreachable` counts rows that no window takes.
    `freshness` is how old it may become; a `young` view has still time to arrive.
    """

    view: str
    shard: str
    watermark: str | None
    lag: timedelta | None
    last_run: datetime | None
    last_state: str | None
    last_error: str | None
    open_rejects: int
    freshness: timedelta | None
    held_by: str | None = None
    unreachable: dict[str, int] = field(default_factory=dict)
    young: bool = False

    @property
    def problem(self) -> str | None:
        """What is wrong with it, if anything."""
        if self.watermark is None and not self.young:
            return "never arrived"
        if self.late:
            return f"staler than {short(self.freshness)}" if self.freshness else None
        if self.last_state == "failed":
            return "failed"
        if self.last_state == "rejected":
            return "every row rejected"
        return "not whole yet" if self.lag is None and not self.young else None

    @property
    def late(self) -> bool:
        """Whether it is older than it may become."""
        return self.freshness is not None and self.lag is not None and self.lag > self.freshness

    @property
    def state(self) -> str:
        """How it is, in a word or two: its problem, if it has one."""
        return self.problem or ("not arrived yet" if self.watermark is None else "not whole yet" if self.lag is None else "fresh")

    def as_json(self) -> dict[str, Any]:
        """As a program reads it."""
        return {
            "view": self.view, "shard": self.shard, "watermark": self.watermark,
            "lag_seconds": None if self.lag is None else round(self.lag.total_seconds(), 1),
            "last_run": None if self.last_run is None else self.last_run.isoformat(), "last_state": self.last_state,
            "last_error": self.last_error, "rejects": self.open_rejects, "state": self.state, "problem": self.problem, "held_by": self.held_by,
            "unreachable": self.unreachable,
        }  # fmt: skip


@dataclass(frozen=True, slots=True)
class RejectLine:
    """A rejected row, and the `sinks` that it is not in."""

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
    sinks: list[str]


def status(
    connection: Connection,
    view: str,
    feed: str,
    partitions: list[str],
    sinks: list[str],
    freshness: timedelta | None,
    *,
    replaces: bool = False,
    young: bool = False,
) -> list[ShardStatus]:
    """A line for every partition that the source has, whether it ever came or not, as it stands in the `sinks` asked about.

    With `replaces` each run takes the place of the one before; a view that is `young` has still time to arrive.
    """
    now = datetime.now(UTC)
    positions = {row[0]: row[1:] for row in connection.execute(
        "SELECT partition, shown, complete_to, held_by, unreachable FROM shardlake.positions WHERE feed = %s", (feed,)).fetchall()}  # fmt: skip
    ends = {row[0]: row[1:] for row in connection.execute(
        "SELECT DISTINCT ON (shard) shard, ended_at, state, error, run_id FROM shardlake.run_shards WHERE view = %s ORDER BY shard, ended_at DESC", (view,)).fetchall()}  # fmt: skip
    rejects = _reject_counts(connection, view)
    whole = _failed_as_a_whole(connection, view)
    refused = {partition: sink for sink in reversed(sinks) for partition in all_rejected(connection, view, sink, feed, partitions)}
    behind = {sink: first_missing(connection, view, sink, feed, replaces=replaces) for sink in sinks}
    lines = []
    for partition in partitions:
        shown, complete, held_by, unreachable = positions.get(partition, (None, None, None, {}))
        for sink, missing in behind.items():
            if partition in missing:
                before = _complete_before(connection, feed, partition, missing[partition])
                if complete is None or before is None or before < complete:
                    complete, held_by = complete and before, f"{sink} lacks window {missing[partition]} of {partition}"
        ended, state, error, run = ends.get(partition, (None, None, None, None))
        if whole and run == whole[0] and complete:
            state, error = "failed", whole[1]
        elif state != "failed" and partition in refused and rejects.get(partition):
            state, error = (
                "rejected",
                f"every row that last came was rejected by {refused[partition]}; `shardlake rejects {view}` lists them",
            )
        if state == "failed":
            held_by = error
        lag = max(now - complete, timedelta()) if complete else None
        lines.append(
            ShardStatus(view, partition, shown, lag, ended, state, error, rejects.get(partition, 0), freshness, held_by, unreachable, young)
        )
    return lines


def _failed_as_a_whole(connection: Connection, view: str) -> tuple[UUID, str] | None:
    """The view's last run and what it failed of, where that was none of its partitions: the switch of a replace, a table of the lake."""
    row = connection.execute(
        "SELECT r.run_id, r.message, r.state, EXISTS (SELECT FROM shardlake.run_shards s WHERE s.run_id = r.run_id AND s.state IN ('failed', 'rejected'))"
        " FROM shardlake.runs r WHERE r.view = %s AND r.ended_at IS NOT NULL ORDER BY r.ended_at DESC LIMIT 1", (view,)
    ).fetchone()  # fmt: skip
    return (row[0], str(row[1])) if row and row[2] == "failed" and not row[3] else None


def _complete_before(connection: Connection, feed: str, partition: str, window_id: int) -> datetime | None:
    """The source's time up to which every row is in the windows before one."""
    row = connection.execute(
        "SELECT max(complete_to) FROM shardlake.windows WHERE feed = %s AND partition = %s AND window_id < %s AND status = 'read'",
        (feed, partition, window_id),
    ).fetchone()
    return row[0] if row else None


def rejects(
    connection: Connection, view: str, sinks: Sequence[str], shard: str | None, limit: int, *, every: bool = False
) -> list[RejectLine]:
    """A view's rejects, newest first, each row once with the sinks that rejected it; with `every` those as well whose row was read
    again since. What shape and the judge reject, every sink of the view rejects: `sinks` are all their names.
    """
    where = f"view = %(view)s AND (%(shard)s::text IS NULL OR shard = %(shard)s) AND {'true' if every else _OPEN}"
    with connection.cursor(row_factory=class_row(RejectLine)) as cursor:
        return cursor.execute(
            f"""
            (SELECT reject_id, window_id, shard, stage, row_key, column_name, value, reason, seen_at, read_again_at, %(sinks)s::text[] AS sinks
             FROM shardlake.rejects WHERE stage <> 'lake' AND {where} ORDER BY reject_id DESC LIMIT %(limit)s)
            UNION ALL
            (SELECT max(reject_id), window_id, shard, 'lake', row_key, column_name, value, reason, max(seen_at),
                    CASE WHEN bool_and(read_again_at IS NOT NULL) THEN max(read_again_at) END, array_agg('lake.' || layout ORDER BY layout)
             FROM ({_OF_THE_LAKE} WHERE stage = 'lake' AND {where}) r
             GROUP BY window_id, shard, row_key, column_name, value, reason, nth ORDER BY 1 DESC LIMIT %(limit)s)
            ORDER BY reject_id DESC LIMIT %(limit)s
            """,
            {"view": view, "shard": shard, "limit": limit, "sinks": list(sinks)},
        ).fetchall()


_OF_THE_LAKE = """SELECT *, row_number() OVER
    (PARTITION BY layout, window_id, shard, row_key, column_name, value, reason ORDER BY reject_id) AS nth FROM shardlake.rejects"""
"""The rejects of lake tables: of rows that are alike, each table's first is one row, its second another."""


def reject_count(connection: Connection, view: str, shard: str | None = None, *, every: bool = False) -> int:
    """How many rejected rows a view has, or a shard of it."""
    return sum(_reject_counts(connection, view, shard, every=every).values())


def _reject_counts(connection: Connection, view: str, shard: str | None = None, *, every: bool = False) -> dict[str, int]:
    """Rejected rows by shard; one that several lake tables cannot hold counts once."""
    where = f"view = %(view)s AND (%(shard)s::text IS NULL OR shard = %(shard)s) AND {'true' if every else _OPEN}"
    rows = connection.execute(
        f"""
        SELECT shard, sum(rows)::bigint FROM (
            SELECT shard, count(*) AS rows FROM shardlake.rejects WHERE stage <> 'lake' AND {where} GROUP BY shard
            UNION ALL
            SELECT shard, count(DISTINCT (window_id, row_key, column_name, value, reason, nth))
            FROM ({_OF_THE_LAKE} WHERE stage = 'lake' AND {where}) r GROUP BY shard
        ) both_kinds GROUP BY shard
        """,
        {"view": view, "shard": shard},
    ).fetchall()
    return {name: int(count) for name, count in rows}


def rejects_of_layout(connection: Connection, view: str, layout: str, windows: Sequence[int]) -> int:
    """How many rows of windows a lake table alone cannot hold."""
    row = connection.execute(
        "SELECT count(*) FROM shardlake.rejects WHERE stage = 'lake' AND view = %s AND layout = %s AND window_id = ANY(%s)",
        (view, layout, list(windows)),
    ).fetchone()
    return int(row[0]) if row else 0
