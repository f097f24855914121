"""The shards while they are used: rows come and change all the time."""

import random
import threading
from contextlib import suppress
from typing import Any

from demo.data import document
from demo.servers import SHARDS, DemoServers

ROWS = 3000
"""Rows of a shard at first."""
CHANGES = 15
"""Rows that change in a shard every second; one is new."""
_PRINT = (
    "SELECT count(*), coalesce(sum(hashtextextended(concat_ws('|', id, coalesce(status, '-'), coalesce(amount::text, '-'),"
    " to_char({time}, 'YYYY-MM-DD HH24:MI:SS.US'), coalesce({name}, '-')), 0)::numeric), 0) FROM {table}"
)
"""A fingerprint of rows, whatever their order: those of tables can be added up."""


class Writer:
    """Writes to every shard, a thread each, until it is stopped. A server that is down or hangs is written to when it is back."""

    def __init__(self, servers: DemoServers, seed: int) -> None:
        self.servers, self.seed, self.statements = servers, seed, 0
        self._over = threading.Event()
        self._threads = [threading.Thread(target=self._write, args=(number,), daemon=True) for number in range(len(SHARDS))]
        for number, shard in enumerate(SHARDS):
            servers.on(shard, f"DELETE FROM orders WHERE id > {ROWS * len(SHARDS)}")  # the demo's rows that are trouble on purpose, too
            servers.on(shard, f"UPDATE orders SET updated_at = now() AT TIME ZONE 'UTC' WHERE id = {number + 1}")

    def start(self) -> None:
        """Begin."""
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """End, and wait until it has."""
        self._over.set()
        for thread in self._threads:
            thread.join()

    def _write(self, number: int) -> None:
        chance, shard, step = random.Random(self.seed + number), SHARDS[number], len(SHARDS)
        newest = (ROWS - 1) * step + number + 1
        while not self._over.wait(1):
            ids = [*(chance.randrange(ROWS) * step + number + 1 for _ in range(CHANGES))]
            change = (
                f"UPDATE orders SET status = 'at ' || clock_timestamp()::text, updated_at = now() AT TIME ZONE 'UTC' WHERE id = ANY(ARRAY{ids}::bigint[]);"
                f" INSERT INTO orders VALUES ({newest + step}, 'new', {chance.randrange(10_000)}.50, now() AT TIME ZONE 'UTC', $doc${document(newest + step)}$doc$)"
                " ON CONFLICT DO NOTHING"
            )
            with suppress(Exception):  # whether it was committed, the table itself says at the end
                self.servers.on(shard, change)
                self.statements += 2
                newest += step

    def fingerprint(self) -> tuple[Any, ...]:
        """Count and sum over all shards' rows."""
        ask = _PRINT.format(time="updated_at", name="payload::jsonb #>> '{customer,name}'", table="orders")
        found = [self.servers.of(shard).execute(ask, database=shard)[0] for shard in SHARDS]
        return tuple(sum(column) for column in zip(*found, strict=True))


def shard_of(column: str) -> str:
    """Which shard a row is of, by its id, as SQL."""
    return f"({column} - 1) % {len(SHARDS)}"


def arrived(servers: DemoServers, table: str) -> tuple[Any, ...]:
    """Count and sum over a view's table."""
    ask = _PRINT.format(time="updated_at AT TIME ZONE 'UTC'", name="customer_name", table=table)
    found: tuple[Any, ...] = tuple(servers.warehouse.execute(ask, database="warehouse")[0])
    return found
