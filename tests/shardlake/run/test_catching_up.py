"""A position moves when its window stands in raw; every sink catches up by itself, and nothing is read twice for it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from shardlake.ledger.status import status
from shardlake.run.backfill import Backfill
from shardlake.run.backfill_slice import read_slice_window
from tests.audit import leftovers, unfinished
from tests.breaking import broken_at
from tests.world import ORDERS_TABLE, World, WorldMaker, orders_view


def shop(world: WorldMaker, **view: Any) -> World:
    """Two shards, read and merged, on each of which something has changed since."""
    w = world(["shop_00", "shop_01"], view=orders_view(**view))
    w.on_all(ORDERS_TABLE)
    w.on_all("INSERT INTO orders SELECT ascii(right(database(), 1)) * 100 + seq, 'new', 1, '2026-01-02', NULL FROM seq_1_to_5")
    w.must_sync()
    w.on_all("UPDATE orders SET status = 'paid', updated_at = utc_timestamp(6)")
    return w


def raw_files(w: World) -> set[Path]:
    return set((w.folder / "lake" / "raw").rglob("*.parquet"))


def broken(w: World, place: str = "merge.before_commit") -> set[Path]:
    """Both shards read, neither merged; returns the raw files."""
    for shard in w.shards:
        with broken_at(place), pytest.raises(RuntimeError):
            w.sync(shards=[shard])
    assert w.target("DISTINCT status") == [("new",)]
    assert unfinished(w) == [("shop_00", "read"), ("shop_01", "read")]
    return raw_files(w)


def gone(w: World, shards: list[str]) -> None:
    """Say a port for these shards on which nobody answers."""
    known = w.connections()["mysql-shards/shop"]["shards"]
    w.connection_changes = {"shards": {**known, **{s: f"mysql://root@127.0.0.1:1/{w.database(s)}" for s in shards}}}


@pytest.mark.parametrize("place", ["extract.recorded", "stage.copied", "merge.cast", "merge.before_commit"])
def test_a_failed_merge_costs_no_second_reading(world: WorldMaker, place: str) -> None:
    w = shop(world)
    before = w.watermarks()
    files = broken(w, place)
    moved = w.watermarks()
    assert all(str(moved[shard]) > str(before[shard]) for shard in w.shards)
    w.must_sync()
    assert w.target("DISTINCT status") == [("paid",)]
    assert raw_files(w) == files
    assert w.windows("attempt") == [(1,)] * 4
    assert (unfinished(w), leftovers(w)) == ([], [])


def test_what_was_read_is_merged_though_its_source_is_down_and_the_shard_says_that_it_is(world: WorldMaker) -> None:
    w = shop(world)
    files = broken(w)
    gone(w, ["shop_01"])
    report = w.sync()
    assert [(s.state, s.windows, s.merged) for s in report.shards.values()] == [("merged", 1, 5), ("failed", 1, 5)]
    assert "shop_01: (127.0.0.1:1/" in report.headline()
    assert w.target("DISTINCT status") == [("paid",)]
    assert (raw_files(w), unfinished(w), leftovers(w)) == (files, [], [])
    w.connection_changes = {}
    w.must_sync()
    assert {row[0] for row in w.windows("attempt")} == {1}


def test_what_was_read_is_merged_though_its_table_is_gone_and_no_contract_is_forgotten(world: WorldMaker) -> None:
    w = shop(world)
    contract = w.warehouse("SELECT columns FROM shardlake.contracts")
    files = broken(w)
    w.on_all("DROP TABLE orders")
    report = w.sync()
    assert [(s.state, s.windows, s.merged) for s in report.shards.values()] == [("failed", 1, 5), ("failed", 1, 5)]
    assert "there is no such table" in report.headline()
    assert w.target("DISTINCT status") == [("paid",)]
    assert (raw_files(w), unfinished(w), leftovers(w)) == (files, [], [])
    assert w.warehouse("SELECT columns FROM shardlake.contracts") == contract


def test_several_windows_that_wait_are_merged_in_turn_and_what_is_new_with_them(world: WorldMaker) -> None:
    w = shop(world)
    broken(w)
    for news in ("packed", "sent"):  # a run that reads is broken off before it merges, again and again
        w.on("shop_00", "UPDATE orders SET status = %s, updated_at = utc_timestamp(6)", news)
        with broken_at("extract.recorded"), pytest.raises(RuntimeError):
            w.sync(shards=["shop_00"])
    w.on("shop_00", "UPDATE orders SET status = 'there', updated_at = utc_timestamp(6) WHERE id % 2 = 0")
    report = w.must_sync()
    assert (report.shards["shop_00"].windows, report.shards["shop_01"].windows) == (4, 1)
    assert sorted(w.windows("partition, attempt, raw_rows", "window_id > 2")) == [
        ("shop_00", 1, 2), ("shop_00", 1, 5), ("shop_00", 1, 5), ("shop_00", 1, 5), ("shop_01", 1, 5),
    ]  # fmt: skip
    assert sorted(w.target("id, status")) == sorted(row for s in w.shards for row in w.on(s, "SELECT id, status FROM orders"))


def test_a_layout_of_the_lake_catches_up_with_what_it_lacks(world: WorldMaker) -> None:
    lake = {"connection": "athena-lake/main", "database": "analytics", "layouts": [{"table": "orders_history"}]}
    w = shop(world, lake=lake)
    broken(w)
    w.must_sync()
    files = raw_files(w)
    assert w.query("SELECT id, status FROM orders_history_latest ORDER BY 1") == w.target("id, status")
    w.on_all("UPDATE orders SET status = 'sent', updated_at = utc_timestamp(6)")
    with broken_at("lake.put"), pytest.raises(RuntimeError):
        w.sync()
    assert w.target("DISTINCT status") == [("sent",)]
    w.must_sync()
    assert w.query("SELECT id, status FROM orders_history_latest ORDER BY 1") == w.target("id, status")
    assert len(raw_files(w)) == len(files) + 2
    assert {row[0] for row in w.windows("attempt")} == {1}


def test_the_status_says_which_sink_lacks_what(world: WorldMaker) -> None:
    w = shop(world)
    whole = dict(w.warehouse("SELECT partition, complete_to FROM shardlake.positions"))
    broken(w)
    job = w.job()
    with job.ledger.connection() as connection:
        lines = status(connection, "orders", job.feed, w.shards, job.sinks, None)
    ((first,),) = w.windows("window_id", "partition = 'shop_00' AND state = 'read'")
    assert lines[0].held_by == f"warehouse lacks window {first} of shop_00"
    now = w.warehouse("SELECT now()")[0][0]
    for line in lines:
        assert line.lag is not None
        assert abs(now - line.lag - whole[line.shard]).total_seconds() < 2


def test_a_backfills_window_that_waits_holds_nothing_and_no_run_takes_it(world: WorldMaker) -> None:
    w = shop(world)
    w.must_sync()
    w.on_all("INSERT INTO orders VALUES (ascii(right(database(), 1)), 'late', 1, '2026-01-03', NULL)")
    with Backfill(w.job(), "2026-01-01", "2026-01-05", step="4d") as run:
        assert [read_slice_window(run.job, part) is not None for part in run.parts] == [True, True]
    job = w.job()
    with job.ledger.connection() as connection:
        assert [line.held_by for line in status(connection, "orders", job.feed, w.shards, job.sinks, None)] == [None, None]
    assert w.must_sync().totals().windows == 0
    assert unfinished(w) == [("shop_00", "read"), ("shop_01", "read")]
