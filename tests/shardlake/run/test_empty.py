"""A table without rows: its target is there after the first run, empty, and so is every table of the lake."""

from __future__ import annotations

from typing import Any

import pytest

from tests.lake import EVERY_FORMAT
from tests.world import ORDERS_TABLE, World, WorldMaker, orders_view

LAKE: dict[str, Any] = {
    "connection": "athena-lake/main",
    "layouts": [
        *EVERY_FORMAT,
        {"table": "by_day", "partition_by": ["day(updated_at)"]},
        {"table": "now", "write": "replace", "partition_by": ["status"]},
    ],
}
COLUMNS = {"id": "bigint", "status": "text", "updated_at": "timestamp"}


def shop(world: WorldMaker, kind: str, **view: Any) -> World:
    view["source"] = {"connection": f"{kind}-shards/shop", **view.get("source", {})}
    w = world(["shop_00", "shop_01"], source=kind, view=orders_view(**{"columns": COLUMNS, **view}))
    table = ORDERS_TABLE if kind == "mysql" else "CREATE TABLE orders (id bigint PRIMARY KEY, status text, updated_at timestamp NOT NULL)"
    w.on_all(table)
    return w


@pytest.mark.parametrize("source", ["mysql", "postgres"])
def test_a_target_is_there_after_the_first_run_of_an_empty_table(world: WorldMaker, source: str) -> None:
    w = shop(world, source, lake=LAKE)
    report = w.must_sync()
    assert [(s.state, s.windows, s.read) for s in report.shards.values()] == [("nothing", 0, 0)] * 2
    assert w.target() == []
    assert w.warehouse("SELECT attname, format_type(atttypid, NULL) FROM pg_attribute WHERE attrelid = 'analytics.orders'::regclass AND attnum > 0") == [
        ("id", "bigint"), ("status", "text"), ("updated_at", "timestamp without time zone"), ("_shard", "text"),
    ]  # fmt: skip
    assert set(w.watermarks()) == {"shop_00", "shop_01"}
    for layout in LAKE["layouts"]:
        assert w.query(f"SELECT id, status, updated_at FROM {layout['table']}") == [], layout
    windows = w.windows("window_id")
    w.must_sync()
    assert w.windows("window_id") == windows  # once is enough
    w.on("shop_01", "INSERT INTO orders (id, status, updated_at) VALUES (1, 'new', '2026-01-01')")
    w.view["source"]["lookback"] = "36500d"
    w.must_sync()
    assert w.target("id, status") == [(1, "new")]
    for layout in LAKE["layouts"]:
        assert w.query(f"SELECT id, status FROM {layout['table']}") == [(1, "new")], layout


@pytest.mark.parametrize(
    "view",
    [{"source": {"cursor": None}, "warehouse": {"write": "replace", "key": ["_shard", "id"]}}, {"source": {"cursor": "id"}}],
    ids=["replace", "integer cursor"],
)
def test_so_it_is_where_the_table_is_replaced_or_the_cursor_a_number(world: WorldMaker, view: dict[str, Any]) -> None:
    w = shop(world, "mysql", **view)
    w.must_sync()
    assert w.target() == []


def test_a_ledger_apart_knows_of_it_too(world: WorldMaker) -> None:
    w = world(["shop_00"], view=orders_view(columns=COLUMNS), ledger_apart=True)
    w.on_all(ORDERS_TABLE)
    w.must_sync()
    w.must_sync()
    assert w.target() == []
    assert w.ledger("SELECT count(*) FROM shardlake.sink_windows") == [(1,)]
