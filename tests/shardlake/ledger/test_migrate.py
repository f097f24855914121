"""A ledger that migrations 001 to 007 kept comes over whole, and the runs go on with it. See make_present_ledger.py."""

from __future__ import annotations

import json
import tarfile
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from shardlake.ledger import backfills, sinks, windows
from shardlake.ledger.migrate import migrate
from shardlake.ledger.status import status
from shardlake.run.backfill import backfill
from shardlake.run.replay import replay
from shardlake.source.sql.position import mark_of, window_of
from shardlake.source.sql.window import Watermark
from shardlake.source.sql.window import Window as SqlWindow
from tests.audit import audit, leftovers, unfinished
from tests.world import World, WorldMaker

HERE = Path(__file__).parent
FACTS: dict[str, Any] = json.loads((HERE / "present_ledger.json").read_text("utf-8"))
TABLES: dict[str, list[dict[str, Any]]] = FACTS["tables"]
SHARDS = ["shop_00", "shop_01"]
COUNTS = ("raw_rows", "shaped", "shape_rejected", "view_rows", "merged", "unchanged", "superseded", "rejected", "removed")
BEHIND = {w["window_id"]: w for w in TABLES["windows"] if w["status"] == "extracted" and w["backfill_id"] is None}
"""Windows of runs that were read and not merged: their positions had not moved."""


@pytest.fixture
def old(world: WorldMaker) -> World:
    """A world whose warehouse and lake are as the old ledger left them; its shards are empty."""
    w = world(list(SHARDS), view=FACTS["views"]["orders"])
    w.warehouse((HERE / "present_ledger.sql").read_text("utf-8"))
    with tarfile.open(HERE / "present_lake.tar.gz") as archive:
        archive.extractall(w.folder / "lake", filter="data")
    return w


@pytest.fixture
def migrated(old: World) -> World:
    with old.warehouse_server.connect(old.warehouse_database) as connection:
        migrate(connection)
        migrate(connection)
    assert old.warehouse("SELECT max(version), count(*) FROM shardlake.migrations")[0][0] >= 8
    return old


def rows(w: World, table: str, by: str, columns: str = "*") -> list[dict[str, Any]]:
    """The rows of a table of the ledger as JSON, as those of the facts are."""
    return [row for (row,) in w.warehouse(f"SELECT to_jsonb(t) FROM (SELECT {columns} FROM shardlake.{table}) t ORDER BY {by}")]


def kept(w: World, table: str, by: str, **renamed: str) -> None:
    """Every row of the table is there with every value that it had; it may have more columns by now."""
    names = {renamed.get(name, name): name for name in TABLES[table][0]} if TABLES[table] else {}
    found = [{old: row[new] for new, old in names.items()} for row in rows(w, table, by)]
    assert found == sorted_by(TABLES[table], [{v: k for k, v in renamed.items()}.get(b, b) for b in by.split(", ")])


def sorted_by(lines: list[dict[str, Any]], names: list[str]) -> list[dict[str, Any]]:
    return sorted(lines, key=lambda line: [json.dumps(line[n]) if not isinstance(line[n], int) else f"{line[n]:020}" for n in names])


def view_of(w: World, name: str) -> World:
    w.view = FACTS["views"][name]
    return w


def each_view(w: World) -> Iterator[World]:
    """The world with one view after the other."""
    for name in FACTS["views"]:
        yield view_of(w, name)


# --- what is kept ----------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("table", "by", "renamed"),
    [
        ("runs", "run_id", {}),
        ("run_shards", "run_id, shard", {}),
        ("files", "key", {}),
        ("rejects", "reject_id", {}),
        ("tombstones", "view, shard, unit_key", {}),
        ("contracts", "feed", {"view": "feed"}),
        ("backfills", "backfill_id", {}),
        ("backfill_slices", "backfill_id, slice", {}),
        ("alarms", "alarm_id", {}),
        ("watched", "view", {}),
        ("lake_commits", "commit_id", {}),
        ("lake_files", "key", {}),
        ("lake_tables", "database, name", {}),
    ],
)
def test_what_did_not_change_is_kept(migrated: World, table: str, by: str, renamed: dict[str, str]) -> None:
    assert TABLES[table]
    kept(migrated, table, by, **renamed)


def test_every_watermark_is_the_position_behind_which_the_next_window_begins(migrated: World) -> None:
    found = {(p["feed"], p["partition"]): p for p in rows(migrated, "positions", "feed, partition")}
    marks = {(m["view"], m["shard"]): m for m in TABLES["watermarks"]}
    moved = {(w["view"], w["shard"]): w for w in BEHIND.values()}
    loaded = {(w["view"], w["shard"]) for w in TABLES["windows"] if w["status"] == "merged" and w["kind"] is None}
    assert set(found) == set(marks) | loaded
    assert moved
    assert loaded == {("replaced", "shop_00"), ("replaced", "shop_01")}
    for name in loaded:  # what is loaded whole has no watermark
        assert (found[name]["position"], mark_of(found[name]["position"])) == ({"kind": None}, None)
    for name, mark in marks.items():
        after = moved[name]["until_position"] if name in moved else mark["after_position"]
        cursor = mark["cursor_value"] if name not in moved or after else moved[name]["upper_bound"]
        upper = moved[name]["upper_bound"] if name in moved else mark["upper_bound"]
        expected = (
            Watermark(mark["kind"], None, upper, mark["scan_order"], tuple(after), mark["lower_bound"])
            if after
            else Watermark(mark["kind"], cursor)
        )
        assert mark_of(found[name]["position"]) == expected, name
        assert found[name]["moved_at"] == mark["moved_at"]
        assert found[name]["complete_to"] == (None if mark["after_position"] else mark["moved_at"])
        assert found[name]["unreachable"] == {}


def test_every_window_reads_what_it_read_and_ends_where_it_ended(migrated: World) -> None:
    found = {w["window_id"]: w for w in rows(migrated, "windows", "window_id")}
    assert sorted(found) == [w["window_id"] for w in TABLES["windows"]]
    for before in TABLES["windows"]:
        now = found[before["window_id"]]
        same = ("run_id", "load_date", "opened_at", "raw_rows", "raw_bytes", "seconds", "backfill_id", "slice", "raw_removed_at")
        assert {k: now[k] for k in same} == {k: before[k] for k in same}
        assert (now["feed"], now["partition"]) == (before["view"], before["shard"])
        assert now["status"] == {"extracted": "read", "merged": "read"}.get(before["status"], before["status"])
        after = before["after_position"] and tuple(before["after_position"])
        assert window_of(now["plan"]) == SqlWindow(
            before["kind"],
            before["lower_bound"],
            before["upper_bound"],
            before["scan_order"],
            after,
            ranged=before["backfill_id"] is not None,
        )
        assert (now["version_kind"], now["from_version"], now["to_version"]) == (
            before["kind"],
            before["lower_bound"],
            before["upper_bound"],
        )
        whole = before["scan_order"] == "key" and before["lower_bound"] is None
        assert (now["snapshot"], now["more"]) == (whole, before["until_position"] is not None)
        assert now["ends_snapshot"] == (whole and before["until_position"] is None)
        end = mark_of(now["end_position"])
        if before["kind"] is None:
            assert end is None
        elif before["until_position"]:
            assert end is not None
            assert (end.upper, end.order, end.after) == (before["upper_bound"], before["scan_order"], tuple(before["until_position"]))
        else:
            assert end == Watermark(before["kind"], before["upper_bound"])
        assert (now["read_at"] is not None) == (now["status"] == "read")
        assert now["complete_to"] == (None if before["until_position"] else before["merged_at"])


def test_what_was_merged_is_in_the_warehouse_with_its_counts_and_what_was_written_in_its_layout(migrated: World) -> None:
    found = {(s["view"], s["sink"], s["window_id"]): s for s in rows(migrated, "sink_windows", "window_id")}
    merged = {(w["view"], "warehouse", w["window_id"]): w for w in TABLES["windows"] if w["status"] == "merged"}
    written = {(line["view"], f"lake.{line['layout']}", line["window_id"]): line for line in TABLES["lake_windows"]}
    assert set(found) == set(merged) | set(written)
    for name, before in merged.items():
        assert {c: found[name][c] for c in COUNTS} == {c: before[c] for c in COUNTS}
        assert (found[name]["applied_at"], found[name]["commit_id"]) == (before["merged_at"], None)
    published = {c["commit_id"]: c["published_at"] for c in TABLES["lake_commits"]}
    for name, line in written.items():
        assert (found[name]["commit_id"], found[name]["applied_at"]) == (line["commit_id"], published[line["commit_id"]])
    assert sum(1 for line in written.values() if published[line["commit_id"]] is None) == 2  # of the commit that is under way


def test_what_was_read_and_not_merged_waits_for_the_warehouse_and_a_reading_that_was_broken_off_is_open(migrated: World) -> None:
    waiting, left, last = {}, {}, {}
    for w in each_view(migrated):
        name = w.view["name"]
        with w.job().ledger.connection() as connection:
            for shard in SHARDS:
                waiting[name, shard] = [p.window_id for p in sinks.pending(connection, name, sinks.WAREHOUSE, name, shard)]
                unread = windows.unfinished(connection, name, shard)
                left[name, shard] = unread and unread.window_id
            for given in backfills.all_unfinished(connection, name):
                parts, _ = backfills.slices(connection, given.id)
                found = [backfills.last_window(connection, part, name) for part in parts]
                last[name] = [(state, window.window_id) for state, window in filter(None, found)]
    extracted = [w for w in TABLES["windows"] if w["status"] == "extracted"]
    assert {k: v for k, v in waiting.items() if v} == {(w["view"], w["shard"]): [w["window_id"]] for w in extracted}
    assert {k: v for k, v in left.items() if v} == {
        (w["view"], w["shard"]): w["window_id"] for w in TABLES["windows"] if w["status"] == "open"
    }
    assert last == {"orders": [("read", w["window_id"]) for w in extracted if w["backfill_id"]]}


def test_each_view_takes_its_rows_from_a_feed_of_its_own_and_the_ledger_has_a_name(migrated: World) -> None:
    assert migrated.warehouse("SELECT feed, view FROM shardlake.feed_views ORDER BY 1") == [(n, n) for n in sorted(FACTS["views"])]
    assert migrated.warehouse("SELECT count(*), count(ledger_id) FROM shardlake.identity") == [(1, 1)]


def test_the_status_is_what_it_was(migrated: World) -> None:
    now = migrated.warehouse("SELECT now()")[0][0]
    for w in each_view(migrated):
        name, job = w.view["name"], w.job()
        with job.ledger.connection() as connection:
            lines = {line.shard: line for line in status(connection, name, job.feed, SHARDS, job.sinks, None)}
        for shard in SHARDS:
            marks = [m for m in TABLES["watermarks"] if (m["view"], m["shard"]) == (name, shard)]
            rejects = [r for r in FACTS["open_rejects"] if (r["view"], r["shard"]) == (name, shard)]
            assert lines[shard].open_rejects == len(rejects)
            assert lines[shard].unreachable == {}
            if marks and marks[0]["cursor_value"]:
                assert lines[shard].watermark == marks[0]["cursor_value"]
                lag = lines[shard].lag
                assert lag is not None
                assert lag >= now - datetime.fromisoformat(marks[0]["moved_at"])
            elif marks:
                assert (lines[shard].problem, lines[shard].lag) == ("not whole yet", None)


# --- the runs go on --------------------------------------------------------------------------------------------------
ROWS: dict[str, Callable[[World, str], list[tuple[Any, ...]]]] = {
    "orders": lambda w, s: w.on(s, "SELECT id, status, amount, updated_at FROM orders"),
    "scans": lambda w, s: w.on(s, "SELECT id, kind, at FROM events"),
    "counted": lambda w, s: w.on(s, "SELECT id, label FROM counters"),
    "replaced": lambda w, s: [(s, *row) for row in w.on(s, "SELECT code, title FROM countries")],
    "people": lambda w, s: w.on(s, "SELECT id, title, updated_at FROM people WHERE deleted_at IS NULL"),
    "opened": lambda w, s: w.on(s, "SELECT id, at FROM visits"),
}
COLUMNS = {
    "orders": "id, status, amount, updated_at",
    "scans": "id, kind, at",
    "counted": "id, label",
    "replaced": "_shard, code, title",
    "people": "id, title, updated_at",
    "opened": "id, at",
}
REFUSED = {("orders", 3), ("orders", 103)}
"""Rows that were never mended."""


@pytest.fixture
def alive(old: World) -> World:
    """The same, with the shards as they were; the ledger is not migrated yet."""
    for shard in SHARDS:
        for statement in FACTS["source"][shard]:
            old.on(shard, statement)
    return old


def is_the_source(w: World) -> None:
    name = w.view["name"]
    expected = sorted(row for shard in SHARDS for row in ROWS[name](w, shard) if (name, row[0]) not in REFUSED)
    assert sorted(w.target(COLUMNS[name])) == expected


def test_every_view_goes_on_and_comes_out_as_its_source_without_reading_again_what_was_read(alive: World) -> None:
    read_before = {w["window_id"] for w in TABLES["windows"] if w["status"] in ("extracted", "merged")}
    for w in each_view(alive):
        report = w.must_sync()
        is_the_source(w)
        if w.view["name"] in ("orders", "people", "counted"):
            assert report.totals().read == 0
    assert alive.warehouse(f"SELECT max(attempt) FROM shardlake.windows WHERE window_id = ANY(ARRAY{sorted(read_before)})") == [(0,)]
    assert [row[:2] for row in unfinished(alive)] == [("shop_01", "read")]  # the backfill's, which the same command finishes
    assert leftovers(alive) == []
    audit(alive)


def test_the_backfill_that_was_broken_off_is_finished_by_the_same_command(alive: World) -> None:
    w, given = view_of(alive, "orders"), FACTS["backfills"]["broken off"]
    w.must_sync()
    (before,) = [b["backfill_id"] for b in TABLES["backfills"] if b["state"] == "failed"]
    report = backfill(w.model(), w.connect, given["from"], given["to"], step=given["step"])
    assert report.ok, report.headline()
    assert (str(report.run_id), report.headline()) == (before, "12/12 slices merged (3 of them by earlier runs)")
    assert w.warehouse("SELECT count(*) FROM shardlake.backfills") == [(len(TABLES["backfills"]),)]
    assert w.windows("window_id", "state IN ('open', 'read') AND feed = 'orders'") == []
    is_the_source(w)
    assert w.query("SELECT id, status FROM orders_now ORDER BY 1") == w.target("id, status")


def test_the_lake_goes_on_with_the_files_that_it_has(alive: World) -> None:
    w = view_of(alive, "counted")
    w.must_sync()
    assert w.warehouse("SELECT count(*) FROM shardlake.lake_commits WHERE status = 'open'") == [(0,)]
    assert w.query("SELECT id, label FROM counted_history_latest ORDER BY 1") == w.target("id, label")
    view_of(w, "replaced").must_sync()
    assert w.query("SELECT code, title FROM replaced_whole ORDER BY 1") == w.target("code, title")


def test_raw_that_is_older_than_envelopes_is_replayed(alive: World) -> None:
    w = view_of(alive, "people")
    w.must_sync()
    w.warehouse("DELETE FROM analytics.people; DELETE FROM shardlake.tombstones")
    assert replay(w.job()).ok
    is_the_source(w)
    w = view_of(alive, "scans")
    w.must_sync()
    w.warehouse("DELETE FROM analytics.scans")
    assert replay(w.job()).ok
    is_the_source(w)
