"""A step that is tried again reads nothing twice; and what failed as a whole, or not at all, shows as what it is."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import pytest

from shardlake.errors import LakeUnavailable
from shardlake.ledger.runs import open_run
from shardlake.ledger.status import ShardStatus
from shardlake.ledger.status import status as of_view
from shardlake.run import steps
from shardlake.sink.lake import commit
from tests.shardlake.sink.lake.test_append import BY_DAY, order, shop
from tests.world import World, WorldMaker

WHOLE: dict[str, Any] = {
    "columns": {"id": "bigint", "status": "text"},
    "source": {"cursor": None},
    "warehouse": {"write": "replace", "key": ["_shard", "id"]},
    "lake": {"layouts": [{"table": "orders", "write": "replace"}]},
}


def lines(w: World) -> list[ShardStatus]:
    job = w.job()
    replaces = job.view.warehouse.write == "replace"
    with job.ledger.connection() as connection:
        return of_view(connection, "orders", job.feed, w.shards, job.sinks, None, replaces=replaces)


@pytest.mark.parametrize("whole", [False, True], ids=["a window of a cursor", "a whole table"])
def test_a_window_that_was_read_is_not_read_again_when_its_step_is_tried_again(world: WorldMaker, whole: bool) -> None:
    w = shop(world, None, None, **WHOLE) if whole else shop(world)
    order(w, "shop_00", 1, 1)
    job, run_id = w.job(), uuid4()
    with job.ledger.connection() as connection:
        open_run(connection, run_id, "orders", job.feed)
    planned = steps.plan(job, "shop_00")
    first, second = (steps.extract(job, run_id, planned) for _ in range(2))  # the ledger's answer to the first one was lost
    assert first is not None
    assert second is not None
    assert (first.window_id, second.window_id) == (1, 1)
    assert w.warehouse("SELECT window_id, attempt FROM shardlake.windows") == [(1, 1)]
    w.must_sync()
    assert w.query("SELECT id FROM orders") == [(1,)]


def test_a_layout_that_is_replaced_empties_with_its_source(world: WorldMaker) -> None:
    w = shop(world, ["shop_00", "shop_01"], None, **WHOLE)
    order(w, "shop_00", 1, 1)
    order(w, "shop_01", 2, 1)
    w.must_sync()
    assert w.query("SELECT id FROM orders ORDER BY 1") == w.target("id") == [(1,), (2,)]
    w.on_all("DELETE FROM orders")
    w.must_sync()
    assert w.query("SELECT id FROM orders") == w.target("id") == []


def test_a_layout_that_missed_the_run_of_a_broken_shard_is_fresh_again_with_the_next(world: WorldMaker) -> None:
    w = shop(world, ["shop_00", "shop_01"], None, **WHOLE)
    order(w, "shop_00", 1, 1)
    w.must_sync()
    w.on("shop_01", "RENAME TABLE orders TO gone")
    assert not w.sync().ok
    assert [line.held_by is None for line in lines(w)] == [False, False]
    w.on("shop_01", "RENAME TABLE gone TO orders")
    w.must_sync()
    assert [(line.problem, line.held_by) for line in lines(w)] == [(None, None), (None, None)]


def test_a_table_of_the_lake_that_failed_is_a_problem_of_every_shard_until_it_is_written(
    world: WorldMaker, monkeypatch: pytest.MonkeyPatch
) -> None:
    w = shop(world, ["shop_00", "shop_01"], [BY_DAY])
    order(w, "shop_00", 1, 1)
    order(w, "shop_01", 2, 1)

    def full(*_: Any) -> Any:
        raise LakeUnavailable("the lake is full", hint="Make room.")

    with monkeypatch.context() as fault:
        fault.setattr(commit, "upload", full)
        assert not w.sync().ok
    assert [line.problem for line in lines(w)] == ["not whole yet", "not whole yet"]  # nothing of it ever came into the lake
    w.must_sync()
    order(w, "shop_00", 1)
    with monkeypatch.context() as fault:
        fault.setattr(commit, "upload", full)
        assert not w.sync().ok
    assert [line.problem for line in lines(w)] == ["failed", "failed"]
    w.must_sync()
    assert [(line.problem, line.held_by) for line in lines(w)] == [(None, None), (None, None)]
