"""The ledger's runs: what each did on each shard, and what the shards' columns were when all was well."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import psycopg
from psycopg.rows import class_row
from psycopg.types.json import Jsonb

Connection = psycopg.Connection[Any]
LONGEST = timedelta(days=7)
"""How far back a run that is still under way is looked for."""


def open_run(connection: Connection, run_id: UUID, view: str, feed: str, began: datetime | None = None, takes: str = "") -> None:
    """Write down that a run has begun, now or at a time, and that its view takes its rows (`takes`: which, as it says) from the feed; one that begins again under its
    id goes on.
    """
    connection.execute(
        "INSERT INTO shardlake.feed_views (feed, view, takes) VALUES (%s, %s, %s) ON CONFLICT (feed, view) DO UPDATE SET takes = excluded.takes",
        (feed, view, takes),
    )
    connection.execute(
        "INSERT INTO shardlake.runs (run_id, view, started_at) VALUES (%s, %s, coalesce(%s, now()))"
        " ON CONFLICT (run_id) DO UPDATE SET state = 'running', ended_at = NULL",
        (run_id, view, began),
    )


def taken(connection: Connection, feed: str) -> list[str]:
    """What the views on a feed take of it, as they say it; empty for one that takes all."""
    return [row[0] for row in connection.execute("SELECT DISTINCT takes FROM shardlake.feed_views WHERE feed = %s", (feed,)).fetchall()]


def close_run(connection: Connection, run_id: UUID, view: str, shards: Iterable[dict[str, Any]], *, ok: bool, message: str) -> None:
    """Write down how a run ended. A shard's report is kept as the JSON that it is; `shard`, `state` and `error` in it as columns too."""
    with connection.transaction():
        for report in shards:
            _close_shard(connection, run_id, view, report)
        connection.execute(
            "UPDATE shardlake.runs SET ended_at = now(), state = %s, message = %s WHERE run_id = %s",
            ("completed" if ok else "failed", message, run_id),
        )


def _close_shard(connection: Connection, run_id: UUID, view: str, report: dict[str, Any]) -> None:
    connection.execute(
        "INSERT INTO shardlake.run_shards (run_id, view, shard, state, report, error) VALUES (%s, %s, %s, %s, %s, %s)"
        " ON CONFLICT (run_id, shard) DO UPDATE SET state = excluded.state, report = excluded.report, error = excluded.error, ended_at = now()",
        (run_id, view, report["shard"], report["state"], Jsonb(report), report["error"]),
    )


def shard_reports(connection: Connection, view: str, since: float) -> dict[str, dict[str, Any]]:
    """The last report of each shard as JSON, of those written since a time in seconds of the epoch."""
    rows = connection.execute(
        "SELECT DISTINCT ON (shard) shard, report FROM shardlake.run_shards WHERE view = %s AND ended_at >= to_timestamp(%s)"
        " ORDER BY shard, ended_at DESC", (view, since)
    )  # fmt: skip
    return dict(rows.fetchall())


@dataclass(frozen=True, slots=True)
class Begun:
    """A run of a view: when it began and ended, and whether it is `live`: some session holds a claim for it."""

    view: str
    started_at: datetime
    ended_at: datetime | None
    state: str
    live: bool


def begun_since(connection: Connection, views: list[str], since: datetime) -> list[Begun]:
    """The views' runs that began or ended after `since`, and those without an end; the newest first."""
    with connection.cursor(row_factory=class_row(Begun)) as cursor:
        return cursor.execute(
            f"SELECT view, started_at, ended_at, state, ended_at IS NULL AND EXISTS ({_LIVE}) AS live FROM shardlake.runs r"
            " WHERE view = ANY(%(views)s) AND started_at > %(since)s - %(longest)s"
            " AND (started_at >= %(since)s OR ended_at >= %(since)s OR ended_at IS NULL) ORDER BY started_at DESC",
            {"views": views, "since": since, "longest": LONGEST},
        ).fetchall()


_LIVE = """SELECT FROM shardlake.claims c JOIN pg_locks l
    ON l.locktype = 'advisory' AND l.granted AND l.objsubid = 1 AND (l.classid::bigint << 32 | l.objid::bigint)
     = hashtextextended('shardlake.run.' || c.feed || '.' || c.partition, 0)
    WHERE c.run_id = r.run_id AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())"""
"""A claim's lock that a session holds; the line of a claim outlives its run."""


def failing_since(connection: Connection, view: str) -> dict[str, datetime]:
    """Since when each shard fails whose last run failed; under `""` since when the view's runs do."""
    rows = connection.execute(
        "SELECT shard, min(ended_at) FROM shardlake.run_shards s WHERE view = %(view)s AND state = 'failed' AND ended_at > now() - interval '28 days'"
        " AND NOT EXISTS (SELECT FROM shardlake.run_shards g WHERE g.view = s.view AND g.shard = s.shard AND g.ended_at > s.ended_at AND g.state <> 'failed')"
        " GROUP BY shard UNION ALL"
        " SELECT '', min(ended_at) FROM shardlake.runs s WHERE view = %(view)s AND state = 'failed' AND started_at > now() - interval '28 days'"
        " AND NOT EXISTS (SELECT FROM shardlake.runs g WHERE g.view = s.view AND g.ended_at > s.ended_at AND g.state = 'completed')"
        " HAVING count(*) > 0", {"view": view}
    )  # fmt: skip
    return dict(rows.fetchall())


def completed_since(connection: Connection, view: str, shards: int, since: datetime) -> bool:
    """Whether a run that began after `since` has completed on as many shards as the view has. Several of some shards each are none: of
    them nobody has said that the view has arrived, for which others wait.
    """
    row = connection.execute(
        "SELECT EXISTS (SELECT FROM shardlake.runs r JOIN shardlake.run_shards s USING (run_id)"
        " WHERE r.view = %s AND r.started_at > %s AND r.state = 'completed' GROUP BY r.run_id HAVING count(DISTINCT s.shard) >= %s)",
        (view, since, shards),
    ).fetchone()
    return bool(row and row[0])


def that_are_over(connection: Connection, view: str, ids: list[str]) -> list[str]:
    """Of beginnings of run ids (hex digits) those that are of a run of the view which has no claim any more."""
    rows = connection.execute(
        "SELECT i.id FROM unnest(%s::text[]) i(id)"
        " WHERE EXISTS (SELECT FROM shardlake.runs r WHERE r.view = %s AND starts_with(replace(r.run_id::text, '-', ''), i.id))"
        " AND NOT EXISTS (SELECT FROM shardlake.claims c WHERE starts_with(replace(c.run_id::text, '-', ''), i.id))", (ids, view)
    ).fetchall()  # fmt: skip
    return [row[0] for row in rows]


def contract(connection: Connection, feed: str) -> dict[str, str] | None:
    """What the shards' columns were when the view last ran well."""
    row = connection.execute("SELECT columns FROM shardlake.contracts WHERE feed = %s", (feed,)).fetchone()
    return row[0] if row else None


def record_contract(connection: Connection, feed: str, columns: dict[str, str]) -> None:
    """Write down what the shards' columns are."""
    connection.execute(
        "INSERT INTO shardlake.contracts (feed, columns) VALUES (%s, %s) ON CONFLICT (feed) DO UPDATE SET columns = excluded.columns, seen_at = now()"
        " WHERE contracts.columns IS DISTINCT FROM excluded.columns",
        (feed, Jsonb(columns)),
    )
