"""The story of three shards: a first load, changes, a run that reads only these, a server that is down, and what came of it."""

import time
from pathlib import Path

from demo.data import document
from demo.servers import SHARDS, DemoServers
from demo.story import BY_CITY, GROUPED, Story, console

_COLUMNS = (
    "id", "status", "amount", "to_char(updated_at, 'HH24:MI') AS updated", "customer_name", "customer_age AS age", "city", "_shard",
)  # fmt: skip


class ShardStory(Story):
    """The demo of `make demo SOURCE=postgres` and `mysql`."""

    def __init__(self, servers: DemoServers, folder: Path, environment: dict[str, str]) -> None:
        super().__init__(servers.warehouse, folder, environment)
        self.servers = servers
        self.to_try = ("run orders --shard shop_01 --json", f"discover {servers.kind}-shards/shop orders")

    def tell(self) -> None:
        """See Story."""
        self.step("1. A first load: every row of three shards, JSON taken apart, in one table", "run", "orders")
        changed = self._change()
        self.step(f"2. {changed} rows have changed: a second run reads these, and not the rest", "run", "orders")
        for shard in SHARDS:
            self.servers.on(shard, f"UPDATE orders SET status = 'cancelled', updated_at = {self._now()} WHERE id < 10")
        self.servers.of(SHARDS[-1]).stop()
        time.sleep(1.2)
        self.step("3. The server of shop_02 is down: the others go on, the run fails and says why", "run", "orders", expect=1)
        self.servers.of(SHARDS[-1]).start()
        self.step("4. It is back: the next run takes what it missed", "run", "orders")
        self.rows("Five rows of analytics.orders", _COLUMNS, (1, 5, 6, 999999, 5000000))
        console.print("order 999999 stood on two shards: the newer version won, whichever shard came first", style="dim")
        self.step("The rejects: nothing is lost, each bad row says why", "rejects", "orders")
        self.step("How fresh every shard is", "status")
        self.folders()
        self.step("The lake: two histories by partition, and the rows as they are now", "lake", "orders")
        self.step("A query of one day reads one day's files …", "query", f"{BY_CITY} WHERE dt = date '2026-01-07' {GROUPED}")
        self.step("… and one of every day reads them all", "query", f"{BY_CITY} {GROUPED}")
        self.step("The current rows, from Iceberg", "query", "SELECT count(*) AS orders, sum(amount) AS amount FROM orders_now")

    def _change(self) -> int:
        self.servers.on(SHARDS[0], f"UPDATE orders SET status = 'refunded', updated_at = {self._now()} WHERE id <= 300")
        name = document(7, name="New customer 🎉").replace("'", "''").replace("\\", "\\\\" if self.servers.kind == "mysql" else "\\")
        self.servers.on(SHARDS[1], f"INSERT INTO orders VALUES (5000000, 'new', 42.00, {self._now()}, '{name}')")
        time.sleep(1.2)  # the view's safety lag is a second
        return 101

    def _now(self) -> str:
        return "utc_timestamp(6)" if self.servers.kind == "mysql" else "clock_timestamp() at time zone 'UTC'"
