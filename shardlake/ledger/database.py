"""Connections to the warehouse and the ledger: a pool for the process, and psycopg's errors as ours."""

import os
import re
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import cache
from threading import BoundedSemaphore, Lock, local
from typing import Any

import psycopg
from psycopg_pool import ConnectionPool, PoolTimeout

from shardlake import cancellation
from shardlake.connection.address import Shard
from shardlake.connection.postgres import PostgresWarehouse, conninfo
from shardlake.connection.secret import redact
from shardlake.errors import AccessRefused, RunEnded, ShardlakeError, SourceFailed, WarehouseBusy, WarehouseUnavailable
from shardlake.ledger.migrate import migrate
from shardlake.parallelism import of_machine

Connection = psycopg.Connection[Any]
_REFUSED = ("28", "3D", "42501")


class Warehouse:
    """The warehouse of a run: a pool of sessions in UTC, in autocommit. The ledger is migrated at the first use.

    A thread waits for a session of the pool for as long as the others need theirs, and never fails for want of one. That
    holds since no thread asks for a second while it has one, and none has one while it waits for its turn.
    """

    def __init__(self, spec: PostgresWarehouse, prepare: Callable[[Connection], None] = migrate) -> None:
        self.spec = spec
        self._prepare = prepare
        self.shard: Shard = spec.shard()
        self._migrated = False
        session = "-c TimeZone=UTC -c DateStyle=ISO -c IntervalStyle=postgres"
        self._options: dict[str, Any] = {**conninfo(self.shard), "autocommit": True, "options": session}
        self.most_connections = spec.max_connections or of_machine().sessions
        self._pool = ConnectionPool(
            kwargs=self._options,
            min_size=0, max_size=self.most_connections, open=False, check=ConnectionPool.check_connection,
            timeout=spec.connect_timeout.total_seconds(), reconnect_timeout=spec.connect_timeout.total_seconds(), num_workers=2,
        )  # fmt: skip
        self._free = BoundedSemaphore(self.most_connections)
        self._mine = local()
        self._turns: dict[str, Lock] = {}

    @contextmanager
    def connection(self) -> Iterator[Connection]:
        """A session. Raises WarehouseUnavailable, WarehouseBusy or AccessRefused in place of psycopg's errors, and RunEnded."""
        if getattr(self._mine, "held", False):
            raise RuntimeError("a thread that holds a session of the pool asks for another; pass it on, or take `session()`")
        if not self._migrated:
            self.verify()
        while not self._free.acquire(timeout=0.2):
            cancellation.check()
        self._mine.held = True
        try:
            self._pool.open()
            with self._pool.connection() as connection, cancellation.waiting(lambda: _break_off(connection)):
                yield connection
        except (psycopg.Error, PoolTimeout) as error:
            raise self._failed(error) from None
        finally:
            self._mine.held = False
            self._free.release()

    @contextmanager
    def session(self) -> Iterator[Connection]:
        """A connection of its own, for what holds one long; the pool stays for others. Raises as `connection` does."""
        if not self._migrated:
            self.verify()
        try:
            with psycopg.connect(**self._options) as connection, cancellation.waiting(lambda: _break_off(connection)):
                yield connection
        except psycopg.Error as error:
            raise self._failed(error) from None

    @contextmanager
    def turn(self, name: str) -> Iterator[None]:
        """Wait for other threads of this process that take the same turn. To be taken before a session, so that waiting holds none."""
        lock = self._turns.setdefault(name, Lock())
        while not lock.acquire(timeout=0.2):
            cancellation.check()
        try:
            yield
        finally:
            lock.release()

    def verify(self) -> None:
        """One plain connection first: a pool would retry a wrong password until its time is up."""
        try:
            with psycopg.connect(**conninfo(self.shard), autocommit=True) as connection:
                self._prepare(connection)
            self._migrated = True
        except psycopg.Error as error:
            raise self.failure(error) from None

    def _failed(self, error: Exception) -> ShardlakeError:
        """`failure`, but of a run that was broken off RunEnded, which is not tried again."""
        try:
            cancellation.check()
        except RunEnded as ended:
            return ended
        return self.failure(error)

    def failure(self, error: Exception) -> ShardlakeError:
        """A psycopg error as one of ours: what may be retried, what must be mended. Holds no data."""
        state = getattr(error, "sqlstate", None) or ""
        where = f"the warehouse ({self.shard.address})"
        code = f" ({state})" if state else ""
        if state.startswith(_REFUSED) or re.search(
            r"authentication failed|no password supplied|database \".*\" does not exist", str(error)
        ):
            return AccessRefused(
                f"{where} refused user {self.shard.user!r}{code}", hint="Check the connection's user, password, database and grants."
            )
        if state in ("55P03", "40P01", "40001"):
            return WarehouseBusy(f"{where}: a lock was not to be had{code}", hint="It is tried again; see who holds it in pg_locks.")
        if state in ("53100",):
            return WarehouseUnavailable(f"{where} has no disk space left{code}", hint="Make room; the run goes on from where it stopped.")
        if state.startswith(("08", "53", "57", "58")) or not state:
            return WarehouseUnavailable(
                f"{where} cannot be reached or broke off{code}", hint="Check that it runs and can be reached from here."
            )
        text = getattr(getattr(error, "diag", None), "message_primary", "") or type(error).__name__
        text = redact(text, self.spec.secrets())  # the one place where a server's own words pass
        return SourceFailed(f"{where}: {text}{code}", hint="This should have been caught before; please report it.")

    def close(self) -> None:
        """Close every session."""
        self._pool.close()


def _break_off(connection: Connection) -> None:
    """End a connection that another thread waits on: its statement at the server, and the socket, should that not answer."""
    with suppress(Exception):
        connection.cancel_safe(timeout=1)
    with socket.socket(fileno=os.dup(connection.fileno())) as own:
        own.shutdown(socket.SHUT_RDWR)


@cache
def open_warehouse(spec: PostgresWarehouse, prepare: Callable[[Connection], None] = migrate) -> Warehouse:
    """The process's one pool for a database, which `prepare` makes ready at its first use: by default as one that has a ledger."""
    return Warehouse(spec, prepare)
