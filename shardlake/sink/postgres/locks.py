"""Waiting for a lock on a table: for so long and no longer, and then a failure that names who holds it."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg

from shardlake.errors import WarehouseBusy
from shardlake.view.view import View

Connection = psycopg.Connection[Any]


@contextmanager
def locking(connection: Connection, view: View, table: str) -> Iterator[None]:
    """A transaction that waits for locks as long as the view says. Raises WarehouseBusy."""
    seconds = view.warehouse.lock_timeout.total_seconds()
    try:
        with connection.transaction():
            connection.execute("SELECT set_config('lock_timeout', %s, true)", (f"{int(seconds * 1000)}ms",))
            yield
    except psycopg.errors.LockNotAvailable:
        raise WarehouseBusy(
            f"{table} was locked for {seconds:g} s by {_holders(connection, table)}",
            hint="Wait for it, or end it; the window is merged by the next run.",
        ) from None


def wait_for_turn(connection: Connection, name: str, *, shared: bool = False) -> None:
    """Within a `locking` transaction: take the lock of this name until its end, however long others hold it."""
    connection.execute(
        "SELECT set_config('shardlake.lock_timeout', current_setting('lock_timeout'), true), set_config('lock_timeout', '0', true),"
        f" pg_advisory_xact_lock{'_shared' if shared else ''}(hashtextextended(%s, 0)),"
        " set_config('lock_timeout', current_setting('shardlake.lock_timeout'), true)", (name,)
    )  # fmt: skip


def _holders(connection: Connection, table: str) -> str:
    rows = connection.execute(
        "SELECT DISTINCT a.pid, a.usename, coalesce(nullif(a.application_name, ''), 'unnamed'), a.state FROM pg_locks l JOIN pg_stat_activity a USING (pid)"
        " WHERE l.relation = to_regclass(%s) AND l.granted AND l.pid <> pg_backend_pid()", (table,)
    ).fetchall()  # fmt: skip
    return (
        ", ".join(f"process {pid} (user {user}, application {application}, {state})" for pid, user, application, state in rows)
        or "a process that has gone since"
    )
