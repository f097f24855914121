"""Plain Parquet of current rows: partitions that are written anew hold what the warehouse holds, whatever comes."""

from __future__ import annotations

import json
import random
import signal
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from shardlake.sink.lake import rows
from shardlake.sink.lake.compact import compact
from shardlake.sink.lake.sweep import sweep
from tests.lake import IN_THE_LAKE
from tests.shardlake.sink.lake.test_append import COLUMNS, files, order, shop
from tests.shardlake.sink.lake.test_glue import database, glue, glue_shop
from tests.world import World, WorldMaker

__all__ = ["glue"]
NOW = timedelta(0)
CITIES = ["Rome", "a/b: 100% 🚚", "Oslo", None]


def layout(*partition_by: str, table: str = "orders") -> dict[str, Any]:
    return {"table": table, "write": "replace", "partition_by": list(partition_by)}


def agrees(w: World, order_by: str = "id, _shard") -> None:
    names = "id, status, amount, updated_at, city, _shard"
    assert w.query(f"SELECT {names} FROM orders ORDER BY {order_by}") == w.target(names, order_by)


@pytest.mark.parametrize("by", [["city"], ["day(updated_at)"], ["bucket(4, id)"], ["_shard", "status"], ["id"]], ids=str)
def test_inserts_updates_and_rows_that_leave_their_partition_end_as_in_the_warehouse(world: WorldMaker, by: list[str]) -> None:
    w = shop(world, ["shop_00", "shop_01"], [layout(*by)])
    for n in range(8):
        order(w, f"shop_0{n % 2}", n, 1 + n % 3, city=CITIES[n % 4])
    assert w.must_sync().lake["orders"].rows == 8
    agrees(w)
    before = {f.name for f in files(w, "orders")}
    order(w, "shop_00", 0, city="Bern", status="moved")  # into a partition that is new
    order(w, "shop_01", 2, city="Rome", status="of another shard")
    order(w, "shop_01", 9, city="Oslo")
    assert w.must_sync().lake["orders"].rows == 3
    agrees(w)
    assert w.must_sync().lake["orders"].rows == 0
    agrees(w)
    assert {f.name for f in files(w, "orders")} > before  # readers that are at the old files still have them
    assert sweep(w.job(), grace=NOW).orphans == 0
    live = w.warehouse("SELECT key FROM shardlake.lake_files WHERE layout = 'orders' AND replaced_by IS NULL")
    assert {str(f.relative_to(w.folder / "lake")) for f in files(w, "orders")} == {key for (key,) in live}
    agrees(w)


def test_partitions_that_nothing_came_to_stay_where_they_are(world: WorldMaker) -> None:
    w = shop(world, None, [layout("city")])
    for n, city in enumerate(["Rome", "Oslo", "Bern"]):
        order(w, "shop_00", n, 1, city=city)
    w.must_sync()
    order(w, "shop_00", 1, city="Oslo", status="changed")
    w.must_sync()
    assert {f.parent.parent.name: f.parent.name for f in files(w, "orders") if f.name.startswith("c00000002")} == {"city=Oslo": "c00000002"}
    agrees(w)


def test_deletes_empty_a_partition_and_older_copies_do_not_bring_a_row_back(world: WorldMaker) -> None:
    columns = {**COLUMNS, "deleted_at": "timestamp"}
    w = shop(
        world, ["shop_00", "shop_01"], [layout("city")], columns=columns, deletes={"column": "deleted_at"}, source={"lookback": "36500d"},
    )  # fmt: skip
    w.on_all("ALTER TABLE orders ADD COLUMN deleted_at datetime(6)")
    order(w, "shop_00", 1, 3, city="Rome")
    order(w, "shop_00", 2, 3, city="Oslo")
    w.must_sync()
    w.on("shop_00", "UPDATE orders SET deleted_at = '2026-01-05', updated_at = '2026-01-05' WHERE id = 1")
    w.must_sync()
    agrees(w)
    order(w, "shop_01", 1, 2, city="Bern")
    w.must_sync()
    agrees(w)
    assert w.query("SELECT id, city FROM orders") == [(2, "Oslo")]


def test_an_exploded_parent_takes_its_elements_with_it_from_every_partition(world: WorldMaker) -> None:
    columns = {
        "id": "bigint",
        "n": {"type": "integer", "from": "$index"},
        "sku": {"type": "text", "from": "$element.sku"},
        "updated_at": "timestamp",
    }
    w = shop(world, None, [layout("sku")], columns=columns, explode={"path": "payload.items"}, warehouse={"key": ["id", "n"]})
    order(w, "shop_00", 1, 1, items=[{"sku": "a"}, {"sku": "b"}, {"sku": "c"}])
    order(w, "shop_00", 2, 1, items=[{"sku": "a"}])
    w.must_sync()
    w.on("shop_00", "UPDATE orders SET updated_at = UTC_TIMESTAMP(6), payload = %s WHERE id = 1", json.dumps({"items": [{"sku": "z"}]}))
    w.must_sync()
    assert w.query("SELECT id, n, sku FROM orders ORDER BY 1, 2") == w.target("id, n, sku", "1, 2") == [(1, 0, "z"), (2, 0, "a")]


def test_random_changes_in_small_batches_end_as_in_the_warehouse(world: WorldMaker, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rows, "BATCH", 300)  # every chunk is a batch of its own
    chance = random.Random(7)
    w = shop(world, ["shop_00", "shop_01", "shop_02"], [layout("city", "bucket(3, id)")], source={"lookback": "36500d"})
    for _ in range(5):
        for _ in range(12):
            order(w, f"shop_0{chance.randrange(3)}", chance.randrange(15), chance.randrange(1, 28), city=chance.choice(CITIES))
        w.must_sync()
        agrees(w)


def test_a_new_column_is_null_in_rows_that_are_written_anew_and_in_those_that_are_not(world: WorldMaker) -> None:
    w = shop(world, None, [layout("city")])
    order(w, "shop_00", 1, 1, city="Rome", email="a@b")
    order(w, "shop_00", 2, 1, city="Oslo", email="a@b")
    w.must_sync()
    w.view["columns"] = {**{n: t for n, t in COLUMNS.items() if n != "amount"}, "email": {"type": "text", "from": "payload.email"}}
    order(w, "shop_00", 3, city="Rome", email="c@d")
    w.must_sync()
    assert w.query("SELECT id, email, amount IS NULL FROM orders ORDER BY id") == [(1, None, False), (2, None, False), (3, "c@d", True)]


@pytest.mark.parametrize("failpoint", [f for f in IN_THE_LAKE if f != "lake.merged"])
def test_a_run_that_is_killed_is_made_good_by_the_next(world: WorldMaker, failpoint: str) -> None:
    w = shop(world, ["shop_00", "shop_01"], [layout("city")])
    for n in range(8):
        order(w, f"shop_0{n % 2}", n, 1 + n % 3, city=["Rome", "Oslo"][n % 2])
    w.must_sync()
    before = w.query("SELECT id, city, status FROM orders ORDER BY id")
    for n in range(4):
        order(w, f"shop_0{n % 2}", n, city="Bern", status="changed")
    assert w.engine_process(SHARDLAKE_FAILPOINT=f"{failpoint}=kill").returncode == -signal.SIGKILL
    assert w.query("SELECT id, city, status FROM orders ORDER BY id") in (before, w.target("id, city, status", "id"))  # the old or the new
    w.must_sync()
    agrees(w)
    assert sweep(w.job(), grace=NOW).orphans == 0
    agrees(w)


def test_compaction_of_such_a_table_changes_nothing_of_it(world: WorldMaker) -> None:
    w = shop(world, None, [{**layout("city"), "file_size": 400}])
    for n in range(6):
        order(w, "shop_00", n, 1, city="Rome")
    w.must_sync()
    w.view["lake"] = {"layouts": [layout("city")]}
    job = w.job()
    compact(job.supply, job.view.lake.layouts[0], closed=NOW)
    order(w, "shop_00", 2, city="Rome", status="changed")
    w.must_sync()
    agrees(w)


def test_partitions_in_glue_move_at_once_and_emptied_ones_go(world: WorldMaker, s3_emulator: str, tmp_path: Path, glue: Any) -> None:
    w = glue_shop(world, s3_emulator, tmp_path, [layout("city")])
    order(w, "shop_00", 1, 1, city="Rome")
    order(w, "shop_01", 2, 1, city="Oslo")
    w.must_sync()
    order(w, "shop_00", 1, city="Oslo")
    w.must_sync()
    found = glue.get_partitions(DatabaseName=database(w), TableName="orders")["Partitions"]
    root = f"s3://lake-bucket/{tmp_path.name}/{database(w)}/orders"
    assert {p["Values"][0]: p["StorageDescriptor"]["Location"] for p in found} == {"Oslo": f"{root}/city=Oslo/c00000002"}
    assert w.query("SELECT id, city FROM orders ORDER BY id") == [(1, "Oslo"), (2, "Oslo")]
