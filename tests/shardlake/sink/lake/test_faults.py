"""The lake on bad days: killed anywhere, S3 that fails, two writers at once. S3 is moto's, an emulator, behind a proxy."""

from __future__ import annotations

import json
import signal
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from shardlake.sink.lake.commit import alone
from shardlake.sink.lake.sweep import Swept, sweep
from tests.lake import IN_THE_LAKE
from tests.s3_proxy import Faults, s3_proxy
from tests.shardlake.sink.lake.test_append import BY_CITY, BY_DAY, order, shop
from tests.world import World, WorldMaker

LAYOUTS: list[dict[str, Any]] = [BY_DAY, BY_CITY, {"table": "in_delta", "format": "delta"}, {"table": "in_iceberg", "format": "iceberg"}]


def on_disk(w: World, table: str) -> set[str]:
    root = w.folder / "lake"
    return {str(f.relative_to(root)) for f in (root / "analytics" / table).rglob("*.parquet")}


def comes_out_exact(w: World) -> None:
    """The next run leaves every table as the warehouse is, each row once, and no file that the ledger does not know."""
    w.must_sync()
    expected = w.target("id, status, city", "id")
    for table in ("orders_latest", "orders_by_city_latest", "in_delta", "in_iceberg"):
        assert w.query(f"SELECT id, status, city FROM {table} ORDER BY id") == expected, table
    assert w.query("SELECT id, updated_at, count(*) FROM orders GROUP BY ALL HAVING count(*) > 1") == []
    assert sweep(w.job(), grace=timedelta(0)).orphans == 0
    for table in ("orders", "orders_by_city"):
        live = w.warehouse("SELECT key FROM shardlake.lake_files WHERE layout = %s", table)
        assert on_disk(w, table) == {key for (key,) in live}
    assert w.warehouse("SELECT * FROM shardlake.lake_commits WHERE status = 'open'") == []


@pytest.mark.parametrize("failpoint", IN_THE_LAKE)
def test_a_run_that_is_killed_in_the_lake_is_made_good_by_the_next(world: WorldMaker, failpoint: str) -> None:
    w = shop(world, ["shop_00", "shop_01"], LAYOUTS)
    for n in range(8):
        order(w, f"shop_0{n % 2}", n, 1 + n % 3, city=["Rome", "Oslo"][n % 2])
    w.must_sync()
    before = w.query("SELECT count(*) FROM orders")
    for n in range(4):
        order(w, f"shop_0{n % 2}", n, city="Bern", status="changed")
    ended = w.engine_process(SHARDLAKE_FAILPOINT=f"{failpoint}=kill")
    assert ended.returncode == -signal.SIGKILL, ended.stderr
    assert w.query("SELECT count(*) FROM orders") in (before, [(before[0][0] + 4,)])  # a commit is in as a whole or not at all
    comes_out_exact(w)


def test_a_first_commit_that_is_killed_leaves_nothing_that_a_query_sees(world: WorldMaker) -> None:
    w = shop(world, None, LAYOUTS)
    order(w, "shop_00", 1, 1, city="Rome")
    assert w.engine_process(SHARDLAKE_FAILPOINT="lake.put=kill").returncode == -signal.SIGKILL
    comes_out_exact(w)


def test_a_shard_that_was_down_has_its_rows_added_by_a_later_run(world: WorldMaker) -> None:
    w = shop(world, ["shop_00", "shop_01"], LAYOUTS)
    order(w, "shop_00", 1, 1, city="Rome")
    order(w, "shop_01", 2, 1, city="Rome")
    w.on("shop_01", "RENAME TABLE orders TO away")
    report = w.sync()
    assert (report.ok, report.lake["orders"].rows, report.shards["shop_01"].state) == (False, 1, "failed")
    w.on("shop_01", "RENAME TABLE away TO orders")
    comes_out_exact(w)
    assert w.query("SELECT dt::text, count(*) FROM orders GROUP BY 1") == [("2026-01-01", 2)]


def test_a_layout_that_fails_fails_alone_and_is_written_by_the_next_run(world: WorldMaker) -> None:
    w = shop(world, None, LAYOUTS)
    order(w, "shop_00", 1, 1, city="Rome")
    place = w.folder / "lake" / "analytics" / "orders_by_city"
    place.parent.mkdir(parents=True)
    place.write_text("a file where a folder should be")
    report = w.sync()
    assert (report.ok, report.lake["orders"].rows, report.shards["shop_00"].state) == (False, 1, "merged")
    assert report.headline().startswith("1/1 shards merged; lake table orders_by_city: analytics/orders_by_city/city=Rome/")
    place.unlink()
    comes_out_exact(w)


def test_a_layout_that_another_run_is_at_is_waited_for(world: WorldMaker) -> None:
    w = shop(world, None, [BY_DAY])
    order(w, "shop_00", 1, 1)
    job = w.job()
    with ThreadPoolExecutor(1) as pool:
        with alone(job, job.view.lake.layouts[0]) as held:
            assert held is not None
            run = pool.submit(w.must_sync)
            while not w.warehouse("SELECT window_id FROM shardlake.sink_windows"):  # until the warehouse has it
                time.sleep(0.1)
            with pytest.raises(TimeoutError):
                run.result(1.5)
        assert run.result().lake["orders"].windows == 1


def test_a_layout_that_another_run_does_not_leave_is_a_failure_and_named_until_it_is_there(
    world: WorldMaker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shardlake.run.deliver.BUSY_WAIT", 0.3)
    w = shop(world, None, [BY_DAY])
    order(w, "shop_00", 1, 1)
    job = w.job()
    with alone(job, job.view.lake.layouts[0]) as held:
        assert held is not None
        report = w.sync()
    assert (report.ok, report.shards["shop_00"].state) == (False, "merged")
    assert (
        report.headline()
        == "1/1 shards merged; lake table orders: another run is writing the lake table orders. Wait for it, and run again."
    )
    assert w.must_sync().lake["orders"].windows == 1


def test_two_runs_at_once_leave_every_row_once(world: WorldMaker) -> None:
    w = shop(world, ["shop_00", "shop_01"], LAYOUTS)
    for n in range(20):
        order(w, f"shop_0{n % 2}", n, 1 + n % 5, city="Rome")
    runs = [threading.Thread(target=w.sync, kwargs={"shards": [shard]}) for shard in w.shards]
    for run in runs:
        run.start()
    for run in runs:
        run.join()
    comes_out_exact(w)


def test_files_that_nothing_knows_go_after_a_grace_time_and_others_files_stay(world: WorldMaker) -> None:
    w = shop(world, None, [BY_DAY])
    order(w, "shop_00", 1, 1)
    w.must_sync()
    folder = w.folder / "lake" / "analytics" / "orders" / "dt=2026-01-01"
    (folder / "c00009999-000.parquet").write_text("left by a crash")
    (folder / "somebody_elses.parquet").write_text("not ours")
    assert sweep(w.job()) == Swept()
    assert sweep(w.job(), grace=timedelta(0)) == Swept(orphans=1)
    assert {f.name for f in folder.iterdir()} == {"c00000001-000.parquet", "somebody_elses.parquet"}


@pytest.fixture
def small_disk() -> Iterator[Path]:
    """A disk of a megabyte, at a short path: a socket's is 107 characters at most."""
    place = Path(tempfile.mkdtemp(prefix="small-"))
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(place)], capture_output=True, check=False).returncode:
        place.rmdir()
        pytest.skip("a disk can be mounted by root alone")
    yield place
    subprocess.run(["umount", "-l", str(place)], check=True)
    place.rmdir()


def test_a_full_temporary_folder_leaves_the_warehouse_right_and_the_lake_for_the_next_run(world: WorldMaker, small_disk: Path) -> None:
    w = shop(world, None, [BY_DAY])
    w.on(
        "shop_00",
        "INSERT INTO orders SELECT seq, 'new', 1.5, '2026-01-02', concat('{\"city\": \"', rand(), rand(), rand(), '\"}') FROM seq_1_to_20000",
    )
    ended = w.engine_process(TMPDIR=str(small_disk))
    assert ended.returncode == 1, ended.stderr
    assert ended.stdout, ended.stderr
    said = json.loads(ended.stdout)
    assert (said["totals"]["merged"], said["shards"][0]["error"]) == (20_000, None)
    assert said["message"].startswith(f"1/1 shards merged; lake table orders: the temporary folder {small_disk} did not take orders (")
    assert list(small_disk.iterdir()) == []
    assert on_disk(w, "orders") == set()
    w.must_sync()
    assert w.query("SELECT count(*) FROM orders") == [(20_000,)]


def test_a_full_lake_publishes_nothing(world: WorldMaker, small_disk: Path) -> None:
    w = shop(world, None, [BY_DAY])
    w.on(
        "shop_00",
        "INSERT INTO orders SELECT seq, 'new', 1.5, '2026-01-02', concat('{\"city\": \"', rand(), rand(), rand(), '\"}') FROM seq_1_to_14000",
    )
    w.lake = {"url": str(small_disk)}
    (small_disk / "ballast").write_bytes(bytes(400_000))
    report = w.sync()
    assert not report.ok
    assert "Check space and rights of the lake" in report.headline()
    assert list((small_disk / "analytics").rglob("*.parquet")) == []
    (small_disk / "ballast").unlink()
    w.must_sync()
    assert w.query("SELECT count(*) FROM orders") == [(14_000,)]


# --- S3 ----------------------------------------------------------------------------------------------------------------
@pytest.fixture
def s3(s3_emulator: str, tmp_path: Path) -> Iterator[tuple[dict[str, Any], Faults]]:
    """A lake on the emulator, behind the proxy."""
    with s3_proxy(s3_emulator) as (address, faults):
        lake = {
            "url": f"s3://lake-bucket/{tmp_path.name}", "endpoint": address, "region": "eu-west-1", "access_key_id": "k",
            "secret_access_key": "canary-7c1",
        }  # fmt: skip
        yield lake, faults


def s3_shop(world: WorldMaker, s3: tuple[dict[str, Any], Faults], layouts: list[dict[str, Any]]) -> World:
    w = shop(world, ["shop_00", "shop_01"], layouts)
    w.lake = s3[0]
    for n in range(8):
        order(w, f"shop_0{n % 2}", n, 1 + n % 3, city=["Rome", "a/b: 100% 🚚"][n % 2])
    return w


def test_the_same_lake_on_s3(world: WorldMaker, s3: tuple[dict[str, Any], Faults]) -> None:
    w = s3_shop(world, s3, LAYOUTS)
    w.must_sync()
    order(w, "shop_00", 0, city="Bern", status="changed")
    w.must_sync()
    expected = w.target("id, status, city", "id")
    for table in ("orders_latest", "orders_by_city_latest", "in_delta", "in_iceberg"):
        assert w.query(f"SELECT id, status, city FROM {table} ORDER BY id") == expected, table


@pytest.mark.parametrize("fault", ["slow", "500", "reset", "lost"])
def test_requests_that_s3_fails_are_sent_again_and_every_row_is_there_once(
    world: WorldMaker, s3: tuple[dict[str, Any], Faults], fault: str
) -> None:
    w = s3_shop(world, s3, [BY_DAY, BY_CITY])
    s3[1].script["PUT"] = [fault, fault, fault]
    w.must_sync()
    assert s3[1].seen == [fault] * 3
    assert w.query("SELECT count(*), count(DISTINCT id) FROM orders") == [(8, 8)]
    assert w.query("SELECT count(*), count(DISTINCT id) FROM orders_by_city") == [(8, 8)]


def test_a_store_that_refuses_fails_the_layout_with_nothing_visible_and_no_secret(
    world: WorldMaker, s3: tuple[dict[str, Any], Faults]
) -> None:
    w = s3_shop(world, s3, [BY_DAY])
    s3[1].script["PUT"] = ["denied"]
    report = w.sync()
    assert not report.ok
    assert "lake table orders: analytics/orders/dt=2026-01-0" in report.headline()
    assert "canary" not in report.headline()
    assert w.warehouse("SELECT status FROM shardlake.lake_commits") == [("open",)]
    s3[1].script.clear()
    w.must_sync()
    assert w.query("SELECT count(*) FROM orders") == [(8,)]
