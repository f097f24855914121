"""What a sink made of a window, written into the ledger: its counts, and the window's rejects."""

from typing import Any
from uuid import UUID

import psycopg

from shardlake.ledger import claims, sinks
from shardlake.ledger.sinks import Applied
from shardlake.ledger.windows import Window
from shardlake.rows.window_rows import WindowRows

Connection = psycopg.Connection[Any]


def require_claim(connection: Connection, window: Window, run_id: UUID) -> None:
    """That the window's partition is still the run's. Raises ClaimLost."""
    if window.backfill is None:  # a backfill takes no claim on a partition
        claims.require(connection, window.feed, window.partition, run_id)


def record(connection: Connection, view: str, sink: str, window: Window, run_id: UUID, rows: WindowRows, applied: Applied) -> None:
    """Write down what became of a window's rows, which were gone through; within a transaction. Raises ClaimLost, AccountingError."""
    require_claim(connection, window, run_id)
    rows.record(connection)
    sinks.record_applied(connection, view, sink, window.window_id, applied)
