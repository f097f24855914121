"""Backfills: a range of the cursor is read again beside the regular runs, and what is killed or down is made good by the next."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import threading
import time
from typing import Any
from uuid import uuid4

import pytest

from shardlake.errors import SpecError, WarehouseBusy
from shardlake.run import threads as module
from shardlake.run.backfill import Backfill, backfill
from shardlake.run.backfill_slice import merge_slice_window, read_slice_window
from shardlake.run.deliver import catch_up
from shardlake.run.give_up import give_up
from shardlake.run.replay import replay
from shardlake.run.report import BackfillReport
from shardlake.source.slices import Range, read_range
from tests.audit import leftovers, unfinished
from tests.breaking import broken_at
from tests.world import ORDERS_TABLE, ROOT, WINDOWS, World, WorldMaker, orders_view

MARKS = "SELECT partition, position, moved_at FROM shardlake.positions ORDER BY 1"
JANUARY = ("2026-01-01", "2026-02-01")
EXPLODED: dict[str, Any] = {
    "id": "bigint",
    "n": {"type": "bigint", "from": "$index"},
    "sku": {"type": "text", "from": "$element"},
    "updated_at": "timestamp",
}


def shop(world: WorldMaker, shards: list[str] | None = None, **options: Any) -> World:
    """Shards with an order a day in January: 1 to 31 on the first, 101 to 131 on the second …"""
    w = world(shards or ["shop_00", "shop_01"], **{"view": orders_view(), **options})
    w.on_all(ORDERS_TABLE)
    for number, shard in enumerate(w.shards):
        w.on(
            shard,
            f"INSERT INTO orders SELECT {number} * 100 + seq, 'new', 1.5, '2026-01-01' + INTERVAL seq - 1 DAY + INTERVAL 1 HOUR,"
            ' \'{"customer": {"name": "Ada"}}\' FROM seq_1_to_31',
        )
    return w


def again(w: World, start: str = JANUARY[0], end: str = JANUARY[1], **options: Any) -> BackfillReport:
    return backfill(w.model(), w.connect, start, end, **options)


def source(w: World) -> list[tuple[Any, ...]]:
    return sorted(row for shard in w.shards for row in w.on(shard, f"SELECT id, status, '{shard}' FROM orders"))


def adds_up(report: BackfillReport) -> None:
    """The equation of a view without explode: what was read has a verdict, on every shard."""
    for shard in report.shards.values():
        assert shard.read == shard.merged + shard.unchanged + shard.superseded + shard.rejected


def counts(report: BackfillReport) -> dict[str, tuple[int, ...]]:
    return {s.shard: (s.read, s.merged, s.unchanged, s.superseded, s.rejected) for s in report.shards.values()}


def test_rows_that_were_deleted_by_hand_come_back_and_no_watermark_moves(world: WorldMaker) -> None:
    w = shop(world)
    w.must_sync()
    whole, marks = w.target("id, status, _shard"), w.warehouse(MARKS)
    w.warehouse("DELETE FROM analytics.orders WHERE updated_at > '2026-01-10' AND updated_at <= '2026-01-20'")
    report = again(w, "2026-01-10", "2026-01-20", step="1d")
    assert (report.ok, report.headline()) == (True, "20/20 slices merged")
    assert counts(report) == {"shop_00": (10, 10, 0, 0, 0), "shop_01": (10, 10, 0, 0, 0)}
    assert w.target("id, status, _shard") == whole == source(w)
    assert w.warehouse(MARKS) == marks
    place = w.target("ctid::text, xmin::text")
    report = again(w, "2026-01-10", "2026-01-20", step="1d")  # once more, as a backfill of its own
    assert counts(report) == {"shop_00": (10, 0, 10, 0, 0), "shop_01": (10, 0, 10, 0, 0)}
    assert w.target("ctid::text, xmin::text") == place
    assert (unfinished(w), leftovers(w)) == ([], [])
    w.must_sync()
    assert w.target("ctid::text, xmin::text") == place


def test_the_range_is_behind_from_and_up_to_to(world: WorldMaker) -> None:
    w = shop(world, ["shop_00"])
    w.must_sync()
    w.warehouse("DELETE FROM analytics.orders")
    again(w, "2026-01-02 01:00", "2026-01-04 01:00")
    assert w.target("id") == [(3,), (4,)]


def test_a_row_that_changed_without_its_cursor_is_taken_and_an_older_version_is_not(world: WorldMaker) -> None:
    w = shop(world, ["shop_00"])
    w.must_sync()
    w.on("shop_00", "UPDATE orders SET status = 'mended' WHERE id = 5")
    w.warehouse("UPDATE analytics.orders SET updated_at = '2026-03-01', status = 'newer' WHERE id = 6")
    report = again(w)
    assert counts(report) == {"shop_00": (31, 1, 29, 1, 0)}
    assert w.target("id, status")[4:6] == [(5, "mended"), (6, "newer")]
    adds_up(report)


def test_a_view_that_never_ran_is_filled_by_a_backfill_and_the_first_run_goes_on(world: WorldMaker) -> None:
    w = shop(world)
    assert again(w, "2026-01-10", "2026-01-20").ok
    assert len(w.target()) == 20
    assert w.warehouse(MARKS) == []
    w.must_sync()
    assert w.target("id, status, _shard") == source(w)


def test_a_slice_without_rows_opens_no_window_and_rows_without_a_cursor_are_left_to_the_run(world: WorldMaker) -> None:
    w = shop(world, ["shop_00"])
    w.on("shop_00", "ALTER TABLE orders MODIFY updated_at datetime(6) NULL")
    w.on("shop_00", "INSERT INTO orders VALUES (500, 'timeless', 1, NULL, NULL)")
    report = again(w, "2025-12-20", "2026-01-05", step="1d")
    assert report.headline() == "16/16 slices merged"
    assert w.target("id") == [(1,), (2,), (3,), (4,)]
    assert w.warehouse("SELECT count(*) FROM shardlake.windows") == [(4,)]


def test_a_regular_run_in_the_middle_of_a_backfill_goes_on_and_neither_waits(world: WorldMaker) -> None:
    w = shop(world, ["shop_00"])
    w.must_sync()
    w.warehouse("DELETE FROM analytics.orders")
    with Backfill(w.job(), *JANUARY, step="7d") as run:
        first, second, *rest = run.parts
        window = read_slice_window(run.job, first)
        assert window is not None
        w.on("shop_00", "INSERT INTO orders VALUES (900, 'meanwhile', 1, utc_timestamp(6), NULL)")
        w.on("shop_00", "UPDATE orders SET status = 'meanwhile', updated_at = utc_timestamp(6) WHERE id = 3")
        began = time.monotonic()
        regular = w.must_sync()
        assert time.monotonic() - began < 20  # a claim would be waited for for a minute
        assert (regular.totals().read, regular.totals().merged) == (2, 2)
        marks = w.warehouse(MARKS)
        other = read_slice_window(run.job, second)  # two of one shard are open at once
        assert other is not None
        assert w.warehouse(f"SELECT state, count(*) FROM {WINDOWS} WHERE backfill_id IS NOT NULL GROUP BY 1") == [("read", 2)]
        for part, found in ((second, other), (first, window)):
            assert not merge_slice_window(run.job, part, found)
            run.merged(part)
        for part in rest:
            while found := read_slice_window(run.job, part):
                merge_slice_window(run.job, part, found)
            run.merged(part)
    assert run.report.ok
    assert counts(run.report)["shop_00"] == (31, 30, 0, 1, 0)
    assert w.target("id, status, _shard") == source(w)
    assert w.warehouse(MARKS) == marks


def test_a_full_run_does_not_give_up_a_backfills_windows_and_takes_none_of_them(world: WorldMaker) -> None:
    w = shop(world, ["shop_00"])
    with Backfill(w.job(), *JANUARY, step="30d") as run:
        window = read_slice_window(run.job, run.parts[0])
        assert window is not None
    w.must_sync(full=True)
    w.must_sync()
    assert unfinished(w) == [("shop_00", "read")]
    report = again(w, step="30d")
    assert report.ok
    assert w.windows("state", f"window_id = {window.window_id}") == [("applied",)]


def test_a_replay_takes_a_backfills_windows_in_and_moves_no_watermark(world: WorldMaker) -> None:
    w = shop(world, ["shop_00"])
    w.must_sync()
    assert again(w, "2026-01-01", "2026-01-11", step="10d").ok
    marks = w.warehouse(MARKS)
    w.warehouse("DELETE FROM analytics.orders")
    report = replay(w.job())
    assert (report.ok, report.shards["shop_00"].windows, report.shards["shop_00"].read) == (True, 2, 41)
    assert w.target("id, status, _shard") == source(w)
    assert w.warehouse(MARKS) == marks


def test_a_large_slice_is_closed_early_and_goes_on_within_itself(world: WorldMaker) -> None:
    w = shop(world, ["shop_00"], view=orders_view(source={"chunk": "64KB", "window": "1KB"}))
    w.on(
        "shop_00",
        "INSERT INTO orders SELECT 1000 + seq, 'bulk', 1, '2026-01-05 00:00:01', concat('{\"a\": \"', repeat('x', 1000), '\"}') FROM seq_1_to_250",
    )
    report = again(w, step="31d")
    assert (report.headline(), report.totals().windows > 2) == ("1/1 slices merged", True)
    assert w.target("id, status, _shard") == source(w)
    adds_up(report)


@pytest.mark.parametrize(("kind", "step"), [("bigint", "10"), ("decimal(20,2)", "7.5")])
def test_a_cursor_of_numbers_is_cut_by_numbers(world: WorldMaker, kind: str, step: str) -> None:
    view = orders_view(source={"cursor": "version"}, columns={"id": "bigint", "status": "text"})
    w = world(["shop_00"], view=view)
    w.on_all(f"CREATE TABLE orders (id bigint PRIMARY KEY, status varchar(40), version {kind} NOT NULL, KEY (version))")
    w.on("shop_00", "INSERT INTO orders SELECT seq, 'new', seq FROM seq_1_to_100")
    w.must_sync()
    marks = w.warehouse(MARKS)
    w.warehouse("DELETE FROM analytics.orders")
    report = again(w, "20", "50", step=step)
    assert (report.ok, counts(report)) == (True, {"shop_00": (30, 30, 0, 0, 0)})
    assert w.target("id") == [(n,) for n in range(21, 51)]
    assert again(w, "90", "100000").ok  # past the greatest there is nothing
    assert w.target("id")[30:] == [(n,) for n in range(91, 101)]
    assert w.warehouse(MARKS) == marks


def test_a_cursor_of_dates_is_cut_by_days(world: WorldMaker) -> None:
    w = world(["shop_00"], view=orders_view(source={"cursor": "day"}, columns={"id": "bigint", "day": "date"}))
    w.on_all("CREATE TABLE orders (id bigint PRIMARY KEY, day date NOT NULL, KEY (day))")
    w.on("shop_00", "INSERT INTO orders SELECT seq, '2026-01-01' + INTERVAL seq - 1 DAY FROM seq_1_to_31")
    report = again(w, "2026-01-10", "2026-01-12")
    assert (report.headline(), w.target("id")) == ("2/2 slices merged", [(11,), (12,)])


def test_postgres_shards_with_a_zone_of_their_own(world: WorldMaker) -> None:
    view = orders_view(
        source={"connection": "postgres-shards/shop", "cursor": "at"}, columns={"id": "bigint", "at": "timestamptz", "local": "timestamp"}
    )
    w = world(["shop_00"], source="postgres", view=view, connection_changes={"timezone": "Europe/Berlin"})
    w.on_all("CREATE TABLE orders (id bigint PRIMARY KEY, at timestamptz NOT NULL, local timestamp NOT NULL)")
    w.on_all(
        "INSERT INTO orders SELECT n, t, t AT TIME ZONE 'Europe/Berlin' FROM (SELECT n, timestamptz '2026-01-01 00:00+00' + n * interval '1 hour' AS t FROM generate_series(0, 48) n) s"
    )
    again(w, "2026-01-01 10:00", "2026-01-01T12:00:00Z")  # the first in Berlin: nine o'clock UTC
    assert w.target("id") == [(10,), (11,), (12,)]
    w.view = orders_view(source={**view["source"], "cursor": "local"}, columns=view["columns"])
    again(w, "2026-01-02 10:00", "2026-01-02T12:00:00Z")
    assert w.target("id")[3:] == [(34,), (35,), (36,)]


def run_in_a_process(w: World, failpoint: str = "", step: str = "7d") -> subprocess.CompletedProcess[str]:
    """The same backfill in a process of its own, which a failpoint may kill."""
    w.write_files()
    script = w.folder / "backfill_run.py"
    script.write_text(
        "import json, os, sys\nfrom functools import partial\nfrom pathlib import Path\nfrom shardlake.run.backfill import backfill\n"
        "from shardlake.connection.connection_file import load_connection\nfrom shardlake.view.view_file import load_view\n"
        "if __name__ == '__main__':\n    view = load_view(Path(os.environ['SHARDLAKE_VIEWS'], 'orders'))\n"
        "    connect = partial(load_connection, Path(os.environ['SHARDLAKE_CONNECTIONS']))\n"
        f"    r = backfill(view, connect, '2026-01-01', '2026-02-01', step={step!r}, parallel=2)\n"
        "    print(json.dumps(r.as_json()))\n    sys.exit(0 if r.ok else 1)\n"
    )
    extra = {"SHARDLAKE_FAILPOINT": failpoint} if failpoint else {}
    return subprocess.run([sys.executable, str(script)], cwd=ROOT, env=w.environment(**extra), capture_output=True, text=True, timeout=120)


PLACES = (
    "window.opened",
    "extract.written",
    "extract.recorded",
    "stage.copied",
    "merge.started",
    "merge.cast",
    "merge.before_commit",
    "merge.committed",
)


@pytest.mark.parametrize("place", [*PLACES, "merge.committed=kill@4", "extract.recorded=kill@3"])
def test_a_backfill_that_is_killed_is_finished_by_the_same_command_and_a_run_in_between_goes_on(world: WorldMaker, place: str) -> None:
    w = shop(world)
    w.must_sync()
    w.warehouse("DELETE FROM analytics.orders WHERE updated_at < '2026-02-01'")
    ended = run_in_a_process(w, place if "=" in place else f"{place}=kill")
    assert (ended.returncode, ended.stdout) == (-signal.SIGKILL, ""), ended.stderr
    held = w.warehouse(
        f"SELECT count(*), coalesce(sum(merged), 0)::int FROM {WINDOWS} WHERE backfill_id IS NOT NULL AND state = 'applied'"
    )[0]
    w.must_sync()  # what the backfill left unfinished does not concern it
    assert len(w.target()) == held[1]
    marks = w.warehouse(MARKS)
    report = again(w, step="7d")
    assert report.ok, report.headline()
    assert counts(report) == {"shop_00": (31, 31, 0, 0, 0), "shop_01": (31, 31, 0, 0, 0)}  # with what the killed one merged
    assert w.warehouse("SELECT count(*), count(*) FILTER (WHERE state = 'completed') FROM shardlake.backfills") == [(1, 1)]
    assert w.target("id, status, _shard") == source(w)
    assert (unfinished(w), leftovers(w)) == ([], [])
    assert w.warehouse(MARKS) == marks


def test_a_slice_that_was_read_is_finished_from_raw_though_the_shard_has_gone_on(world: WorldMaker) -> None:
    w = shop(world, ["shop_00"])
    with broken_at("stage.copied"), pytest.raises(RuntimeError):
        again(w, step="31d")
    assert w.warehouse("SELECT state, message FROM shardlake.backfills") == [("failed", "RuntimeError: the backfill was broken off")]
    assert unfinished(w) == [("shop_00", "read")]
    w.on("shop_00", "DELETE FROM orders")
    assert again(w, step="31d").ok
    assert len(w.target()) == 31


def test_a_shard_that_is_down_fails_by_name_and_the_same_command_finishes_it(world: WorldMaker) -> None:
    w = shop(world)
    shards = w.connections()["mysql-shards/shop"]["shards"]
    w.connection_changes = {"shards": {**shards, "shop_01": f"mysql://root@127.0.0.1:1/{w.database('shop_01')}"}}
    report = again(w, step="7d")
    assert not report.ok
    assert report.headline().startswith("5/10 slices merged; shop_01: (127.0.0.1:1/")
    assert report.headline().endswith("; the same command again goes on")
    assert len(w.target()) == 31
    w.connection_changes = {}
    report = again(w, step="7d")
    assert (report.ok, report.headline()) == (True, "10/10 slices merged (5 of them by earlier runs)")
    assert w.target("id, status, _shard") == source(w)
    assert w.warehouse("SELECT count(*) FROM shardlake.windows WHERE partition = 'shop_00'") == [(5,)]


def test_a_second_backfill_of_the_same_range_says_that_one_is_running_and_another_range_goes(world: WorldMaker) -> None:
    w = shop(world, ["shop_00"])
    with Backfill(w.job(), *JANUARY):
        with pytest.raises(WarehouseBusy, match="this backfill of orders is running already"):
            again(w)
        assert again(w, "2026-01-01", "2026-01-05").ok
    assert again(w).ok


def test_reads_stay_below_the_sources_connections_and_leave_one_to_the_run(world: WorldMaker, monkeypatch: pytest.MonkeyPatch) -> None:
    w = shop(world, connection_changes={"max_connections": 3})
    assert Backfill(w.job(), *JANUARY, parallel=16).parallel == 2
    under_way, most, lock = 0, 0, threading.Lock()
    original = module.read_slice_window

    def watched(job: Any, part: Any) -> Any:
        nonlocal under_way, most
        with lock:
            under_way += 1
            most = max(most, under_way)
        try:
            time.sleep(0.05)
            return original(job, part)
        finally:
            with lock:
                under_way -= 1

    monkeypatch.setattr(module, "read_slice_window", watched)
    assert again(w, step="3d", parallel=16).ok
    assert most == 2


def test_the_lake_gets_the_rows_too_and_its_newest_rows_are_the_warehouses(world: WorldMaker) -> None:
    lake = {
        "database": "analytics",
        "layouts": [{"table": "orders_history", "partition_by": ["day(updated_at)"]}, {"table": "orders_now", "format": "delta"}],
    }
    w = shop(world, view=orders_view(lake={"connection": "athena-lake/main", **lake}))
    report = again(w, "2026-01-01", "2026-01-11", step="5d")
    assert (report.ok, {t: part.rows for t, part in report.lake.items()}) == (True, {"orders_history": 20, "orders_now": 20})
    w.must_sync()
    w.on_all("UPDATE orders SET status = 'mended' WHERE id % 100 = 4")
    report = again(w, "2026-01-01", "2026-01-11", step="5d")
    assert (report.lake["orders_history"].rows, report.lake["orders_now"].rows) == (20, 2)
    assert w.query("SELECT id, status FROM orders_now ORDER BY 1") == w.target("id, status")
    assert w.query("SELECT id, status FROM orders_history_latest ORDER BY 1") == w.target("id, status")
    assert w.query("SELECT count(*) FROM raw.orders") == [(20 + 62 + 20,)]


@pytest.mark.parametrize(
    ("start", "end", "options", "said"),
    [
        ("2026-02-01", "2026-01-01", {}, "--from 2026-02-01 is not before --to 2026-01-01"),
        ("2026-01-01", "2026-01-01", {}, "is not before"),
        ("yesterday", "2026-01-01", {}, "--from: 'yesterday' is no date or time. Write --from 2026-01-31, '2026-01-31 18:30' or"),
        ("2026-01-01", "2026-02-30", {}, "--to: '2026-02-30' is no date or time"),
        ("2026-01-01", "17", {}, "--to: '17' is no date or time"),
        ("2026-01-01", "2999-01-01", {}, r"--to 2999-01-01 is in the future: the clock of shop_00, less source.safety_lag, says 20.*Write a time up to that"),
        ("2026-01-01", "2026-02-01", {"step": "often"}, "--step: 'often' is no duration, and the cursor is a time. Write --step 1h or --step 1d"),
        ("2026-01-01", "2026-02-01", {"step": "0s"}, "--step: 0 is no step"),
        ("1990-01-01", "2026-02-01", {"step": "1s"}, "--step 1s makes 1,138,752,000 slices a shard, and 10,000 are the most"),
        ("2026-01-01", "2026-02-01", {"shards": ["shop_09"]}, "has no shard 'shop_09'; there are: shop_00"),
        ("2026-01-01", "2026-02-01", {"parallel": 0}, "--parallel 0 is not between 1 and 16"),
    ],
)  # fmt: skip
def test_what_cannot_be_is_refused_and_leaves_nothing(world: WorldMaker, start: str, end: str, options: dict[str, Any], said: str) -> None:
    w = shop(world, ["shop_00"])
    with pytest.raises(SpecError, match=said):
        again(w, start, end, **options)
    if w.warehouse("SELECT to_regclass('shardlake.backfills')::text") != [(None,)]:
        assert w.warehouse("SELECT count(*) FROM shardlake.backfills") == [(0,)]


def test_a_view_without_a_cursor_is_told_to_run(world: WorldMaker) -> None:
    view = orders_view(source={"cursor": None}, warehouse={"write": "replace", "key": ["_shard", "id"]}, columns={"id": "bigint"})
    w = shop(world, ["shop_00"], view=view)
    with pytest.raises(SpecError, match=r"orders has no cursor: it replaces its whole table\. Run `shardlake run orders`"):
        again(w)


def test_numbers_are_refused_where_they_are_none() -> None:
    with pytest.raises(SpecError, match=r"--from: '2026-01-01' is no number, and the cursor is one\. Write --from 120000"):
        read_range("int", "2026-01-01", "5", None, "UTC")
    with pytest.raises(SpecError, match="--step: '1d' is no number above 0"):
        read_range("int", "1", "5", "1d", "UTC")
    assert read_range("int", "0", "1000000", None, "UTC") == Range("int", "0", "1000000", "31250")


def test_near_a_change_of_the_clocks_a_range_is_rather_too_wide_than_too_narrow() -> None:
    narrow = read_range("datetime", "2026-10-25T00:30Z", "2026-10-25T01:10Z", None, "Europe/Berlin")
    assert (narrow.lower, narrow.upper) == ("2026-10-25 01:25:00.000000", "2026-10-25 03:15:00.000000")
    plain = read_range("datetime", "2026-10-24T00:30Z", "2026-10-24T01:10Z", None, "Europe/Berlin")
    assert (plain.lower, plain.upper) == ("2026-10-24 02:30:00.000000", "2026-10-24 03:10:00.000000")


def test_an_open_transaction_holds_a_backfill_and_the_same_command_finishes_it(world: WorldMaker) -> None:
    w = shop(world, ["shop_00"])
    w.must_sync()
    w.warehouse("DELETE FROM analytics.orders")
    with w.source.connect(database=w.database("shop_00")) as open_one:
        open_one.begin()
        with open_one.cursor() as cursor:
            cursor.execute("UPDATE orders SET status = 'late', updated_at = utc_timestamp(6) WHERE id = 5")
            time.sleep(2.5)
            end = w.on("shop_00", "SELECT utc_timestamp(6)")[0][0].isoformat(" ")
            w.on("shop_00", "INSERT INTO orders VALUES (901, 'after', 1, %s - INTERVAL 200 MICROSECOND, NULL)", end)
            report = again(w, "2026-01-01", end, step="1d")
            assert "an open transaction, or a replica that lags, holds it at" in report.headline()
            assert not report.ok
        open_one.commit()
    report = again(w, "2026-01-01", end, step="1d")
    assert report.ok, report.headline()
    assert w.target("id, status, _shard") == source(w)


def test_the_json_says_what_was_backfilled(world: WorldMaker) -> None:
    w = shop(world, ["shop_00"])
    ended = run_in_a_process(w)
    found = json.loads(ended.stdout)
    assert (ended.returncode, found["ok"], found["totals"]["read"], found["totals"]["merged"]) == (0, True, 31, 31)
    assert {k: v for k, v in found["backfill"].items() if k != "id"} == {
        "from": "2026-01-01 00:00:00.000000", "to": "2026-02-01 00:00:00.000000", "step": "604800s", "slices": 5, "done": 5, "done_before": 0,
    }  # fmt: skip
    assert found["backfill"]["id"] == found["run_id"] == w.warehouse("SELECT backfill_id::text FROM shardlake.backfills")[0][0]


def one_part(w: World) -> tuple[Backfill, Any, Any]:
    """A backfill of January whose only slice is read and not merged yet."""
    run = Backfill(w.job(), *JANUARY, step="31d")
    run.__enter__()
    window = read_slice_window(run.job, run.parts[0])
    assert window is not None
    return run, run.parts[0], window


def test_at_the_same_version_what_was_read_later_stays_whoever_merges_last(world: WorldMaker) -> None:
    w = shop(world, ["shop_00"], view=orders_view(source={"lookback": "3650d"}))
    w.must_sync()
    run, part, window = one_part(w)
    w.on("shop_00", "UPDATE orders SET status = 'corrected' WHERE id = 5")  # its cursor stays
    w.must_sync()  # reads it again, for the lookback, and is merged first
    merge_slice_window(run.job, part, window)
    run.merged(part)
    run.__exit__(None, None, None)
    assert w.target("id, status, _shard") == source(w)
    assert counts(run.report) == {"shop_00": (31, 0, 31, 0, 0)}


def test_what_a_target_holds_and_its_ledger_does_not_know_of_yet_was_read_later_too(world: WorldMaker) -> None:
    w = shop(world, ["shop_00"], view=orders_view(source={"lookback": "3650d"}), ledger_apart=True)
    w.must_sync()
    run, part, window = one_part(w)
    w.on("shop_00", "UPDATE orders SET status = 'corrected' WHERE id = 5")
    with broken_at("merge.committed"), pytest.raises(RuntimeError):
        w.sync()
    merge_slice_window(run.job, part, window)
    run.merged(part)
    run.__exit__(None, None, None)
    assert w.target("status", "id")[4] == ("corrected",)
    w.must_sync()
    assert w.target("id, status, _shard") == source(w)


def test_a_run_that_was_broken_off_before_a_backfill_does_not_bring_its_older_rows_back(world: WorldMaker) -> None:
    w = shop(world, ["shop_00"], view=orders_view(source={"lookback": "3650d"}))
    w.must_sync()
    w.on("shop_00", "UPDATE orders SET status = 'half' WHERE id = 5")
    with broken_at("extract.recorded"), pytest.raises(RuntimeError):
        w.sync()
    w.on("shop_00", "UPDATE orders SET status = 'whole' WHERE id = 5")
    assert again(w).ok
    w.source.execute(f"DROP DATABASE `{w.database('shop_00')}`")  # the window that was read is all that there is
    w.create_shard("shop_00")
    w.on_all(ORDERS_TABLE)
    w.must_sync()
    assert w.target("id, status")[4] == (5, "whole")


def test_exploded_rows_and_deleted_ones_keep_to_what_was_read_later(world: WorldMaker) -> None:
    view = orders_view(
        source={"lookback": "3650d"}, columns=EXPLODED, explode={"path": "payload.items"}, warehouse={"key": ["_shard", "id", "n"]}
    )
    w = shop(world, ["shop_00"], view=view)
    w.on("shop_00", 'UPDATE orders SET payload = \'{"items": ["a", "b", "c"]}\'')
    w.must_sync()
    run, part, window = one_part(w)
    w.on("shop_00", 'UPDATE orders SET payload = \'{"items": ["x"]}\' WHERE id = 5')
    w.on("shop_00", "UPDATE orders SET payload = '{\"items\": []}' WHERE id = 6")
    w.must_sync()
    now = w.target("id, n, sku", "1, 2")
    assert [row for row in now if row[0] in (5, 6)] == [(5, 0, "x")]
    merge_slice_window(run.job, part, window)
    run.merged(part)
    run.__exit__(None, None, None)
    assert run.report.ok
    assert w.target("id, n, sku", "1, 2") == now
    assert counts(run.report)["shop_00"] == (31, 0, 0, 31 * 3, 0)


CURRENT: list[dict[str, Any]] = [
    {"table": "in_delta", "format": "delta"},
    {"table": "in_iceberg", "format": "iceberg"},
    {"table": "rewritten", "write": "replace", "partition_by": ["day(updated_at)"]},
]


@pytest.mark.parametrize("stamp", ["timestamp", "timestamptz"])
def test_a_layout_too_keeps_to_what_was_read_later_at_the_same_version(world: WorldMaker, stamp: str) -> None:
    columns = {"id": "bigint", "status": "text", "updated_at": stamp}
    w = shop(world, ["shop_00"], view=orders_view(source={"lookback": "3650d"}, columns=columns, lake={"layouts": CURRENT}))
    w.must_sync()
    with_a_late_reading(w, "UPDATE orders SET status = 'corrected' WHERE id = 5")
    for layout in CURRENT:
        assert w.query(f"SELECT id, status FROM {layout['table']} ORDER BY 1") == w.target("id, status")
    assert w.target("status", "id")[4] == ("corrected",)
    assert w.warehouse(
        "SELECT count(*), min(superseded), max(merged) FROM shardlake.sink_windows WHERE sink LIKE 'lake.%' AND window_id = 2"
    ) == [(3, 31, 0)]


def test_exploded_rows_of_a_layout_too_keep_to_what_was_read_later(world: WorldMaker) -> None:
    view = orders_view(
        source={"lookback": "3650d"}, columns=EXPLODED, explode={"path": "payload.items"}, warehouse={"key": ["_shard", "id", "n"]},
        lake={"layouts": CURRENT},
    )  # fmt: skip
    w = shop(world, ["shop_00"], view=view)
    w.on("shop_00", 'UPDATE orders SET payload = \'{"items": ["a", "b", "c"]}\'')
    w.must_sync()
    with_a_late_reading(w, """UPDATE orders SET payload = IF(id = 5, '{"items": ["x"]}', '{"items": []}') WHERE id IN (5, 6)""")
    assert [row for row in w.target("id, n, sku", "1, 2") if row[0] in (5, 6)] == [(5, 0, "x")]
    for layout in CURRENT:
        assert w.query(f"SELECT id, n, sku FROM {layout['table']} ORDER BY 1, 2") == w.target("id, n, sku", "1, 2")


def with_a_late_reading(w: World, change: str) -> None:
    """A backfill's window of January that is recorded only after a regular run has read and applied what changed meanwhile."""
    run, part, window = one_part(w)
    w.on("shop_00", change)
    w.warehouse("UPDATE shardlake.windows SET status = 'open' WHERE window_id = %s", window.window_id)
    w.must_sync()
    w.warehouse("UPDATE shardlake.windows SET status = 'read' WHERE window_id = %s", window.window_id)
    merge_slice_window(run.job, part, window)
    run.merged(part)
    run.__exit__(None, None, None)
    job = w.job()
    for layout in CURRENT:
        assert [list(one.windows) for one in catch_up(job, uuid4(), layout["table"])] == [[window.window_id]]


def test_a_merge_of_a_backfill_and_one_of_a_run_take_turns_on_a_shard(world: WorldMaker) -> None:
    w = shop(world, ["shop_00"])
    w.must_sync()
    run, part, window = one_part(w)
    w.on("shop_00", "UPDATE orders SET status = 'late', updated_at = utc_timestamp(6) WHERE id = 5")
    lock = "SELECT pg_advisory_lock(hashtextextended('shardlake.merge.orders.shop_00', 0))"
    with w.warehouse_server.connect(database=w.warehouse_database) as holder:
        holder.autocommit = True
        holder.execute(lock)
        both = [threading.Thread(target=lambda: merge_slice_window(run.job, part, window)), threading.Thread(target=w.sync)]
        for one in both:
            one.start()
        waits = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"
        deadline = time.monotonic() + 20
        while w.warehouse(waits) != [(2,)] and time.monotonic() < deadline:
            time.sleep(0.05)
        assert w.warehouse(waits) == [(2,)]
    for one in both:
        one.join()
    run.merged(part)
    run.__exit__(None, None, None)
    assert run.report.ok
    assert w.target("id, status, _shard") == source(w)


def test_a_backfill_that_broke_in_its_slices_leaves_nothing_when_it_is_given_up(world: WorldMaker) -> None:
    w = shop(world, ["shop_00"])
    w.must_sync()
    with broken_at("stage.copied"), pytest.raises(RuntimeError):
        again(w, step="1d")
    assert {status for _, status in unfinished(w)} == {"read"}
    (left,) = w.warehouse("SELECT backfill_id::text FROM shardlake.backfills")
    gone = give_up(w.job().ledger, "orders", left[0])
    assert (gone.done, gone.slices) == (0, 31)
    assert unfinished(w) == []
    w.must_sync()  # staging is in the target's database, and goes with the next run there
    assert leftovers(w) == []
    with pytest.raises(SpecError, match="there are: none"):
        give_up(w.job().ledger, "orders", left[0])


def test_a_regular_run_leaves_the_staging_of_a_backfill_that_may_be_at_work_on_it(world: WorldMaker) -> None:
    w = shop(world, ["shop_00"])
    w.must_sync()
    run, part, window = one_part(w)
    with broken_at("stage.copied"), pytest.raises(RuntimeError):
        merge_slice_window(run.job, part, window)
    (staging,) = leftovers(w)
    w.must_sync()
    assert leftovers(w) == [staging]
    merge_slice_window(run.job, part, window)
    run.merged(part)
    run.__exit__(None, None, None)
    assert leftovers(w) == []


def test_a_backfill_that_is_under_way_is_not_given_up(world: WorldMaker) -> None:
    w = shop(world, ["shop_00"])
    with Backfill(w.job(), *JANUARY) as running, pytest.raises(WarehouseBusy, match="is running"):
        give_up(w.job().ledger, "orders", str(running.id))
