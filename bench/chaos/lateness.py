"""How late each view is, by its own rows, and whether somebody was told of it: looked at every few seconds, apart from the runs."""

import threading
import time
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime

from bench.chaos.source import shard_of
from demo.servers import DemoServers

LOOK = 3.0
"""Seconds between two looks."""


@dataclass(frozen=True)
class Untold:
    """A view was later than the limit for some seconds, from `since` on, and nobody had been told."""

    view: str
    since: datetime
    seconds: float

    def __str__(self) -> str:
        return f"{self.view} at {self.since:%H:%M:%S} for {self.seconds:.0f} s"


@dataclass
class Record:
    """A view's lateness: the longest, how many seconds it was beyond the limit, and stretches of it in which nobody had been told."""

    view: str
    worst: float = 0.0
    beyond: float = 0.0
    untold: list[Untold] = field(default_factory=list)
    since: datetime | None = None


class Lateness:
    """Looks at every view's table until it is stopped. `limit` is as many seconds as a view may be late without an alarm."""

    def __init__(self, servers: DemoServers, views: list[str], limit: float) -> None:
        self.servers, self.views, self.limit = servers, views, limit
        self.records = {view: Record(view) for view in views}
        self.alarms = 0
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """End; stretches that last still end here."""
        self._over.set()
        self._thread.join()
        for record in self.records.values():
            self._close(record)
        self.alarms = int(self.servers.warehouse.execute("SELECT count(*) FROM shardlake.alarms", database="warehouse")[0][0])

    def _watch(self) -> None:
        before = time.monotonic()
        while not self._over.wait(LOOK):
            with suppress(Exception):  # the warehouse restarts: the next look counts the time that has passed
                late, told = self.lags(), self._told()
                now = time.monotonic()
                for view, lag in late.items():
                    self._note(self.records[view], lag, view in told, now - before)
                before = now

    def _note(self, record: Record, lag: float, told: bool, passed: float) -> None:
        record.worst = max(record.worst, lag)
        if lag > self.limit:
            record.beyond += passed
        if lag > self.limit and not told:
            record.since = record.since or datetime.now(UTC)
        else:
            self._close(record)

    def _close(self, record: Record) -> None:
        if record.since is not None:
            record.untold.append(Untold(record.view, record.since, (datetime.now(UTC) - record.since).total_seconds()))
            record.since = None

    def lags(self) -> dict[str, float]:
        """How old the oldest of its shards' newest rows is, by view. Each shard gets a new row every second."""
        asks = [
            f"SELECT '{view}', extract(epoch FROM now() - min(newest))::float8 FROM"
            f" (SELECT max(updated_at) AS newest FROM fleet.{view} GROUP BY {shard_of('id')}) AS of_shards"
            for view in self.views
        ]
        return dict(self.servers.warehouse.execute(" UNION ALL ".join(asks), database="warehouse"))

    def _told(self) -> set[str]:
        ask = "SELECT DISTINCT view FROM shardlake.alarms WHERE ended_at IS NULL AND told_at IS NOT NULL"
        return {view for (view,) in self.servers.warehouse.execute(ask, database="warehouse")}
