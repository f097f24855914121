"""Claims: an advisory lock a view and shard, held on a connection of its own as long as a run works on the shard."""

import time
from types import TracebackType
from typing import Any, Self

import psycopg

from shardlake.errors import WarehouseBusy
from shardlake.ledger.database import Warehouse
from shardlake.source.sql.postgres import conninfo

Connection = psycopg.Connection[Any]


class Claims:
    """A run's claims. They end with the process, however it ends, since Postgres ends them with the connection."""

    def __init__(self, warehouse: Warehouse, view: str) -> None:
        self._warehouse, self._view = warehouse, view
        self._connection: Connection | None = None

    def __enter__(self) -> Self:
        with self._warehouse.connection():
            pass  # migrates, and turns a wrong password into a plain message
        try:
            self._connection = psycopg.connect(**conninfo(self._warehouse.shard), autocommit=True)
        except psycopg.Error as error:
            raise self._warehouse.failure(error) from None
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Give the claims back."""
        if self._connection:
            self._connection.close()

    def claim(self, shards: list[str], wait: float) -> dict[str, WarehouseBusy]:
        """Claim the shards, waiting up to `wait` seconds in all. Returns those that another run kept, and why."""
        deadline, left = time.monotonic() + wait, list(shards)
        while left:
            left = [shard for shard in left if not self.hold(f"shardlake.run.{self._view}.{shard}")]
            if not left or time.monotonic() >= deadline:
                break
            time.sleep(0.2)
        return {
            shard: WarehouseBusy(
                f"{shard}: another run of {self._view} is on it (waited {wait:g} s)",
                hint="Wait for that run; it reads what this one would have.",
            )
            for shard in left
        }

    def hold(self, name: str) -> bool:
        """Take a lock of that name until these claims end. Returns whether it was free."""
        assert self._connection is not None
        try:
            row = self._connection.execute("SELECT pg_try_advisory_lock(hashtextextended(%s, 0))", (name,)).fetchone()
        except psycopg.Error as error:
            raise self._warehouse.failure(error) from None
        return bool(row and row[0])
