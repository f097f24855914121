"""`shardlake rejects` and `shardlake replay`, the real program: see what was refused, mend the view, run raw again."""

from __future__ import annotations

import json

import pytest

from tests.world import ORDERS_TABLE, World, WorldMaker, orders_view

ESCAPE = "\x1b[2J[/bold] 🦆"
"""What would clear a terminal, and would be an error as Rich's markup."""


@pytest.fixture
def shop(world: WorldMaker) -> World:
    """Two shards with a few rows whose values do not fit their columns."""
    columns = {"id": "bigint", "updated_at": "timestamp", "age": {"type": "smallint", "from": "payload.age"}}
    w = world(["shop_00", "shop_01"], view=orders_view(columns=columns))
    w.on_all(ORDERS_TABLE)
    for shard, id, age in (("shop_00", 1, 41), ("shop_00", 2, 70_000), ("shop_01", 3, ESCAPE), ("shop_01", 4, 80_000)):
        w.on(shard, "INSERT INTO orders VALUES (%s, 'new', 1, '2026-01-01', %s)", id, json.dumps({"age": age}))
    assert [s.rejected for s in w.must_sync().shards.values()] == [1, 2]
    return w


def test_rejects_are_shown_with_key_column_value_and_reason_newest_first(shop: World) -> None:
    done = shop.command("rejects", "orders", "--json")
    assert (done.returncode, done.stderr) == (0, "")
    found = json.loads(done.stdout)
    assert (found["view"], found["total"]) == ("orders", 3)
    assert [r["reject_id"] for r in found["rejects"]] == sorted((r["reject_id"] for r in found["rejects"]), reverse=True)
    assert sorted((r["shard"], r["row_key"]["id"], r["column_name"], r["value"]) for r in found["rejects"]) == [
        ("shop_00", "2", "age", "70000"),
        ("shop_01", "3", "age", ESCAPE),
        ("shop_01", "4", "age", "80000"),
    ]
    assert {r["reason"] for r in found["rejects"]} == {"is not smallint"}
    narrowed = json.loads(shop.command("rejects", "orders", "--shard", "shop_01", "--limit", "1", "--json").stdout)
    assert ([r["shard"] for r in narrowed["rejects"]], narrowed["total"]) == (["shop_01"], 3)


def test_a_hostile_value_is_shown_and_not_obeyed(shop: World) -> None:
    done = shop.command("rejects", "orders")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("orders: 3 rejects")
    assert "\\x1b[2J[/bold] 🦆" in done.stdout
    assert "\x1b" not in done.stdout
    assert "id=3" in done.stdout


def test_replay_takes_the_rejects_once_the_view_is_mended_without_the_source(shop: World) -> None:
    shop.view["columns"]["age"] = {"type": "text", "from": "payload.age"}
    shop.warehouse("ALTER TABLE analytics.orders ALTER age TYPE text USING age::text")
    shards = shop.connections()["mysql-shards/shop"]["shards"]
    shop.connection_changes = {"shards": {name: f"mysql://root@127.0.0.1:1/{name}" for name in shards}}
    done = shop.command("replay", "orders", "--json")
    assert (done.returncode, done.stderr) == (0, "")
    view = json.loads(done.stdout)["views"][0]
    assert [(s["shard"], s["read"], s["merged"], s["unchanged"], s["rejected"]) for s in view["shards"]] == [
        ("shop_00", 2, 1, 1, 0),
        ("shop_01", 2, 2, 0, 0),
    ]
    assert shop.target("id, age") == [(1, "41"), (2, "70000"), (3, ESCAPE), (4, "80000")]
    assert shop.rejects() == []
    again = shop.command("replay", "orders", "--shard", "shop_01")
    assert (again.returncode, again.stderr) == (0, "")
    assert "1/1 shards merged" in again.stdout


def test_a_view_that_is_not_there_is_one_message_for_both(shop: World) -> None:
    for command in ("rejects", "replay"):
        done = shop.command(command, "order")
        assert (done.returncode, done.stdout) == (1, "")
        assert done.stderr == f"SpecError no view 'order' in {shop.folder / 'views'}; there are: orders. Check the name, or --views.\n"
