"""The backfill as a flow and as a command, against a real Prefect server: its slots, its progress, and what it leaves to regular runs."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from flows.backfill import backfill
from flows.sync_view import sync_view
from shardlake.run.backfill_slice import read_slice_window
from tasks import leases, limits
from tests.pages import tables
from tests.prefect_api import PrefectApi
from tests.world import ORDERS_TABLE, World, WorldMaker

LIMIT = "shardlake-mysql-shards-shop"


@pytest.fixture
def slots(prefect_api: PrefectApi) -> Iterator[httpx.Client]:
    """The server's limits, of which ours does not exist before a test and after it."""
    with httpx.Client(base_url=prefect_api.server.api_url, timeout=30, trust_env=False) as client:
        client.delete(f"/v2/concurrency_limits/{LIMIT}")
        leases._seen.clear()
        yield client
        client.delete(f"/v2/concurrency_limits/{LIMIT}")
        leases._seen.clear()


def shop(world: WorldMaker, **options: Any) -> World:
    """Two shards with an order a day in January."""
    w = world(["shop_00", "shop_01"], **options)
    w.on_all(ORDERS_TABLE)
    for number, shard in enumerate(w.shards):
        rows = f"SELECT {number} * 100 + seq, 'new', 1.5, '2026-01-01' + INTERVAL seq - 1 DAY + INTERVAL 1 HOUR, NULL FROM seq_1_to_31"
        w.on(shard, f"INSERT INTO orders {rows}")
    return w


def run(prefect_api: PrefectApi, w: World, **options: Any) -> Any:
    """The flow, here; its final state."""
    with prefect_api.here(w):
        return backfill(**{"view": "orders", "start": "2026-01-01", "end": "2026-02-01", **options}, return_state=True)


def active(slots: httpx.Client) -> int | None:
    answer = slots.get(f"/v2/concurrency_limits/{LIMIT}")
    return int(answer.json()["active_slots"]) if answer.status_code == 200 else None


def test_the_flow_reads_the_range_and_shows_progress_and_a_table(world: WorldMaker, prefect_api: PrefectApi, slots: httpx.Client) -> None:
    w = shop(world, connection_changes={"max_connections": 3})
    w.must_sync()
    marks = w.warehouse("SELECT * FROM shardlake.positions ORDER BY partition")
    w.warehouse("DELETE FROM analytics.orders WHERE updated_at < '2026-01-15'")
    state = run(prefect_api, w, step="7d", shards=["shop_00", "shop_01"])
    assert (state.type.value, state.message) == ("COMPLETED", "10/10 slices merged")
    assert len(w.target()) == 62
    assert w.warehouse("SELECT * FROM shardlake.positions ORDER BY partition") == marks
    found = prefect_api.flow_run(state)
    assert found["name"] == "orders (shop_00, shop_01) from 2026-01-01 to 2026-02-01"
    artifacts = prefect_api.artifacts(found["id"])
    assert sorted(artifacts) == ["orders-backfill", "orders-backfill-progress"]  # the view's own page stays that of its last run
    progress, page = artifacts["orders-backfill-progress"], artifacts["orders-backfill"]
    assert (progress["type"], progress["data"]) == ("progress", 100.0)
    assert page["description"].startswith("**10 of 10 slices of the backfill of orders arrived:** 62 rows read, 28 merged, 34 unchanged")
    (rows,) = tables(page["data"])
    columns = ("shard", "read", "merged", "unchanged")
    assert [tuple(r[c] for c in columns) for r in rows] == [("shop_00", "31", "14", "17"), ("shop_01", "31", "14", "17")]
    tasks = prefect_api.task_runs(found["id"], 10)
    assert "backfill orders shop_01 from 2026-01-29 00:00:00.000000" in tasks
    limit = slots.get(f"/v2/concurrency_limits/{LIMIT}").json()
    assert (limit["limit"], limit["active_slots"]) == (3, 0)


@pytest.mark.parametrize(("limit", "most"), [(1, 1), (2, 2), (None, 3)])
def test_reads_wait_for_the_slots_of_the_limit_that_stands(
    world: WorldMaker, prefect_api: PrefectApi, slots: httpx.Client, monkeypatch: pytest.MonkeyPatch, limit: int | None, most: int
) -> None:
    w = shop(world)
    if limit:
        slots.post("/v2/concurrency_limits/", json={"name": LIMIT, "limit": limit}).raise_for_status()
    lock, under_way, seen = threading.Lock(), list[int](), list[tuple[int, int | None]]()

    def watched(job: Any, part: Any) -> Any:
        with lock:
            under_way.append(1)
            seen.append((len(under_way), active(slots)))
        try:
            time.sleep(0.5)
            return read_slice_window(job, part)
        finally:
            with lock:
                under_way.pop()

    monkeypatch.setattr("tasks.backfill.read_slice_window", watched)
    state = run(prefect_api, w, step="8d", parallel=16)
    assert (state.type.value, state.message) == ("COMPLETED", "8/8 slices merged")
    assert max(reads for reads, _ in seen) == max(held or 0 for _, held in seen) == most  # 3: one of four is the regular run's
    assert slots.get(f"/v2/concurrency_limits/{LIMIT}").json()["limit"] == (limit or 4)
    assert active(slots) == 0


def test_a_regular_run_takes_a_slot_where_there_is_a_limit_and_none_where_there_is_not(
    world: WorldMaker, prefect_api: PrefectApi, slots: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    w = shop(world)
    held: list[int | None] = []
    from shardlake.run import steps

    original = steps.extract
    monkeypatch.setattr("tasks.extract.steps.extract", lambda *args: (held.append(active(slots)), original(*args))[1])
    with prefect_api.here(w):
        assert sync_view("orders", return_state=True).type.value == "COMPLETED"
        assert held == [None, None]
        slots.post("/v2/concurrency_limits/", json={"name": LIMIT, "limit": 4}).raise_for_status()
        leases._seen.clear()
        w.on_all("UPDATE orders SET updated_at = utc_timestamp(6) WHERE id % 100 = 1")
        assert sync_view("orders", return_state=True).type.value == "COMPLETED"
    assert min(n or 0 for n in held[2:]) >= 1
    assert active(slots) == 0


def test_a_regular_run_goes_on_without_a_slot_when_none_comes_free(
    world: WorldMaker, prefect_api: PrefectApi, slots: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    w = shop(world)
    slots.post("/v2/concurrency_limits/", json={"name": LIMIT, "limit": 1}).raise_for_status()
    slots.post("/v2/concurrency_limits/increment", json={"names": [LIMIT], "slots": 1, "mode": "concurrency"}).raise_for_status()
    monkeypatch.setattr(limits, "PATIENCE", {False: 0.5, True: 0.5})
    with prefect_api.here(w):
        assert sync_view("orders", return_state=True).type.value == "COMPLETED"
    monkeypatch.setattr("tasks.backfill.backfill_part.retries", 0)
    state = run(prefect_api, w, step="31d")
    assert state.type.value == "FAILED"
    assert f"no slot of the limit {LIMIT} is free" in state.message
    assert f"See who holds them: `prefect gcl inspect {LIMIT}`" in state.message


def test_a_shard_that_is_down_fails_its_slices_by_name_and_the_same_command_finishes_them(
    world: WorldMaker, prefect_api: PrefectApi, slots: httpx.Client
) -> None:
    w = shop(world)
    shards = w.connections()["mysql-shards/shop"]["shards"]
    w.connection_changes = {"shards": {**shards, "shop_01": f"mysql://root@127.0.0.1:1/{w.database('shop_01')}"}}
    words = ("backfill", "orders", "--from", "2026-01-01", "--to", "2026-02-01", "--step", "7d", "--json")
    first = prefect_api.command(w, *words)
    assert (first.returncode, first.stderr) == (1, "")
    said = json.loads(first.stdout)["views"][0]
    assert said["message"].startswith("5/10 slices merged; shop_01: (127.0.0.1:1/")
    assert [(s["shard"], s["state"], s["read"]) for s in said["shards"]] == [("shop_00", "merged", 31), ("shop_01", "failed", 0)]
    w.connection_changes = {}
    second = prefect_api.command(w, *words)
    assert (second.returncode, second.stderr) == (0, "")
    said = json.loads(second.stdout)["views"][0]
    assert said["message"] == "10/10 slices merged (5 of them by earlier runs)"
    total = said["totals"]
    assert (total["read"], total["merged"] + total["unchanged"] + total["superseded"] + total["rejected"]) == (62, 62)
    assert len(w.target()) == 62


def test_a_command_that_is_killed_with_slots_in_its_hands_is_finished_by_the_next(
    world: WorldMaker, prefect_api: PrefectApi, slots: httpx.Client
) -> None:
    w = shop(world)
    words = ("backfill", "orders", "--from", "2026-01-01", "--to", "2026-02-01", "--step", "7d")
    killed = prefect_api.command(w, *words, SHARDLAKE_FAILPOINT="extract.recorded=kill@2")
    assert killed.returncode == -signal.SIGKILL
    assert 1 <= (active(slots) or 0) <= 3  # until its leases have run out; one is free in any case
    again = prefect_api.command(w, *words)
    assert again.returncode == 0, again.stdout + again.stderr
    assert "10/10 slices merged" in again.stdout
    assert len(w.target()) == 62
    assert w.warehouse("SELECT state, count(*) FROM shardlake.backfills GROUP BY 1") == [("completed", 1)]


def test_a_second_of_the_same_is_told_so_while_a_regular_run_goes_on(
    world: WorldMaker, prefect_api: PrefectApi, slots: httpx.Client
) -> None:
    from shardlake.run.backfill import Backfill

    w = shop(world)
    with Backfill(w.job(), "2026-01-01", "2026-02-01"):
        busy = prefect_api.command(w, "backfill", "orders", "--from", "2026-01-01", "--to", "2026-02-01")
        assert busy.returncode == 1
        assert "this backfill of orders is running already" in busy.stderr
        regular = prefect_api.command(w, "run", "orders")
        assert (regular.returncode, regular.stderr) == (0, "")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--from", "2026-02-01", "--to", "2026-01-01"], "--from 2026-02-01 is not before --to 2026-01-01"),
        (["--from", "x", "--to", "2026-01-01"], "--from: 'x' is no date or time"),
        (["--from", "2026-01-01", "--to", "2999-01-01"], "--to 2999-01-01 is in the future"),
    ],
)
def test_what_cannot_be_is_one_clear_line(world: WorldMaker, prefect_api: PrefectApi, words: list[str], said: str) -> None:
    w = shop(world)
    done = prefect_api.command(w, "backfill", "orders", *words)
    assert (done.returncode, done.stdout) == (1, "")
    assert said in done.stderr
    assert "Traceback" not in done.stderr


def test_on_a_terminal_a_line_grows_with_the_slices(world: WorldMaker, prefect_api: PrefectApi, slots: httpx.Client) -> None:
    w = shop(world)
    w.write_files()
    reader, writer = os.openpty()
    environment = {**w.environment(), **prefect_api.environment(), "TERM": "xterm", "COLUMNS": "120"}
    program = [str(Path(sys.executable).parent / "shardlake"), "backfill", "orders", "--from", "2026-01-01", "--to", "2026-02-01"]
    process = subprocess.Popen(program, cwd=w.folder, env=environment, stdout=subprocess.PIPE, stderr=writer)
    os.close(writer)
    drawn = b""
    while True:
        try:
            piece = os.read(reader, 65536)
        except OSError:
            break
        if not piece:
            break
        drawn += piece
    assert process.wait(60) == 0
    assert b"backfill of orders" in drawn
    assert b"/62" in drawn  # 31 days on two shards
    assert len(w.target()) == 62
