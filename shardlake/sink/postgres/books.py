"""How a merge is written down: in its own transaction where data and ledger are one database, else by a mark beside the data.

With the ledger elsewhere the mark tells, after a crash between the two commits, that the window was applied: the next run
then only writes it down.
"""

from typing import Any
from uuid import UUID

import psycopg
from psycopg.types.json import Jsonb

from shardlake.failpoints import failpoint
from shardlake.ledger import sinks
from shardlake.ledger.database import Warehouse
from shardlake.ledger.sinks import WAREHOUSE, Applied
from shardlake.ledger.windows import Window
from shardlake.rows.account import record, require_claim
from shardlake.rows.window_rows import WindowRows
from shardlake.view.view import View

Connection = psycopg.Connection[Any]


class Books:
    """What stands of a window in the ledger, for the sink in `target`."""

    def __init__(self, ledger: Warehouse, target: Warehouse, view: View, window: Window, run_id: UUID) -> None:
        self._ledger, self._view, self._window, self._run_id = ledger, view, window, run_id
        self.is_shared = ledger is target

    def before(self, connection: Connection) -> Applied | None:
        """What the sink has made of the window already; asked within the merge's transaction."""
        if self.is_shared:
            return sinks.applied(connection, self._view.name, WAREHOUSE, self._window.window_id)
        row = connection.execute(
            "SELECT counts FROM shardlake.applied_windows WHERE ledger_id = %s AND view = %s AND window_id = %s",
            (self._ledger_id(), self._view.name, self._window.window_id),
        ).fetchone()
        return Applied(**row[0]) if row else None

    def read_since(self, connection: Connection) -> list[tuple[str, str | None, str | None]]:
        """The ranges of versions that were read after the window was, and are in the sink."""
        view, window_id = self._view.name, self._window.window_id
        if self.is_shared:
            return sinks.read_since(connection, view, WAREHOUSE, [window_id]).get(window_id, [])
        marked = connection.execute(  # also those that were committed here, and are not written down in the ledger yet
            "SELECT window_id FROM shardlake.applied_windows WHERE ledger_id = %s AND view = %s AND window_id > %s",
            (self._ledger_id(), view, window_id),
        ).fetchall()
        with self._ledger.connection() as other:
            return sinks.read_since(other, view, WAREHOUSE, [window_id], [row[0] for row in marked]).get(window_id, [])

    def within(self, connection: Connection, rows: WindowRows, applied: Applied) -> None:
        """The last thing in the merge's transaction. Raises ClaimLost where another run has taken the partition over."""
        if self.is_shared:
            self._write(connection, rows, applied)
            return
        with self._ledger.connection() as other:
            require_claim(other, self._window, self._run_id)
        connection.execute(
            "INSERT INTO shardlake.applied_windows (ledger_id, view, window_id, counts) VALUES (%s, %s, %s, %s)"
            " ON CONFLICT (ledger_id, view, window_id) DO UPDATE SET counts = excluded.counts, applied_at = now()",
            (self._ledger_id(), self._view.name, self._window.window_id, Jsonb(applied.counts())),
        )

    def after(self, rows: WindowRows, applied: Applied) -> None:
        """Behind the merge's commit: the ledger elsewhere."""
        if not self.is_shared and rows.gone_through:
            with self._ledger.connection() as connection, connection.transaction():
                self._write(connection, rows, applied)
            failpoint("merge.recorded")

    def is_written(self) -> bool:
        """Whether the ledger knows that the sink has the window."""
        with self._ledger.connection() as connection:
            return sinks.applied(connection, self._view.name, WAREHOUSE, self._window.window_id) is not None

    def _write(self, connection: Connection, rows: WindowRows, applied: Applied) -> None:
        record(connection, self._view.name, WAREHOUSE, self._window, self._run_id, rows, applied)

    def _ledger_id(self) -> UUID:
        with self._ledger.connection() as connection:
            return sinks.ledger_id(connection)
