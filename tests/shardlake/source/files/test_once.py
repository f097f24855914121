"""Each file is read once, whatever its time: known by its name and its content."""

from __future__ import annotations

import threading
import tracemalloc
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from shardlake.errors import SourceUnavailable
from shardlake.ledger.items import Inventory
from shardlake.source.files import listing as listing_module
from shardlake.source.files.listing import look
from shardlake.source.files.pattern import Pattern
from shardlake.source.files.store import Folder, Listed, Moved
from tests.landing import Landing, LandingMaker, view_of

CSV: dict[str, Any] = {"format": "csv", "files": "in/**/*.csv", "fields": None}
DELETE = {**CSV, "on_removed": "delete"}
HEAD = "id,status,amount\n"


def csv(landing: LandingMaker, source: dict[str, Any] | None = None, **changes: Any) -> Landing:
    return landing(view=view_of({**CSV, **(source or {})}, **changes))


def test_a_file_that_appears_late_with_an_older_time_is_read_and_two_of_one_second_are_two(landing: LandingMaker) -> None:
    w = csv(landing)
    w.land("in/b.csv", HEAD + "1,new,1\n", at=1_700_000_000)
    assert w.must_sync().shards["files"].read == 1
    w.land("in/a.csv", HEAD + "2,late,1\n", at=1_600_000_000)
    w.land("in/c.csv", HEAD + "3,same second,1\n", at=1_700_000_000)
    w.land("in/d.csv", HEAD + "4,same second,1\n", at=1_700_000_000)
    assert w.must_sync().shards["files"].read == 3
    assert w.must_sync().shards["files"].state == "nothing"
    assert w.target("id") == [(1,), (2,), (3,), (4,)]


def test_of_two_files_with_one_key_the_later_one_counts_whichever_is_read_first(landing: LandingMaker) -> None:
    w = csv(landing)
    w.land("in/part-00002.csv", HEAD + "1,second of its time,1\n", at=1_700_000_000)
    w.must_sync()
    w.land("in/part-00001.csv", HEAD + "1,first of its time,1\n", at=1_700_000_000)
    w.land("in/older.csv", HEAD + "1,older,1\n", at=1_600_000_000)
    assert w.must_sync().shards["files"].superseded == 2
    assert w.target("status") == [("second of its time",)]


def test_a_name_that_is_used_again_with_other_content_is_read_again_and_newer(landing: LandingMaker) -> None:
    w = csv(landing)
    w.land("in/a.csv", HEAD + "1,new,1\n2,gone from the file,1\n", at=1_700_000_000)
    w.must_sync()
    w.land("in/a.csv", HEAD + "1,mended,1\n", at=1_700_000_001)
    assert w.must_sync().shards["files"].notes[-1] == "1 files have other content now and are read again, such as in/a.csv"
    assert w.target("id, status") == [(1, "mended"), (2, "gone from the file")]
    assert [(name, there) for name, _, there in w.items()] == [("in/a.csv", False), ("in/a.csv", True)]


@pytest.mark.parametrize("lake", [False, True])
def test_rows_go_with_their_file_where_the_view_says_so_and_those_that_others_brought_stay(landing: LandingMaker, lake: bool) -> None:
    layouts = [{"table": f"lake_{f}", "format": f} for f in ("parquet", "delta", "iceberg")] if lake else []
    w = csv(landing, DELETE, lake={"connection": "athena-lake/main", "layouts": layouts})
    w.land("in/a.csv", HEAD + "1,a,1\n2,a,1\n3,a,1\nx,a,1\n", at=1_700_000_000)
    w.land("in/b.csv", HEAD + "2,b,1\n", at=1_700_000_001)
    w.land("in/keep.csv", HEAD + "9,stays,1\n", at=1_700_000_000)
    w.must_sync()
    w.land("in/b.csv", HEAD + "3,b anew,1\n", at=1_700_000_002)  # 2 is not in it any more
    (w.root / "in/a.csv").unlink()
    report = w.must_sync()
    assert report.shards["files"].notes[-2] == "1 files that were read are gone, such as in/a.csv: their rows are deleted"
    assert w.target("id, status") == [(3, "b anew"), (9, "stays")]
    for table in ("lake_parquet_latest", "lake_delta", "lake_iceberg") if lake else ():
        assert w.query(f"SELECT id, status FROM analytics.{table} ORDER BY 1") == [(3, "b anew"), (9, "stays")], table
    w.land("in/a.csv", HEAD + "1,back,1\n", at=1_700_000_003)
    w.must_sync()
    assert w.target("id, status") == [(1, "back"), (3, "b anew"), (9, "stays")]


def test_a_line_that_is_taken_out_of_a_file_takes_its_row_alone(landing: LandingMaker) -> None:
    w = landing(view=view_of({"timestamp": "at", "on_removed": "delete", "fields": ["id", "status", "amount", "at"]}))
    name, at = "dms/s1/orders/20261128-101500123.csv", "2026-11-28 10:00:00.000000"
    w.land(name, "".join(f"I,{n},new,1,{at}\n" for n in range(6)))
    w.must_sync()
    w.land(name, "".join(f"I,{n},new,1,{at}\n" for n in range(6) if n != 1))  # what stood below has moved up
    w.must_sync()
    assert w.target("id") == [(0,), (2,), (3,), (4,), (5,)]


def test_a_place_where_nothing_is_any_more_is_taken_for_lost_and_nothing_for_gone(landing: LandingMaker) -> None:
    w = csv(landing, DELETE)
    w.land("in/a.csv", HEAD + "1,new,1\n")
    w.must_sync()
    w.root.rename(w.folder / "away")
    assert w.sync().shards["files"].error == (  # an empty folder, as where nothing is mounted
        "files: there is no file at all any more, and 1 that were read, such as in/a.csv. Check the connection's url, and whether it is"
        " mounted. If all was removed on purpose, run with --full."
    )
    assert w.target("id") == [(1,)]


def test_a_table_that_is_replaced_waits_for_a_file_that_is_being_written(landing: LandingMaker) -> None:
    w = csv(landing, warehouse={"connection": "postgres-warehouse/main", "table": "analytics.orders", "write": "replace"})
    w.land("in/a.csv", HEAD + "1,new,1\n")
    w.must_sync()
    w.view["source"]["settle"] = "1h"
    assert w.sync().shards["files"].error == "files: in/a.csv is being written. The table stays as it is; run again."
    assert w.target("id") == [(1,)]


def test_a_date_in_the_future_does_not_keep_runs_from_looking(landing: LandingMaker) -> None:
    w = csv(landing, {"files": "in/{date:DDMMYYYY}/*.csv", "recent": "2d"})
    w.land("in/01012062/a.csv", HEAD + "1,future,1\n")
    w.must_sync()
    w.land(f"in/{datetime.now(UTC):%d%m%Y}/a.csv", HEAD + "2,today,1\n")
    w.must_sync()
    assert w.target("id") == [(1,), (2,)]


def test_a_pass_over_dates_goes_on_in_their_own_order(landing: LandingMaker, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listing_module, "MOST_FILES", 1)
    w = csv(landing, {"files": "in/{date:DDMMYYYY}/*.csv", "recent": "40d"})
    days = [datetime.now(UTC) - timedelta(days=n) for n in range(0, 40, 4)]
    w.land(f"in/{days[0]:%d%m%Y}/a.csv", HEAD + "100,first,1\n")
    w.must_sync()
    for n, day in enumerate(days):
        w.land(f"in/{day:%d%m%Y}/b.csv", HEAD + f"{n},new,1\n")
    assert w.must_sync().shards["files"].windows == len(days)
    assert len(w.target("id")) == len(days) + 1


def test_a_table_that_was_truncated_is_told_and_keeps_its_rows_unless_the_view_says_otherwise(landing: LandingMaker) -> None:
    w = landing()
    w.land("dms/s1/orders/LOAD00000001.csv", "1,new,1\n2,new,1\n")
    w.land("dms/s2/orders/LOAD00000001.csv", "1,new,1\n")
    w.must_sync()
    (w.root / "dms/s1/orders/LOAD00000001.csv").unlink()
    (w.root / "dms/s1/orders").rmdir()
    (w.root / "dms/s1").rmdir()  # the shard's folder is gone, and the shard is not
    report = w.must_sync()
    assert report.shards["s1"].notes == (
        "1 files that were read are gone, such as dms/s1/orders/LOAD00000001.csv: their rows stay (on_removed: keep)",
    )
    assert w.must_sync().shards["s1"].notes == ()  # told once
    assert w.target("_shard, id", "1, 2") == [("s1", 1), ("s1", 2), ("s2", 1)]


def test_rows_of_a_file_that_is_gone_cannot_be_deleted_once_raw_has_lost_them_and_that_is_said(landing: LandingMaker) -> None:
    w = csv(landing, DELETE)
    w.land("in/a.csv", HEAD + "1,a,1\n")
    w.must_sync()
    w.ledger("UPDATE shardlake.windows SET raw_removed_at = now()")  # as its retention does
    (w.root / "in/a.csv").unlink()
    assert w.sync().shards["files"].error == (
        "files: in/a.csv is gone, and raw does not hold its rows any more. Run with --full: it reads all files that there are; or say"
        " `on_removed: keep`."
    )
    w.must_sync(full=True)
    assert w.target("id") == [(1,)]  # nothing is known any more of where it came from


def test_a_file_that_is_still_being_written_waits_and_holds_freshness_by_its_name(landing: LandingMaker) -> None:
    w = csv(landing, {"settle": "1h"})
    w.land("in/a.csv", HEAD + "1,new,1\n", at=datetime.now(UTC).timestamp() - 4_000)
    w.land("in/b.csv", HEAD + "2,new,1\n")
    report = w.must_sync()
    assert report.shards["files"].notes[-1] == "1 files are still being written, such as in/b.csv: they wait for the next run"
    assert w.ledger("SELECT held_by, complete_to FROM shardlake.positions") == [("in/b.csv is being written", None)]
    w.view["source"]["settle"] = "0s"
    w.must_sync()
    assert w.target("id") == [(1,), (2,)]


def test_a_file_that_changes_while_it_is_read_is_taken_back_and_comes_whole_with_a_later_run(
    landing: LandingMaker, monkeypatch: pytest.MonkeyPatch
) -> None:
    w = csv(landing)
    w.land("in/a.csv", HEAD + "1,whole,1\n", at=1_700_000_000)
    w.land("in/b.csv", HEAD + "2,half,1\n", at=1_700_000_000)
    w.land("in/c.csv", HEAD + "3,whole,1\n", at=1_700_000_000)
    honest = Folder.stream

    def moving(self: Folder, file: Listed) -> Any:
        found = honest(self, file)
        if file.name == "in/b.csv":
            with (w.root / file.name).open("a") as more:
                more.write("4,the other half,1\n")
        return found

    monkeypatch.setattr(Folder, "stream", moving)
    report = w.must_sync()
    assert (report.shards["files"].read, w.target("id")) == (2, [(1,), (3,)])
    assert w.ledger("SELECT complete_to FROM shardlake.positions") == [(None,)]
    monkeypatch.undo()
    w.must_sync()
    assert w.target("id, status") == [(1, "whole"), (2, "half"), (3, "whole"), (4, "the other half")]


def test_many_files_are_read_window_by_window_in_one_pass(landing: LandingMaker, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listing_module, "MOST_FILES", 4)
    w = csv(landing)
    for n in range(11):
        w.land(f"in/{n:02}.csv", HEAD + f"{n},new,1\n")
    assert (w.must_sync().shards["files"].windows, len(w.target())) == (3, 11)
    assert w.must_sync().shards["files"].state == "nothing"
    (w.root / "in/03.csv").unlink()
    w.land("in/10.csv", HEAD + "10,changed,1\n")
    assert w.must_sync().shards["files"].windows == 1
    assert [name for name, _, there in w.items() if not there] == ["in/03.csv", "in/10.csv"]


def test_folders_of_dates_are_listed_from_the_recent_ones_on_and_now_and_then_all(
    landing: LandingMaker, monkeypatch: pytest.MonkeyPatch
) -> None:
    w = csv(landing, {"files": "in/{date:YYYY/MM/DD}/*.csv", "recent": "2d", "relist": "1d"})
    today = datetime.now(UTC)
    old, recent = (f"in/{today - timedelta(days=n):%Y/%m/%d}" for n in (400, 1))
    w.land(f"{old}/a.csv", HEAD + "1,old,1\n")
    w.land(f"{recent}/a.csv", HEAD + "2,recent,1\n")
    w.must_sync()
    w.land(f"{old}/late.csv", HEAD + "3,late,1\n")
    w.land(f"{recent}/b.csv", HEAD + "4,recent,1\n")
    asked: list[str] = []
    honest = Folder.listing
    monkeypatch.setattr(Folder, "listing", lambda self, prefix, after="": asked.append(prefix) or honest(self, prefix, after))
    w.must_sync()
    assert w.target("id") == [(1,), (2,), (4,)]
    assert asked == [f"in/{today + timedelta(days=n):%Y/%m/%d}/" for n in (-3, -2, -1, 0, 1)][: len(asked)]
    w.ledger("UPDATE shardlake.positions SET position = position || jsonb_build_object('whole', '2020-01-01T00:00:00+00:00')")
    w.must_sync()
    assert w.target("id") == [(1,), (2,), (3,), (4,)]


def test_a_listing_of_many_files_takes_the_memory_of_a_page(landing: LandingMaker) -> None:
    w = csv(landing)
    w.land("in/a.csv", HEAD + "1,new,1\n")
    w.must_sync()
    many = 20_000
    w.ledger(
        "INSERT INTO shardlake.items (feed, partition, name, mark, bytes, window_id)"
        f" SELECT 'orders', 'files', format('in/%s.csv', lpad(n::text, 9, '0')), 'm' || n, 10, 1 FROM generate_series(0, {many - 1}) n"
    )

    class Endless(Folder):
        """A folder as long as need be: no file of it is there, and none is read."""

        def listing(self, prefix: str, after: str = "") -> Any:
            then = datetime(2026, 1, 1, tzinfo=UTC)
            for start in range(0, many, 1_000):
                yield [
                    Listed(f"in/{n:09}.csv", f"m{n}" if n != 7_000 else "new", 10, then) for n in range(start, start + 1_000) if n != 5_000
                ]

    inventory = Inventory(w.job().ledger, "orders")
    tracemalloc.start()
    found = look(Endless(w.root), Pattern("in/*.csv"), ["in/"], inventory, "files", after="", settle=timedelta(0), most=1 << 40)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert [(one.file.name, one.before) for one in found.new] == [("in/000007000.csv", True)]
    assert [item.name for item in found.gone] == ["in/000005000.csv", "in/000007000.csv"]
    assert peak < 2 << 20


def test_hive_folders_are_columns(landing: LandingMaker) -> None:
    columns = {"id": "bigint", "status": "text", "city": "text", "year": "bigint", "source_file": {"type": "text", "from": "_file"}}
    w = csv(landing, columns=columns)
    w.land("in/year=2026/city=K%C3%B6ln/1.csv", HEAD + "1,new,1\n")
    w.land("in/year=2025/city=__HIVE_DEFAULT_PARTITION__/1.csv", HEAD + "2,new,1\n")
    w.must_sync()
    assert w.target("id, city, year, source_file") == [
        (1, "Köln", 2026, "in/year=2026/city=K%C3%B6ln/1.csv"), (2, None, 2025, "in/year=2025/city=__HIVE_DEFAULT_PARTITION__/1.csv"),
    ]  # fmt: skip


def test_two_runs_at_once_read_each_file_once(landing: LandingMaker) -> None:
    w = csv(landing)
    for n in range(20):
        w.land(f"in/{n:02}.csv", HEAD + f"{n},new,1\n")
    reports: list[Any] = []
    runs = [threading.Thread(target=lambda: reports.append(w.sync())) for _ in range(2)]
    for run in runs:
        run.start()
    for run in runs:
        run.join()
    assert sorted(report.shards["files"].read for report in reports) == [0, 20]
    assert len(w.target()) == 20


def test_a_view_that_replaces_its_table_reads_every_file_each_time(landing: LandingMaker) -> None:
    w = csv(landing, warehouse={"connection": "postgres-warehouse/main", "table": "analytics.orders", "write": "replace"})
    w.land("in/a.csv", HEAD + "1,new,1\n")
    w.must_sync()
    (w.root / "in/a.csv").unlink()
    w.land("in/b.csv", HEAD + "2,new,1\n")
    w.must_sync()
    w.must_sync()
    assert w.target("id") == [(2,)]


def test_a_folder_that_is_not_there_fails_and_takes_nothing_for_gone(landing: LandingMaker) -> None:
    w = csv(landing, DELETE)
    w.land("in/a.csv", HEAD + "1,new,1\n")
    w.must_sync()
    away = w.root.rename(w.folder / "away")
    real = w.root
    w.bucket = {"url": str(real)}  # the world makes the folder anew else
    assert w.sync().shards["files"].error == f"{real} is no folder. Check the connection's url, and whether it is mounted."
    away.rename(real)
    w.must_sync()
    assert w.target("id") == [(1,)]


@pytest.mark.parametrize(
    "name", ["a b.csv", "ü'\"; DROP TABLE x;--.csv", "x" * 240 + ".csv", "[1].csv", "%41.csv", "back\\slash.csv", "new\nline.csv"]
)
def test_hostile_names_are_names(landing: LandingMaker, name: str) -> None:
    w = csv(landing)
    w.land(f"in/{name}", HEAD + "1,new,1\nx,new,1\n")
    w.must_sync()
    assert w.target("id") == [(1,)]
    assert [item[0] for item in w.items()] == [f"in/{name}"]


def test_what_a_folder_lists_is_in_the_order_of_a_bucket(tmp_path: Path) -> None:
    names = ["a", "a-b", "a.b/c", "a/b", "a/b-c/d", "a/b/c", "a0", "ä", "Z/x"]
    kept = [n for n in names if not any(m.startswith(n + "/") for m in names)]
    for name in kept:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(name)
    folder = Folder(tmp_path)
    found = [one.name for page in folder.listing("") for one in page]
    assert found == sorted(kept, key=str.encode)
    for after in found:
        assert [one.name for page in folder.listing("", after) for one in page] == found[found.index(after) + 1 :]
        assert [one.name for page in folder.listing(after[:1]) for one in page] == [n for n in found if n.startswith(after[:1])]


def test_a_name_in_a_folder_that_cannot_be_asked_for_is_none_or_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    (tmp_path / "ring").symlink_to("ring")
    folder = Folder(tmp_path)
    for name in ("none", "file/in it", "x" * 300):
        assert folder.find(name) is None
        with pytest.raises(Moved):
            folder.stream(Listed(name, "", 1, datetime.now(UTC)))
    with pytest.raises(SourceUnavailable, match=r"ring/x cannot be read \(OSError\)\. Check the place"):
        folder.find("ring/x")
