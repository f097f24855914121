"""The ledger's runs: what each did on each shard, and what the shards' columns were when all was well."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import psycopg
from psycopg.types.json import Jsonb

Connection = psycopg.Connection[Any]
LONGEST = timedelta(hours=6)
"""For how long a run without an end counts as under way; killed ones have none."""


def open_run(connection: Connection, run_id: UUID, view: str, feed: str) -> None:
    """Write down that a run has begun, and that its view takes its rows from the feed; one that begins again under its id goes on."""
    connection.execute("INSERT INTO shardlake.feed_views (feed, view) VALUES (%s, %s) ON CONFLICT DO NOTHING", (feed, view))
    connection.execute(
        "INSERT INTO shardlake.runs (run_id, view) VALUES (%s, %s) ON CONFLICT (run_id) DO UPDATE SET state = 'running', ended_at = NULL",
        (run_id, view),
    )


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


def last_active(connection: Connection, views: list[str]) -> datetime | None:
    """When a run of one of the views was last under way; now, if one is. One that was killed counts for as long as `LONGEST`."""
    row = connection.execute(
        "SELECT max(CASE WHEN ended_at IS NOT NULL THEN ended_at WHEN started_at > now() - %s THEN now() ELSE started_at END)"
        " FROM shardlake.runs WHERE view = ANY(%s)", (LONGEST, views)
    ).fetchone()  # fmt: skip
    return row[0] if row else None


def completed_since(connection: Connection, view: str, shards: int, since: datetime) -> bool:
    """Whether runs that began after `since` have completed on as many shards as the view has."""
    row = connection.execute(
        "SELECT count(DISTINCT s.shard) FROM shardlake.runs r JOIN shardlake.run_shards s USING (run_id)"
        " WHERE r.view = %s AND r.started_at > %s AND r.state = 'completed'", (view, since)
    ).fetchone()  # fmt: skip
    return bool(row and row[0] >= shards)


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
