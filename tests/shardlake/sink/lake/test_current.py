"""Tables of current rows: Iceberg and Delta hold what the warehouse holds, whatever comes."""

from __future__ import annotations

import json
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from deltalake import DeltaTable
from pyiceberg.table import Table

from shardlake.connection.lake import Lake
from shardlake.connection.postgres import PostgresWarehouse
from shardlake.sink.lake.iceberg import catalog
from tests.shardlake.sink.lake.test_append import COLUMNS, order, shop
from tests.world import World, WorldMaker

FORMATS = ["delta", "iceberg"]


def iceberg_table(w: World, table: str) -> Table:
    """The table as pyiceberg opens it."""
    lake, warehouse = w.connect("athena-lake/main"), w.connect("postgres-warehouse/main")
    assert isinstance(lake, Lake)
    assert isinstance(warehouse, PostgresWarehouse)
    return catalog(lake, warehouse).load_table(("analytics", table))


def independent(w: World, format_: str, table: str = "orders") -> list[dict[str, Any]]:
    """A table's rows by the format's own library."""
    if format_ == "delta":
        found: pa.Table = DeltaTable(str(w.folder / "lake" / "analytics" / table)).to_pyarrow_table()
    else:
        found = iceberg_table(w, table).scan().to_arrow()
    return sorted(found.to_pylist(), key=lambda row: (row["id"], row["_shard"]))


def files_of(w: World, format_: str) -> list[str]:
    """The table's files, by the format's own library."""
    if format_ == "delta":
        return DeltaTable(str(w.folder / "lake" / "analytics" / "orders")).file_uris()
    return [task.file.file_path.removeprefix("file://") for task in iceberg_table(w, "orders").scan().plan_files()]


def agrees(w: World, format_: str) -> None:
    """Both readers see exactly the warehouse's rows."""
    names = ["id", "status", "amount", "updated_at", "city", "_shard"]
    expected = w.target(", ".join(names), "id, _shard")
    assert [tuple(row[n] for n in names) for row in independent(w, format_)] == expected
    assert w.query(f"SELECT {', '.join(names)} FROM orders ORDER BY id, _shard") == expected


@pytest.mark.parametrize("format_", FORMATS)
@pytest.mark.parametrize("partition_by", [[], ["day(updated_at)"], ["city"], ["bucket(4, id)"]], ids=str)
def test_inserts_updates_and_a_key_that_moves_end_as_in_the_warehouse(world: WorldMaker, format_: str, partition_by: list[str]) -> None:
    w = shop(world, ["shop_00", "shop_01"], [{"table": "orders", "format": format_, "partition_by": partition_by}])
    for n in range(6):
        order(w, f"shop_0{n % 2}", n, 1 + n % 3, city=["Berlin", "a/b c", None][n % 3])
    assert w.must_sync().lake["orders"].rows == 6
    agrees(w, format_)
    order(w, "shop_00", 0, city="Rome", status="changed")
    order(w, "shop_01", 2, city="Rome", status="moved shard")
    order(w, "shop_01", 9, city="Oslo")
    assert w.must_sync().lake["orders"].rows == 3
    agrees(w, format_)
    assert w.must_sync().lake["orders"].rows == 0


@pytest.mark.parametrize("format_", FORMATS)
def test_rows_of_new_keys_come_beside_the_files_that_are_there(world: WorldMaker, format_: str) -> None:
    w = shop(world, ["shop_00"], [{"table": "orders", "format": format_}])
    order(w, "shop_00", 1)
    w.must_sync()
    (first,) = files_of(w, format_)
    order(w, "shop_00", 2)
    w.must_sync()
    beside = files_of(w, format_)
    assert (len(beside), first in beside) == (2, True)
    order(w, "shop_00", 1, city="changed")
    w.must_sync()
    assert first not in files_of(w, format_)
    agrees(w, format_)


def test_a_delta_table_is_zstd_as_the_other_layouts_are(world: WorldMaker) -> None:
    w = shop(world, ["shop_00"], [{"table": "orders", "format": "delta"}])
    for n in (1, 1, 2):  # made, merged into, appended to
        order(w, "shop_00", n, city=str(n))
        w.must_sync()
    found = {pq.ParquetFile(file).metadata.row_group(0).column(0).compression for file in files_of(w, "delta")}
    assert found == {"ZSTD"}


@pytest.mark.parametrize("format_", FORMATS)
def test_a_lookback_that_repeats_rows_writes_nothing(world: WorldMaker, format_: str) -> None:
    w = shop(world, ["shop_00", "shop_01"], [{"table": "orders", "format": format_}], source={"lookback": "36500d"})
    order(w, "shop_00", 1, 3, city="newer")
    order(w, "shop_01", 1, 2, city="older")
    first = w.must_sync().lake["orders"]
    assert (first.rows, first.skipped) == (1, 1)
    again = w.must_sync().lake["orders"]
    assert (again.rows, again.skipped) == (0, 2)
    agrees(w, format_)


@pytest.mark.parametrize("format_", FORMATS)
def test_with_the_shard_in_the_key_every_shard_keeps_its_own_row(world: WorldMaker, format_: str) -> None:
    view = {
        "warehouse": {"key": None},
        "columns": {**COLUMNS, "id": "numeric(20,0)", "deleted_at": "timestamp"},
        "deletes": {"column": "deleted_at"},
    }
    w = shop(world, ["shop_00", "shop_01"], [{"table": "orders", "format": format_}], **view)
    w.on_all("ALTER TABLE orders ADD COLUMN deleted_at datetime(6)")
    for shard in w.shards:
        for n in (1, 2):
            order(w, shard, n, 3, city=shard)
    w.must_sync()
    order(w, "shop_01", 1, city="changed")
    w.on("shop_00", "UPDATE orders SET deleted_at = utc_timestamp(6), updated_at = utc_timestamp(6) WHERE id = 2")
    w.must_sync()
    expected = [(1, "shop_00"), (1, "shop_01"), (2, "shop_01")]
    assert [(row["id"], row["_shard"]) for row in independent(w, format_)] == expected
    agrees(w, format_)


@pytest.mark.parametrize("format_", FORMATS)
def test_rows_of_a_text_key_are_found_in_what_a_merge_has_written(world: WorldMaker, format_: str) -> None:
    layout = {"table": "orders", "format": format_, "partition_by": ["city"]}
    w = shop(world, ["shop_00"], [layout], warehouse={"key": ["status"]})
    for city, keys in (("Rome", "abc"), ("Oslo", "abc"), ("Bonn", "b"), ("Rome", "d")):  # made, merged into, found there or not
        for key in keys:
            order(w, "shop_00", ord(key), city=city, status=key)
        assert w.must_sync().lake["orders"].rows == len(keys)
        agrees(w, format_)


@pytest.mark.parametrize("format_", FORMATS)
def test_deletes_are_applied_and_an_older_copy_does_not_bring_the_row_back(world: WorldMaker, format_: str) -> None:
    columns = {**COLUMNS, "deleted_at": "timestamp"}
    w = shop(
        world, ["shop_00", "shop_01"], [{"table": "orders", "format": format_}], columns=columns,
        deletes={"column": "deleted_at"}, source={"lookback": "36500d"},
    )  # fmt: skip
    w.on_all("ALTER TABLE orders ADD COLUMN deleted_at datetime(6)")
    order(w, "shop_00", 1, 3)
    order(w, "shop_00", 2, 3)
    w.must_sync()
    w.on("shop_00", "UPDATE orders SET deleted_at = '2026-01-05', updated_at = '2026-01-05' WHERE id = 1")
    w.must_sync()
    agrees(w, format_)
    order(w, "shop_01", 1, 2)  # an older copy on another shard
    w.must_sync()
    agrees(w, format_)
    assert [row["id"] for row in independent(w, format_)] == [2]


@pytest.mark.parametrize("format_", FORMATS)
def test_an_exploded_parent_takes_its_elements_with_it(world: WorldMaker, format_: str) -> None:
    columns = {
        "id": "bigint",
        "n": {"type": "integer", "from": "$index"},
        "sku": {"type": "text", "from": "$element.sku"},
        "updated_at": "timestamp",
    }
    w = shop(
        world, None, [{"table": "orders", "format": format_}], columns=columns, explode={"path": "payload.items"},
        warehouse={"key": ["id", "n"]},
    )  # fmt: skip
    order(w, "shop_00", 1, 1, items=[{"sku": "a"}, {"sku": "b"}, {"sku": "c"}])
    order(w, "shop_00", 2, 1, items=[{"sku": "x"}])
    w.must_sync()
    w.on("shop_00", "UPDATE orders SET updated_at = UTC_TIMESTAMP(6), payload = %s WHERE id = 1", json.dumps({"items": [{"sku": "z"}]}))
    w.on("shop_00", "UPDATE orders SET updated_at = UTC_TIMESTAMP(6), payload = %s WHERE id = 2", json.dumps({"items": []}))
    w.must_sync()
    assert w.query("SELECT id, n, sku FROM orders ORDER BY 1, 2") == [(1, 0, "z")] == w.target("id, n, sku", "1, 2")


@pytest.mark.parametrize("format_", FORMATS)
def test_a_new_column_is_added_and_old_rows_have_null_in_it(world: WorldMaker, format_: str) -> None:
    w = shop(world, None, [{"table": "orders", "format": format_, "partition_by": ["day(updated_at)"]}])
    order(w, "shop_00", 1, 1, city="Rome", email="a@b")
    w.must_sync()
    w.view["columns"] = {**COLUMNS, "email": {"type": "text", "from": "payload.email"}}
    order(w, "shop_00", 2, email="c@d")
    w.must_sync()
    assert w.query("SELECT id, email FROM orders ORDER BY id") == [(1, None), (2, "c@d")]
    assert [row["email"] for row in independent(w, format_)] == [None, "c@d"]
