"""The floor with two clients: ten staging tables, two at a time, into one empty table.

One client keeps one core busy. What loads two shards at a time may use two, so this is the floor to
hold it against.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from bench.endpoints import Shard, Source, Warehouse
from bench.peers.by_hand import AT_ONCE, psql
from bench.peers.raw_limit import INSERT, STAGE, TARGET, copy


def run(source: Source, warehouse: Warehouse, rows: int) -> None:
    psql(warehouse, "-c", TARGET)

    def load(shard: Shard) -> None:
        stage = f"stage_{shard.name}"
        statements = (
            STAGE.format(stage=stage),
            copy(source, shard, stage),
            INSERT.format(stage=stage),
        )
        psql(warehouse, *(word for statement in statements for word in ("-c", statement)))

    with ThreadPoolExecutor(AT_ONCE) as pool:
        list(pool.map(load, source.shards))
