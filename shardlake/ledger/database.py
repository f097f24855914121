"""Connections to the warehouse: a pool for the process, and psycopg's errors as ours."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

import psycopg
from psycopg_pool import ConnectionPool, PoolTimeout

from shardlake.connection.address import Shard
from shardlake.connection.postgres import PostgresWarehouse, conninfo
from shardlake.connection.secret import redact
from shardlake.errors import AccessRefused, ShardlakeError, SourceFailed, WarehouseBusy, WarehouseUnavailable
from shardlake.ledger.migrate import migrate

Connection = psycopg.Connection[Any]
_REFUSED = ("28", "3D", "42501")


class Warehouse:
    """The warehouse of a run: a pool of sessions in UTC, in autocommit. The ledger is migrated at the first use."""

    def __init__(self, spec: PostgresWarehouse) -> None:
        self.spec = spec
        self.shard: Shard = spec.shard()
        self._migrated = False
        session = "-c TimeZone=UTC -c DateStyle=ISO -c IntervalStyle=postgres"
        self._options: dict[str, Any] = {**conninfo(self.shard), "autocommit": True, "options": session}
        self._pool = ConnectionPool(
            kwargs=self._options,
            min_size=0, max_size=spec.max_connections, open=False, check=ConnectionPool.check_connection,
            timeout=spec.connect_timeout.total_seconds(), reconnect_timeout=spec.connect_timeout.total_seconds(), num_workers=2,
        )  # fmt: skip

    @contextmanager
    def connection(self) -> Iterator[Connection]:
        """A session. Raises WarehouseUnavailable, WarehouseBusy or AccessRefused in place of psycopg's errors."""
        if not self._migrated:
            self.verify()
        try:
            self._pool.open()
            with self._pool.connection() as connection:
                yield connection
        except (psycopg.Error, PoolTimeout) as error:
            raise self.failure(error) from None

    @contextmanager
    def session(self) -> Iterator[Connection]:
        """A connection of its own, for what holds one long; the pool stays for others. Raises as `connection` does."""
        with self.connection():
            pass  # migrates, and turns a wrong password into a plain message
        try:
            with psycopg.connect(**self._options) as connection:
                yield connection
        except psycopg.Error as error:
            raise self.failure(error) from None

    def verify(self) -> None:
        """One plain connection first: a pool would retry a wrong password until its time is up."""
        try:
            with psycopg.connect(**conninfo(self.shard), autocommit=True) as connection:
                migrate(connection)
            self._migrated = True
        except psycopg.Error as error:
            raise self.failure(error) from None

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


@cache
def open_warehouse(spec: PostgresWarehouse) -> Warehouse:
    """The process's one pool for a warehouse."""
    return Warehouse(spec)
