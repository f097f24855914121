"""Connections to the warehouse and the ledger: a pool for the process, and psycopg's errors as ours."""

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
from shardlake.errors import RunEnded, ShardlakeError
from shardlake.ledger.failures import failure
from shardlake.ledger.migrate import migrate
from shardlake.parallelism import of_machine

Connection = psycopg.Connection[Any]


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
            min_size=0, max_size=self.most_connections, open=False, check=_checked,
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
        return failure(error, self.shard, self.spec.secrets())

    def close(self) -> None:
        """Close every session."""
        self._pool.close()


def _checked(connection: Connection) -> None:
    """Whether a session of the pool still answers, as psycopg asks it; a server that hangs does not hold a run that has ended.

    Such a run is told so by who asked: the pool would take what is raised here for a session that is lost, and try others until its time is up.
    """
    with suppress(RunEnded), cancellation.waiting(lambda: _break_off(connection)):
        ConnectionPool.check_connection(connection)


def _break_off(connection: Connection) -> None:
    """End a connection that another thread waits on: its statement at the server, and the socket, should that not answer."""
    with suppress(Exception):
        connection.cancel_safe(timeout=1)
    cancellation.shut(connection)


@cache
def open_warehouse(spec: PostgresWarehouse, prepare: Callable[[Connection], None] = migrate) -> Warehouse:
    """The process's one pool for a database, which `prepare` makes ready at its first use: by default as one that has a ledger."""
    return Warehouse(spec, prepare)
