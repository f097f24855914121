"""A run that rejects every row of a shard, or of a lake table, does not call itself well, and says why; what mends it heals it."""

from __future__ import annotations

import json
from typing import Any

from shardlake.ledger.status import status
from shardlake.run.backfill import backfill
from shardlake.run.replay import replay
from tests.world import World, WorldMaker, orders_view

TABLE = "CREATE TABLE orders (id bigint PRIMARY KEY, active boolean NOT NULL, updated_at timestamp NOT NULL)"
COLUMNS: dict[str, Any] = {"id": "bigint", "active": "bigint", "updated_at": "timestamp"}


def shop(world: WorldMaker, **changes: Any) -> World:
    changes["source"] = {"connection": "postgres-shards/shop", **changes.get("source", {})}
    w = world(["shop_00", "shop_01"], source="postgres", view=orders_view(**{"columns": COLUMNS, **changes}))
    w.on_all(TABLE)
    w.on_all("CREATE INDEX ON orders (updated_at)")
    return w


def problems(w: World) -> list[tuple[str, str | None, str | None]]:
    job = w.job()
    with job.ledger.connection() as connection:
        lines = status(connection, "orders", job.feed, list(job.partitions), list(job.sinks), None, replaces=job.warehouse.replaces)
    return [(line.shard, line.problem, line.last_error) for line in lines]


def test_booleans_that_the_view_calls_bigint_fail_the_run_and_a_mended_view_and_a_replay_heal_it(world: WorldMaker) -> None:
    w = shop(world)
    w.on_all("INSERT INTO orders VALUES (1, true, '2026-01-01'), (2, false, '2026-01-01')")
    report = w.sync()
    assert (report.ok, report.headline()) == (
        False,
        "0/2 shards merged; shop_00: every row was rejected (2), most often for active: is not bigint; `shardlake rejects orders` lists them;"
        " shop_01: every row was rejected (2), most often for active: is not bigint; `shardlake rejects orders` lists them",
    )
    assert {s["state"] for s in report.as_json()["shards"]} == {"rejected"}
    assert w.ledger("SELECT r.state, s.state, count(*) FROM shardlake.runs r JOIN shardlake.run_shards s USING (run_id) GROUP BY 1, 2") == [
        ("failed", "rejected", 2)
    ]
    assert w.watermarks()["shop_00"] is not None  # the rows are in raw and in the rejects
    w.must_sync()  # nothing is new; what is wrong still is, in status
    why = "every row that last came was rejected by warehouse; `shardlake rejects orders` lists them"
    assert problems(w) == [("shop_00", "every row rejected", why), ("shop_01", "every row rejected", why)]
    w.view["columns"] = {**COLUMNS, "active": "boolean"}
    healed = replay(w.job())
    assert (healed.ok, healed.headline()) == (True, "2/2 shards merged")
    assert w.target("id, active") == [(1, True), (2, False)]
    assert problems(w) == [("shop_00", None, None), ("shop_01", None, None)]


def test_the_command_ends_with_1_and_so_does_status(world: WorldMaker) -> None:
    w = shop(world)
    w.on("shop_00", "INSERT INTO orders VALUES (1, true, '2026-01-01')")
    done = w.command("run", "orders", "--json")
    found = json.loads(done.stdout)
    assert (done.returncode, found["ok"]) == (1, False)
    assert [(s["shard"], s["state"]) for s in found["views"][0]["shards"]] == [("shop_00", "rejected"), ("shop_01", "nothing")]
    says = "1/2 shards merged; shop_00: every row was rejected (1), most often for active: is not bigint; `shardlake rejects orders` lists them"
    assert found["views"][0]["message"] == says
    shown = w.command("status", "--json")
    assert (shown.returncode, json.loads(shown.stdout)["shards"][0]["problem"]) == (1, "every row rejected")


def test_a_shard_of_which_some_rows_came_is_merged(world: WorldMaker) -> None:
    w = shop(world, columns={"id": "bigint", "small": {"type": "smallint", "from": "id"}, "updated_at": "timestamp"})
    w.on_all("INSERT INTO orders VALUES (1, true, '2026-01-01'), (70000, true, '2026-01-01')")
    assert w.must_sync().headline() == "2/2 shards merged"
    assert problems(w) == [("shop_00", None, None), ("shop_01", None, None)]


def test_a_lake_table_that_can_hold_no_row_is_named(world: WorldMaker) -> None:
    lake = {"connection": "athena-lake/main", "layouts": [{"table": "orders"}, {"table": "by_city", "partition_by": ["city"]}]}
    w = shop(world, columns={"id": "bigint", "city": "text", "updated_at": "timestamp"}, lake=lake)
    w.on_all("ALTER TABLE orders ADD COLUMN city text")
    w.on_all("INSERT INTO orders VALUES (1, true, '2026-01-01', '')")
    report = w.sync()
    assert (report.ok, [s.state for s in report.shards.values()]) == (False, ["merged", "merged"])
    assert report.headline() == (
        "2/2 shards merged; lake table by_city: every row was rejected (2), most often for city: is '', which a partition cannot be: readers take it"
        " for NULL; partition by bucket(…) instead; `shardlake rejects orders` lists them"
    )
    assert problems(w) == [("shop_00", "failed", report.headline()), ("shop_01", "failed", report.headline())]
    w.must_sync()  # nothing is new
    why = "every row that last came was rejected by lake.by_city; `shardlake rejects orders` lists them"
    assert problems(w) == [("shop_00", "every row rejected", why), ("shop_01", "every row rejected", why)]
    w.on_all("INSERT INTO orders VALUES (2, true, '2099-01-01', 'Rome')")
    w.view["source"]["safety_lag"] = "0s"
    w.on_all("UPDATE orders SET updated_at = now()::timestamp WHERE id = 2")
    w.must_sync()
    assert problems(w) == [("shop_00", None, None), ("shop_01", None, None)]


def test_a_replace_that_rejects_every_row_of_a_shard_leaves_that_shards_rows_in_place(world: WorldMaker) -> None:
    lake = {"connection": "athena-lake/main", "layouts": [{"table": "orders", "write": "replace"}]}
    columns = {"id": "bigint", "active": "text", "n": {"type": "smallint", "from": "id"}}
    w = shop(world, columns=columns, source={"cursor": None}, warehouse={"write": "replace", "key": ["_shard", "id"]}, lake=lake)
    w.on_all("INSERT INTO orders VALUES (1, true, '2026-01-01')")
    w.must_sync()
    w.on("shop_00", "UPDATE orders SET id = 70000")
    w.on("shop_01", "UPDATE orders SET id = 2")
    report = w.sync()
    assert report.headline().startswith("1/2 shards merged; shop_00: every row was rejected (1), most often for n: is not smallint;")
    assert w.target("_shard, id", "1, 2") == [("shop_00", 1), ("shop_01", 2)]
    assert w.query("SELECT _shard, id FROM orders ORDER BY 1, 2") == [("shop_00", 1), ("shop_01", 1)]
    w.on("shop_00", "UPDATE orders SET id = 3")
    w.must_sync()
    assert w.target("_shard, id", "1, 2") == w.query("SELECT _shard, id FROM orders ORDER BY 1, 2") == [("shop_00", 3), ("shop_01", 2)]


def test_a_backfill_that_rejects_every_row_has_come_to_its_end_and_says_so(world: WorldMaker) -> None:
    w = shop(world)
    w.on_all("INSERT INTO orders VALUES (1, true, '2026-01-01')")
    w.sync()
    report = backfill(w.model(), w.connect, "2025-12-31", "2026-01-02")
    assert not report.ok
    assert report.headline() == (
        f"{report.slices}/{report.slices} slices merged; shop_00: every row was rejected (1), most often for active: is not bigint;"
        " `shardlake rejects orders` lists them; shop_01: every row was rejected (1), most often for active: is not bigint;"
        " `shardlake rejects orders` lists them"
    )
    assert w.ledger("SELECT state FROM shardlake.backfills") == [("completed",)]
