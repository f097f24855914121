"""A view's runs as they lie in the past: what a chart of them is drawn from."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import psycopg
from psycopg.rows import class_row

Connection = psycopg.Connection[Any]


@dataclass(frozen=True, slots=True)
class PastRun:
    """A run that has ended: when, how, and how many rows it read."""

    started_at: datetime
    ended_at: datetime
    state: str
    rows: int

    @property
    def seconds(self) -> float:
        """How long it took."""
        return (self.ended_at - self.started_at).total_seconds()


_WHOLE = "(SELECT count(*) FROM shardlake.run_shards s WHERE s.run_id = r.run_id) >= %(shards)s"
"""Of runs those of every shard."""


def last_runs(connection: Connection, view: str, shards: int, count: int) -> list[PastRun]:
    """The view's last runs of all its shards, the oldest first."""
    with connection.cursor(row_factory=class_row(PastRun)) as cursor:
        found = cursor.execute(
            "SELECT started_at, ended_at, state,"
            " (SELECT coalesce(sum((report ->> 'read')::bigint), 0)::bigint FROM shardlake.run_shards s WHERE s.run_id = r.run_id) AS rows"
            f" FROM shardlake.runs r WHERE view = %(view)s AND ended_at IS NOT NULL AND {_WHOLE} ORDER BY started_at DESC LIMIT %(count)s",
            {"view": view, "shards": shards, "count": count},
        ).fetchall()
    return found[::-1]


def arrivals(connection: Connection, view: str, shards: int, since: datetime) -> list[tuple[datetime, datetime]]:
    """When each run of all shards that went well began and ended, since a time, and the last one before it; the oldest first."""
    where = f"view = %(view)s AND state = 'completed' AND {_WHOLE}"
    given = {"view": view, "shards": shards, "since": since}
    before = connection.execute(
        f"SELECT started_at, ended_at FROM shardlake.runs r WHERE {where} AND ended_at < %(since)s ORDER BY started_at DESC LIMIT 1", given
    )
    after = f"SELECT started_at, ended_at FROM shardlake.runs r WHERE {where} AND started_at > %(since)s - interval '1 day' AND ended_at >= %(since)s"
    return [*before.fetchall(), *connection.execute(f"{after} ORDER BY ended_at", given).fetchall()]


def delays(
    runs: Sequence[tuple[datetime, datetime]], now: datetime, parts: int = 24, part: timedelta = timedelta(hours=1)
) -> list[timedelta | None]:
    """How old what had arrived became at most in each of the last `parts` stretches of time, by the runs that had gone well: each
    brings what there was when it began. None where nothing had arrived.

    >>> from datetime import UTC
    >>> noon, hour = datetime(2026, 1, 1, 12, tzinfo=UTC), timedelta(hours=1)
    >>> [d and str(d) for d in delays([(noon - 3 * hour, noon - 2.5 * hour), (noon - hour, noon - hour / 2)], noon, 4)]
    [None, '1:00:00', '2:00:00', '2:30:00']
    """
    found: list[timedelta | None] = []
    for n in range(parts, 0, -1):
        begin, end = now - n * part, now - (n - 1) * part
        moments = [ended for _, ended in runs if begin < ended <= end] + [end]
        ages = []
        for moment in moments:
            came = [started for started, ended in runs if ended < moment or moment == end == ended]
            if came:
                ages.append(moment - max(came))
        found.append(max(ages) if ages else None)
    return found
