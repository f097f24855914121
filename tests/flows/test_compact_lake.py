"""The flows write and keep the lake, on a real Prefect server."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.prefect_api import PrefectApi
from tests.shardlake.sink.lake.test_append import BY_CITY, order, shop
from tests.world import ROOT, WorldMaker


def test_a_view_is_run_and_its_lake_compacted_by_the_flows(world: WorldMaker, prefect_api: PrefectApi, tmp_path: Path) -> None:
    w = shop(world, None, [BY_CITY, {"table": "orders_now", "format": "delta"}])
    w.write_files()
    code = (
        "from flows.sync_view import sync_view\nfrom flows.compact_lake import compact_lake\n"
        "assert sync_view('orders', return_state=True).is_completed()\n"
        "state = compact_lake(['orders'], return_state=True)\nprint(state.type, state.message)\n"
    )
    order(w, "shop_00", 1, 1, city="Rome")
    environment = w.environment() | prefect_api.server.environment()
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, env=environment, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr[-3000:]
    assert "the lake is compacted and swept" in done.stdout
    assert w.query("SELECT id, city FROM orders_now") == [(1, "Rome")] == w.query("SELECT id, city FROM orders_by_city")
