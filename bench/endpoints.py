"""Where rows come from and where they go: plain values that every process can read.

Only the standard library: the peers import this in environments of their own.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class Shard:
    """One database of the sharded source; `name` is also the database's name."""

    name: str
    host: str
    port: int
    user: str
    password: str

    def url(self, scheme: str = "mysql") -> str:
        return f"{scheme}://{self.user}:{self.password}@{self.host}:{self.port}/{self.name}"


@dataclass(frozen=True)
class Source:
    """The shards, all with the same table.

    `reread` asks for what a lookback over everything does: read every row again, though the
    cursor has passed it. `flat` is a folder with the seeded rows, already flattened:
    one CSV file a shard. `drops` is a folder with the same rows as AWS DMS drops them.
    """

    shards: tuple[Shard, ...]
    flat: str
    drops: str
    table: str = "orders"
    reread: bool = False


@dataclass(frozen=True)
class Warehouse:
    """A Postgres database, and a folder for what a tool keeps between its runs."""

    host: str
    port: int
    user: str
    password: str
    database: str
    state: str

    def url(self, scheme: str = "postgresql") -> str:
        return f"{scheme}://{self.user}:{self.password}@{self.host}:{self.port}/{self.database}"


@dataclass(frozen=True)
class Job:
    """What one timed run is given, as JSON on its standard input (never in its arguments)."""

    source: Source
    warehouse: Warehouse
    rows: int

    def dumps(self) -> str:
        return json.dumps(asdict(self))

    @classmethod
    def loads(cls, text: str) -> Job:
        raw: dict[str, Any] = json.loads(text)
        source = raw["source"]
        shards = tuple(Shard(**shard) for shard in source["shards"])
        return cls(
            Source(**{**source, "shards": shards}),
            Warehouse(**raw["warehouse"]),
            raw["rows"],
        )
