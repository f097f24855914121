"""Histories in plain Parquet: what lies where, what every reader sees of it, and what the newest rows are."""

from __future__ import annotations

import json
from datetime import UTC
from pathlib import Path
from typing import Any

import duckdb
import polars as pl
import pyarrow.dataset as ds
import pyarrow.parquet as pq

from tests.world import ORDERS_TABLE, World, WorldMaker, orders_view

BY_DAY: dict[str, Any] = {"table": "orders", "partition_by": ["day(updated_at)"]}
BY_CITY: dict[str, Any] = {"table": "orders_by_city", "partition_by": ["city"]}
COLUMNS = {
    "id": "bigint", "status": "text", "amount": "numeric(12,2)", "updated_at": "timestamp",
    "city": {"type": "text", "from": "payload.city"}, "items": {"type": "jsonb", "from": "payload.items"},
}  # fmt: skip
CITIES = [
    "Berlin",
    "São Paulo",
    "a/b",
    "c:d?e=f",
    "100%",
    'it\'s "quoted"',
    "🚚 emoji",
    "two  spaces ",
    ".",
    "..",
    "back\\slash",
    "#hash*[x]",
    None,
]


def shop(world: WorldMaker, shards: list[str] | None = None, layouts: list[dict[str, Any]] | None = None, **view: Any) -> World:
    """Shards with an empty table of orders, and a view with layouts."""
    w = world(shards, view=orders_view(**{"columns": COLUMNS, "lake": {"layouts": layouts or [BY_DAY, BY_CITY]}, **view}))
    w.on_all(ORDERS_TABLE)
    return w


def order(w: World, shard: str, id: int, day: int | None = None, **payload: Any) -> None:
    """An order as of a day of January, or of now."""
    w.on(
        shard, "REPLACE INTO orders (id, status, amount, updated_at, payload) VALUES (%s, %s, %s, %s, %s)",
        id, payload.pop("status", "new"), payload.pop("amount", "1.50"), f"2026-01-{day:02} 10:00:00.123456" if day else w.on(shard, "SELECT UTC_TIMESTAMP(6)")[0][0], json.dumps(payload),
    )  # fmt: skip


def files(w: World, table: str) -> list[Path]:
    """The files of a table, as they lie there."""
    return sorted((w.folder / "lake" / "analytics" / table).rglob("*.parquet"))


def test_every_layout_holds_every_row_in_the_folders_that_hive_knows(world: WorldMaker) -> None:
    w = shop(world, ["shop_00", "shop_01"])
    for n, city in enumerate(CITIES):
        order(w, f"shop_0{n % 2}", n, 1 + n % 3, city=city, items=[{"sku": "ä"}])
    report = w.must_sync()
    assert {t: (part.rows, part.rejected) for t, part in report.lake.items()} == {
        "orders": (len(CITIES), 0),
        "orders_by_city": (len(CITIES), 0),
    }
    assert {f.parent.name for f in files(w, "orders")} == {"dt=2026-01-01", "dt=2026-01-02", "dt=2026-01-03"}
    assert len(files(w, "orders")) == 3  # both shards' rows in one file a day
    expected = w.target("id, status, amount, updated_at, city, items::text", "id")
    for table in ("orders", "orders_by_city"):
        root = w.folder / "lake" / "analytics" / table
        read = duckdb.sql(
            f"SELECT id, status, amount, updated_at, city, items FROM read_parquet('{root}/**/*.parquet', hive_partitioning=true, hive_types={{'city': VARCHAR}}) ORDER BY id"
        ).fetchall() if table == "orders_by_city" else duckdb.sql(f"SELECT id, status, amount, updated_at, city, items FROM read_parquet('{root}/**/*.parquet') ORDER BY id").fetchall()  # fmt: skip
        assert [(*r[:5], json.loads(r[5])) for r in read] == [(*r[:5], json.loads(r[5])) for r in expected]
    by_arrow = ds.dataset(w.folder / "lake" / "analytics" / "orders_by_city", partitioning=ds.HivePartitioning.discover(), format="parquet")
    assert sorted(by_arrow.to_table(columns=["city"]).column("city").to_pylist(), key=str) == sorted(CITIES, key=str)
    by_polars = pl.read_parquet(
        w.folder / "lake" / "analytics" / "orders_by_city" / "**" / "*.parquet", hive_partitioning=True, try_parse_hive_dates=False
    )
    assert sorted(by_polars.get_column("city").to_list(), key=str) == sorted(CITIES, key=str)


def test_files_are_typed_sorted_by_key_and_have_statistics(world: WorldMaker) -> None:
    w = shop(world, layouts=[{"table": "orders"}])
    for n in (3, 1, 2):
        order(w, "shop_00", n, n)
    w.must_sync()
    (file,) = files(w, "orders")
    read = pq.ParquetFile(file)
    assert [(f.name, str(f.type)) for f in read.schema_arrow] == [
        ("id", "int64"), ("status", "string"), ("amount", "decimal128(12, 2)"), ("updated_at", "timestamp[us]"), ("city", "string"),
        ("items", "string"), ("_op", "string"), ("_seq", "int64"), ("_shard", "string"), ("_window", "int64"),
    ]  # fmt: skip
    assert read.read().column("id").to_pylist() == [1, 2, 3]
    column = read.metadata.row_group(0).column(0)
    assert (column.compression, column.statistics.min, column.statistics.max) == ("ZSTD", 1, 3)


def test_a_second_run_adds_what_changed_and_the_newest_rows_are_those_of_the_warehouse(world: WorldMaker) -> None:
    w = shop(world, ["shop_00", "shop_01"])
    order(w, "shop_00", 1, 1, city="Berlin")
    order(w, "shop_01", 2, 1, city="Rome")
    w.must_sync()
    order(w, "shop_00", 1, city="Paris", status="moved")
    report = w.must_sync()
    assert {t: part.rows for t, part in report.lake.items()} == {"orders": 1, "orders_by_city": 1}
    assert w.must_sync().lake["orders"].rows == 0
    latest = w.query("SELECT id, status, city FROM orders_latest ORDER BY id")
    assert latest == [(1, "moved", "Paris"), (2, "new", "Rome")] == w.target("id, status, city")
    assert w.query("SELECT id, city FROM orders_by_city_latest ORDER BY id") == [(1, "Paris"), (2, "Rome")]
    assert w.query("SELECT count(*) FROM orders WHERE dt >= date '2026-01-02'") == [(1,)]


def test_times_without_an_offset_are_the_warehouses_instants_in_any_century(world: WorldMaker) -> None:
    columns = {"id": "bigint", "updated_at": "timestamp", "seen": {"type": "timestamptz", "from": "payload.seen"}}
    w = shop(world, layouts=[{"table": "orders"}], columns=columns)
    w.connection_changes = {"timezone": "Europe/Berlin"}
    for n, at in enumerate(["1900-07-01", "2026-07-01", "2099-07-01", "2100-07-01", "9999-07-01"]):
        order(w, "shop_00", n, 1, seen=f"{at} 12:00:00")
    w.must_sync()
    found = w.query("SELECT id, seen FROM orders ORDER BY id")
    assert found == w.target("id, seen", "id")
    assert [at.astimezone(UTC).hour for _, at in found] == [11, 10, 10, 10, 10]
