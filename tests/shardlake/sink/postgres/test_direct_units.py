"""A first load of rows that may be deleted goes straight into its table, unless something of it is known to be gone."""

from __future__ import annotations

from typing import Any

import pytest

from shardlake.sink.postgres import sink
from shardlake.sink.postgres.stage import Staged
from tests.world import World, WorldMaker, orders_view

TABLE = "CREATE TABLE orders (id bigint PRIMARY KEY, status varchar(40), updated_at datetime(6) NOT NULL, deleted_at datetime(6), KEY (updated_at))"
COLUMNS = {"id": "bigint", "status": "text", "updated_at": "timestamp"}


@pytest.fixture
def staged(monkeypatch: pytest.MonkeyPatch) -> list[Staged]:
    """What was staged of each window, and what went direct."""
    found: list[Staged] = []
    honest = sink.stage

    def watching(*given: Any) -> Staged:
        found.append(honest(*given))
        return found[-1]

    monkeypatch.setattr(sink, "stage", watching)
    return found


def deleting(world: WorldMaker, key: list[str]) -> World:
    target = {"connection": "postgres-warehouse/main", "table": "analytics.orders", "key": key}
    view = orders_view(columns=COLUMNS, deletes={"column": "deleted_at", "mode": "apply"}, warehouse=target)
    w = world(["shop_00", "shop_01"], view=view)
    w.on_all(TABLE)
    return w


@pytest.mark.parametrize("key", [["id"], ["_shard", "id"]])
def test_rows_of_which_none_is_deleted_go_direct(world: WorldMaker, staged: list[Staged], key: list[str]) -> None:
    w = deleting(world, key)
    for n, shard in enumerate(w.shards):
        w.on(shard, f"INSERT INTO orders VALUES ({n}1, 'new', '2026-01-01', NULL), ({n}2, NULL, '2026-01-02', NULL)")
    w.must_sync(threads=1)
    assert [(one.rows, one.direct) for one in staged] == [(0, 2), (0, 2)]
    w.on("shop_00", "UPDATE orders SET deleted_at = utc_timestamp(6), updated_at = utc_timestamp(6) WHERE id = 1")
    w.must_sync(threads=1)
    assert w.target("id, status") == [(2, None), (11, "new"), (12, None)]


def test_a_window_with_a_row_that_is_gone_goes_the_ordinary_way(world: WorldMaker, staged: list[Staged]) -> None:
    w = deleting(world, ["id"])
    w.on("shop_00", "INSERT INTO orders VALUES (1, 'new', '2026-01-01', NULL), (2, 'gone', '2026-01-02', '2026-01-02')")
    w.must_sync(threads=1, shards=["shop_00"])
    assert [(one.rows, one.direct) for one in staged] == [(2, 0)]
    assert w.target("id, status") == [(1, "new")]


def test_what_another_shard_has_deleted_since_is_not_brought_back(world: WorldMaker, staged: list[Staged]) -> None:
    w = deleting(world, ["id"])
    w.on("shop_00", "INSERT INTO orders VALUES (7, 'deleted later', '2026-01-05', '2026-01-05')")
    w.must_sync(threads=1, shards=["shop_00"])
    w.on("shop_01", "INSERT INTO orders VALUES (7, 'older', '2026-01-01', NULL), (8, 'new', '2026-01-01', NULL)")
    w.must_sync(threads=1)
    assert staged[-1].direct == 0  # tried direct, and given up for what is remembered as gone
    assert w.target("id, status") == [(8, "new")]
