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
    assert [s.rejected for s in w.sync().shards.values()] == [1, 2]
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


def test_null_an_empty_text_and_the_text_null_are_told_apart(world: WorldMaker) -> None:
    columns = {"id": "bigint", "updated_at": "timestamp", "age": {"type": "smallint", "from": "payload.age"}, "code": "text"}
    w = world(["shop_00"], view=orders_view(columns=columns, warehouse={"key": ["id", "code"]}))
    w.on_all(ORDERS_TABLE.replace("amount decimal(12,2)", "code varchar(10)"))
    for id, code, age in ((1, "a", ""), (2, "a", "NULL"), (3, "a", " 7x"), (4, None, 5), (5, "a", "'")):
        w.on("shop_00", "INSERT INTO orders VALUES (%s, 'new', %s, '2026-01-01', %s)", id, code, json.dumps({"age": age}))
    assert w.sync().shards["shop_00"].state == "rejected"
    done = w.command("rejects", "orders", "--json")
    assert sorted((r["row_key"]["id"], r["column_name"], r["value"]) for r in json.loads(done.stdout)["rejects"]) == [
        ("1", "age", ""), ("2", "age", "NULL"), ("3", "age", " 7x"), ("4", "code", None), ("5", "age", "'")
    ]  # fmt: skip
    shown = sorted(" ".join(line.split()) for line in w.command("rejects", "orders").stdout.splitlines() if "id=" in line)
    assert [line.split(" is ")[0] for line in shown] == [
        "shop_00 id=1, code=a age ''",
        "shop_00 id=2, code=a age 'NULL'",
        "shop_00 id=3, code=a age ' 7x'",
        "shop_00 id=4, code=NULL code NULL",
        "shop_00 id=5, code=a age ''''",
    ]


def test_a_row_is_shown_once_with_the_sinks_that_rejected_it_and_counted_once(world: WorldMaker) -> None:
    by = {"by_status": ["status"], "by_both": ["status", "day(updated_at)"]}
    layouts = [{"table": "orders"}, *({"table": name, "partition_by": fields} for name, fields in by.items())]
    columns = {"id": "bigint", "status": "text", "updated_at": "timestamp", "age": {"type": "smallint", "from": "payload.age"}}
    w = world(["shop_00"], view=orders_view(columns=columns, lake={"connection": "athena-lake/main", "layouts": layouts}))
    w.on_all(ORDERS_TABLE)
    for id, status, age in ((1, "new", 1), (2, "", 2), (3, "new", "no number")):
        w.on("shop_00", "INSERT INTO orders VALUES (%s, %s, 1, '2026-01-01', %s)", id, status, json.dumps({"age": age}))
    run = w.command("run", "orders")
    assert run.returncode == 0, run.stderr
    assert run.stdout.splitlines()[-1] == (
        "orders: 3 rows read, 2 merged, 1 rejected, 1 more by the lake's by_status, by_both; 1/1 shards merged; next: shardlake rejects orders"
    )
    found = json.loads(w.command("rejects", "orders", "--json").stdout)
    assert found["total"] == 2
    assert sorted((r["row_key"]["id"], r["value"], r["sinks"]) for r in found["rejects"]) == [
        ("2", "", ["lake.by_both", "lake.by_status"]),
        ("3", "no number", ["warehouse", "lake.orders", "lake.by_status", "lake.by_both"]),
    ]
    shown = [" ".join(line.split()) for line in w.command("rejects", "orders").stdout.splitlines()]
    assert shown[0] == "orders: 2 rejects"
    assert [line.partition("id=")[2][:1] for line in shown if "id=" in line] == ["2", "3"]
    assert "lake.by_both, lake.by_status" in next(line for line in shown if "id=2" in line)
    assert "every sink" in next(line for line in shown if "id=3" in line)
    (line,) = json.loads(w.command("status", "--json").stdout)["shards"]
    assert line["rejects"] == 2


def test_a_shard_that_there_is_not_has_no_rejects_to_show(shop: World) -> None:
    wrong = shop.command("rejects", "orders", "--shard", "shop_9")
    assert (wrong.returncode, wrong.stdout) == (1, "")
    assert wrong.stderr == "SpecError mysql-shards/shop has no shard 'shop_9'; there are: shop_00, shop_01\n"
