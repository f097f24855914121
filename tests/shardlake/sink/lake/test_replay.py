"""Replay: a view is mended after a load, and every layout shows what the view says now, from raw alone."""

from __future__ import annotations

import signal
import subprocess
import sys
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest

from shardlake.errors import AccountingError, ContractError, FileGone, SinkBusy, SpecError
from shardlake.ledger import sinks
from shardlake.ledger.sinks import Pending
from shardlake.run.job import Job
from shardlake.run.replay import replay as replayed
from shardlake.sink.lake import history
from shardlake.sink.lake.commit import alone
from shardlake.sink.lake.compact import compact
from shardlake.sink.lake.sweep import sweep
from tests.lake import IN_THE_LAKE
from tests.shardlake.sink.lake.test_append import COLUMNS, files, order, shop
from tests.shardlake.sink.lake.test_glue import glue, glue_shop
from tests.world import ROOT, World, WorldMaker

__all__ = ["glue"]
LAYOUTS: dict[str, dict[str, Any]] = {
    "history": {"table": "orders", "partition_by": ["day(updated_at)"]},
    "history_by_city": {"table": "orders", "partition_by": ["city"]},
    "history_in_one": {"table": "orders"},
    "delta": {"table": "orders", "format": "delta"},
    "iceberg": {"table": "orders", "format": "iceberg"},
    "rewrite": {"table": "orders", "write": "replace", "partition_by": ["city"]},
}
MENDED = {**COLUMNS, "city": {"type": "text", "from": "payload.town"}}
IN_A_PROCESS = """
import os
from functools import partial
from pathlib import Path
from uuid import uuid4
from shardlake.connection.connection_file import load_connection
from shardlake.run.job import open_job
from shardlake.ledger import sinks
from shardlake.view.view_file import load_view
if __name__ == '__main__':
    view = load_view(Path(os.environ['SHARDLAKE_VIEWS'], 'orders'))
    job = open_job(view, partial(load_connection, Path(os.environ['SHARDLAKE_CONNECTIONS'])))
    with job.ledger.connection() as connection:
        held = sinks.held(connection, 'orders', 'lake.orders', job.feed, list(job.partitions))
    job.layout('orders').apply([w for w in held if w.window_id in (1, 2)], uuid4(), again=True)
"""


def loaded(world: WorldMaker, kind: str) -> World:
    """Three windows: two orders, one of them changed and a new one, and another; the cities are where the view does not look."""
    w = shop(world, None, [LAYOUTS[kind]])
    order(w, "shop_00", 1, 1, city="wrong", town="Rome")
    order(w, "shop_00", 2, 1, city="wrong", town="Oslo")
    w.must_sync()
    order(w, "shop_00", 2, city="wrong", town="Bern", status="changed")
    order(w, "shop_00", 3, city="wrong", town="Rome")
    w.must_sync()
    order(w, "shop_00", 4, city="wrong", town="Paris")
    w.must_sync()
    return w


def replay(w: World, windows: list[int]) -> list[tuple[Any, ...]]:
    """Replay windows of the layout; the figures of each commit."""
    job = w.job()
    done = [(tuple(c.windows), c.total) for c in job.layout("orders").apply(chosen(job, windows), uuid4(), again=True)]
    return [(ids, total.view_rows, total.merged, total.unchanged, total.superseded) for ids, total in done]


def chosen(job: Job, window_ids: list[int]) -> list[Pending]:
    """Those of the windows that the layout holds."""
    with job.ledger.connection() as connection:
        found = sinks.held(connection, "orders", "lake.orders", job.feed, list(job.partitions))
    return [w for w in found if w.window_id in window_ids]


def shown(w: World) -> list[tuple[Any, ...]]:
    return w.query("SELECT id, status, city FROM orders ORDER BY ALL")


def expected(kind: str, *, first_two_alone: bool = False) -> list[tuple[Any, ...]]:
    last = (4, "new", "wrong" if first_two_alone else "Paris")
    rows = [(1, "new", "Rome"), (2, "changed", "Bern"), (3, "new", "Rome"), last]
    return sorted([*rows, (2, "new", "Oslo")]) if kind.startswith("history") else rows


@pytest.mark.parametrize("kind", list(LAYOUTS))
def test_a_mended_view_is_in_every_layout_and_a_replay_again_changes_nothing(world: WorldMaker, kind: str) -> None:
    w = loaded(world, kind)
    w.view["columns"] = MENDED
    ((windows, came, merged, unchanged, superseded),) = replay(w, [1, 2, 3])
    assert (windows, came) == ((1, 2, 3), 5)
    assert (merged, unchanged, superseded) == ((5, 0, 0) if kind.startswith("history") else (4, 0, 1))
    assert shown(w) == expected(kind)
    assert replay(w, [1, 2, 3]) == [((1, 2, 3), 5, 5, 0, 0) if kind.startswith("history") else ((1, 2, 3), 5, 0, 4, 1)]
    assert shown(w) == expected(kind)
    assert sweep(w.job(), grace=timedelta(0)).orphans == 0
    assert shown(w) == expected(kind)
    order(w, "shop_00", 5, town="Rome")
    w.must_sync()
    assert shown(w) == [*expected(kind), (5, "new", "Rome")]


@pytest.mark.parametrize("kind", list(LAYOUTS))
def test_windows_that_are_not_replayed_stay_as_they_are(world: WorldMaker, kind: str) -> None:
    w = loaded(world, kind)
    w.view["columns"] = MENDED
    replay(w, [1, 2])
    assert shown(w) == expected(kind, first_two_alone=True)
    counts = w.warehouse(
        "SELECT window_id, view_rows, merged + unchanged + superseded FROM shardlake.sink_windows WHERE sink LIKE 'lake.%' ORDER BY 1"
    )
    assert counts == [(1, 2, 2), (2, 2, 2), (3, 1, 1)]


def test_rejects_of_replayed_windows_are_replaced(world: WorldMaker) -> None:
    w = shop(world, None, [LAYOUTS["history_by_city"]])
    order(w, "shop_00", 1, 1, city="", town="Rome")
    order(w, "shop_00", 2, 1, city="Oslo", town="")
    w.must_sync()
    assert [row[1] for row in w.lake_rejects()] == [{"id": "1"}]
    w.view["columns"] = MENDED
    replay(w, [1])
    assert [row[1] for row in w.lake_rejects()] == [{"id": "2"}]
    assert shown(w) == [(1, "new", "Rome")]
    assert w.warehouse("SELECT view_rows, merged, rejected FROM shardlake.sink_windows WHERE sink LIKE 'lake.%'") == [(2, 1, 1)]


def test_a_column_that_was_added_is_filled_and_files_that_were_compacted_are_replayed(world: WorldMaker) -> None:
    w = loaded(world, "history")
    job = w.job()
    compact(job.supply, job.view.lake.layouts[0], closed=timedelta(0))
    w.view["columns"] = {**MENDED, "town": {"type": "text", "from": "payload.town"}}
    replay(w, [1, 2])
    assert w.query("SELECT id, town FROM orders ORDER BY ALL") == [(1, "Rome"), (2, "Bern"), (2, "Oslo"), (3, "Rome"), (4, None)]


def test_files_of_other_partitions_are_left_alone(world: WorldMaker) -> None:
    w = loaded(world, "history")
    first = [f for f in files(w, "orders") if "dt=2026-01-01" in str(f)]
    w.view["columns"] = MENDED
    replay(w, [2])
    assert {str(f) for f in first} <= {
        str(w.folder / "lake" / key) for (key,) in w.warehouse("SELECT key FROM shardlake.lake_files WHERE replaced_by IS NULL")
    }


@pytest.mark.parametrize("kind", ["history", "delta", "iceberg", "rewrite"])
@pytest.mark.parametrize("failpoint", IN_THE_LAKE)
def test_a_replay_that_is_killed_is_finished_by_the_next_run(world: WorldMaker, kind: str, failpoint: str) -> None:
    files_ = kind in ("history", "rewrite")
    if failpoint in (("lake.encoded", "lake.recorded", "lake.put") if not files_ else ("lake.merged",)) or (
        failpoint == "lake.tombstones" and kind == "history"
    ):
        pytest.skip("not on the way of this layout")
    w = loaded(world, kind)
    before = shown(w)
    w.view["columns"] = MENDED
    w.write_files()
    script = w.folder / "replay.py"
    script.write_text(IN_A_PROCESS)
    ended = subprocess.run(
        [sys.executable, str(script)], cwd=ROOT, env=w.environment(SHARDLAKE_FAILPOINT=f"{failpoint}=kill"), capture_output=True, text=True, timeout=120
    )  # fmt: skip
    assert ended.returncode == -signal.SIGKILL, ended.stderr
    assert shown(w) in (before, expected(kind, first_two_alone=True))  # a commit is in as a whole or not at all
    w.must_sync()
    assert shown(w) == expected(kind, first_two_alone=True)
    assert w.warehouse("SELECT * FROM shardlake.lake_commits WHERE status = 'open'") == []
    assert sweep(w.job(), grace=timedelta(0)).orphans == 0


@pytest.mark.parametrize("kind", ["history", "delta"])
def test_a_replay_that_was_killed_and_whose_raw_has_gone_since_is_given_up(
    world: WorldMaker, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    w = loaded(world, kind)
    before = shown(w)
    w.view["columns"] = MENDED
    with monkeypatch.context() as fault:
        fault.setattr("shardlake.sink.lake.commit.settle", broken)
        with pytest.raises(ZeroDivisionError):
            replay(w, [1, 2])
    for file in (w.folder / "lake" / "raw").rglob("w000000001-*"):
        file.unlink()
    order(w, "shop_00", 5, town="Lyon")
    w.must_sync()
    assert (
        w.warehouse("SELECT attempt FROM shardlake.windows ORDER BY window_id") == [(1,)] * 4
    )  # the source was not asked for what is there
    assert w.warehouse("SELECT * FROM shardlake.lake_commits WHERE status = 'open'") == []
    if kind == "history":
        assert shown(w) == sorted([*before, (5, "new", "Lyon")])
    assert {row[0] for row in shown(w)} == {1, 2, 3, 4, 5}
    assert sweep(w.job(), grace=timedelta(0)).orphans == 0
    w.warehouse("DELETE FROM shardlake.files WHERE window_id = 1")
    w.warehouse("UPDATE shardlake.windows SET raw_removed_at = now() WHERE window_id = 1")


def broken(*_: Any, **__: Any) -> None:
    """A step that breaks."""
    raise ZeroDivisionError


def test_a_replay_says_how_many_windows_it_passes_over(world: WorldMaker) -> None:
    w = loaded(world, "delta")
    w.warehouse("UPDATE shardlake.windows SET raw_removed_at = now() WHERE window_id = 2")
    w.view["columns"] = MENDED
    report = replayed(w.job())
    assert report.ok
    assert report.shards["shop_00"].notes == (
        "1 windows are not replayed, whose raw is gone: `shardlake backfill` reads their range again",
    )
    assert (report.shards["shop_00"].windows, report.lake["orders"].windows) == (2, 2)


def test_a_window_that_was_swept_as_its_replay_began_is_not_replayed_as_empty(world: WorldMaker) -> None:
    w = loaded(world, "delta")
    job, counted = w.job(), "SELECT sink, window_id, raw_rows, merged FROM shardlake.sink_windows ORDER BY 1, 2"
    before, held = w.warehouse(counted), chosen(w.job(), [1])
    w.warehouse("UPDATE shardlake.windows SET raw_removed_at = now() WHERE window_id = 1")
    w.warehouse("DELETE FROM shardlake.files WHERE window_id = 1")
    with pytest.raises(FileGone, match="orders, shop_00, window 1: its raw files are gone"):
        job.warehouse.apply(held, uuid4(), again=True)
    with pytest.raises(ContractError, match="the raw files of 1 windows are gone"):
        job.layout("orders").apply(held, uuid4(), again=True)
    assert w.warehouse(counted) == before


def test_a_replay_that_loses_a_row_of_another_window_fails_and_publishes_nothing(
    world: WorldMaker, monkeypatch: pytest.MonkeyPatch
) -> None:
    w = loaded(world, "history_in_one")
    before = shown(w)
    w.view["columns"] = MENDED
    whole = vars(history)["widened"]
    with monkeypatch.context() as fault:
        fault.setattr(history, "widened", lambda rows, schema: whole(rows.slice(0, rows.num_rows - 1) if rows.num_rows else rows, schema))
        with pytest.raises(
            AccountingError,
            match=r"commit 4 of windows 1, 2: rows of other windows in .* rows in the new files' footers 0 where there are 1",
        ):
            replay(w, [1, 2])
    assert shown(w) == before
    assert replay(w, [1, 2])[0][:2] == ((1, 2), 4)
    assert shown(w) == expected("history", first_two_alone=True)


def test_partitions_in_glue_move_with_a_replay(world: WorldMaker, s3_emulator: str, tmp_path: Any, glue: Any) -> None:
    w = glue_shop(world, s3_emulator, tmp_path, [LAYOUTS["history_by_city"]])
    order(w, "shop_00", 1, 1, city="wrong", town="Rome")
    w.must_sync()
    w.view["columns"] = MENDED
    replay(w, [1, 2])  # which of the shards came first is nobody's to say
    database = w.view["lake"]["database"]
    found = glue.get_partitions(DatabaseName=database, TableName="orders")["Partitions"]
    assert [p["Values"] for p in found] == [["Rome"]]
    assert w.query("SELECT id, city FROM orders") == [(1, "Rome")]


def test_what_cannot_be_replayed_says_why(world: WorldMaker) -> None:
    w = loaded(world, "history")
    job = w.job()
    layout = job.view.lake.layouts[0]
    with alone(job, layout) as held:
        assert held is not None
        with pytest.raises(SinkBusy, match="another run is writing the lake table orders"):
            replay(w, [1])
    w.warehouse("UPDATE shardlake.windows SET raw_removed_at = now() WHERE window_id = 2")
    with pytest.raises(ContractError, match=r"the raw files of 1 windows are gone \(2\), which the lake table orders holds"):
        replay(w, [1, 2, 3])
    w.warehouse("UPDATE shardlake.windows SET raw_removed_at = NULL")
    assert replay(w, [99]) == []
    whole = shop(world, None, [{"table": "orders", "write": "replace"}], warehouse={"write": "replace"}, source={"cursor": None})
    with pytest.raises(SpecError, match="the lake table orders is replaced as a whole"):
        replay(whole, [1])
