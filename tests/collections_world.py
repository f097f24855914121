"""A world whose source is a server that speaks MongoDB's protocol: databases of its own, a collection in each, and one view."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from pymongo.collection import Collection
from pymongo.database import Database

from embedded.postgres import Postgres
from embedded.secantusdb import SecantusDB
from shardlake.connection.kinds import Connection, kind_of
from shardlake.ledger.status import ShardStatus, status
from shardlake.source.mongodb.source import MongoSource
from tests.world import World

SOURCE = "mongodb/platform"
PEOPLE: dict[str, Any] = {
    "name": "people",
    "owner": "tests@example.com",
    "source": {
        "connection": SOURCE,
        "collection": "people",
        "primary_key": ["_id"],
        "cursor": "updatedAt",
        "lookback": "0s",
        "safety_lag": "0s",
    },
    "columns": {"_id": "text", "name": "text", "age": "bigint", "city": {"type": "text", "from": "address.city"}},
    "warehouse": {"connection": "postgres-warehouse/main", "table": "analytics.people"},
}


def people(**changes: Any) -> dict[str, Any]:
    """The view of people with some parts changed: `people(source={"lookback": "5m"})` merges into its source."""
    view: dict[str, Any] = json.loads(json.dumps(PEOPLE))
    for key, value in changes.items():
        view[key] = view[key] | value if isinstance(value, dict) and isinstance(view.get(key), dict) and key != "columns" else value
    return view


class Collections(World):
    """Databases `<prefix>a`, `<prefix>b`, …, one a tenant; they are partitions of those names. The client's options are `changes`."""

    server: SecantusDB

    @classmethod
    def on(cls, server: SecantusDB, postgres: Postgres, folder: Any, **options: Any) -> Collections:  # type: ignore[override]
        """A world on these servers."""
        made = cls(postgres, postgres, folder, [], **{"view": people(), **options})
        made.server = server
        made.client = server.client()
        made.prefix = made.prefix.replace("_", "-")
        return made

    client: Any = None

    def database(self, tenant: str = "a") -> str:
        """A tenant's database."""
        return f"{self.prefix}{tenant}"

    def db(self, tenant: str = "a") -> Database[dict[str, Any]]:
        """A tenant's database, as root."""
        found: Database[dict[str, Any]] = self.client[self.database(tenant)]
        return found

    def people(self, tenant: str = "a") -> Collection[dict[str, Any]]:
        """A tenant's collection that the view is on."""
        return self.db(tenant)[self.view["source"]["collection"]]

    def connections(self) -> dict[str, dict[str, Any]]:
        """See World."""
        others = super().connections()
        others.pop("postgres-shards/shop")
        own = {"url": self.server.url(), "databases": f"{self.prefix}*", "password": self.server.password, "connect_timeout": "2s"}
        return {**others, SOURCE: {**own, **self.connection_changes}}

    def connect(self, reference: str) -> Connection:
        """See World."""
        return kind_of(reference).model_validate(self.connections()[reference])

    def set_back(self, cursor: str | int, partition: str | None = None, kind: str = "date") -> None:
        """Move the watermark of all partitions to where a window ended at `cursor`."""
        self.ledger(
            "UPDATE shardlake.positions SET position = jsonb_build_object('by', %s::text, 'cursor', %s::text, 'ids', 'any')",
            kind,
            str(cursor),
        )

    def mongo_source(self) -> MongoSource:
        """The source, opened."""
        return MongoSource.open(self.connect(SOURCE), SOURCE)

    def close(self) -> None:
        """See World."""
        super().close()
        self.client.close()

    def status(self) -> dict[str, ShardStatus]:
        """The view's lines, by tenant."""
        job = self.job()
        with job.ledger.connection() as connection:
            lines = status(connection, job.view.name, job.feed, list(job.partitions), job.sinks, None)
        return {line.shard.removeprefix(self.prefix): line for line in lines}

    def raw(self) -> list[dict[str, Any]]:
        """The raw rows, by what they are made of."""
        import pyarrow.parquet as pq

        files = sorted((self.folder / "lake").rglob("w*.parquet"))
        return [row for file in files for row in pq.ParquetFile(file).read().to_pylist()]


CollectionsMaker = Callable[..., Collections]
