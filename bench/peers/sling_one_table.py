"""sling, ten shards into one table: what the obvious set-up does.

The first shard's newest row becomes the watermark of all, so the others' older rows are never
read, and every run reports success. It is here to be checked, not to be timed.
"""

from __future__ import annotations

from bench.endpoints import Source, Warehouse
from bench.peers.sling_tables import replicate


def run(source: Source, warehouse: Warehouse, rows: int) -> None:
    replicate([source.shards], source, warehouse, "bench_sling_one.orders")
