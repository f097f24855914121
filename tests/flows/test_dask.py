"""The same flow on a real Dask cluster of two processes."""

from __future__ import annotations

import dask
from distributed import LocalCluster

from tests.prefect_api import PrefectApi
from tests.world import ORDERS_TABLE, WorldMaker, orders_view


def test_a_run_on_a_dask_cluster_merges_and_writes_the_same(world: WorldMaker, prefect_api: PrefectApi) -> None:
    shards = [f"shop_{n:02d}" for n in range(4)]
    w = world(shards, view=orders_view(lake={"layouts": [{"table": "orders_now", "format": "delta"}]}))
    w.on_all(ORDERS_TABLE)
    for number, shard in enumerate(shards):
        w.on(shard, "INSERT INTO orders VALUES (%s, 'new', 1.50, '2026-01-01', '{\"customer\": {\"name\": \"Ada\"}}')", number)
    w.write_files()
    environment = {**w.environment(), **prefect_api.environment()}
    not_daemons = dask.config.set({"distributed.worker.daemon": False})  # a daemon may not start the process that reads
    with not_daemons, LocalCluster(n_workers=2, threads_per_worker=4, dashboard_address=None, env=environment) as cluster:
        done = prefect_api.command(w, "run", "orders", SHARDLAKE_DASK=cluster.scheduler_address)
        assert done.returncode == 0, done.stdout + done.stderr
    assert w.target("id, customer_name, _shard") == [(n, "Ada", shard) for n, shard in enumerate(shards)]
    assert w.query("SELECT count(*) FROM orders_now") == [(4,)]
