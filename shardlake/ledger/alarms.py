"""The ledger's alarms, and the counts that they are judged by."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import psycopg
from psycopg.rows import class_row

Connection = psycopg.Connection[Any]
HISTORY = timedelta(days=28)
"""How far back the usual is looked for."""
RECENT = timedelta(days=1)
"""What a rate of rejects is taken over, to be compared with the time before."""


@dataclass(frozen=True, slots=True)
class Alarm:
    """Something late or odd about a view, or one of its shards (`""`: the view itself)."""

    view: str
    shard: str
    kind: str
    message: str


@dataclass(frozen=True, slots=True)
class News:
    """A shard's stretches without a changed row: the longest before now, and the one that lasts."""

    shard: str
    windows: int
    longest: timedelta
    current: timedelta


@dataclass(frozen=True, slots=True)
class Rates:
    """A shard's rows and rejects, lately and before."""

    shard: str
    rows: int
    rejected: int
    rows_before: int
    rejected_before: int


def watched_since(connection: Connection, view: str) -> datetime:
    """Since when the view is watched; from now on, if it is seen for the first time."""
    connection.execute("INSERT INTO shardlake.watched (view) VALUES (%s) ON CONFLICT DO NOTHING", (view,))
    row = connection.execute("SELECT since FROM shardlake.watched WHERE view = %s", (view,)).fetchone()
    assert row is not None
    return row[0]  # type: ignore[no-any-return]


def last_start(connection: Connection, view: str) -> datetime | None:
    """When the view's last run began."""
    row = connection.execute("SELECT max(started_at) FROM shardlake.runs WHERE view = %s", (view,)).fetchone()
    return row[0] if row else None


def completed_since(connection: Connection, view: str, shards: int, since: datetime) -> bool:
    """Whether a run that began after `since` has completed on as many shards as the view has."""
    row = connection.execute(
        "SELECT 1 FROM shardlake.runs r WHERE view = %s AND state = 'completed' AND started_at > %s"
        " AND (SELECT count(*) FROM shardlake.run_shards s WHERE s.run_id = r.run_id) >= %s LIMIT 1", (view, since, shards)
    ).fetchone()  # fmt: skip
    return row is not None


def news(connection: Connection, view: str) -> list[News]:
    """For each shard, how long it went without a changed row, in windows merged since `HISTORY`."""
    with connection.cursor(row_factory=class_row(News)) as cursor:
        return cursor.execute(
            "WITH changed AS (SELECT shard, merged_at, merged_at - lag(merged_at) OVER (PARTITION BY shard ORDER BY merged_at) AS gap"
            " FROM shardlake.windows WHERE view = %s AND status = 'merged' AND merged > 0 AND merged_at > now() - %s)"
            " SELECT shard, count(*) AS windows, coalesce(max(gap), interval '0') AS longest, now() - max(merged_at) AS current"
            " FROM changed GROUP BY shard ORDER BY shard", (view, HISTORY)
        ).fetchall()  # fmt: skip


def rates(connection: Connection, view: str) -> list[Rates]:
    """For each shard, rows and rejects of the last day and of the time before it."""
    with connection.cursor(row_factory=class_row(Rates)) as cursor:
        return cursor.execute(
            "SELECT shard, coalesce(sum(rows) FILTER (WHERE late), 0)::bigint AS rows, coalesce(sum(bad) FILTER (WHERE late), 0)::bigint AS rejected,"
            " coalesce(sum(rows) FILTER (WHERE NOT late), 0)::bigint AS rows_before, coalesce(sum(bad) FILTER (WHERE NOT late), 0)::bigint AS rejected_before"
            " FROM (SELECT shard, merged_at > now() - %s AS late, view_rows + shape_rejected AS rows, rejected + shape_rejected AS bad"
            " FROM shardlake.windows WHERE view = %s AND status = 'merged' AND merged_at > now() - %s) w GROUP BY shard ORDER BY shard",
            (RECENT, view, HISTORY),
        ).fetchall()  # fmt: skip


def record(connection: Connection, views: list[str], alarms: list[Alarm]) -> tuple[list[Alarm], list[Alarm]]:
    """Write down what is wrong with the views now. Returns the alarms that are new, and those that have ended."""
    with connection.transaction():
        connection.execute("LOCK shardlake.alarms IN SHARE ROW EXCLUSIVE MODE")
        open_now = connection.execute(
            "SELECT view, shard, kind, message FROM shardlake.alarms WHERE ended_at IS NULL AND view = ANY(%s)", (views,)
        ).fetchall()
        known = {row[:3]: Alarm(*row) for row in open_now}
        now = {(a.view, a.shard, a.kind): a for a in alarms}
        for key in known.keys() - now.keys():
            connection.execute(
                "UPDATE shardlake.alarms SET ended_at = now() WHERE view = %s AND shard = %s AND kind = %s AND ended_at IS NULL", key
            )
        for alarm in now.values():
            connection.execute(
                "INSERT INTO shardlake.alarms (view, shard, kind, message) VALUES (%s, %s, %s, %s)"
                " ON CONFLICT (view, shard, kind) WHERE ended_at IS NULL DO UPDATE SET message = excluded.message",
                (alarm.view, alarm.shard, alarm.kind, alarm.message),
            )
    return [now[key] for key in sorted(now.keys() - known.keys())], [known[key] for key in sorted(known.keys() - now.keys())]
