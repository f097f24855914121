"""The end of a lake's commit in the ledger: settled when all is written and readers are about to be told, published when they were."""

from collections.abc import Iterable, Mapping
from typing import Any

import psycopg
from psycopg.types.json import Jsonb

from shardlake.ledger.sinks import Applied

Connection = psycopg.Connection[Any]


def settle(
    connection: Connection, commit_id: int, switch: dict[str, Any], counts: Applied, columns: Iterable[str], seconds: float,
    windows: Mapping[int, Applied],
) -> None:  # fmt: skip
    """Write down what a commit comes to, and what readers are about to be told. From here on it is finished, never begun again.

    `windows` are the counts of each. Raises CheckViolation where rows do not add up.
    """
    with connection.transaction(), connection.cursor() as cursor:
        skipped = counts.unchanged + counts.superseded
        cursor.execute(
            "UPDATE shardlake.lake_commits SET switch = %s, view_rows = %s, written = %s, skipped = %s, rejected = %s, seconds = %s, columns = %s"
            " WHERE commit_id = %s",
            (Jsonb(switch), counts.view_rows, counts.merged, skipped, counts.rejected, round(seconds, 4), Jsonb(list(columns)), commit_id),
        )
        cursor.executemany(
            "UPDATE shardlake.sink_windows s SET raw_rows = %s, shaped = %s, shape_rejected = %s, view_rows = %s, merged = %s,"
            " unchanged = %s, superseded = %s, rejected = %s, removed = %s, others = %s"
            " FROM shardlake.lake_commits c WHERE c.commit_id = %s AND s.view = c.view AND s.sink = 'lake.' || c.layout AND s.window_id = %s",
            [(*found.counts().values(), commit_id, window_id) for window_id, found in windows.items()],
        )


def switch_of(connection: Connection, commit_id: int) -> dict[str, Any]:
    """What readers are to be told of a settled commit."""
    row = connection.execute("SELECT switch FROM shardlake.lake_commits WHERE commit_id = %s", (commit_id,)).fetchone()
    assert row is not None
    found: dict[str, Any] = row[0]
    return found


def publish(connection: Connection, commit_id: int, replaced: list[str], windows: Iterable[int]) -> None:
    """A commit is there for readers from here on, and the files that it replaces are not."""
    with connection.transaction():
        connection.execute(
            "UPDATE shardlake.lake_commits SET status = 'published', published_at = now() WHERE commit_id = %s", (commit_id,)
        )
        connection.execute(
            "UPDATE shardlake.sink_windows s SET applied_at = now() FROM shardlake.lake_commits c WHERE c.commit_id = %s AND s.view = c.view"
            " AND s.sink = 'lake.' || c.layout AND (s.window_id = ANY(%s) OR s.commit_id = c.commit_id AND s.applied_at IS NULL)",
            (commit_id, list(windows)),
        )  # fmt: skip
        if replaced:
            connection.execute(
                "UPDATE shardlake.lake_files SET replaced_by = %s, replaced_at = now() WHERE key = ANY(%s)", (commit_id, replaced)
            )
