"""What is kept and what goes: retention of raw, compaction, replaced tables; and what a view may not ask for."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pyarrow.parquet as pq
import pytest
from pydantic import ValidationError

from shardlake.errors import LakeUnavailable
from shardlake.ledger import lake as ledger
from shardlake.ledger.lake import LakeFile
from shardlake.sink.lake import iceberg_maintenance as iceberg_keep
from shardlake.sink.lake.compact import compact
from shardlake.sink.lake.iceberg import catalog
from shardlake.sink.lake.overview import overview
from shardlake.sink.lake.sweep import Swept, sweep
from shardlake.view.view import View
from tests.shardlake.sink.lake.test_append import BY_CITY, BY_DAY, COLUMNS, files, order, shop
from tests.world import World, WorldMaker, orders_view

NOW = timedelta(0)


def compacted(w: World, table: str) -> tuple[int, int, int]:
    job = w.job()
    found = compact(job.supply, job.view.lake.layout(table), closed=NOW)
    return found.partitions, found.before, found.after


def test_small_files_of_a_partition_become_one_in_a_step_and_the_old_ones_go_later(world: WorldMaker) -> None:
    w = shop(world, None, [BY_CITY])
    for n in range(4):
        order(w, "shop_00", n, city="Rome")
        w.must_sync()
    order(w, "shop_00", 9, city="Oslo")
    w.must_sync()
    before = w.query("SELECT id, city, status FROM orders_by_city ORDER BY id")
    assert compacted(w, "orders_by_city") == (1, 4, 1)
    assert w.query("SELECT id, city, status FROM orders_by_city ORDER BY id") == before
    assert len(files(w, "orders_by_city")) == 6  # a reader that is at the old ones still finds them
    assert sweep(w.job(), grace=NOW).replaced == 4
    (rome,) = [f for f in files(w, "orders_by_city") if "city=Rome" in str(f)]
    assert pq.read_table(rome).column("id").to_pylist() == [0, 1, 2, 3]
    assert w.query("SELECT id, city, status FROM orders_by_city ORDER BY id") == before
    order(w, "shop_00", 5, city="Rome")  # what comes later lies where the partition is now
    w.must_sync()
    assert {f.parent for f in files(w, "orders_by_city") if "city=Rome" in str(f)} == {rome.parent}
    assert len(w.query("SELECT id FROM orders_by_city")) == 6
    assert overview(w.job())[0].files == 3
    assert compacted(w, "orders_by_city") == (1, 2, 1)


def test_files_that_lack_a_column_or_their_key_are_compacted_too(world: WorldMaker) -> None:
    by_id = {"table": "by_id", "partition_by": ["id"]}
    w = shop(world, None, [BY_CITY, by_id])
    for n in range(2):
        order(w, "shop_00", 1, city="Rome", status=f"s{n}", email="a@b")
        w.must_sync()
    w.view["columns"] = {**COLUMNS, "email": {"type": "text", "from": "payload.email"}}
    order(w, "shop_00", 2, city="Oslo", email="c@d")
    w.must_sync()
    before = w.query("SELECT id, city, status, email FROM orders_by_city ORDER BY id, status")
    assert (compacted(w, "orders_by_city"), compacted(w, "by_id")) == ((1, 2, 1), (1, 2, 1))
    for table in ("orders_by_city", "by_id"):
        assert w.query(f"SELECT id, city, status, email FROM {table} ORDER BY id, status") == before


def test_a_compaction_that_was_broken_off_is_cleared_away_by_the_next_run(world: WorldMaker) -> None:
    columns = {k: v for k, v in COLUMNS.items() if k != "updated_at"}  # the cursor is no column: `_cursor` holds it
    w = shop(world, None, [BY_CITY], columns=columns)
    order(w, "shop_00", 1, 1, city="Rome")
    w.must_sync()
    job = w.job()
    with job.ledger.connection() as connection:
        commit = ledger.open_commit(connection, uuid4(), "orders", "orders_by_city", [])
        key = "analytics/orders_by_city/city=Rome/c00000099/c00000099-000.parquet"
        ledger.record_files(connection, "orders", "orders_by_city", commit.commit_id, [LakeFile(key, ["Rome"], 1, 1)])
    (w.folder / "lake" / key).parent.mkdir(parents=True)
    (w.folder / "lake" / key).write_text("half of it")
    w.must_sync()
    assert not (w.folder / "lake" / key).exists()
    assert w.query("SELECT id, city FROM orders_by_city_latest") == [(1, "Rome")]
    order(w, "shop_00", 2, city="Rome")
    w.must_sync()
    assert w.query("SELECT id FROM orders_by_city_latest ORDER BY id") == [(1,), (2,)]


def test_a_partition_that_was_just_written_is_left_for_later(world: WorldMaker) -> None:
    w = shop(world, None, [BY_CITY])
    for n in range(2):
        order(w, "shop_00", n, city="Rome")
        w.must_sync()
    job = w.job()
    assert compact(job.supply, job.view.lake.layout("orders_by_city")).partitions == 0


def test_delta_is_compacted_by_its_own_means(world: WorldMaker) -> None:
    w = shop(world, None, [{"table": "orders", "format": "delta"}])
    for n in range(4):
        order(w, "shop_00", n)
        w.must_sync()
    assert compacted(w, "orders") == (1, 4, 1)
    assert w.query("SELECT id FROM orders ORDER BY id") == [(0,), (1,), (2,), (3,)]


@pytest.mark.parametrize("partition_by", [[], ["city"], ["bucket(2, id)"], ["day(updated_at)"]], ids=str)
def test_small_files_of_iceberg_become_one_a_partition_in_one_commit(world: WorldMaker, partition_by: list[str]) -> None:
    w = shop(world, None, [{"table": "orders", "format": "iceberg", "partition_by": partition_by}])
    for n in range(6):
        order(w, "shop_00", n, 1 + n % 2, city=["Rome", None][n % 2], items=[{"n": n}])
        if n == 3:
            w.view["columns"] = {**COLUMNS, "n": {"type": "integer", "from": "payload.items[0].n"}}
        w.must_sync(full=True)
    before = w.query("SELECT * EXCLUDE (n), n FROM orders ORDER BY id")
    files_before, snapshots = overview(w.job())[0].files, snapshots_of(w)
    partitions, old, new = compacted(w, "orders")
    assert (partitions, new) == ((1, 1) if not partition_by else (2, 2))
    assert overview(w.job())[0].files == files_before - old + new == new
    assert snapshots_of(w) == snapshots + 1
    assert w.query("SELECT * EXCLUDE (n), n FROM orders ORDER BY id") == before
    assert compacted(w, "orders") == (0, 0, 0)
    order(w, "shop_00", 0, city="Oslo")
    w.must_sync()
    assert w.query("SELECT id, city FROM orders ORDER BY id") == w.target("id, city")


def test_a_partition_of_iceberg_that_was_just_written_is_left_for_later(world: WorldMaker) -> None:
    w = shop(world, None, [{"table": "orders", "format": "iceberg"}])
    for n in range(2):
        order(w, "shop_00", n)
        w.must_sync()
    job = w.job()
    assert compact(job.supply, job.view.lake.layout("orders")).partitions == 0


def test_a_compaction_of_iceberg_that_another_writer_overtakes_changes_nothing(world: WorldMaker, monkeypatch: pytest.MonkeyPatch) -> None:
    w = shop(world, None, [{"table": "orders", "format": "iceberg"}])
    for n in range(3):
        order(w, "shop_00", n)
        w.must_sync()
    rewritten = iceberg_keep._rewritten

    def overtaken(table: Any, *rest: Any) -> Any:
        yield from rewritten(table, *rest)
        table.catalog.load_table(table.name()).delete("id = 1")  # another writer, between the reading and the commit

    monkeypatch.setattr(iceberg_keep, "_rewritten", overtaken)
    with pytest.raises(LakeUnavailable, match=r"the Iceberg table analytics.orders cannot be read or written \(ValidationException\)"):
        compacted(w, "orders")
    assert w.query("SELECT id FROM orders ORDER BY id") == [(0,), (2,)]


def snapshots_of(w: World) -> int:
    lake, warehouse = w.connect("athena-lake/main"), w.connect("postgres-warehouse/main")
    return len(catalog(lake, warehouse).load_table(("analytics", "orders")).metadata.snapshots)  # type: ignore[arg-type]


@pytest.mark.parametrize("format_", ["iceberg", "delta"])
def test_old_versions_of_an_open_format_go_after_the_grace_with_the_files_that_only_they_knew(world: WorldMaker, format_: str) -> None:
    w = shop(world, None, [{"table": "orders", "format": format_, "partition_by": ["city"]}])
    for n in range(4):
        order(w, "shop_00", n % 2, city="Rome", status=f"s{n}")
        w.must_sync()
    compacted(w, "orders")
    root = w.folder / "lake" / "analytics" / "orders"
    stray = root / ("data" if format_ == "iceberg" else "city=Rome") / "left-by-a-crash.parquet"
    stray.write_text("half of it")
    foreign = root / "README.md"
    foreign.write_text("not ours")
    lying = len(list(root.rglob("*.parquet")))
    assert lying > 4
    assert sweep(w.job()) == Swept()  # younger than a day
    assert sweep(w.job(), orphans=False, grace=NOW) == Swept()  # as runs call it
    assert sweep(w.job(), grace=NOW).replaced >= lying - 1
    assert len(files(w, "orders")) == len(list(root.rglob("*.parquet"))) == overview(w.job())[0].files == 1
    assert w.query("SELECT id, status FROM orders ORDER BY id") == [(0, "s2"), (1, "s3")]
    if format_ == "iceberg":
        assert snapshots_of(w) == 1
        assert foreign.exists()  # Delta's own vacuum takes whatever its log does not know
    order(w, "shop_00", 9, city="Oslo")
    w.must_sync()
    assert w.query("SELECT id FROM orders ORDER BY id") == [(0,), (1,), (9,)]


def test_raw_is_a_table_and_goes_after_its_retention_when_every_layout_has_it(world: WorldMaker) -> None:
    w = shop(world, None, [BY_DAY], lake={"layouts": [BY_DAY], "raw": {"retention": "1h"}})
    order(w, "shop_00", 1, 1, city="Rome")
    w.must_sync()
    assert w.query("SELECT id, shard, payload FROM raw.orders") == [(1, "shop_00", '{"city": "Rome"}')]
    assert sweep(w.job()).raw == 0
    w.warehouse("UPDATE shardlake.windows SET read_at = read_at - interval '2 hours'")
    w.view["lake"] = {**w.view["lake"], "layouts": [BY_DAY, BY_CITY]}  # one that does not hold it yet
    assert sweep(w.job()).raw == 0
    w.must_sync()
    assert sweep(w.job()).raw + sum(1 for _ in (w.folder / "lake" / "raw").rglob("*.parquet")) == 1
    assert list((w.folder / "lake" / "raw").rglob("*.parquet")) == []
    assert w.query("SELECT count(*) FROM raw.orders") == [(0,)]
    assert w.query("SELECT id FROM orders_by_city_latest") == [(1,)]
    w.must_sync()


def test_a_layout_that_is_added_later_is_filled_from_raw(world: WorldMaker) -> None:
    w = shop(world, ["shop_00", "shop_01"], [BY_DAY])
    order(w, "shop_00", 1, 1, city="Rome")
    w.must_sync()
    w.on_all("RENAME TABLE orders TO away")  # the source cannot be asked
    w.view["lake"] = {"layouts": [BY_DAY, BY_CITY, {"table": "now", "format": "iceberg"}]}
    w.sync()
    assert w.query("SELECT id, city FROM orders_by_city") == [(1, "Rome")] == w.query("SELECT id, city FROM now")


def test_a_replaced_table_is_switched_as_a_whole(world: WorldMaker) -> None:
    columns = {"id": "bigint", "status": "text"}
    layout = {"table": "orders", "write": "replace", "partition_by": ["status"]}
    w = shop(
        world, ["shop_00", "shop_01"], None, columns=columns, source={"cursor": None},
        warehouse={"write": "replace", "key": ["_shard", "id"]}, lake={"layouts": [layout]},
    )  # fmt: skip
    order(w, "shop_00", 1, 1, status="old")
    order(w, "shop_01", 2, 1, status="old")
    w.must_sync()
    w.on("shop_00", "UPDATE orders SET status = 'new'")
    w.on("shop_01", "RENAME TABLE orders TO away")
    assert not w.sync().ok
    assert w.query("SELECT id, status FROM orders ORDER BY id") == [(1, "old"), (2, "old")]  # the whole table or nothing
    w.on("shop_01", "RENAME TABLE away TO orders")
    w.must_sync()
    assert w.query("SELECT id, status FROM orders ORDER BY id") == [(1, "new"), (2, "old")] == w.target("id, status")
    assert sweep(w.job(), grace=NOW).replaced == 1
    assert {f.parent.parent.name for f in files(w, "orders")} == {"v00000002"}


def test_a_value_that_cannot_name_a_partition_is_a_reject_of_that_layout(world: WorldMaker) -> None:
    w = shop(world, None, [BY_DAY, BY_CITY])
    for n, city in enumerate(["", "x" * 300, "__HIVE_DEFAULT_PARTITION__", "Rome"]):
        order(w, "shop_00", n, 1, city=city)
    report = w.must_sync()
    assert (report.lake["orders"].rejected, report.lake["orders_by_city"].rejected) == (0, 3)
    assert w.lake_rejects() == [
        ("orders_by_city", {"id": "0"}, "city", "", "is '', which a partition cannot be: readers take it for NULL; partition by bucket(…) instead"),
        ("orders_by_city", {"id": "1"}, "city", "x" * 300, "is longer than the 200 bytes of a partition's name; partition by bucket(…) instead"),
        ("orders_by_city", {"id": "2"}, "city", "__HIVE_DEFAULT_PARTITION__", "is __HIVE_DEFAULT_PARTITION__, which stands for NULL in a partition"),
    ]  # fmt: skip


def test_a_thousand_partitions_in_one_window(world: WorldMaker) -> None:
    w = shop(world, None, [BY_CITY])
    w.on(
        "shop_00",
        "INSERT INTO orders SELECT seq, 'new', 1.5, '2026-01-02', concat('{\"city\": \"c', seq % 1000, '\"}') FROM seq_1_to_3000",
    )
    w.must_sync()
    assert len(files(w, "orders_by_city")) == 1000
    assert w.query("SELECT count(*), count(DISTINCT city) FROM orders_by_city") == [(3000, 1000)]


def test_columns_that_are_added_are_null_in_old_files_and_other_changes_are_refused(world: WorldMaker) -> None:
    w = shop(world, None, [BY_DAY])
    order(w, "shop_00", 1, 1, email="a@b")
    w.must_sync()
    w.view["columns"] = {**COLUMNS, "email": {"type": "text", "from": "payload.email"}}
    order(w, "shop_00", 2, email="c@d")
    w.must_sync()
    assert w.query("SELECT id, email FROM orders ORDER BY id") == [(1, None), (2, "c@d")]
    w.view["lake"] = {"layouts": [{**BY_DAY, "partition_by": ["month(updated_at)"]}]}
    order(w, "shop_00", 3)
    assert w.sync().headline() == (
        "1/1 shards merged; lake table orders: the lake table analytics.orders is partitioned by day(updated_at), the view says month(updated_at)."
        " Give the layout another table name: it is filled from raw; the old one stays until you remove it."
    )
    w.view["lake"] = {"layouts": [BY_DAY]}
    w.must_sync()
    assert w.query("SELECT count(*) FROM orders") == [(3,)]


def bad(layouts: list[dict[str, Any]], **view: Any) -> str:
    with pytest.raises(ValidationError) as refused:
        View.model_validate(orders_view(**{"columns": COLUMNS, "lake": {"layouts": layouts}, **view}))
    return str(refused.value.errors()[0]["msg"]).removeprefix("Value error, ")


@pytest.mark.parametrize(
    ("layout", "message"),
    [
        ({"table": "../x"}, "'../x' is not a lake table or database; use a-z, 0-9 and _, from a letter, 63 characters at most"),
        ({"table": "Orders"}, "'Orders' is not a lake table or database; use a-z, 0-9 and _, from a letter, 63 characters at most"),
        ({"table": "t", "partition_by": ["day(nothing)"]}, "lake: partition_by day(nothing): 'nothing' is not one of the columns; there are: id, status, amount, updated_at, city, items, _shard"),
        ({"table": "t", "partition_by": ["updated_at"]}, "lake: partition_by updated_at: updated_at is timestamp; use day(updated_at)"),
        ({"table": "t", "partition_by": ["day(city)"]}, "lake: partition_by day(city): city is text; use one of date, timestamp, timestamptz"),
        ({"table": "t", "partition_by": ["week(updated_at)"]}, "'week(updated_at)' is no partitioning; write a column, year(column), month(column), day(column), hour(column) or bucket(16, column)"),
        ({"table": "t", "partition_by": ["bucket(0, id)"]}, "'bucket(0, id)': a bucket transform has 1 to 10000 buckets"),
        ({"table": "t", "partition_by": ["city", "city"]}, "lake: t is partitioned by two columns named 'city'; take one of them away"),
        ({"table": "t", "write": "merge"}, "lake: t: plain Parquet cannot merge; use `format: iceberg` or `format: delta`, or `write: append`"),
        ({"table": "t", "format": "delta", "write": "append"}, "lake: t: `append` is for Parquet; delta holds the current rows, `write: merge`"),
        ({"table": "t", "write": "replace"}, "lake: t: `write: replace` of a view that merges writes whole partitions anew; it needs `partition_by`, and no `projection`, since a projected partition cannot move"),
        ({"table": "t", "write": "replace", "partition_by": ["city"], "projection": True}, "lake: t: `write: replace` of a view that merges writes whole partitions anew; it needs `partition_by`, and no `projection`, since a projected partition cannot move"),
        ({"table": "t", "projection": True}, "lake: t: `projection` is for partitioned Parquet"),
    ],
)  # fmt: skip
def test_a_layout_that_cannot_be_is_refused_with_what_to_write(layout: dict[str, Any], message: str) -> None:
    assert bad([layout]) == message


def test_a_layout_goes_with_how_the_warehouse_is_written() -> None:
    append = {"warehouse": {"write": "append"}, "source": {"cursor": "id", "lookback": "0"}}
    assert bad([{"table": "t", "write": "replace", "partition_by": ["city"]}], **append) == (
        "lake: t: a view with `warehouse.write: append` cannot have `replace` layouts; give another `write`"
    )
    replace = {"warehouse": {"write": "replace"}, "source": {"cursor": None}}
    assert bad([{"table": "t"}], **replace) == (
        "lake: t: a view with `warehouse.write: replace` cannot have `append` layouts; give `write: replace`"
    )


def test_names_that_athena_cannot_tell_apart_are_refused() -> None:
    columns = {**COLUMNS, "order total": "text", "order-total": "text"}
    assert bad([BY_DAY], columns=columns) == "columns: 'order total' and 'order-total' are both 'order_total' to Athena; rename one"
    assert bad([BY_DAY, {"table": "orders_latest"}]) == "lake: two layouts would be named 'orders_latest'; rename one"
    assert (
        bad([BY_DAY], columns={**COLUMNS, "dt": "text"})
        == "lake: orders: the partition day(updated_at) is named 'dt', as a column is; rename the column"
    )


def test_a_query_reads_the_files_of_its_partition_alone(world: WorldMaker, tmp_path: Path) -> None:
    w = shop(world, None, [BY_DAY])
    for n in range(28):
        order(w, "shop_00", n, n + 1)
    w.must_sync()
    done = w.command("query", "select id from orders where dt = date '2026-01-03'", "--json")
    assert done.returncode == 0, done.stderr
    scanned = json.loads(done.stdout)["scanned"]
    assert (scanned["files"], scanned["of_files"]) == (2, 28)  # the day's, and the footer of the first, which says the columns
    everything = json.loads(w.command("query", "select * from orders", "--json").stdout)["scanned"]
    assert scanned["bytes"] < everything["bytes"] / 8
    assert w.command("query", "select id from orders_latest where id < 2 order by id", "--csv").stdout == '"id"\n0\n1\n'
    assert w.command("query", "select 1 as one", "--parquet", str(tmp_path / "one.parquet")).returncode == 0
    assert pq.read_table(tmp_path / "one.parquet").to_pylist() == [{"one": 1}]
    refused = w.command("query", "drop table orders")
    assert (refused.returncode, "takes one SELECT" in refused.stderr) == (1, True)
    assert "`shardlake lake` lists the tables" in w.command("query", "select * from nothing").stderr
    shown = w.command("lake", "orders")
    assert "analytics.orders" in shown.stdout
    assert w.command("compact", "orders", "--json").returncode == 0
    assert w.command("sweep", "orders").stdout == "orders: removed 0 raw files, 0 replaced files, 0 orphans\n"
