"""`kill -9` of a run at every place that has a name: what was committed stays, and the next run comes out exact."""

from __future__ import annotations

import json
import signal
import time
from pathlib import Path
from typing import Any

import psutil
import pytest

from shardlake.failpoints import NAMES
from tests.audit import leftovers, unfinished
from tests.lake import IN_THE_LAKE
from tests.world import ORDERS_TABLE, World, WorldMaker, orders_view

LONG = json.dumps({"customer": {"name": "x" * 1000}})
APART = "merge.recorded"
"""Passed where the ledger is no part of the warehouse alone."""
IN_A_RUN = [
    name for name in NAMES if not name.startswith(("swap.", "lake.", "glue.", "sweep.", "schema.")) and name not in ("extract.chunk", APART)
]


def source(w: World) -> list[tuple[Any, ...]]:
    """What the target should hold: every row of every shard."""
    return sorted(row for shard in w.shards for row in w.on(shard, f"SELECT id, status, '{shard}' FROM orders"))


def target(w: World) -> list[tuple[Any, ...]]:
    """What it holds."""
    return [] if w.warehouse("SELECT to_regclass('analytics.orders')::text") == [(None,)] else w.target("id, status, _shard")


def readers_of(folder: Path) -> list[int]:
    """Processes of a run in this folder that are still alive."""
    found = []
    for process in psutil.process_iter():
        try:
            if (
                process.environ().get("SHARDLAKE_CONNECTIONS") == str(folder / "connections.yaml")
                and process.status() != psutil.STATUS_ZOMBIE
            ):
                found.append(process.pid)
        except psutil.Error:
            continue
    return found


def kill_at(w: World, failpoint: str) -> None:
    """A run that dies there, and all its processes with it."""
    ended = w.engine_process(SHARDLAKE_FAILPOINT=f"{failpoint}=kill")
    assert ended.returncode == -signal.SIGKILL, ended.stderr
    assert ended.stdout == ""
    deadline = time.monotonic() + 5
    while readers_of(w.folder) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert readers_of(w.folder) == []


def comes_out_exact(w: World) -> None:
    """The next run leaves the target as the source is, and nothing else behind."""
    w.must_sync()
    assert target(w) == source(w)
    assert (unfinished(w), leftovers(w)) == ([], [])
    place = w.target("ctid::text, xmin::text")
    w.must_sync()
    assert w.target("ctid::text, xmin::text") == place


def shop(world: WorldMaker, *, ledger_apart: bool = False) -> World:
    w = world(["shop_00", "shop_01"], view=orders_view(source={"chunk": 1}), ledger_apart=ledger_apart)
    w.on_all(ORDERS_TABLE)
    w.on("shop_00", "INSERT INTO orders SELECT seq, 'new', 1.5, '2026-01-02', %s FROM seq_1_to_150", LONG)
    w.on("shop_01", "INSERT INTO orders SELECT seq, 'new', 1.5, '2026-01-02', NULL FROM seq_1001_to_1005")
    return w


@pytest.mark.parametrize("failpoint", IN_A_RUN)
def test_a_run_that_is_killed_is_made_good_by_the_next(world: WorldMaker, failpoint: str) -> None:
    w = shop(world)
    w.must_sync()
    before = target(w)
    w.on_all("UPDATE orders SET status = 'paid', updated_at = utc_timestamp(6) WHERE id % 2 = 0")
    w.on_all("INSERT INTO orders VALUES (2000 + length(database()) + ascii(right(database(), 1)), 'late', NULL, utc_timestamp(6), NULL)")
    after = source(w)
    kill_at(w, failpoint)
    for shard in w.shards:  # a shard's window is in as a whole or not at all
        assert [row for row in target(w) if row[2] == shard] in ([row for row in rows if row[2] == shard] for rows in (before, after))
    comes_out_exact(w)


@pytest.mark.parametrize("failpoint", ["stage.copied", "merge.before_commit", "merge.committed"])
def test_a_first_load_that_is_killed_is_made_good_by_the_next(world: WorldMaker, failpoint: str) -> None:
    w = shop(world)
    kill_at(w, failpoint)
    for shard in w.shards:
        assert [row for row in target(w) if row[2] == shard] in ([], [row for row in source(w) if row[2] == shard])
    comes_out_exact(w)


@pytest.mark.parametrize(("failpoint", "first"), [("merge.committed", True), ("merge.committed", False), (APART, False)])
def test_between_the_targets_commit_and_a_ledger_apart_nothing_is_lost_or_counted_twice(
    world: WorldMaker, failpoint: str, first: bool
) -> None:
    w = shop(world, ledger_apart=True)
    counted = "SELECT coalesce(sum(merged), 0)::int, coalesce(sum(unchanged + superseded + rejected), 0)::int FROM shardlake.sink_windows"
    marks, read = "SELECT window_id FROM shardlake.applied_windows ORDER BY 1", "SELECT window_id, attempt FROM shardlake.windows"
    rows = 155
    if not first:
        w.must_sync()
        w.on_all("UPDATE orders SET status = 'paid', updated_at = utc_timestamp(6) WHERE id % 2 = 0")
        rows += 75 + 2
    before = [(0, 0)] if first else w.ledger(counted)
    kill_at(w, failpoint)
    assert len(w.warehouse(marks)) > len(w.ledger("SELECT window_id FROM shardlake.sink_windows")) or failpoint == APART
    assert (w.ledger(counted) == before) == (failpoint != APART)
    attempts = w.ledger(f"{read} WHERE status = 'read'")
    comes_out_exact(w)
    assert w.ledger(counted) == [(rows, 0)]  # a merge that was done once more would find its rows unchanged
    assert set(attempts) <= set(w.ledger(read))  # what was read is not read again
    assert w.warehouse(marks) == w.ledger("SELECT window_id FROM shardlake.sink_windows ORDER BY 1")


def test_a_run_whose_readers_are_killed_at_every_chunk_says_so_and_the_next_is_exact(world: WorldMaker) -> None:
    w = shop(world)
    w.shards = ["shop_00"]
    ended = w.engine_process(SHARDLAKE_FAILPOINT="extract.chunk=kill")
    assert ended.returncode == 1, ended.stderr
    said = json.loads(ended.stdout)["message"]
    assert said == (
        "0/1 shards merged; shop_00: its reader died (exit code -9), most likely for lack of memory."
        " It is tried again with smaller chunks; give the run more memory, or set source.chunk."
    )
    assert target(w) == []
    comes_out_exact(w)


def countries(world: WorldMaker) -> World:
    columns = {"id": "bigint", "status": "text"}
    view = orders_view(source={"cursor": None}, warehouse={"write": "replace", "key": ["_shard", "id"]}, columns=columns)
    w = world(["shop_00", "shop_01"], view=view)
    w.on_all("CREATE TABLE orders (id bigint PRIMARY KEY, status varchar(40))")
    w.on("shop_00", "INSERT INTO orders VALUES (1, 'old'), (2, 'old')")
    w.on("shop_01", "INSERT INTO orders VALUES (3, 'old')")
    return w


SWAPS = ["stage.copied", *(name for name in NAMES if name.startswith("swap."))]


@pytest.mark.parametrize(("failpoint", "stays"), [*((f, False) for f in SWAPS), *((f, True) for f in SWAPS[1:])])
def test_a_replace_that_is_killed_leaves_the_old_table_or_the_new_and_the_next_is_exact(
    world: WorldMaker, failpoint: str, stays: bool
) -> None:
    w = countries(world)
    w.must_sync()
    if stays:  # a view stands on the target, whose rows are exchanged
        w.warehouse("CREATE VIEW analytics.seen AS SELECT id, status, _shard FROM analytics.orders")
    before, (table,) = target(w), w.warehouse("SELECT 'analytics.orders'::regclass::oid")
    w.on_all("UPDATE orders SET status = 'new'")
    w.on("shop_00", "DELETE FROM orders WHERE id = 1")
    w.on("shop_01", "INSERT INTO orders VALUES (4, 'new')")
    kill_at(w, failpoint)
    assert target(w) == (source(w) if failpoint == "swap.committed" else before)
    w.must_sync()
    assert target(w) == source(w)
    assert (unfinished(w), leftovers(w)) == ([], [])
    assert (w.warehouse("SELECT 'analytics.orders'::regclass::oid") == [table]) == stays
    if stays:
        assert w.warehouse("SELECT count(*) FROM analytics.seen") == [(3,)]


def test_every_place_that_has_a_name_is_killed_here() -> None:
    elsewhere = {name for name in NAMES if name.startswith(("glue.", "sweep.", "schema."))}  # lake/test_switch.py, schema/test_inferred.py
    assert {*IN_A_RUN, APART, "extract.chunk", "swap.before_commit", "swap.committed", *IN_THE_LAKE, *elsewhere} == set(NAMES)
