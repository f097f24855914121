"""The lake in Glue, as Athena would find it. Glue and S3 are moto's, emulators."""

from __future__ import annotations

import base64
import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.config import Config

from shardlake.sink.lake.compact import compact
from shardlake.sink.lake.sweep import sweep
from tests.shardlake.sink.lake.test_append import BY_CITY, BY_DAY, COLUMNS, order, shop
from tests.world import World, WorldMaker


@pytest.fixture
def glue(s3_emulator: str) -> Any:
    """The emulator's Glue."""
    return boto3.client("glue", endpoint_url=s3_emulator, region_name="eu-west-1", aws_access_key_id="k", aws_secret_access_key="s")


def glue_shop(world: WorldMaker, address: str, folder: Path, layouts: list[dict[str, Any]], **view: Any) -> World:
    """A view whose lake is on the emulator, in a database of its own."""
    lake = {"layouts": layouts, "database": f"d_{folder.name.lower().replace('-', '_')}"[:60]}
    w = shop(world, ["shop_00", "shop_01"], **{"lake": lake, **view})
    w.lake = {
        "url": f"s3://lake-bucket/{folder.name}", "endpoint": address, "region": "eu-west-1", "access_key_id": "k",
        "secret_access_key": "canary-7c1", "glue": True, "glue_endpoint": address,
    }  # fmt: skip
    return w


def database(w: World) -> str:
    return str(w.view["lake"]["database"])


def test_tables_partitions_and_the_newest_rows_are_registered(world: WorldMaker, s3_emulator: str, tmp_path: Path, glue: Any) -> None:
    w = glue_shop(world, s3_emulator, tmp_path, [BY_DAY, BY_CITY])
    order(w, "shop_00", 1, 1, city="a/b")
    order(w, "shop_01", 2, 2, city=None)
    w.must_sync()
    table = glue.get_table(DatabaseName=database(w), Name="orders")["Table"]
    assert [(c["Name"], c["Type"]) for c in table["StorageDescriptor"]["Columns"]] == [
        ("id", "bigint"), ("status", "string"), ("amount", "decimal(12,2)"), ("updated_at", "timestamp"), ("city", "string"),
        ("items", "string"), ("_op", "string"), ("_seq", "bigint"), ("_shard", "string"), ("_window", "bigint"),
    ]  # fmt: skip
    assert table["PartitionKeys"] == [{"Name": "dt", "Type": "date"}]
    root = f"s3://lake-bucket/{tmp_path.name}/{database(w)}"
    assert table["StorageDescriptor"]["Location"] == f"{root}/orders"
    found = glue.get_partitions(DatabaseName=database(w), TableName="orders")["Partitions"]
    assert {p["Values"][0]: p["StorageDescriptor"]["Location"] for p in found} == {
        day: f"{root}/orders/dt={day}" for day in ("2026-01-01", "2026-01-02")
    }
    by_city = glue.get_partitions(DatabaseName=database(w), TableName="orders_by_city")["Partitions"]
    assert {p["Values"][0]: p["StorageDescriptor"]["Location"].rpartition("/")[2] for p in by_city} == {
        "a/b": "city=a%2Fb", "__HIVE_DEFAULT_PARTITION__": "city=__HIVE_DEFAULT_PARTITION__",
    }  # fmt: skip
    latest = glue.get_table(DatabaseName=database(w), Name="orders_latest")["Table"]
    text = json.loads(base64.b64decode(latest["ViewOriginalText"].removeprefix("/* Presto View: ").removesuffix(" */")))
    assert (latest["TableType"], text["schema"]) == ("VIRTUAL_VIEW", database(w))
    assert text["originalSql"].startswith(
        'SELECT "id", "status", "amount", "updated_at", "city", "items", "_shard", "dt" FROM (SELECT *, rank()'
    )
    raw = glue.get_table(DatabaseName="raw", Name="orders")["Table"]
    assert [k["Name"] for k in raw["PartitionKeys"]] == ["load_date", "shard"]


def test_a_later_run_adds_partitions_and_columns(world: WorldMaker, s3_emulator: str, tmp_path: Path, glue: Any) -> None:
    w = glue_shop(world, s3_emulator, tmp_path, [BY_CITY])
    for n in range(150):
        order(w, "shop_00", n, 1, city=f"city {n}")
    w.must_sync()
    w.view["columns"] = {**COLUMNS, "email": {"type": "text", "from": "payload.email"}}
    order(w, "shop_00", 1, city="new city", email="a@b")
    w.must_sync()
    pages = glue.get_paginator("get_partitions").paginate(DatabaseName=database(w), TableName="orders_by_city")
    assert len([p for page in pages for p in page["Partitions"]]) == 151
    columns = glue.get_table(DatabaseName=database(w), Name="orders_by_city")["Table"]["StorageDescriptor"]["Columns"]
    assert columns[-1] == {"Name": "email", "Type": "string"}
    assert w.query("SELECT id, email FROM orders_by_city_latest WHERE id < 2 ORDER BY id") == [(0, None), (1, "a@b")]


def test_partitions_that_are_projected_need_no_registration(world: WorldMaker, s3_emulator: str, tmp_path: Path, glue: Any) -> None:
    w = glue_shop(world, s3_emulator, tmp_path, [{**BY_DAY, "partition_by": ["day(updated_at)", "bucket(4, id)"], "projection": True}])
    order(w, "shop_00", 1, 1)
    w.must_sync()
    parameters = glue.get_table(DatabaseName=database(w), Name="orders")["Table"]["Parameters"]
    assert parameters["projection.enabled"] == "true"
    assert parameters["projection.dt.type"], parameters["projection.dt.format"] == ("date", "yyyy-MM-dd")
    assert parameters["projection.id_bucket.range"] == "0,3"
    assert parameters["storage.location.template"].endswith("/orders/dt=${dt}/id_bucket=${id_bucket}")
    assert glue.get_partitions(DatabaseName=database(w), TableName="orders")["Partitions"] == []


def test_a_table_that_is_somebody_elses_is_left_alone(world: WorldMaker, s3_emulator: str, tmp_path: Path, glue: Any) -> None:
    w = glue_shop(world, s3_emulator, tmp_path, [BY_DAY])
    glue.create_database(DatabaseInput={"Name": database(w)})
    glue.create_table(DatabaseName=database(w), TableInput={"Name": "orders", "StorageDescriptor": {"Columns": []}})
    order(w, "shop_00", 1, 1)
    report = w.sync()
    assert report.headline() == (
        f"2/2 shards merged; lake table orders: Glue has a table {database(w)}.orders that Shardlake did not make."
        " Give the layout another table name."
    )
    assert glue.get_table(DatabaseName=database(w), Name="orders")["Table"]["StorageDescriptor"]["Columns"] == []


def test_a_glue_that_cannot_be_reached_publishes_nothing(
    world: WorldMaker, s3_emulator: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shardlake.sink.lake.glue.RETRIES", Config(retries={"max_attempts": 1}))
    w = glue_shop(world, s3_emulator, tmp_path, [BY_DAY])
    order(w, "shop_00", 1, 1)
    w.lake |= {"glue_endpoint": "http://127.0.0.1:9"}
    report = w.sync()
    assert not report.ok
    assert "Glue cannot be reached" in report.headline()
    assert w.warehouse("SELECT status FROM shardlake.lake_commits") in ([], [("open",)])
    w.lake |= {"glue_endpoint": s3_emulator}
    w.must_sync()
    assert w.query("SELECT count(*) FROM orders") == [(1,)]


@pytest.mark.parametrize("format_", ["iceberg", "delta"])
def test_tables_of_open_formats_in_glue(world: WorldMaker, s3_emulator: str, tmp_path: Path, glue: Any, format_: str) -> None:
    w = glue_shop(world, s3_emulator, tmp_path, [{"table": "orders", "format": format_, "partition_by": ["day(updated_at)"]}])
    order(w, "shop_00", 1, 1, city="Rome")
    w.must_sync()
    order(w, "shop_00", 1, city="Oslo")
    w.must_sync()
    order(w, "shop_01", 2, city="Rome")
    w.must_sync()
    job = w.job()
    assert compact(job.supply, job.view.lake.layouts[0], closed=timedelta(0)).after == 1
    assert sweep(job.supply, grace=timedelta(0)).replaced > 1
    assert w.query("SELECT id, city FROM orders ORDER BY id") == [(1, "Oslo"), (2, "Rome")]
    assert glue.get_table(DatabaseName=database(w), Name="orders")["Table"]["Parameters"]["table_type"] == format_.upper()


def test_a_replaced_table_has_the_partitions_of_its_last_load_alone(world: WorldMaker, s3_emulator: str, tmp_path: Path, glue: Any) -> None:
    layout = {"table": "orders", "write": "replace", "partition_by": ["status"]}
    w = glue_shop(
        world, s3_emulator, tmp_path, [layout], columns={"id": "bigint", "status": "text"}, source={"cursor": None},
        warehouse={"write": "replace", "key": ["_shard", "id"]},
    )  # fmt: skip
    order(w, "shop_00", 1, 1, status="kept")
    order(w, "shop_01", 2, 1, status="gone")
    w.must_sync()
    w.on("shop_01", "UPDATE orders SET status = 'new'")
    w.must_sync()
    found = glue.get_partitions(DatabaseName=database(w), TableName="orders")["Partitions"]
    root = f"s3://lake-bucket/{tmp_path.name}/{database(w)}/orders/v00000002"
    assert {p["Values"][0]: p["StorageDescriptor"]["Location"] for p in found} == {s: f"{root}/status={s}" for s in ("kept", "new")}
    assert glue.get_table(DatabaseName=database(w), Name="orders")["Table"]["StorageDescriptor"]["Location"] == root
    assert w.query("SELECT id, status FROM orders ORDER BY id") == [(1, "kept"), (2, "new")]
