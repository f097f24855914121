"""Merging on real servers: which version stays, what is left untouched, what is rejected, and what the target becomes."""

from __future__ import annotations

import json
from typing import Any

import pytest

from shardlake.run.replay import replay
from shardlake.run.report import RunReport
from tests.audit import leftovers
from tests.breaking import broken_at
from tests.world import ORDERS_TABLE, World, WorldMaker, orders_view

ALWAYS = {"lookback": "36500d"}
"""A source whose every window reads every row again."""
ITEMS = {
    "id": "bigint", "n": {"type": "integer", "from": "$index"}, "sku": {"type": "text", "from": "$element.sku"}, "updated_at": "timestamp",
}  # fmt: skip


def shop(world: WorldMaker, shards: list[str] | None = None, *, table: str = ORDERS_TABLE, **view: Any) -> World:
    """Shards with an empty table of orders, all of which every run reads."""
    w = world(shards, view=orders_view(**{**view, "source": {**ALWAYS, **view.get("source", {})}}))
    w.on_all(table)
    return w


def order(w: World, shard: str, id: int, status: str, day: int, **payload: Any) -> None:
    """An order as of a day of January."""
    w.on(
        shard,
        "REPLACE INTO orders (id, status, updated_at, payload) VALUES (%s, %s, %s, %s)",
        id,
        status,
        f"2026-01-{day:02}",
        json.dumps(payload),
    )


def counted(report: RunReport, shard: str = "shop_00") -> dict[str, int]:
    """A shard's counts that are not 0."""
    found = report.shards[shard]
    return {k: n for k in ("read", "merged", "unchanged", "superseded", "rejected", "removed") if (n := getattr(found, k))}


# --- versions --------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("shards", [("shop_00", "shop_01"), ("shop_01", "shop_00")], ids=["older first", "newer first"])
def test_the_newest_version_of_a_key_wins_in_whatever_order_its_shards_come(world: WorldMaker, shards: tuple[str, str]) -> None:
    w = shop(world, ["shop_00", "shop_01"])
    order(w, "shop_00", 1, "older", 3)
    order(w, "shop_01", 1, "newer", 4)
    reports = [w.must_sync(shards=[shard]) for shard in shards]
    assert w.target("id, status, _shard") == [(1, "newer", "shop_01")]
    assert counted(reports[-1], shards[-1]) == {"read": 1, "merged" if shards[-1] == "shop_01" else "superseded": 1}
    order(w, "shop_00", 1, "newest", 5)
    w.must_sync(shards=["shop_00"])
    w.must_sync(shards=["shop_01"])
    assert w.target("id, status, _shard") == [(1, "newest", "shop_00")]


@pytest.mark.parametrize(
    "shards", [("shop_00", "shop_02", "shop_01"), ("shop_02", "shop_01", "shop_00"), ("shop_01", "shop_00", "shop_02")]
)
def test_of_equal_versions_the_shard_that_sorts_last_wins_in_whatever_order_they_come(world: WorldMaker, shards: tuple[str, ...]) -> None:
    w = shop(world, list(shards))
    for shard in shards:
        order(w, shard, 1, shard, 3)
    for shard in shards:
        w.must_sync(shards=[shard])
    place = w.target("ctid::text, xmin::text")
    w.must_sync()
    assert w.target("id, status, _shard") == [(1, "shop_02", "shop_02")]
    assert w.target("ctid::text, xmin::text") == place


def test_rows_that_are_read_again_unchanged_are_not_written_again(world: WorldMaker) -> None:
    w = shop(world)
    for id in range(1, 6):
        order(w, "shop_00", id, "new", id, customer={"name": "Ünal"}, items=[1.50])
    assert counted(w.must_sync()) == {"read": 5, "merged": 5}
    place = w.target("id, ctid::text, xmin::text")
    assert counted(w.must_sync()) == {"read": 5, "unchanged": 5}
    assert w.target("id, ctid::text, xmin::text") == place
    order(w, "shop_00", 3, "paid", 9)
    assert counted(w.must_sync()) == {"read": 5, "merged": 1, "unchanged": 4}
    assert [row for row in w.target("id, ctid::text, xmin::text") if row[0] != 3] == [row for row in place if row[0] != 3]


def test_a_row_that_changed_under_its_cursor_is_taken_when_it_is_read_again(world: WorldMaker) -> None:
    w = shop(world)
    order(w, "shop_00", 1, "new", 3)
    w.must_sync()
    order(w, "shop_00", 1, "changed by hand", 3)
    assert counted(w.must_sync()) == {"read": 1, "merged": 1}
    order(w, "shop_00", 1, "restored from an old backup", 2)
    assert counted(w.must_sync()) == {"read": 1, "superseded": 1}
    assert w.target("id, status, updated_at::text") == [(1, "changed by hand", "2026-01-03 00:00:00")]


CODES = "CREATE TABLE orders (id bigint PRIMARY KEY, code longtext, status varchar(40), updated_at datetime(6), KEY (updated_at))"
BY_CODE: dict[str, Any] = {"columns": {"code": "text", "status": "text", "updated_at": "timestamp"}, "warehouse": {"key": ["code"]}}


def test_of_several_rows_of_a_window_with_one_key_the_newest_is_kept(world: WorldMaker) -> None:
    w = shop(world, table=CODES, **BY_CODE)
    w.on(
        "shop_00",
        "INSERT INTO orders VALUES (1, 'a', 'old', '2026-01-02'), (2, 'a', 'newest', '2026-01-04'), (3, 'a', 'newer', '2026-01-03'), (4, 'b', 'b', '2026-01-02')",
    )
    assert counted(w.must_sync()) == {"read": 4, "merged": 2, "superseded": 2}
    assert w.target("code, status") == [("a", "newest"), ("b", "b")]
    assert counted(w.must_sync()) == {"read": 4, "unchanged": 2, "superseded": 2}
    w.on(
        "shop_00",
        "INSERT INTO orders VALUES (5, 'a', 'first of two', '2026-01-05'), (6, 'a', 'last of two', '2026-01-05'), (7, 'a', 'has no cursor', NULL)",
    )
    assert counted(w.must_sync()) == {"read": 7, "merged": 1, "unchanged": 1, "superseded": 5}
    assert w.target("code, status") == [("a", "last of two"), ("b", "b")]


# --- deletes ---------------------------------------------------------------------------------------------------------
DELETED = ORDERS_TABLE.replace("payload longtext", "payload longtext, deleted_at datetime(6)")


def delete(w: World, shard: str, id: int, day: int) -> None:
    w.on(shard, "UPDATE orders SET deleted_at = %s, updated_at = %s WHERE id = %s", f"2026-01-{day:02}", f"2026-01-{day:02}", id)


def test_a_deleted_row_is_kept_with_its_mark_where_the_view_says_keep(world: WorldMaker) -> None:
    columns = {"id": "bigint", "status": "text", "updated_at": "timestamp", "deleted_at": "timestamp"}
    w = shop(world, table=DELETED, columns=columns, deletes={"column": "deleted_at", "mode": "keep"})
    order(w, "shop_00", 1, "new", 2)
    w.must_sync()
    delete(w, "shop_00", 1, 3)
    assert counted(w.must_sync()) == {"read": 1, "merged": 1}
    assert w.target("id, status, deleted_at::text") == [(1, "new", "2026-01-03 00:00:00")]


def test_a_deleted_row_leaves_the_target_and_comes_back_when_it_is_undeleted(world: WorldMaker) -> None:
    w = shop(world, table=DELETED, deletes={"column": "deleted_at", "mode": "apply"})
    order(w, "shop_00", 1, "stays", 2)
    order(w, "shop_00", 2, "goes", 2)
    w.must_sync()
    place = w.target("ctid::text, xmin::text")[:1]
    delete(w, "shop_00", 2, 3)
    assert counted(w.must_sync()) == {"read": 2, "merged": 1, "unchanged": 1, "removed": 1}
    assert counted(w.must_sync()) == {"read": 2, "unchanged": 2}
    assert w.target("id, status") == [(1, "stays")]
    assert w.target("ctid::text, xmin::text") == place
    order(w, "shop_00", 2, "is back", 4)
    assert counted(w.must_sync()) == {"read": 2, "merged": 1, "unchanged": 1}
    assert w.target("id, status") == [(1, "stays"), (2, "is back")]
    delete(w, "shop_00", 2, 5)
    w.must_sync()
    assert w.target("id, status") == [(1, "stays")]


def test_a_row_that_was_deleted_before_it_was_ever_seen_does_not_arrive(world: WorldMaker) -> None:
    w = shop(world, table=DELETED, deletes={"column": "deleted_at", "mode": "apply"})
    order(w, "shop_00", 1, "short-lived", 2)
    delete(w, "shop_00", 1, 3)
    assert counted(w.must_sync()) == {"read": 1, "merged": 1}
    assert counted(w.must_sync()) == {"read": 1, "unchanged": 1}
    assert w.target() == []


@pytest.mark.parametrize("shards", [("shop_00", "shop_01"), ("shop_01", "shop_00")], ids=["row first", "delete first"])
def test_an_older_version_on_another_shard_does_not_bring_a_deleted_row_back(world: WorldMaker, shards: tuple[str, str]) -> None:
    w = shop(world, list(shards), table=DELETED, deletes={"column": "deleted_at", "mode": "apply"})
    order(w, "shop_00", 1, "before it moved", 2)
    order(w, "shop_01", 1, "after it moved", 3)
    delete(w, "shop_01", 1, 4)
    for shard in (*shards, *shards):
        w.must_sync(shards=[shard])
    assert w.target() == []
    order(w, "shop_00", 1, "moved back", 5)
    for shard in shards:
        w.must_sync(shards=[shard])
    assert w.target("id, status, _shard") == [(1, "moved back", "shop_00")]  # and the older delete does not take it


# --- explode ---------------------------------------------------------------------------------------------------------
def exploded(world: WorldMaker, shards: list[str] | None = None, **view: Any) -> World:
    return shop(world, shards, **{"columns": ITEMS, "explode": {"path": "payload.items"}, "warehouse": {"key": ["id", "n"]}, **view})


def items(w: World, shard: str, id: int, day: int, *skus: str) -> None:
    """An order of some items."""
    order(w, shard, id, "", day, items=[{"sku": sku} for sku in skus])


def test_an_order_that_comes_again_with_fewer_items_loses_the_others(world: WorldMaker) -> None:
    w = exploded(world)
    items(w, "shop_00", 1, 2, "ant", "bee", "cat")
    items(w, "shop_00", 2, 2, "dog")
    assert counted(w.must_sync()) == {"read": 2, "merged": 4}
    place = w.target("id, n, ctid::text", "1, 2")
    assert counted(w.must_sync()) == {"read": 2, "unchanged": 4}
    assert w.target("id, n, ctid::text", "1, 2") == place
    items(w, "shop_00", 1, 3, "ant", "cow")
    assert counted(w.must_sync()) == {"read": 2, "merged": 2, "unchanged": 1, "removed": 1}
    assert w.target("id, n, sku", "1, 2") == [(1, 0, "ant"), (1, 1, "cow"), (2, 0, "dog")]
    items(w, "shop_00", 1, 3, "ant")  # under its cursor
    assert counted(w.must_sync()) == {"read": 2, "unchanged": 2, "removed": 1}
    assert w.target("id, n, sku", "1, 2") == [(1, 0, "ant"), (2, 0, "dog")]


@pytest.mark.parametrize("nothing", ['{"items": []}', '{"items": null}', "{}", None])
def test_an_order_that_comes_again_without_items_has_no_rows_and_an_older_version_brings_none_back(
    world: WorldMaker, nothing: str | None
) -> None:
    w = exploded(world, ["shop_00", "shop_01"])
    items(w, "shop_00", 1, 2, "ant", "bee")
    w.must_sync()
    w.on("shop_00", "UPDATE orders SET payload = %s, updated_at = '2026-01-04'", nothing)
    assert counted(w.must_sync()) == {"read": 1, "removed": 2}
    assert counted(w.must_sync()) == {"read": 1}
    items(w, "shop_01", 1, 3, "older", "older", "older")
    assert counted(w.must_sync(), "shop_01") == {"read": 1, "superseded": 3}
    assert w.target() == []
    items(w, "shop_01", 1, 5, "newer")
    w.must_sync()
    w.must_sync()
    assert w.target("id, n, sku, _shard") == [(1, 0, "newer", "shop_01")]


@pytest.mark.parametrize("shards", [("shop_00", "shop_01"), ("shop_01", "shop_00")], ids=["older first", "newer first"])
def test_the_items_of_an_older_version_are_not_mixed_with_those_of_a_newer(world: WorldMaker, shards: tuple[str, str]) -> None:
    w = exploded(world, ["shop_00", "shop_01"])
    items(w, "shop_00", 1, 2, "ant", "bee", "cat")
    items(w, "shop_01", 1, 3, "cow")
    for shard in shards:
        w.must_sync(shards=[shard])
    assert w.target("id, n, sku, _shard") == [(1, 0, "cow", "shop_01")]


@pytest.mark.parametrize("shards", [("shop_00", "shop_01"), ("shop_01", "shop_00")])
def test_of_equal_versions_of_an_order_all_items_are_of_the_shard_that_sorts_last(world: WorldMaker, shards: tuple[str, str]) -> None:
    w = exploded(world, ["shop_00", "shop_01"])
    items(w, "shop_00", 1, 2, "ant", "bee", "cat")
    items(w, "shop_01", 1, 2, "cow")
    for shard in shards:
        w.must_sync(shards=[shard])
    assert w.target("id, n, sku, _shard") == [(1, 0, "cow", "shop_01")]


@pytest.mark.parametrize("newest", ["has no items", "is deleted"])
def test_merges_of_one_order_that_come_at_once_do_not_overlook_each_other(world: WorldMaker, newest: str) -> None:
    w = exploded(world, ["shop_00", "shop_01"], table=DELETED, deletes={"column": "deleted_at"})
    items(w, "shop_00", 9, 2, "cat")
    w.must_sync()
    w.warehouse("CREATE FUNCTION public.nap() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN PERFORM pg_sleep(0.2); RETURN NEW; END'")
    w.warehouse(
        "CREATE TRIGGER nap BEFORE INSERT ON analytics.orders FOR EACH ROW WHEN (NEW._shard = 'shop_00') EXECUTE FUNCTION public.nap()"
    )
    items(w, "shop_00", 1, 2, "ant", "bee")
    items(w, "shop_01", 1, 3)
    if newest == "is deleted":
        delete(w, "shop_01", 1, 4)
    w.must_sync()
    assert w.target("id, n, sku") == [(9, 0, "cat")]


def test_a_deleted_order_takes_its_items_with_it(world: WorldMaker) -> None:
    w = exploded(world, table=DELETED, deletes={"column": "deleted_at", "mode": "apply"})
    items(w, "shop_00", 1, 2, "ant", "bee")
    w.must_sync()
    delete(w, "shop_00", 1, 3)
    assert counted(w.must_sync()) == {"read": 1, "removed": 2}
    assert w.target() == []
    w.on("shop_00", "UPDATE orders SET deleted_at = NULL, updated_at = '2026-01-04'")
    w.must_sync()
    assert w.target("id, n, sku") == [(1, 0, "ant"), (1, 1, "bee")]


def test_an_item_that_is_rejected_leaves_the_others_in(world: WorldMaker) -> None:
    w = exploded(world, columns={**ITEMS, "price": {"type": "numeric(6,2)", "from": "$element.price"}})
    order(w, "shop_00", 1, "", 2, items=[{"sku": "ant", "price": 1.25}, {"sku": "bee", "price": "free"}, {"sku": "cat", "price": 99999}])
    assert counted(w.must_sync()) == {"read": 1, "merged": 1, "rejected": 2}
    assert w.target("id, n, sku, price::text") == [(1, 0, "ant", "1.25")]
    assert w.rejects() == [
        ("shop_00", {"id": "1", "n": "1"}, "price", "free", "is not numeric(6,2)"),
        ("shop_00", {"id": "1", "n": "2"}, "price", "99999", "is not numeric(6,2)"),
    ]


def test_an_array_of_a_replaced_table_is_exploded_too(world: WorldMaker) -> None:
    columns = {k: v for k, v in ITEMS.items() if k != "updated_at"}
    w = exploded(world, columns=columns, source={"cursor": None}, warehouse={"write": "replace", "key": ["id", "n"]})
    items(w, "shop_00", 1, 2, "ant", "bee")
    items(w, "shop_00", 2, 2)
    assert counted(w.must_sync()) == {"read": 2, "merged": 2}
    items(w, "shop_00", 1, 2, "cow")
    w.must_sync()
    assert w.target("id, n, sku") == [(1, 0, "cow")]


def test_a_key_may_be_named_as_the_engine_names_its_own_things(world: WorldMaker) -> None:
    names = ("version", "gone", "key", "m")
    columns = {**dict.fromkeys(names, "bigint"), "status": "text", "updated_at": "timestamp"}
    table = "CREATE TABLE orders (id bigint PRIMARY KEY, version int, gone int, `key` int, m int, status varchar(40), updated_at datetime(6), deleted_at datetime(6))"
    w = shop(world, table=table, columns=columns, deletes={"column": "deleted_at"}, warehouse={"key": list(names)})
    w.on("shop_00", "INSERT INTO orders VALUES (1, 1, 2, 3, 4, 'new', '2026-01-02', NULL), (2, 5, 6, 7, 8, 'goes', '2026-01-02', NULL)")
    w.must_sync()
    w.on("shop_00", "UPDATE orders SET deleted_at = '2026-01-03', updated_at = '2026-01-03' WHERE id = 2")
    w.must_sync()
    assert w.target("version, gone, key, m, status") == [(1, 2, 3, 4, "new")]


# --- rejects ---------------------------------------------------------------------------------------------------------
def test_a_null_in_the_key_is_rejected_and_the_others_go_in(world: WorldMaker) -> None:
    w = shop(world, table=CODES, **BY_CODE)
    w.on(
        "shop_00",
        "INSERT INTO orders VALUES (1, NULL, 'x', '2026-01-02'), (2, 'b', 'b', '2026-01-02'), (3, '', 'empty is a value', '2026-01-02')",
    )
    assert counted(w.must_sync()) == {"read": 3, "merged": 2, "rejected": 1}
    assert counted(w.must_sync()) == {"read": 3, "unchanged": 2, "rejected": 1}
    assert w.target("code, status") == [("", "empty is a value"), ("b", "b")]
    assert w.rejects() == [("shop_00", {"code": None}, "code", None, "is NULL in the key")] * 2


def test_a_value_that_is_too_long_for_an_index_is_rejected(world: WorldMaker) -> None:
    w = shop(world, table=CODES, **{**BY_CODE, "warehouse": {"key": ["code"], "indexes": [["status"]]}})
    w.on("shop_00", "INSERT INTO orders VALUES (1, repeat('é', 1001), 'long', '2026-01-02'), (2, repeat('é', 1000), 'just', '2026-01-02')")
    assert counted(w.must_sync()) == {"read": 2, "merged": 1, "rejected": 1}
    assert w.target("length(code), status") == [(1000, "just")]
    assert [(*row[2:3], row[3][:3], row[4]) for row in w.rejects()] == [
        ("code", "ééé", "is longer than the 2000 bytes that a value in a key or an index may have")
    ]


def test_a_row_that_is_mended_at_its_source_arrives_and_its_reject_stays_as_history(world: WorldMaker) -> None:
    w = shop(world, columns={"id": "bigint", "age": {"type": "smallint", "from": "payload.age"}, "updated_at": "timestamp"})
    order(w, "shop_00", 1, "", 2, age=40)
    order(w, "shop_00", 2, "", 2, age=70000)
    assert counted(w.must_sync()) == {"read": 2, "merged": 1, "rejected": 1}
    order(w, "shop_00", 2, "", 3, age=70)
    assert counted(w.must_sync()) == {"read": 2, "merged": 1, "unchanged": 1}
    assert w.target("id, age") == [(1, 40), (2, 70)]
    assert w.rejects() == [("shop_00", {"id": "2"}, "age", "70000", "is not smallint")]


def test_a_constraint_that_the_view_does_not_know_is_a_named_failure_and_nothing_moves(world: WorldMaker) -> None:
    w = shop(world)
    order(w, "shop_00", 1, "new", 2)
    w.must_sync()
    w.warehouse("ALTER TABLE analytics.orders ADD CHECK (status <> 'unheard of')")
    order(w, "shop_00", 2, "unheard of", 3)
    report = w.sync()
    assert not report.ok
    assert "orders_status_check" in report.headline()
    assert w.target("id") == [(1,)]
    w.warehouse("ALTER TABLE analytics.orders DROP CONSTRAINT orders_status_check")
    w.must_sync()
    assert w.target("id") == [(1,), (2,)]


# --- the source changes ----------------------------------------------------------------------------------------------
def test_a_column_that_the_source_gains_changes_nothing_until_the_view_takes_it(world: WorldMaker) -> None:
    w = shop(world)
    order(w, "shop_00", 1, "new", 2)
    w.must_sync()
    w.on("shop_00", "ALTER TABLE orders ADD COLUMN note varchar(40) DEFAULT 'from the source'")
    assert counted(w.must_sync()) == {"read": 1, "unchanged": 1}
    w.view["columns"]["note"] = "text"
    assert counted(w.must_sync()) == {"read": 1, "merged": 1}
    assert w.target("id, status, note") == [(1, "new", "from the source")]


def test_a_column_that_a_shard_drops_fails_that_shard_by_name_and_no_other(world: WorldMaker) -> None:
    w = shop(world, ["shop_00", "shop_01"])
    order(w, "shop_00", 1, "new", 2)
    order(w, "shop_01", 2, "new", 2)
    w.must_sync()
    w.on("shop_01", "ALTER TABLE orders DROP COLUMN amount")
    order(w, "shop_00", 1, "paid", 3)
    order(w, "shop_01", 2, "paid", 3)
    report = w.sync()
    assert [s.state for s in report.shards.values()] == ["merged", "failed"]
    assert "shop_01: orders: there is no column 'amount'; there are: id, status, updated_at, payload. Correct the view" in report.headline()
    assert w.target("id, status") == [(1, "paid"), (2, "new")]
    w.view["source"]["drift"] = "null"
    w.must_sync()
    assert w.target("id, status, amount") == [(1, "paid", None), (2, "paid", None)]


def three_shards_one_odd(world: WorldMaker, **view: Any) -> World:
    """Three shards of which the middle one has text where the others have numbers."""
    w = shop(world, ["shop_00", "shop_01", "shop_02"], **view)
    w.on("shop_01", "ALTER TABLE orders MODIFY amount varchar(20)")
    for id, shard in enumerate(w.shards):
        order(w, shard, id, "new", 2)
        w.on(shard, "UPDATE orders SET amount = 12")
    return w


def test_a_type_that_differs_by_shard_is_named_before_anything_moves_and_the_others_commit(world: WorldMaker) -> None:
    w = three_shards_one_odd(world)
    report = w.sync()
    assert [s.state for s in report.shards.values()] == ["merged", "failed", "merged"]
    assert "shop_01: orders.amount: is text here and decimal on the other shards" in report.headline()
    assert w.target("id, amount::text") == [(0, "12.00"), (2, "12.00")]
    assert w.warehouse("SELECT partition FROM shardlake.windows ORDER BY 1") == [("shop_00",), ("shop_02",)]
    assert not w.sync(shards=["shop_01"]).ok  # alone it is no more right than among the others
    w.on("shop_01", "ALTER TABLE orders MODIFY amount decimal(12,2)")
    w.must_sync()
    assert w.target("id, amount::text") == [(0, "12.00"), (1, "12.00"), (2, "12.00")]


def test_a_type_that_differs_by_shard_is_filled_with_null_where_the_view_says_so(world: WorldMaker) -> None:
    w = three_shards_one_odd(world, source={"drift": "null"})
    w.must_sync()
    assert w.target("id, status, amount::text") == [(0, "new", "12.00"), (1, "new", None), (2, "new", "12.00")]


@pytest.mark.parametrize("drift", ["stop", "null"])
def test_a_type_that_changes_on_all_shards_alike_is_the_new_type(world: WorldMaker, drift: str) -> None:
    w = shop(world, ["shop_00", "shop_01"], source={"drift": drift})
    order(w, "shop_00", 1, "new", 2)
    order(w, "shop_01", 2, "new", 2)
    w.must_sync()
    w.on_all("ALTER TABLE orders MODIFY amount varchar(20)")
    w.on_all("UPDATE orders SET amount = '7', updated_at = '2026-01-03'")
    w.must_sync()
    assert w.target("id, amount::text") == [(1, "7.00"), (2, "7.00")]
    w.on("shop_01", "ALTER TABLE orders MODIFY amount int")
    report = w.sync()
    assert report.ok is (drift == "null")
    assert drift == "null" or "shop_01: orders.amount: is int here and text on the other shards" in report.headline()


# --- the view changes ------------------------------------------------------------------------------------------------
def test_the_target_gains_columns_and_width_as_the_view_does_and_loses_none(world: WorldMaker) -> None:
    table = "CREATE TABLE orders (id bigint PRIMARY KEY, status varchar(40), amount bigint, payload text, updated_at datetime(6))"
    narrow = {"id": "integer", "status": "varchar(10)", "amount": "smallint", "updated_at": "timestamp"}
    w = shop(world, table=table, columns=narrow)
    w.on("shop_00", "INSERT INTO orders VALUES (1, 'new', 7, '{\"city\": \"Rome\"}', '2026-01-02')")
    w.must_sync()
    w.view["columns"] = {"id": "bigint", "status": "text", "city": {"type": "text", "from": "payload.city"}, "updated_at": "timestamp"}
    w.on("shop_00", "INSERT INTO orders VALUES (5000000000, 'longer than ten', 9, '{\"city\": \"Oslo\"}', '2026-01-03')")
    w.must_sync()
    assert w.target("id, status, city, amount") == [(1, "new", "Rome", 7), (5_000_000_000, "longer than ten", "Oslo", None)]
    types = w.warehouse(
        "SELECT attname, format_type(atttypid, atttypmod) FROM pg_attribute WHERE attrelid = 'analytics.orders'::regclass AND attnum > 0 ORDER BY attnum"
    )
    assert types == [
        ("id", "bigint"), ("status", "text"), ("amount", "smallint"), ("updated_at", "timestamp without time zone"), ("_shard", "text"), ("city", "text"),
    ]  # fmt: skip


def test_a_column_may_become_text_but_for_those_of_the_key(world: WorldMaker) -> None:
    w = shop(world, columns={"id": "bigint", "status": "text", "amount": "numeric", "updated_at": "timestamp"})
    insert = "INSERT INTO orders (id, status, amount, updated_at) VALUES (%s, 'new', %s, '2026-01-02')"
    w.on("shop_00", insert, 1, 1.5)
    w.must_sync()
    w.view["columns"]["amount"] = "text"
    w.on("shop_00", insert, 2, 2.5)
    w.must_sync()
    kept = w.target("id, amount")
    assert kept == [(1, "1.50"), (2, "2.50")]
    w.view["columns"]["id"] = "text"
    order(w, "shop_00", 3, "new", 4)
    assert '"analytics"."orders"."id" is bigint, and the view says text: a column is widened' in w.sync().headline()
    assert w.target("id, amount") == kept


def test_a_narrower_type_is_refused_with_the_statement_to_run_by_hand(world: WorldMaker) -> None:
    w = shop(world, columns={"id": "bigint", "status": "text", "updated_at": "timestamp"})
    order(w, "shop_00", 1, "new", 2)
    w.must_sync()
    w.view["columns"]["status"] = "varchar(10)"
    order(w, "shop_00", 2, "new", 2)
    report = w.sync()
    assert not report.ok
    statement = 'ALTER TABLE "analytics"."orders" ALTER COLUMN "status" TYPE varchar(10) USING "status"::varchar(10);'
    assert (
        f'"analytics"."orders"."status" is text, and the view says varchar(10): a column is widened, and no other type is changed by itself. Declare text, or run by hand: {statement}'
        in report.headline()
    )
    w.warehouse(statement)
    w.must_sync()
    assert w.target("id, status") == [(1, "new"), (2, "new")]


def test_a_key_that_the_rows_break_is_refused(world: WorldMaker) -> None:
    w = shop(world)
    order(w, "shop_00", 1, "new", 2)
    order(w, "shop_00", 2, "new", 2)
    w.must_sync()
    w.view["warehouse"]["key"] = ["status"]
    report = w.sync()
    assert "analytics.orders holds rows that are equal in the key (status)" in report.headline()
    assert w.target("id") == [(1,), (2,)]


# --- replay ----------------------------------------------------------------------------------------------------------
AGES: dict[str, Any] = {"id": "bigint", "age": {"type": "integer", "from": "payload.age"}, "updated_at": "timestamp"}


def test_a_replay_after_the_view_was_mended_takes_what_was_rejected_from_raw(world: WorldMaker) -> None:
    w = shop(world, ["shop_00", "shop_01"], columns=AGES, source={"lookback": "0s"})
    order(w, "shop_00", 1, "", 2, age="forty", years=40)
    order(w, "shop_01", 2, "", 2, age=50, years=51)
    first = w.sync()
    assert (counted(first), counted(first, "shop_01")) == ({"read": 1, "rejected": 1}, {"read": 1, "merged": 1})
    w.on("shop_01", "REPLACE INTO orders (id, updated_at, payload) VALUES (2, utc_timestamp(6), %s)", '{"years": 52}')
    w.view["columns"] = {**AGES, "age": {"type": "integer", "from": "payload.years"}, "town": {"type": "text", "from": "payload.town"}}
    w.must_sync()
    w.on_all("DROP TABLE orders")
    report = replay(w.job())
    assert report.ok, report.headline()
    assert w.target("id, age, town") == [(1, 40, None), (2, 52, None)]  # the newer stays
    assert w.rejects() == []
    assert (counted(report), counted(report, "shop_01")) == ({"read": 1, "merged": 1}, {"read": 2, "unchanged": 1, "superseded": 1})
    assert leftovers(w) == []


def test_a_replay_that_breaks_is_cleaned_up_by_the_next_and_moves_no_watermark(world: WorldMaker) -> None:
    w = shop(world, columns=AGES)
    order(w, "shop_00", 1, "", 2, age=40)
    w.must_sync()
    marks = w.warehouse("SELECT * FROM shardlake.positions")
    with broken_at("stage.copied"), pytest.raises(RuntimeError):
        replay(w.job())
    ((ledger,),) = w.warehouse("SELECT left(ledger_id::text, 8) FROM shardlake.identity")
    assert leftovers(w) == [f"shardlake_staging.w{ledger}_1"]
    assert replay(w.job()).ok
    assert w.warehouse("SELECT * FROM shardlake.positions") == marks
    w.must_sync()
    assert leftovers(w) == []


def test_a_replay_of_a_column_that_was_never_read_says_what_to_do(world: WorldMaker) -> None:
    w = shop(world, columns=AGES)
    order(w, "shop_00", 1, "new", 2, age=40)
    w.must_sync()
    w.view["columns"] = {**AGES, "status": "text"}
    report = replay(w.job())
    assert not report.ok
    assert "the raw files of window 1 do not hold the column 'status'. Run with --full" in report.headline()
    w.must_sync(full=True)
    assert w.target("id, age, status") == [(1, 40, "new")]
