"""Claims: an advisory lock a feed and partition, held on a connection of its own as long as a run works on the partition."""

import time
from types import TracebackType
from typing import Any, Self
from uuid import UUID

import psycopg

from shardlake.connection.postgres import conninfo
from shardlake.errors import ClaimLost, WarehouseBusy
from shardlake.ledger.database import Warehouse

Connection = psycopg.Connection[Any]


class Claims:
    """A run's claims on partitions of a feed. They end with the process, however it ends, since Postgres ends them with the connection.

    Where the connection is lost and the process lives on, another run may claim the same: so each claim is a line in the ledger
    as well, which says whose work may be committed.
    """

    def __init__(self, warehouse: Warehouse, feed: str, run_id: UUID) -> None:
        self._warehouse, self._feed, self._run_id = warehouse, feed, run_id
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
        """Claim the shards, waiting up to `wait` seconds in all. Returns those that another run kept, and why.

        While one is waited for, none behind it in order is taken: two runs that each had one of two would wait for each other.
        """
        deadline, left = time.monotonic() + wait, sorted(shards)
        while left:
            busy, over = list[str](), time.monotonic() >= deadline
            for shard in left:
                if (busy and not over) or not self._take(shard):
                    busy.append(shard)
            left = busy
            if not left or over:
                break
            time.sleep(0.2)
        return {
            shard: WarehouseBusy(
                f"{shard}: another run of {self._feed} is on it (waited {wait:g} s)",
                hint="Wait for that run; it reads what this one would have.",
            )
            for shard in left
        }

    def _take(self, partition: str) -> bool:
        if not self.hold(f"shardlake.run.{self._feed}.{partition}"):
            return False
        assert self._connection is not None
        self._connection.execute(
            "INSERT INTO shardlake.claims (feed, partition, run_id) VALUES (%s, %s, %s) ON CONFLICT (feed, partition)"
            " DO UPDATE SET run_id = excluded.run_id, claimed_at = now()", (self._feed, partition, self._run_id)
        )  # fmt: skip
        return True

    def hold(self, name: str) -> bool:
        """Take a lock of that name until these claims end. Returns whether it was free."""
        assert self._connection is not None
        try:
            row = self._connection.execute("SELECT pg_try_advisory_lock(hashtextextended(%s, 0))", (name,)).fetchone()
        except psycopg.Error as error:
            raise self._warehouse.failure(error) from None
        return bool(row and row[0])


def require(connection: Connection, feed: str, partition: str, run_id: UUID) -> None:
    """Within the transaction that commits a run's work on a partition: that no other run has claimed it since. Raises ClaimLost."""
    row = connection.execute(
        "SELECT run_id FROM shardlake.claims WHERE feed = %s AND partition = %s FOR SHARE", (feed, partition)
    ).fetchone()
    if row is not None and row[0] != run_id:
        raise ClaimLost(
            f"{partition}: another run of {feed} has claimed it since, as it may when the connection to the ledger was lost",
            hint="Nothing of this run is committed there; the other goes on.",
        )
