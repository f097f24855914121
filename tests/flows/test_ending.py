"""Runs that are timed out, cancelled or interrupted while a shard hangs: they end, with their readers, steps and claims."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextvars import copy_context
from pathlib import Path

import psutil
import pytest

from embedded.machine import Machine
from embedded.mariadb import MariaDB, obtain_mariadb
from flows.sync_view import sync_view
from shardlake.run.job import Job
from shardlake.run.loop import run_stages
from shardlake.run.report import RunReport
from shardlake.run.run import Run
from shardlake.run.threads import Threads
from shardlake.source.sql import worker
from tests.audit import unfinished
from tests.prefect_api import PrefectApi
from tests.stopping import SOON, alive, and_the_next_run_is_whole, chunks, claims, hanging, paused_midway, until
from tests.world import ORDERS_TABLE, ROOT, World, WorldMaker

pytestmark = pytest.mark.timeout(900)  # each waits for what hangs, and on a busy machine tries again with more time


@pytest.fixture(scope="module")
def frail(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MariaDB]:
    """A MariaDB of this module's own, to be paused."""
    with obtain_mariadb(tmp_path_factory.mktemp("frail"), machine=Machine(environ={"PATH": os.environ["PATH"]})) as server:
        yield server


@pytest.fixture(autouse=True)
def _no_readers_of_before() -> None:
    worker.stop()


def readers() -> list[psutil.Process]:
    """The processes of this one that read."""
    return [c for p in psutil.Process().children() if "forkserver" in " ".join(p.cmdline()) for c in p.children(recursive=True)]


def steps_under_way() -> list[str]:
    return [t.name for t in threading.enumerate() if t.name.startswith("ThreadPoolExecutor")]


def nothing_goes_on(w: World, frail: MariaDB) -> None:
    """No reader, no step and no claim is left, nothing was merged, and nothing is read or merged any more, though the source is back."""
    assert (readers(), claims(w)) == ([], [])
    frail.resume()
    before = (chunks(w), w.warehouse("SELECT window_id, status FROM shardlake.windows ORDER BY 1"))
    assert {status for _, status in unfinished(w)} == {"open"}
    time.sleep(1)
    assert (chunks(w), w.warehouse("SELECT window_id, status FROM shardlake.windows ORDER BY 1")) == before


@pytest.mark.parametrize("thread", ["the main thread", "a thread of its own"])
def test_a_flow_that_meets_its_timeout_ends_with_all_that_it_began(
    world: WorldMaker, prefect_api: PrefectApi, frail: MariaDB, thread: str
) -> None:
    w, found = hanging(world, frail), []

    def run() -> None:
        for seconds in (8, 16, 32, 64):  # on a machine that is busy the first is over before anything is read
            found[:] = [sync_view.with_options(timeout_seconds=seconds)(w.view["name"], return_state=True)]
            if chunks(w):
                break

    others = steps_under_way()
    with prefect_api.here(w), paused_midway(w, frail):
        if thread == "the main thread":
            run()
        else:
            own = threading.Thread(target=copy_context().run, args=(run,), daemon=True)  # with the settings of `here`
            own.start()
            own.join(2 * SOON)
        assert [state.name for state in found] == ["TimedOut"]
        assert set(steps_under_way()) <= set(others)
        nothing_goes_on(w, frail)
    last = w.warehouse("SELECT state, message FROM shardlake.runs ORDER BY started_at DESC LIMIT 1")
    assert last == [("failed", "CancelledError: the run was broken off")]
    and_the_next_run_is_whole(w)


def test_a_flow_that_is_cancelled_ends_with_all_that_it_began(world: WorldMaker, prefect_api: PrefectApi, frail: MariaDB) -> None:
    w = hanging(world, frail)
    w.write_files()
    environment = {**w.environment(), **prefect_api.environment()}
    program = str(Path(sys.executable).parent / "shardlake")
    with paused_midway(w, frail) as paused:
        process = subprocess.Popen(
            [program, "run", "orders"], cwd=w.folder, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        )
        assert paused.wait(SOON)
        below = psutil.Process(process.pid).children(recursive=True)
        process.send_signal(signal.SIGTERM)  # as a worker does with a run that is cancelled
        process.communicate(timeout=SOON)
        assert process.returncode != 0
        psutil.wait_procs(below, 10)
        assert alive(below) == []
        nothing_goes_on(w, frail)
    and_the_next_run_is_whole(w)


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)], ids=["Ctrl-C", "SIGTERM"])
def test_a_command_without_prefect_that_is_broken_off_ends_with_all_that_it_began(
    world: WorldMaker, frail: MariaDB, number: signal.Signals, code: int
) -> None:
    w = hanging(world, frail)
    w.write_files()
    program = str(Path(sys.executable).parent / "shardlake")
    with paused_midway(w, frail) as paused:
        process = subprocess.Popen(
            [program, "run", "orders"], cwd=w.folder, env=w.environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        assert paused.wait(SOON)
        below = psutil.Process(process.pid).children(recursive=True)
        assert below
        process.send_signal(number)
        out, said = process.communicate(timeout=SOON)
        assert (process.returncode, out, said) == (code, "", "orders: broken off; the next run goes on from where it stopped\n")
        psutil.wait_procs(below, 10)
        assert alive(below) == []
        nothing_goes_on(w, frail)
    assert [(state, message.partition(":")[2]) for state, message in w.warehouse("SELECT state, message FROM shardlake.runs")] == [
        ("failed", " the run was broken off")
    ]
    and_the_next_run_is_whole(w)


def test_a_script_that_is_interrupted_ends_while_its_readers_hang(world: WorldMaker, frail: MariaDB) -> None:
    w = hanging(world, frail)
    w.write_files()
    script = w.folder / "script.py"
    script.write_text(
        "import os\nfrom functools import partial\nfrom pathlib import Path\nfrom shardlake.connection.connection_file import load_connection\n"
        "from shardlake.run.sync import sync\nfrom shardlake.view.view_file import load_view\n"
        "if __name__ == '__main__':\n    view = load_view(Path(os.environ['SHARDLAKE_VIEWS'], 'orders'))\n"
        "    sync(view, partial(load_connection, Path(os.environ['SHARDLAKE_CONNECTIONS'])))\n"
    )
    with paused_midway(w, frail) as paused:
        process = subprocess.Popen([sys.executable, str(script)], cwd=ROOT, env=w.environment(), stderr=subprocess.PIPE, text=True)
        assert paused.wait(SOON)
        below = psutil.Process(process.pid).children(recursive=True)
        assert below
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=SOON)
        assert said.strip().endswith("KeyboardInterrupt")
        psutil.wait_procs(below, 10)
        assert alive(below) == []
        nothing_goes_on(w, frail)
    and_the_next_run_is_whole(w)


def test_a_merge_that_waits_when_its_run_is_timed_out_does_not_happen_afterwards(world: WorldMaker, prefect_api: PrefectApi) -> None:
    w = world(["shop_00", "shop_01"])
    w.on_all(ORDERS_TABLE)
    w.on_all("INSERT INTO orders VALUES (ascii(right(database(), 1)), 'new', 1, '2026-01-02', NULL)")
    w.must_sync()
    w.on_all("UPDATE orders SET status = 'paid', updated_at = utc_timestamp(6)")
    blocked = "SELECT count(*) FROM pg_locks WHERE NOT granted AND relation = 'analytics.orders'::regclass"
    with w.warehouse_server.connect(w.warehouse_database, autocommit=False) as session:
        session.execute("LOCK TABLE analytics.orders IN EXCLUSIVE MODE")
        w.view["warehouse"]["lock_timeout"] = "10m"
        over, waited = threading.Event(), threading.Event()

        def watch() -> None:
            while not over.wait(0.05):
                if w.warehouse(blocked) != [(0,)]:
                    waited.set()

        watcher = threading.Thread(target=watch)
        watcher.start()
        with prefect_api.here(w):
            for seconds in (8, 16, 32, 64):  # on a machine that is busy the first is over before it merges
                state = sync_view.with_options(timeout_seconds=seconds)("orders", return_state=True)
                assert state.name == "TimedOut"
                if waited.is_set():
                    break
        over.set()
        watcher.join()
        assert waited.is_set()
        until(lambda: w.warehouse(blocked) == [(0,)], 10)
        assert claims(w) == []
    assert w.target("id, status") == [(48, "new"), (49, "new")]
    w.must_sync()
    assert w.target("id, status") == [(48, "paid"), (49, "paid")]


def test_of_two_runs_in_one_process_the_one_ends_and_the_other_keeps_its_readers(world: WorldMaker, frail: MariaDB, tmp_path: Path) -> None:
    long = 40_000  # so many chunks that neither is read to its end before the other's reader has begun
    ended, other = hanging(world, frail, 1, rows=long), hanging(world, frail, 1, rows=long, lake={"url": str(tmp_path / "another lake")})
    job, reports = ended.job(), dict[str, RunReport]()

    def run(name: str, of: Job) -> None:
        with Run(of) as under_way, Threads(of, under_way.id, 2) as executor:
            run_stages(under_way, executor)
        reports[name] = under_way.report

    threads = [threading.Thread(target=run, args=given) for given in (("ended", job), ("other", other.job()))]
    for thread in threads:
        thread.start()
    until(lambda: chunks(ended) and chunks(other))
    frail.pause()
    try:
        assert job.cancellation.cancel(SOON)
        threads[0].join(SOON)
        assert "the run was broken off" in str(reports["ended"].shards["shop_00"].error)  # said by its reader, or by the wait for it
        assert unfinished(ended) == [("shop_00", "open")]
        assert threads[1].is_alive()
    finally:
        frail.resume()
    threads[1].join(SOON)
    assert reports["other"].ok, reports["other"].headline()
    assert other.target("count(*)") == [(long,)]
    and_the_next_run_is_whole(ended, long)
