"""DynamoDB as a source: whole views over real scans of DynamoDB Local."""

from __future__ import annotations

import json
import shutil
import signal
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from typing import Any
from unittest.mock import patch

import pytest

from embedded.dynamodb_proxy import Answer, proxied, refusal
from shardlake.run.preview import preview
from shardlake.run.replay import replay
from shardlake.run.sync import sync
from shardlake.shape import own_rows as own
from shardlake.view.view import View
from tests.audit import unfinished
from tests.dynamodb_world import BIG, ROW, TablesMaker, fin, view

USER = {"pk": {"S": "a"}, "sk": {"S": "USER#1"}, "status": {"S": "x"}}


def test_a_scan_fills_the_target_and_counts_and_tells_the_items_that_no_view_takes(tables: TablesMaker) -> None:
    w = tables()
    w.create()
    w.put(fin("a", 1), fin("b", 1, status={"S": ""}), USER)
    report = w.must_sync()
    assert w.rows() == [("a", "FIN#1", *ROW), ("b", "FIN#1", "", *ROW[1:])]
    assert w.counts() == (3, 2, 0, 1, 2, 0, 0, 0)
    assert sum(s.others for s in report.shards.values()) == 1
    assert [n for s in report.shards.values() for n in s.notes] == [
        f"1 of 2 rows are of no view on dynamodb__platform__{w.name('platform')}__absent"
    ]


def test_items_that_are_absent_from_a_whole_scan_leave_the_target_and_may_come_back(tables: TablesMaker) -> None:
    w = tables()
    w.create()
    w.put(fin("a", 1), fin("a", 2), fin("b", 1), USER)
    w.must_sync()
    w.delete("a", "FIN#2")
    w.delete("a", "USER#1")
    w.put(fin("b", 1, status={"S": "open"}))
    w.must_sync()
    assert w.rows() == [("a", "FIN#1", *ROW), ("b", "FIN#1", "open", *ROW[1:])]
    w.put(fin("a", 2))
    w.must_sync()
    assert w.rows() == [("a", "FIN#1", *ROW), ("a", "FIN#2", *ROW), ("b", "FIN#1", "open", *ROW[1:])]
    assert w.counts() == (4 + 4 + 3, 3 + 3 + 3, 0, 1 + 1, 9, 0, 0, 1)


def test_a_whole_scan_says_up_to_when_all_is_there(tables: TablesMaker) -> None:
    w = tables(view(source={"window": 1, "segments": 1}))
    w.create()
    w.put(*(fin(f"p{n}", 1, **BIG) for n in range(9)))
    w.must_sync()
    known = w.ledger("SELECT complete_to IS NOT NULL, more FROM shardlake.windows ORDER BY window_id")
    assert known == [(False, True), (False, True), (True, False)]
    began, complete, shown, scan = w.ledger(
        "SELECT position ->> 'began', complete_to, shown, position ->> 'scan' FROM shardlake.positions"
    )[0]
    assert (complete, shown) == (datetime.fromisoformat(began), scan)


def test_what_went_while_nobody_knew_the_position_is_absent_too(tables: TablesMaker) -> None:
    w = tables()
    w.create()
    w.put(fin("a", 1), fin("a", 2))
    w.must_sync()
    w.delete("a", "FIN#2")
    w.must_sync(full=True)
    assert w.rows() == [("a", "FIN#1", *ROW)]


def test_a_table_is_replaced_by_each_whole_scan_and_a_segment_that_failed_keeps_its_rows(tables: TablesMaker) -> None:
    w = tables(view(source={"deletes": None}, warehouse={"write": "replace"}))
    w.create()
    w.put(*(fin(f"p{n}", 1) for n in range(8)), USER)
    w.must_sync()
    assert len(w.rows()) == 8
    of = dict(w.target("pk, _shard"))
    assert set(of.values()) == {"0-of-2", "1-of-2"}
    w.put(*(fin(f"p{n}", 1, status={"S": "new"}) for n in range(8)))
    w.delete("p0", "FIN#1")
    with proxied(w.server, lambda _, body: refusal("AccessDeniedException") if body.get("Segment") == 1 else None) as proxy:
        w.endpoint = proxy.url
        report = w.sync()
    assert {s.shard: s.state for s in report.shards.values()} == {"0-of-2": "merged", "1-of-2": "failed"}
    assert report.shards["1-of-2"].error == (
        f"{w.name('platform')}, 1-of-2: DynamoDB refuses dynamodb/platform (AccessDeniedException). Check its keys, and the grants in docs/reference/grants.md."
    )
    want = {pk: "new" if shard == "0-of-2" else "paid" for pk, shard in of.items() if (pk, shard) != ("p0", "0-of-2")}
    assert dict(w.target("pk, status")) == want
    w.endpoint = ""
    w.must_sync()
    assert w.target("pk, status") == [(f"p{n}", "new") for n in range(1, 8)]


def test_one_scan_feeds_every_view_on_the_table(tables: TablesMaker) -> None:
    w = tables()
    w.create()
    w.put(fin("a", 1), fin("b", 1), USER)
    users = view(
        name="users", source={"item": "sk begins_with 'USER#'", "table": w.name("platform")}, warehouse={"table": "analytics.users"}
    )
    both = (w.view, users)
    with proxied(w.server) as proxy:
        w.endpoint = proxy.url
        for n in (1, 2):
            for w.view in both if n == 1 else reversed(both):  # whichever comes first reads for all
                w.must_sync()
            assert len(proxy.scans()) == 2 * n  # each of the two segments has a page
    assert w.warehouse("SELECT pk, sk, status FROM analytics.users") == [("a", "USER#1", "x")]
    assert w.warehouse("SELECT pk, sk FROM analytics.finances ORDER BY 1") == [("a", "FIN#1"), ("b", "FIN#1")]
    w.view = users
    assert w.counts() == (6, 2, 0, 4, 2, 0, 0, 0)
    assert w.must_sync().headline()
    assert not [n for s in w.must_sync().shards.values() for n in s.notes]  # every item is somebody's


def test_there_may_be_more_segments_than_items(tables: TablesMaker) -> None:
    w = tables(view(source={"segments": 16}))
    w.create()
    w.put(fin("a", 1))
    report = w.must_sync()
    assert sorted(report.shards) == [f"{n:02d}-of-16" for n in range(16)]
    assert w.rows() == [("a", "FIN#1", *ROW)]


def test_a_page_may_be_empty_and_not_the_last(tables: TablesMaker) -> None:
    w = tables(view(source={"segments": 1}))
    w.create()
    w.put(fin("a", 1), fin("b", 1))
    key = {"pk": {"S": "somewhere"}, "sk": {"S": "else"}}

    def faults(operation: str, body: dict[str, Any]) -> Answer:
        if operation != "Scan":
            return None
        if "ExclusiveStartKey" not in body or len(proxy.scans()) < 3:
            return 200, {"Items": [], "Count": 0, "ScannedCount": 0, "LastEvaluatedKey": key}
        assert body.pop("ExclusiveStartKey") == key
        return 200, w.server.call(operation, body)

    with proxied(w.server, faults) as proxy:
        w.endpoint = proxy.url
        w.must_sync()
        assert len(proxy.scans()) == 3
    assert [pk for pk, *_ in w.rows()] == ["a", "b"]


PLACES = ["extract.chunk", "extract.recorded", "merge.committed"]


@pytest.mark.parametrize("failpoint", PLACES)
def test_a_run_that_is_killed_is_made_good_by_the_next(tables: TablesMaker, failpoint: str) -> None:
    w = tables(view(source={"window": 1}))
    w.create()
    w.put(fin("gone", 1), fin("stays", 1))
    w.must_sync()
    w.delete("gone", "FIN#1")
    w.put(*(fin(f"p{n}", 1, **BIG) for n in range(9)))
    ended = w.engine_process(SHARDLAKE_FAILPOINT=f"{failpoint}=kill@2")
    assert (ended.returncode, ended.stdout) == (-signal.SIGKILL, ""), ended.stderr
    w.must_sync()
    assert [pk for pk, *_ in w.rows()] == [*(f"p{n}" for n in range(9)), "stays"]
    assert unfinished(w) == []


def test_lost_raw_is_read_again_from_where_its_window_began(tables: TablesMaker) -> None:
    w = tables(view(source={"window": 1, "segments": 1}))
    w.create()
    w.put(*(fin(f"p{n}", 1, **BIG) for n in range(9)))
    ended = w.engine_process(SHARDLAKE_FAILPOINT="extract.recorded=kill@2")
    assert ended.returncode == -signal.SIGKILL
    for file in (w.folder / "lake" / "raw").rglob("w000000002-*"):
        file.unlink()
    w.must_sync()
    assert [pk for pk, *_ in w.rows()] == sorted(f"p{n}" for n in range(9))
    windows = w.ledger("SELECT attempt, raw_rows FROM shardlake.windows ORDER BY window_id")
    assert windows[1][0] == 2
    assert sum(rows for _, rows in windows) == 9


def test_a_window_that_ended_its_scan_is_read_again_to_the_end_whatever_its_view_says_now(tables: TablesMaker) -> None:
    w = tables(view(source={"segments": 1}))
    w.create()
    w.put(*(fin(f"p{n}", 1, **BIG) for n in range(9)))
    ended = w.engine_process(SHARDLAKE_FAILPOINT="extract.recorded=kill@1")
    assert ended.returncode == -signal.SIGKILL
    for file in (w.folder / "lake" / "raw").rglob("w000000001-*"):
        file.unlink()
    w.view["source"] |= {"window": 1, "deadline": "0.01s"}
    w.must_sync()
    assert [pk for pk, *_ in w.rows()] == sorted(f"p{n}" for n in range(9))
    assert w.ledger("SELECT attempt, raw_rows FROM shardlake.windows ORDER BY window_id")[0] == (2, 9)


def test_keys_that_are_lost_are_told_by_name(tables: TablesMaker) -> None:
    w = tables(view(source={"segments": 1}))
    w.create()
    w.put(fin("a", 1))
    w.must_sync()
    scan = w.ledger("SELECT position ->> 'scan' FROM shardlake.positions")[0][0]
    shutil.rmtree(w.folder / "lake" / "keys")
    assert w.sync().shards["0-of-1"].error == (
        f"0-of-1: the keys of the scan of {scan} are gone from the lake: which items were deleted since cannot be told."
        " Empty the targets of the views that read this table, and run one of them with --full."
    )


def test_a_mended_view_is_replayed_from_raw_and_a_value_that_does_not_fit_is_a_reject(tables: TablesMaker) -> None:
    w = tables(view(source={"segments": 1}))
    w.create()
    w.put(fin("a", 1, amount={"N": "1.005"}), fin("b", 1), USER)
    w.must_sync()
    assert [(key, *rest) for _, key, *rest in w.rejects()] == [
        ({"pk": "a", "sk": "FIN#1"}, "amount", "1.005", "would be rounded to fit numeric(12,2)")
    ]
    w.view["columns"]["amount"] = "numeric"
    replay(w.job())
    assert w.rows() == [("a", "FIN#1", "paid", "1.005", "Ünal"), ("b", "FIN#1", "paid", "1.50", "Ünal")]


def test_layouts_of_the_lake_take_their_items_of_the_same_scan(tables: TablesMaker) -> None:
    layouts = [{"table": f"lake_{f}", "format": f} for f in ("parquet", "delta", "iceberg")]
    w = tables(view(lake={"connection": "athena-lake/main", "layouts": layouts}))
    w.create()
    w.put(fin("a", 1), fin("b", 1), fin("c", 1), USER)
    w.must_sync()
    w.delete("b", "FIN#1")
    w.put(fin("c", 1, status={"S": "open"}))
    w.must_sync()
    want = [("a", "FIN#1", *ROW), ("c", "FIN#1", "open", *ROW[1:])]
    assert w.rows() == want
    for table in ("lake_parquet_latest", "lake_delta", "lake_iceberg"):
        assert w.query(f"SELECT pk, sk, status, amount::text, customer_name FROM analytics.{table} ORDER BY 1, 2") == want, table
        assert w.counts(f"lake.{table.removesuffix('_latest')}")[:4] == (4 + 4, 3 + 3, 0, 2), table


@pytest.mark.parametrize("lost", ["own", "others"])
def test_a_row_that_is_lost_where_items_go_to_their_views_fails_the_commit(tables: TablesMaker, lost: str) -> None:
    w = tables(view(source={"segments": 1}))
    w.create()
    w.put(fin("a", 1), fin("b", 1), USER)
    honest = own.own_rows

    def losing(*given: Any) -> own.OwnRows:
        found = honest(*given)
        return own.OwnRows(found.table.slice(0, 1), found.others) if lost == "own" else own.OwnRows(found.table, found.others - 1)

    with patch("shardlake.shape.chunk.own_rows", losing):
        report = w.sync(threads=1)
    rows, others = (1, ", and 1 are not the view's") if lost == "own" else (2, "")
    error = str(report.shards["0-of-1"].error)
    assert "finances, 0-of-1, window 1: shape was given 3 rows of raw/" in error
    assert f"and made view rows of {rows} and rejects of 0{others}. Nothing was committed." in error
    assert w.warehouse("SELECT count(*) FROM shardlake.sink_windows") == [(0,)]
    with pytest.raises(Exception, match="sink_windows_check"):
        w.warehouse(
            "INSERT INTO shardlake.sink_windows (view, sink, window_id, applied_at, raw_rows, shaped, shape_rejected, others, view_rows, merged, unchanged, superseded, rejected)"
            " VALUES ('finances', 'warehouse', 1, now(), 3, 2, 0, 0, 2, 2, 0, 0, 0)"
        )


def test_what_is_wrong_with_a_table_is_told_with_table_attribute_and_the_next_step(tables: TablesMaker) -> None:
    w = tables(view(source={"segments": 1}))
    name = w.name("platform")
    assert (
        w.sync().shards["0-of-1"].error
        == f"{name}: there is no such table in eu-west-1. Check `table`, and the region of dynamodb/platform."
    )
    w.create(key={"pk": "S", "created": "N"})
    assert w.sync().shards["0-of-1"].error == f"{name}: 'sk' is not one of its key's attributes. Write `primary_key: [pk, created]`."


@pytest.mark.parametrize(
    ("kind", "item", "said"),
    [
        ("N", "sk = '7'", "sk is a number, and `item` compares it with a text. Write it as in `sk = 7`."),
        ("N", "sk begins_with '7'", "sk is a number, and `item` compares it with a text. Write it as in `sk = 7`."),
        ("S", "sk = 7", "sk is a text, and `item` compares it with a number. Write it as in `sk = '7'`."),
    ],
)
def test_a_key_that_is_compared_with_another_type_is_refused(tables: TablesMaker, kind: str, item: str, said: str) -> None:
    w = tables(view(source={"segments": 1, "item": item}))
    w.create(key={"pk": "S", "sk": kind})
    assert w.sync().shards["0-of-1"].error == f"{w.name('platform')}: {said}"


def test_two_runs_at_once_scan_once_and_the_second_takes_what_the_first_has_read(tables: TablesMaker) -> None:
    w = tables(view(source={"segments": 1}))
    w.create()
    w.put(fin("a", 1), USER)
    users = view(name="users", source={**w.view["source"], "item": "sk begins_with 'USER#'"}, warehouse={"table": "analytics.users"})
    models, connect = [View.model_validate(v) for v in (w.view, users)], w.connect
    w.must_sync()  # the ledger is there, and the first view has all
    w.put(fin("b", 1))
    with proxied(w.server) as proxy, ThreadPoolExecutor(2) as pool:
        w.endpoint = proxy.url
        reports = list(pool.map(lambda model: sync(model, connect), models))
        assert [r.ok for r in reports] == [True, True]
        assert len(proxy.scans()) == 1
    assert [pk for pk, *_ in w.rows()] == ["a", "b"]
    assert w.warehouse("SELECT pk, sk FROM analytics.users") == [("a", "USER#1")]


def test_a_plan_says_how_the_table_would_be_read(tables: TablesMaker) -> None:
    w = tables(view(source={"read_units": 100}))
    w.create()
    w.put(fin("a", 1))
    found = preview(w.job())
    assert [(s.shard, s.order, s.select, s.notes) for s in found.shards] == [
        (f"{n}-of-2", "scan", f"Scan {w.name('platform')}, segment {n} of 2, 50 read units a second", ["items: sk begins_with 'FIN#'"])
        for n in (0, 1)
    ]
    assert [(t["column"], t["source"], t["fits"]) for t in found.types][:3] == [
        ("pk", "S (text)", "every value"), ("sk", "S (text)", "every value"), ("status", "json path", "every value")
    ]  # fmt: skip
    assert found.ddl[-1].startswith('CREATE TABLE "analytics"."finances"')


def test_a_key_that_json_of_the_ledger_does_not_take_is_gone_on_behind(tables: TablesMaker) -> None:
    w = tables(view(source={"window": 1, "segments": 1}))
    w.create()
    w.put(*(fin(f"p{n}", 1, **BIG) for n in range(9)))
    odd = {"pk": {"S": "a\0b"}, "sk": {"S": "USER#\\u0000"}}
    w.put({**odd, "status": {"S": "x"}})
    with proxied(w.server, lambda *_: None) as proxy:
        honest = w.server.call

        def faults(operation: str, body: dict[str, Any]) -> Answer:
            if operation != "Scan" or len(proxy.scans()) > 1:
                return None
            return 200, honest(operation, {**body, "Limit": 1}) | {"Items": [], "Count": 0, "ScannedCount": 0, "LastEvaluatedKey": odd}

        proxy.faults = faults
        w.endpoint = proxy.url
        w.must_sync()
        assert proxy.scans()[1]["ExclusiveStartKey"] == odd
    assert w.ledger("SELECT plan ->> 'after' FROM shardlake.windows ORDER BY window_id")[1] == (json.dumps(odd),)


def test_another_table_of_the_name_is_refused_until_a_full_run(tables: TablesMaker) -> None:
    w = tables(view(source={"segments": 1}))
    w.create()
    w.put(fin("a", 1), fin("b", 1))
    w.must_sync()
    w.server.call("DeleteTable", {"TableName": w.name("platform")})
    w.create()
    w.put(fin("b", 1), fin("c", 1))
    assert w.sync().shards["0-of-1"].error == (
        f"{w.name('platform')}: it is another table than the one that was read last, which had the same name. Check region and account;"
        " if it is meant, run with --full: what the new one does not hold leaves the targets."
    )
    assert [pk for pk, *_ in w.rows()] == ["a", "b"]
    w.must_sync(full=True)
    assert [pk for pk, *_ in w.rows()] == ["b", "c"]


def test_a_table_that_takes_the_place_of_another_while_it_is_read_deletes_nothing(tables: TablesMaker) -> None:
    w = tables(view(source={"segments": 1}))
    w.create()
    w.put(fin("a", 1), fin("b", 1))
    w.must_sync()

    def faults(operation: str, body: dict[str, Any]) -> Answer:
        if operation == "Scan":
            w.server.call("DeleteTable", {"TableName": w.name("platform")})
            w.create()
            w.put(fin("c", 1))
        return None

    with proxied(w.server, faults) as proxy:
        w.endpoint = proxy.url
        assert "it is another table than the one that was read last" in str(w.sync().shards["0-of-1"].error)
    assert [pk for pk, *_ in w.rows()] == ["a", "b"]


def test_a_table_that_was_emptied_is_refused_until_a_full_run(tables: TablesMaker) -> None:
    w = tables()
    w.create()
    w.put(fin("a", 1), fin("b", 1))
    w.must_sync()
    w.delete("a", "FIN#1")
    w.must_sync()  # a segment may be empty, where the table is not
    w.delete("b", "FIN#1")
    assert {s.error for s in w.sync().shards.values() if s.error} == {
        f"{w.name('platform')}: the table is empty, and all that was read of it would count as deleted."
        " Look whether it is the right one and restored; if it is meant to be empty, run with --full."
    }
    assert [pk for pk, *_ in w.rows()] == ["b"]
    w.must_sync(full=True)
    assert w.rows() == []
    w.must_sync()
    w.must_sync()


@pytest.mark.parametrize("in_midst", [False, True])
def test_a_view_that_is_added_when_raw_has_expired_begins_at_the_last_whole_scan(tables: TablesMaker, in_midst: bool) -> None:
    w = tables(view(source={"segments": 1}))
    w.create()
    w.put(*(fin(f"p{n}", 1, **BIG) for n in range(9)), USER, {**USER, "pk": {"S": "b"}})
    for n in range(3):
        w.delete(f"p{n}", "FIN#1") if n else None
        w.must_sync()
    for file in (w.folder / "lake" / "raw").rglob("w*"):
        file.unlink()
    w.ledger("DELETE FROM shardlake.files RETURNING 1")
    w.ledger("UPDATE shardlake.windows SET raw_removed_at = now() WHERE raw_removed_at IS NULL RETURNING 1")
    if in_midst:
        refused = refusal("AccessDeniedException")
        with proxied(w.server, lambda _, body: refused if "ExclusiveStartKey" in body else None) as proxy:
            w.endpoint = proxy.url
            w.view["source"]["window"] = 1
            assert not w.sync().ok
        w.endpoint = ""
    finances = w.view
    w.view = view(name="users", source={**w.view["source"], "item": "sk begins_with 'USER#'"}, warehouse={"table": "analytics.users"})
    w.must_sync()
    w.must_sync()
    assert w.warehouse("SELECT pk FROM analytics.users ORDER BY 1") == [("a",), ("b",)]
    w.delete("b", "USER#1")
    w.must_sync()
    assert w.warehouse("SELECT pk FROM analytics.users ORDER BY 1") == [("a",)]
    w.view = finances
    w.must_sync()
    assert [pk for pk, *_ in w.rows()] == ["p0", *(f"p{n}" for n in range(3, 9))]
