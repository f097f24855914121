"""sling, one target table a shard, each with its primary key: what a table needs that others join or upsert into."""

from __future__ import annotations

from bench.endpoints import Source, Warehouse
from bench.peers.sling_tables import AT_ONCE, replicate


def run(source: Source, warehouse: Warehouse, rows: int) -> None:
    groups = [source.shards[first::AT_ONCE] for first in range(AT_ONCE)]
    replicate(groups, source, warehouse, "bench_sling_keyed.{stream_schema}_orders", keyed=True)
