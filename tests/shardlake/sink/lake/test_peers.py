"""A layout of current rows is a peer of the warehouse: it waits for no merge, and remembers by itself what is gone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import psycopg
import pytest

from embedded.postgres import Postgres
from shardlake.ledger.migrate import migrate
from shardlake.sink.lake import current
from tests.shardlake.sink.lake.test_append import COLUMNS, order, shop
from tests.world import World, WorldMaker

LAYOUTS: dict[str, dict[str, Any]] = {
    "delta": {"table": "orders", "format": "delta"},
    "iceberg": {"table": "orders", "format": "iceberg"},
    "rewrite": {"table": "orders", "write": "replace", "partition_by": ["city"]},
}
PRESENT = Path(__file__).parents[2] / "ledger" / "present_ledger.sql"


def with_deletes(world: WorldMaker, kind: str) -> World:
    columns = {**COLUMNS, "deleted_at": "timestamp"}
    w = shop(
        world, ["shop_00", "shop_01"], [LAYOUTS[kind]], columns=columns, deletes={"column": "deleted_at"}, source={"lookback": "36500d"}
    )
    w.on_all("ALTER TABLE orders ADD COLUMN deleted_at datetime(6)")
    for n in (1, 2):
        order(w, "shop_00", n, 3, city="Rome")
    w.must_sync()
    return w


def tombstones(w: World) -> list[tuple[Any, ...]]:
    return w.warehouse("SELECT sink, unit_key, version, shard FROM shardlake.tombstones ORDER BY 1, 2")


@pytest.mark.parametrize("kind", list(LAYOUTS))
def test_a_warehouse_that_refuses_its_merge_keeps_no_layout_waiting(world: WorldMaker, kind: str) -> None:
    w = with_deletes(world, kind)
    w.warehouse("ALTER TABLE analytics.orders ADD CHECK (status <> 'no')")
    order(w, "shop_00", 1, 6, city="Rome", status="no")
    w.on("shop_00", "UPDATE orders SET deleted_at = '2026-01-05', updated_at = '2026-01-05' WHERE id = 2")
    assert not w.sync().ok
    assert w.query("SELECT id, status FROM orders") == [(1, "no")]
    assert w.target("id, status", "id") == [(1, "new"), (2, "new")]
    assert [row[0] for row in tombstones(w)] == ["lake.orders"]
    order(w, "shop_01", 2, 4, city="Oslo")  # older than the delete, on a shard that the warehouse does merge
    assert not w.sync().ok
    assert w.query("SELECT id FROM orders") == [(1,)]
    w.warehouse("ALTER TABLE analytics.orders DROP CONSTRAINT orders_status_check")
    w.must_sync()
    assert w.query("SELECT id, status FROM orders") == w.target("id, status", "id") == [(1, "no")]
    assert {row[0]: row[1:] for row in tombstones(w)}["lake.orders"] == {row[0]: row[1:] for row in tombstones(w)}["warehouse"]


@pytest.mark.parametrize("kind", list(LAYOUTS))
def test_a_row_that_is_back_has_no_tombstone(world: WorldMaker, kind: str) -> None:
    w = with_deletes(world, kind)
    w.on("shop_00", "UPDATE orders SET deleted_at = '2026-01-05', updated_at = '2026-01-05' WHERE id = 2")
    w.must_sync()
    assert [row[:2] for row in tombstones(w)] == [("lake.orders", [2]), ("warehouse", [2])]
    order(w, "shop_00", 2, 6, city="Oslo", status="back")
    w.must_sync()
    assert w.query("SELECT id, status FROM orders ORDER BY id") == [(1, "new"), (2, "back")]
    assert tombstones(w) == []


def test_a_ledger_of_before_gives_its_tombstones_to_the_layouts_of_current_rows(postgres: Postgres) -> None:
    postgres.execute("CREATE DATABASE peers")
    with psycopg.connect(postgres.url(database="peers"), autocommit=True) as connection:
        connection.execute(PRESENT.read_text("utf-8"))
        connection.execute("SELECT set_config('search_path', 'public', false)")
        formats = connection.execute(
            "SELECT DISTINCT view, layout, definition -> 'columns' @> '[[\"_window\", \"bigint\"]]'"
            " FROM shardlake.lake_tables WHERE layout <> '' AND definition ->> 'format' <> 'view' ORDER BY 1, 2"
        ).fetchall()
        for view in {view for view, *_ in formats}:
            connection.execute("INSERT INTO shardlake.tombstones VALUES (%s, '[7]', 1.5, 'shop_00')", (view,))
        before = connection.execute("SELECT view, unit_key, version, shard FROM shardlake.tombstones ORDER BY 1, 2").fetchall()
        migrate(connection)
        found = connection.execute("SELECT view, sink, unit_key, version, shard FROM shardlake.tombstones ORDER BY 1, 2, 3").fetchall()
    sinks = {(view, "warehouse") for view, *_ in before} | {
        (view, f"lake.{layout}") for view, layout, is_history in formats if not is_history
    }
    assert {is_history for *_, is_history in formats} == {True, False}
    assert sorted(found, key=str) == sorted(((of, sink, *rest) for view, *rest in before for of, sink in sinks if of == view), key=str)


@pytest.mark.parametrize("kind", list(LAYOUTS))
def test_a_run_that_has_lost_its_hold_of_a_layout_does_not_touch_the_table(
    world: WorldMaker, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    w = with_deletes(world, kind)
    order(w, "shop_00", 1, 6, city="Rome", status="newer")
    decide = current.decide

    def cut_off(*given: Any) -> Any:
        w.warehouse("SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory' AND pid <> pg_backend_pid()")
        return decide(*given)

    with monkeypatch.context() as fault:
        fault.setattr(current, "decide", cut_off)
        fault.setattr(current.tombstones, "remember", lambda *_: None)
        report = w.sync()
    assert report.lake["orders"].error is not None
    assert w.query("SELECT id, status FROM orders ORDER BY id") == [(1, "new"), (2, "new")]
    w.must_sync()
    assert w.query("SELECT id, status FROM orders ORDER BY id") == w.target("id, status", "id") == [(1, "newer"), (2, "new")]
