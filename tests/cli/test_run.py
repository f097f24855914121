"""`shardlake run`, the real program: what it prints, for people and for programs, and how it ends."""

from __future__ import annotations

import json
import re
from datetime import datetime
from typing import Any
from uuid import UUID

from tests.prefect_api import PrefectApi
from tests.world import ORDERS_TABLE, World, WorldMaker, orders_view

STAGES = ["plan", "extract", "raw", "shape", "stage", "merge"]
COUNTS = ("windows", "read", "merged", "unchanged", "superseded", "rejected", "removed")


def ago(minutes: int) -> str:
    return f"utc_timestamp(6) - INTERVAL {minutes} MINUTE"


def put(w: World, shard: str, id: int, minutes: int, payload: str | None = None) -> None:
    """An order that was changed that many minutes ago."""
    w.on(shard, f"REPLACE INTO orders VALUES (%s, 'new', 1.50, {ago(minutes)}, %s)", id, payload)


def close(w: World, shard: str) -> None:
    """Say a port for the shard on which nobody answers."""
    shards = w.connections()["mysql-shards/shop"]["shards"]
    w.connection_changes = {"shards": {**shards, shard: f"mysql://root@127.0.0.1:1/{w.database(shard)}"}}


def test_the_json_has_every_shards_window_counts_bytes_seconds_and_error_and_nothing_else_is_printed(
    world: WorldMaker, prefect_api: PrefectApi
) -> None:
    w = world(["shop_00", "shop_01", "shop_02"], view=orders_view(source={"lookback": "1h"}))
    w.on_all(ORDERS_TABLE)
    put(w, "shop_00", 1, minutes=20)
    put(w, "shop_00", 5, minutes=10)
    w.must_sync()
    put(w, "shop_00", 2, minutes=5)
    put(w, "shop_01", 5, minutes=30)  # stood on shop_00 since
    put(w, "shop_01", 6, minutes=3, payload='{"cut off')
    close(w, "shop_02")

    done = prefect_api.command(w, "run", "orders", "--json")
    assert (done.returncode, done.stderr) == (1, "")
    found: dict[str, Any] = json.loads(done.stdout)
    assert (list(found), found["ok"], len(found["views"])) == (["ok", "views"], False, 1)
    view = found["views"][0]
    error = f"shop_02 (127.0.0.1:1/{w.database('shop_02')}) cannot be reached or broke off (error 2003). Check that it runs and can be reached from here."
    assert (view["view"], view["ok"], view["error"]) == ("orders", False, None)
    assert view["message"] == "2/3 shards merged; shop_02: " + error.removeprefix("shop_02 ")
    assert UUID(view["run_id"])
    assert view["seconds"] > 0

    shards = {s["shard"]: s for s in view["shards"]}
    assert {name: tuple(s[c] for c in COUNTS) for name, s in shards.items()} == {
        "shop_00": (1, 3, 1, 2, 0, 0, 0),
        "shop_01": (1, 2, 0, 0, 1, 1, 0),
        "shop_02": (0, 0, 0, 0, 0, 0, 0),
    }
    assert {name: (s["state"], s["error"]) for name, s in shards.items()} == {
        "shop_00": ("merged", None), "shop_01": ("merged", None), "shop_02": ("failed", error),
    }  # fmt: skip
    assert tuple(view["totals"][c] for c in COUNTS) == (2, 5, 1, 2, 1, 1, 0)
    assert view["totals"]["bytes"] == shards["shop_00"]["bytes"] + shards["shop_01"]["bytes"]
    for name in ("shop_00", "shop_01"):
        assert list(shards[name]["seconds"]) == STAGES
        assert all(seconds >= 0 for seconds in shards[name]["seconds"].values())
        assert shards[name]["seconds"]["extract"] > 0
        assert shards[name]["bytes"] > 0
        since, until = (datetime.fromisoformat(shards[name]["window"][edge]) for edge in ("from", "to"))
        assert 3600 < (until - since).total_seconds() < 3700
    assert shards["shop_02"]["window"] == {"from": None, "to": None}


def test_a_run_shows_a_line_a_shard_and_the_next_step_and_ends_with_0(world: WorldMaker, prefect_api: PrefectApi) -> None:
    w = world(["shop_00", "shop_01"])
    w.on_all(ORDERS_TABLE)
    put(w, "shop_00", 1, minutes=2)
    put(w, "shop_00", 2, minutes=1, payload="nonsense")
    done = prefect_api.command(w, "run", "orders")
    assert (done.returncode, done.stderr) == (0, "")
    lines = [" ".join(line.split()) for line in done.stdout.splitlines()]
    assert lines[0] == "orders: 2 shards"
    assert "shard state read merged unchanged superseded rejected seconds" in lines
    assert [re.sub(r"[\d.]+$", "…", line) for line in lines if line.startswith(("shop_", "all"))] == [
        "shop_00 merged 2 1 0 0 1 …",
        "shop_01 no news 0 0 0 0 0 …",
        "all 2 1 0 0 1 …",
    ]
    assert lines[-1] == "orders: 2 rows read, 1 merged, 1 rejected; 2/2 shards merged; next: shardlake rejects orders"


def test_only_the_shards_that_were_asked_for_are_read_and_with_full_from_the_beginning(world: WorldMaker) -> None:
    w = world(["shop_00", "shop_01"])
    w.on_all(ORDERS_TABLE)
    for number, shard in enumerate(w.shards):
        put(w, shard, number, minutes=10)
    w.must_sync()
    before = w.watermarks()["shop_00"]
    w.warehouse("DELETE FROM analytics.orders")
    done = w.command("run", "orders", "--shard", "shop_01", "--full", "--json")
    assert (done.returncode, done.stderr) == (0, "")
    report = json.loads(done.stdout)["views"][0]
    assert [(s["shard"], s["read"], s["merged"], s["window"]["from"]) for s in report["shards"]] == [("shop_01", 1, 1, None)]
    assert report["message"] == "1/1 shards merged"
    assert w.target("id, _shard") == [(1, "shop_01")]
    assert w.watermarks()["shop_00"] == before


def test_an_unknown_view_and_an_unknown_shard_are_one_message_that_lists_what_there_is(world: WorldMaker) -> None:
    w = world(["shop_00", "shop_01"])
    view = w.command("run", "order")
    assert (view.returncode, view.stdout) == (1, "")
    assert view.stderr == f"SpecError no view 'order' in {w.folder / 'views'}; there are: orders. Check the name, or --views.\n"
    shard = w.command("run", "orders", "--shard", "shop_7")
    assert (shard.returncode, shard.stdout) == (1, "")
    assert shard.stderr == "orders: mysql-shards/shop has no shard 'shop_7'; there are: shop_00, shop_01\n"
