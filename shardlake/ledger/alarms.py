"""The ledger's alarms, and the counts that they are judged by."""

from collections.abc import Set
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


def watch(connection: Connection, view: str) -> None:
    """Watch the view from now on, if it is not watched yet."""
    connection.execute("INSERT INTO shardlake.watched (view) VALUES (%s) ON CONFLICT DO NOTHING", (view,))


def watched_since(connection: Connection, view: str) -> datetime | None:
    """Since when the view is watched, if it is."""
    row = connection.execute("SELECT since FROM shardlake.watched WHERE view = %s", (view,)).fetchone()
    return row[0] if row else None


def news(connection: Connection, view: str) -> list[News]:
    """For each shard, how long it went without a changed row, in windows of regular runs merged since `HISTORY`."""
    with connection.cursor(row_factory=class_row(News)) as cursor:
        return cursor.execute(
            "WITH changed AS (SELECT w.partition AS shard, s.applied_at, s.applied_at - lag(s.applied_at) OVER (PARTITION BY w.partition ORDER BY s.applied_at) AS gap"
            " FROM shardlake.sink_windows s JOIN shardlake.windows w USING (window_id) WHERE s.view = %s AND s.sink = 'warehouse' AND backfill_id IS NULL"
            " AND s.merged > 0 AND s.applied_at > now() - %s)"
            " SELECT shard, count(*) AS windows, coalesce(max(gap), interval '0') AS longest, now() - max(applied_at) AS current"
            " FROM changed GROUP BY shard ORDER BY shard", (view, HISTORY)
        ).fetchall()  # fmt: skip


def rates(connection: Connection, view: str) -> list[Rates]:
    """For each shard, rows and rejects of regular runs in the last day and in the time before it."""
    with connection.cursor(row_factory=class_row(Rates)) as cursor:
        return cursor.execute(
            "SELECT shard, coalesce(sum(rows) FILTER (WHERE late), 0)::bigint AS rows, coalesce(sum(bad) FILTER (WHERE late), 0)::bigint AS rejected,"
            " coalesce(sum(rows) FILTER (WHERE NOT late), 0)::bigint AS rows_before, coalesce(sum(bad) FILTER (WHERE NOT late), 0)::bigint AS rejected_before"
            " FROM (SELECT w.partition AS shard, s.applied_at > now() - %s AS late, view_rows + shape_rejected AS rows, rejected + shape_rejected AS bad"
            " FROM shardlake.sink_windows s JOIN shardlake.windows w USING (window_id) WHERE s.view = %s AND s.sink = 'warehouse'"
            " AND backfill_id IS NULL AND s.applied_at > now() - %s) w GROUP BY shard ORDER BY shard",
            (RECENT, view, HISTORY),
        ).fetchall()  # fmt: skip


def record(
    connection: Connection,
    asked: list[str],
    others: list[str],
    alarms: list[Alarm],
    *,
    whole: bool = False,
    unknown: Set[str] = frozenset(),
) -> tuple[list[Alarm], list[Alarm]]:
    """Write down what is wrong now with the views of this ledger that were `asked`. Of `others` only whether they could be asked, and runs that crashed.
    Returns the alarms that were raised by this, and those that it ended.

    With `whole`, asked and others are all views that there are: alarms of those that are gone have ended. Those of `unknown` kinds stay open.
    """
    with connection.transaction():
        connection.execute("LOCK shardlake.alarms IN SHARE ROW EXCLUSIVE MODE")
        open_now = connection.execute(
            "SELECT view, shard, kind FROM shardlake.alarms WHERE ended_at IS NULL"
            " AND (view = ANY(%s) OR (kind IN ('unknown', 'crashed') AND view = ANY(%s)) OR (%s AND view <> ALL(%s))) AND kind <> ALL(%s)",
            (asked, others, whole, [*asked, *others], sorted(unknown)),
        ).fetchall()  # fmt: skip
        now = {(a.view, a.shard, a.kind): a for a in alarms}
        ended = [
            Alarm(*row)
            for key in sorted(set(open_now) - now.keys())
            for row in connection.execute(
                "UPDATE shardlake.alarms SET ended_at = now() WHERE view = %s AND shard = %s AND kind = %s AND ended_at IS NULL"
                " RETURNING view, shard, kind, message", key
            )
        ]  # fmt: skip
        return [alarm for alarm in now.values() if _raise(connection, alarm)], ended


def _raise(connection: Connection, alarm: Alarm) -> bool:
    """Write an alarm down; whether it is a new one, and not one that stands and says now what is so."""
    row = connection.execute(
        "INSERT INTO shardlake.alarms (view, shard, kind, message) VALUES (%s, %s, %s, %s)"
        " ON CONFLICT (view, shard, kind) WHERE ended_at IS NULL DO UPDATE SET message = excluded.message RETURNING xmax = 0",
        (alarm.view, alarm.shard, alarm.kind, alarm.message),
    ).fetchone()
    return bool(row and row[0])


def open_alarms(connection: Connection, view: str, kind: str) -> list[Alarm]:
    """The view's alarms of a kind that are not over."""
    with connection.cursor(row_factory=class_row(Alarm)) as cursor:
        return cursor.execute(
            "SELECT view, shard, kind, message FROM shardlake.alarms WHERE view = %s AND kind = %s AND ended_at IS NULL ORDER BY shard",
            (view, kind),
        ).fetchall()


def crashed_elsewhere(connection: Connection, views: list[str]) -> list[Alarm]:
    """The alarms of runs that crashed, and are not over, of deployments that are none of the views': those for upkeep, and flows of one's own."""
    with connection.cursor(row_factory=class_row(Alarm)) as cursor:
        return cursor.execute(
            "SELECT view, shard, kind, message FROM shardlake.alarms WHERE view <> ALL(%s) AND kind = 'crashed' AND ended_at IS NULL ORDER BY view",
            (views,),
        ).fetchall()


def untold(connection: Connection) -> tuple[list[Alarm], list[Alarm]]:
    """The alarms that nobody was told of yet, and those that are over, which somebody was told of, and not yet of their end."""
    with connection.cursor(row_factory=class_row(Alarm)) as cursor:
        what = "SELECT view, shard, kind, message FROM shardlake.alarms WHERE"
        order = "ORDER BY view, shard, kind"
        fresh = cursor.execute(f"{what} ended_at IS NULL AND told_at IS NULL {order}").fetchall()
        over = cursor.execute(f"{what} ended_at IS NOT NULL AND told_at IS NOT NULL AND end_told_at IS NULL {order}").fetchall()
    return fresh, over


def told(connection: Connection, fresh: list[Alarm], over: list[Alarm]) -> None:
    """Whoever is to be told of these has been."""
    with connection.transaction(), connection.cursor() as cursor:
        where = "WHERE view = %s AND shard = %s AND kind = %s"
        cursor.executemany(
            f"UPDATE shardlake.alarms SET told_at = now() {where} AND ended_at IS NULL", [(a.view, a.shard, a.kind) for a in fresh]
        )
        cursor.executemany(
            f"UPDATE shardlake.alarms SET end_told_at = now() {where} AND ended_at IS NOT NULL", [(a.view, a.shard, a.kind) for a in over]
        )
