"""What a layout lacks and raw does not hold any more is read again from the windows' positions, up to where they ended."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from shardlake.run.steps import read_again
from shardlake.sink.lake.commit import alone
from shardlake.sink.lake.sweep import sweep
from tests.shardlake.sink.lake.test_append import BY_CITY, BY_DAY, order, shop
from tests.shardlake.sink.lake.test_first_load import long
from tests.world import World, WorldMaker

NOW: dict[str, Any] = {"table": "now", "format": "delta"}


def raw_files(w: World) -> list[Path]:
    return sorted((w.folder / "lake" / "raw").rglob("*.parquet"))


def with_layouts(w: World, *layouts: dict[str, Any]) -> None:
    w.view["lake"] = {**w.view["lake"], "layouts": list(layouts)}


def sums(w: World) -> list[tuple[Any, ...]]:
    """Of each sink its windows, and what they brought."""
    return w.warehouse(
        "SELECT sink, count(*), sum(raw_rows), sum(shaped), sum(view_rows), sum(merged) FROM shardlake.sink_windows GROUP BY 1 ORDER BY 1"
    )


@pytest.mark.parametrize("removed", [True, False], ids=["past its retention", "lost from the disk"])
def test_layouts_that_are_added_later_are_filled_by_reading_again(world: WorldMaker, removed: bool) -> None:
    w = long(world, [BY_DAY], ["shop_00", "shop_01"])
    with_layouts(w, BY_DAY)
    w.view["lake"]["raw"] = {"retention": "1h"}
    w.must_sync()
    count = w.warehouse("SELECT count(*) FROM shardlake.windows WHERE raw_rows > 0")[0][0]
    assert count == 10  # five of each shard, all but the last closed early
    if removed:
        w.warehouse("UPDATE shardlake.windows SET read_at = read_at - %s", timedelta(hours=2))
        assert sweep(w.job()).raw == len(raw_files(w)) + 10
    else:
        for file in raw_files(w):
            file.unlink()
    with_layouts(w, BY_DAY, BY_CITY, NOW)
    w.must_sync()
    expected = w.target("id, city", "id")
    assert len(expected) == 900
    for layout in (BY_CITY, NOW):
        assert w.query(f"SELECT id, city FROM {layout['table']} ORDER BY id") == expected
    # each window was read again once for both, and up to where it had ended: no row is in two of them
    assert sums(w) == [(sink, 10, 900, 900, 900, 900) for sink in ("lake.now", "lake.orders", "lake.orders_by_city", "warehouse")]
    assert w.warehouse("SELECT DISTINCT attempt FROM shardlake.windows WHERE raw_rows > 0") == [(2,)]


def test_a_window_that_is_read_again_with_other_rows_than_it_had_comes_into_a_layout_at_once(world: WorldMaker) -> None:
    w = long(world, [BY_DAY])
    with_layouts(w, BY_DAY)
    w.must_sync()
    for file in raw_files(w):
        file.unlink()
    w.on("shop_00", "DELETE FROM orders WHERE id = 1")
    with_layouts(w, BY_DAY, NOW)
    w.must_sync()
    assert w.query("SELECT count(*), min(id) FROM now") == [(w.target("count(*)")[0][0] - 1, 2)]
    w.warehouse("DELETE FROM shardlake.sink_windows WHERE sink <> 'lake.now'")  # what those hold is what was read before


def test_a_layout_that_is_waited_for_is_not_read_again_for_meanwhile(world: WorldMaker, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shardlake.run.deliver.BUSY_WAIT", 2.0)
    w = long(world, [BY_DAY])
    with_layouts(w, BY_DAY)
    w.must_sync()
    w.warehouse("UPDATE shardlake.windows SET raw_removed_at = now() WHERE raw_rows > 0")
    with_layouts(w, BY_DAY, NOW)
    job = w.job()
    with alone(job, job.view.lake.layouts[1]) as held:
        assert held is not None
        assert w.sync().lake["now"].error == "another run is writing the lake table now. Wait for it, and run again."
    assert w.warehouse("SELECT DISTINCT attempt FROM shardlake.windows WHERE raw_rows > 0") == [(2,)]


def test_what_another_run_has_begun_is_not_waited_for_by_one_that_lacks_nothing(world: WorldMaker) -> None:
    w = long(world, [BY_DAY])
    with_layouts(w, BY_DAY)
    w.must_sync()
    w.warehouse("INSERT INTO shardlake.lake_commits (run_id, view, layout) VALUES (gen_random_uuid(), 'orders', 'orders')")
    job = w.job()
    with alone(job, job.view.lake.layouts[0]) as held:
        assert held is not None
        w.must_sync()
    assert w.warehouse("SELECT count(*) FROM shardlake.lake_commits WHERE status = 'open'") == [(1,)]
    w.must_sync()
    assert w.warehouse("SELECT count(*) FROM shardlake.lake_commits WHERE status = 'open'") == [(0,)]


def test_a_window_that_is_read_again_ends_where_it_did_though_there_are_more_rows_in_it(world: WorldMaker) -> None:
    w = long(world, [BY_DAY])
    w.must_sync()
    first = w.warehouse("SELECT min(window_id) FROM shardlake.windows WHERE raw_rows > 0")[0][0]
    job = w.job()
    before = job.supply.window(first)
    # twenty old rows have come between those of the window: it would be closed before its last one
    w.on("shop_00", "UPDATE orders SET id = id * 100 ORDER BY id DESC")
    w.on("shop_00", "INSERT INTO orders SELECT 100 + seq, 'late', 1.5, '2026-01-02', '{\"city\": \"c1\"}' FROM seq_1_to_20")
    w.warehouse(
        "UPDATE shardlake.windows SET end_position = jsonb_set(end_position, '{after,0}', to_jsonb(((end_position #>> '{after,0}')::int * 100)::text)) WHERE window_id = %s",
        first,
    )
    after = read_again(job, job.supply.window(first))
    assert after.raw_rows == before.raw_rows + 20
    assert after.more == before.more
    # what the sinks hold is what was read before
    w.warehouse("UPDATE shardlake.windows SET raw_rows = %s, raw_removed_at = now() WHERE window_id = %s", before.raw_rows, first)
    w.warehouse("DELETE FROM shardlake.files WHERE window_id = %s", first)


@pytest.mark.parametrize("sink", ["shardlake.sink.lake.sink.LayoutSink", "shardlake.sink.postgres.sink.PostgresSink"])
def test_a_sink_that_takes_windows_and_does_nothing_with_them_is_a_failure(
    world: WorldMaker, monkeypatch: pytest.MonkeyPatch, sink: str
) -> None:
    w = long(world, [BY_DAY])
    with monkeypatch.context() as fault:
        fault.setattr(f"{sink}.apply", lambda *_, **__: [])
        report = w.sync()
    said = "were applied, and the ledger does not say so" if sink.endswith("LayoutSink") else "the warehouse does not say what became of it"
    assert not report.ok
    assert said in report.headline()
    w.must_sync()
    assert w.query("SELECT count(*) FROM orders_latest") == w.target("count(*)")


def test_raw_of_a_replace_that_a_layout_missed_goes_when_a_later_one_has_come(world: WorldMaker, monkeypatch: pytest.MonkeyPatch) -> None:
    w = shop(world, None, [{"table": "orders", "write": "replace"}], warehouse={"write": "replace"}, source={"cursor": None})
    w.view["lake"]["raw"] = {"retention": "1h"}
    order(w, "shop_00", 1, 1)
    with monkeypatch.context() as fault:
        fault.setattr("shardlake.sink.lake.sink.LayoutSink.apply", lambda *_, **__: [])
        assert not w.sync().ok
    aged = "UPDATE shardlake.windows SET read_at = read_at - interval '2 hours'"
    w.warehouse(aged)
    assert sweep(w.job()).raw == 0  # the layout may want it yet
    w.must_sync()
    w.warehouse(aged)
    assert sweep(w.job()).raw == 2
