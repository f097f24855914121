"""Later windows: by a cursor of dates, numbers or ObjectIds; what it does not tell; how windows end and go on."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from bson import Decimal128, ObjectId
from bson.int64 import Int64

from shardlake.source.mongodb import plan
from shardlake.source.mongodb.cursor import Bound, version_text
from tests.collections_world import CollectionsMaker, people

DAY = datetime(2026, 1, 2)
IDS = {"_id": "text", "name": "text"}


def now() -> datetime:
    return datetime.now(UTC)


def test_documents_without_the_cursor_come_with_the_first_load_and_are_told_of_after(collections: CollectionsMaker) -> None:
    w = collections(view=people(columns=IDS))
    odd: list[Any] = [None, "2026-01-02", 7, now() + timedelta(days=400)]
    w.people().insert_many([{"_id": 1, "name": "a", "updatedAt": DAY}, {"_id": 2, "name": "b"}])
    w.people().insert_many([{"_id": n + 10, "name": "c", "updatedAt": value} for n, value in enumerate(odd)])
    w.must_sync()
    assert w.target("_id, name, _cursor", "_id::int") == [
        ("1", "a", DAY.replace(tzinfo=UTC)), ("2", "b", None), ("10", "c", None), ("11", "c", None), ("12", "c", None)
    ]  # fmt: skip
    assert list(w.must_sync().shards[w.database()].notes) == [
        "no index begins with updatedAt: each run reads the whole collection",
        "2 documents have no cursor (updatedAt): no window takes them",
        "2 documents have a cursor that is no date (updatedAt): no window takes them",
        "1 documents have a cursor in the future (updatedAt): no window takes them",
    ]
    assert w.status()["a"].unreachable == {
        "no cursor (updatedAt)": 2,
        "a cursor that is no date (updatedAt)": 2,
        "a cursor in the future (updatedAt)": 1,
    }
    done = w.command("status")
    assert "no cursor (updatedAt)" in done.stdout


def test_a_document_that_gets_its_cursor_later_is_taken_then(collections: CollectionsMaker) -> None:
    w = collections(view=people(columns=IDS))
    w.people().insert_many([{"_id": 1, "name": "a"}, {"_id": 2, "name": "b", "updatedAt": DAY}])
    w.must_sync()
    w.people().update_one({"_id": 1}, {"$set": {"name": "z", "updatedAt": now()}})
    w.must_sync()
    assert w.target("_id, name") == [("1", "z"), ("2", "b")]


def test_a_cursor_of_numbers_of_all_kinds_goes_by_their_value(collections: CollectionsMaker) -> None:
    w = collections(view=people(source={"cursor": "meta.seq", "lookback": 0}, columns=IDS))
    numbers: list[Any] = [1, 2.5, Int64(2**62), Decimal128("4611686018427387904.5"), float("nan"), float("inf"), "9"]
    w.people().insert_many([{"_id": n, "name": "a", "meta": {"seq": seq}} for n, seq in enumerate(numbers)])
    w.must_sync()
    assert w.target("_id, _cursor::text", "_id") == [
        ("0", "1"), ("1", "2.5"), ("2", str(2**62)), ("3", "4611686018427387904.5"), ("4", None), ("6", None)
    ]  # fmt: skip
    w.people().update_one({"_id": 0}, {"$set": {"name": "b", "meta.seq": Decimal128("4611686018427387905")}})
    w.people().update_one({"_id": 1}, {"$set": {"name": "old", "meta.seq": 3}})
    report = w.must_sync()
    assert [(s.read, s.merged) for s in report.shards.values()] == [(1, 1)]
    assert w.target("_id, name", "_id")[:2] == [("0", "b"), ("1", "a")]
    assert w.status()["a"].unreachable == {"a cursor that is no finite number (meta.seq)": 3}


@pytest.mark.parametrize("indexed", [True, False])
def test_arrays_in_the_cursor_stop_nothing_and_are_told_of(collections: CollectionsMaker, indexed: bool) -> None:
    w = collections(view=people(source={"cursor": "meta.n", "lookback": 0}, columns=IDS))
    odd: list[Any] = [{"n": [5, 1e9]}, [{"n": 1e10}], {"n": 7}]
    w.people().insert_many([{"_id": n, "name": "a", "meta": meta} for n, meta in enumerate(odd)])
    if indexed:
        w.people().create_index("meta.n")
    w.must_sync()
    assert w.target("_id, _cursor::text", "_id") == [("0", None), ("1", None), ("2", "7")]
    w.people().insert_one({"_id": 3, "name": "b", "meta": {"n": 8}})
    w.people().insert_one({"_id": 4, "name": "b", "meta": {"n": [7.5, 8]}})
    assert [(s.read, s.merged) for s in w.must_sync().shards.values()] == [(1, 1)]
    assert sum(w.status()["a"].unreachable.values()) == 3


def test_numbers_in_the_id_are_a_cursor(collections: CollectionsMaker) -> None:
    w = collections(view=people(source={"cursor": "_id", "lookback": 0}, columns=IDS))
    w.people().insert_many([{"_id": n, "name": "a"} for n in (-3, 5)])
    w.must_sync()
    w.people().insert_one({"_id": 6, "name": "b"})
    assert [(s.read, s.merged) for s in w.must_sync().shards.values()] == [(1, 1)]
    assert w.target("_id", "_id::int") == [("-3",), ("5",), ("6",)]


def test_a_greatest_number_that_no_decimal_is_comes_with_the_first_load(collections: CollectionsMaker) -> None:
    w = collections(view=people(source={"cursor": "seq", "lookback": 0}, columns=IDS))
    w.people().insert_many([{"_id": n, "name": "a", "seq": seq} for n, seq in enumerate([0.1, 0.7, 1e300])])
    w.must_sync()
    assert w.target("_id, _cursor::float8", "_id") == [("0", 0.1), ("1", 0.7), ("2", 1e300)]
    assert Bound("number", "0.1").bson(highest=True) == 0.1  # the double is greater, by 5.6e-18
    assert Bound("number", "0.1").bson(highest=False) == Decimal128("0.1")
    assert Bound("number", "0.7").bson(highest=True) == Decimal128("0.7")  # the double is less


@pytest.mark.parametrize("value", [1.2345678901234567e17, 2.0**63, -(2.0**70), 0.5])
def test_a_double_as_a_bound_is_the_double_that_it_was(value: float) -> None:
    text = str(version_text(value, "number"))
    assert Decimal(text) == Decimal(value)
    assert [Bound("number", text).bson(highest=highest) for highest in (True, False)] == [value, value]


def test_a_number_of_more_digits_than_a_decimal_holds_is_a_bound_that_leaves_nothing_out() -> None:
    text = "1234567890123456789012345678901234567.5"
    assert Bound("number", text).bson(highest=True) == Decimal128("1.234567890123456789012345678901235E+36")
    assert Bound("number", text).bson(highest=False) == Decimal128("1.234567890123456789012345678901234E+36")
    assert Bound("number", f"-{text}").bson(highest=False) == Decimal128("-1.234567890123456789012345678901235E+36")


def test_a_collection_that_only_grows_goes_by_its_object_ids(collections: CollectionsMaker) -> None:
    w = collections(view=people(source={"cursor": "_id", "safety_lag": "0s"}, columns=IDS))
    ids = [ObjectId.from_datetime(now() - timedelta(seconds=seconds)) for seconds in (50, 40)]
    w.people().insert_many([{"_id": id, "name": "a"} for id in ids])
    w.must_sync()
    later = ObjectId.from_datetime(now() - timedelta(seconds=10))
    w.ledger("UPDATE shardlake.positions SET position = position || %s::jsonb", f'{{"cursor": "{int(str(ids[-1]), 16)}"}}')
    w.people().insert_one({"_id": later, "name": "b"})
    assert [(s.read, s.merged) for s in w.must_sync().shards.values()] == [(1, 1)]
    assert w.target("_id, name", "_id") == [(str(ids[0]), "a"), (str(ids[1]), "a"), (str(later), "b")]


@pytest.mark.parametrize("indexed", [True, False])
def test_a_window_is_closed_behind_all_documents_of_one_cursor_where_an_index_puts_them_in_order(
    collections: CollectionsMaker, indexed: bool
) -> None:
    w = collections(view=people(source={"chunk": 1, "window": 1}, columns=IDS))
    w.people().insert_one({"_id": -1, "name": "a", "updatedAt": DAY})
    if indexed:
        w.people().create_index("updatedAt")
    w.must_sync()
    start = now() - timedelta(minutes=1)
    w.set_back(start.strftime("%Y-%m-%d %H:%M:%S.%f"))
    moments = [start + timedelta(seconds=1 + n // 3) for n in range(9)]
    w.people().insert_many([{"_id": n, "name": "a", "updatedAt": moment} for n, moment in enumerate(moments)])
    report = w.must_sync()
    assert [(s.read, s.merged) for s in report.shards.values()] == [(9, 9)]
    rows = [rows for (rows,) in w.ledger("SELECT raw_rows FROM shardlake.windows ORDER BY window_id")][-4:]
    assert rows[-3:] == ([3, 3, 3] if indexed else rows[-3:])
    assert len(w.target("_id")) == 10
    if not indexed:
        assert rows[-1] == 9
        assert "no index begins with updatedAt: each run reads the whole collection" in w.must_sync().shards[w.database()].notes


@pytest.mark.parametrize("by", ["date", "number"])
def test_a_lookback_of_more_than_a_window_holds_is_read_once_and_the_windows_go_on_from_there(
    collections: CollectionsMaker, by: str
) -> None:
    w = collections(view=people(source={"chunk": 1, "window": 1, "lookback": "5m"}, columns=IDS))
    start = now() - timedelta(minutes=1)
    values: list[Any] = [start + timedelta(seconds=n) for n in range(6)] if by == "date" else [n / 10 for n in range(6)]
    w.people().insert_one({"_id": -1, "name": "a", "updatedAt": DAY if by == "date" else -5000})
    w.people().create_index("updatedAt")
    w.must_sync()
    w.people().insert_many([{"_id": n, "name": "a", "updatedAt": value} for n, value in enumerate(values)])
    w.set_back(values[0].strftime("%Y-%m-%d %H:%M:%S.%f") if by == "date" else "0", kind=by)
    report = w.must_sync()
    assert [(s.read, s.merged) for s in report.shards.values()] == [(6, 6)]
    assert w.ledger("SELECT position ? 'upper' FROM shardlake.positions") == [(False,)]
    again = w.must_sync()
    assert [s.read for s in again.shards.values()] == [6]


def test_what_was_written_late_is_read_again_within_the_lookback(collections: CollectionsMaker) -> None:
    w = collections(view=people(source={"lookback": "5m"}, columns=IDS))
    w.people().insert_one({"_id": 1, "name": "a", "updatedAt": DAY})
    w.must_sync()
    w.people().insert_one({"_id": 2, "name": "late", "updatedAt": now() - timedelta(minutes=4)})
    w.people().insert_one({"_id": 3, "name": "too late", "updatedAt": now() - timedelta(minutes=6)})
    w.must_sync()
    assert w.target("_id, name") == [("1", "a"), ("2", "late")]


def test_without_a_cursor_the_whole_collection_takes_the_place_of_what_was(collections: CollectionsMaker) -> None:
    view = people(columns=IDS, warehouse={"write": "replace"})
    del view["source"]["cursor"]
    w = collections(view=view)
    w.people().insert_many([{"_id": 1, "name": "a"}, {"_id": 2, "name": "b"}])
    w.must_sync()
    w.people().delete_one({"_id": 1})
    w.people().insert_one({"_id": 3, "name": "c"})
    w.must_sync()
    assert w.target("_id, name") == [("2", "b"), ("3", "c")]


def test_a_document_that_says_that_it_is_deleted_leaves_the_target(collections: CollectionsMaker) -> None:
    w = collections(view=people(columns=IDS, deletes={"column": "deletedAt"}))
    w.people().insert_many(
        [{"_id": n, "name": "a", "updatedAt": DAY, "deletedAt": value} for n, value in enumerate([None, False, DAY, True])]
    )
    w.people().insert_one({"_id": 9, "name": "a", "updatedAt": DAY})
    w.must_sync()
    assert w.target("_id") == [("0",), ("1",), ("9",)]
    w.people().update_one({"_id": 9}, {"$set": {"deletedAt": now(), "updatedAt": now()}})
    w.must_sync()
    assert w.target("_id") == [("0",), ("1",)]


def test_a_filter_and_a_projection_say_what_comes(collections: CollectionsMaker) -> None:
    source = {"filter": {"kind": {"$in": ["x", "y"]}, "born": {"$gt": {"$date": "2020-01-01T00:00:00Z"}}}, "projection": {"name": 1}}
    w = collections(view=people(source=source, columns=IDS, deletes={"column": "gone"}))
    young, old = datetime(2021, 1, 1), datetime(2019, 1, 1)
    w.people().insert_many(
        [
            {"_id": 1, "kind": "x", "born": young, "name": "a", "updatedAt": DAY, "secret": 1},
            {"_id": 2, "kind": "x", "born": old, "name": "b", "updatedAt": DAY},
            {"_id": 3, "kind": "z", "born": young, "name": "c", "updatedAt": DAY},
            {"_id": 4, "kind": "y", "born": young, "name": "d", "updatedAt": DAY, "gone": True},
        ]
    )
    w.must_sync()
    assert w.target("_id, name") == [("1", "a")]
    assert [row["document"] for row in w.raw()] == [
        '{"_id":1,"name":"a","updatedAt":"2026-01-02T00:00:00.000Z"}',
        '{"_id":4,"name":"d","updatedAt":"2026-01-02T00:00:00.000Z","gone":true}',
    ]


def test_a_full_run_reads_everything_anew_and_changes_nothing(collections: CollectionsMaker) -> None:
    w = collections(view=people(columns=IDS))
    w.people().insert_many([{"_id": n, "name": "a", "updatedAt": DAY} for n in range(3)])
    w.must_sync()
    report = w.must_sync(full=True)
    assert [(s.read, s.merged, s.unchanged) for s in report.shards.values()] == [(3, 0, 3)]


def test_another_spelling_of_ids_is_refused_until_the_load_begins_anew(collections: CollectionsMaker) -> None:
    w = collections(view=people(columns=IDS))
    w.people().insert_one({"_id": "507f1f77bcf86cd799439011", "name": "a", "updatedAt": DAY})
    w.must_sync()
    w.view["source"]["ids"] = "string"
    error = w.sync().shards[w.database()].error
    assert error == (
        "source.ids was any and is string now, by which ids are spelt in another way. Change it back, or choose a new table and run with --full."
    )
    w.view["warehouse"]["table"] = "analytics.people_2"
    w.must_sync(full=True)
    assert w.target("_id") == [("507f1f77bcf86cd799439011",)]


def test_a_majority_that_lags_ends_the_window_and_status_says_so(collections: CollectionsMaker, monkeypatch: pytest.MonkeyPatch) -> None:
    w = collections(view=people(columns=IDS))
    start = now().replace(microsecond=0, tzinfo=None) - timedelta(minutes=1)
    w.people().insert_many(
        [{"_id": 1, "name": "a", "updatedAt": start}, {"_id": 2, "name": "b", "updatedAt": start + timedelta(seconds=30)}]
    )

    def lagging(client: Any) -> dict[str, Any]:
        """What a member says whose majority is half a minute behind."""
        last = {"opTime": {"ts": 2}, "majorityOpTime": {"ts": 1}, "majorityWriteDate": start + timedelta(seconds=10)}
        return {**client.admin.command("hello"), "lastWrite": last}

    monkeypatch.setattr(plan, "hello", lagging)
    w.must_sync()
    assert w.target("_id") == [("1",)]
    held = f"{w.database()}: a majority of the replica set has what was written up to {start + timedelta(seconds=10)} UTC"
    assert w.status()["a"].held_by == held
    monkeypatch.undo()
    w.must_sync()
    assert w.target("_id") == [("1",), ("2",)]


def test_a_member_that_is_no_primary_is_read_up_to_what_it_has(collections: CollectionsMaker, monkeypatch: pytest.MonkeyPatch) -> None:
    w = collections(view=people(columns=IDS))
    start = now().replace(microsecond=0, tzinfo=None) - timedelta(minutes=1)
    w.people().insert_many(
        [{"_id": 1, "name": "a", "updatedAt": start}, {"_id": 2, "name": "b", "updatedAt": start + timedelta(seconds=30)}]
    )

    def secondary(client: Any) -> dict[str, Any]:
        """What a member says that is half a minute behind, and does not know it."""
        written = {"lastWriteDate": start + timedelta(seconds=10), "majorityWriteDate": start + timedelta(seconds=10)}
        last = {"opTime": {"ts": 1}, "majorityOpTime": {"ts": 1}, **written}
        return {**client.admin.command("hello"), "isWritablePrimary": False, "secondary": True, "lastWrite": last}

    monkeypatch.setattr(plan, "hello", secondary)
    w.must_sync()
    assert w.target("_id") == [("1",)]
    monkeypatch.undo()
    w.must_sync()
    assert w.target("_id") == [("1",), ("2",)]


def test_a_tenant_that_cannot_be_seen_any_more_is_told_of_and_keeps_its_rows(collections: CollectionsMaker) -> None:
    w = collections(view=people(columns=IDS))
    for tenant in ("a", "b"):
        w.people(tenant).insert_one({"_id": tenant, "name": "a", "updatedAt": DAY})
    w.must_sync()
    before = w.ledger("SELECT position, complete_to FROM shardlake.positions WHERE partition = %s", w.database("b"))
    w.client.drop_database(w.database("b"))
    report = w.must_sync()
    why = f"{w.database('b')} is not there any more, or the user may not see it"
    assert [(s.state, list(s.notes)) for s in report.shards.values()][1] == ("nothing", [why])
    assert w.status()["b"].held_by == why
    assert w.ledger("SELECT position, complete_to FROM shardlake.positions WHERE partition = %s", w.database("b")) == before
    assert w.target("_id") == [("a",), ("b",)]
    w.people("b").insert_one({"_id": "c", "name": "a", "updatedAt": now()})
    w.must_sync()
    assert w.target("_id") == [("a",), ("b",), ("c",)]


def test_a_view_of_the_servers_is_read_whole_and_then_by_its_cursor(collections: CollectionsMaker) -> None:
    w = collections(view=people(source={"collection": "grown_up", "chunk": 1, "window": 1}, columns=IDS))
    w.db()["people"].insert_many([{"_id": n, "name": "a", "age": n, "updatedAt": DAY} for n in range(10, 30)])
    w.db().create_collection("grown_up", viewOn="people", pipeline=[{"$match": {"age": {"$gte": 18}}}])
    w.must_sync()
    assert len(w.target("_id")) == 12
    w.db()["people"].insert_one({"_id": 40, "name": "b", "age": 40, "updatedAt": now()})
    assert [(s.read, s.merged) for s in w.must_sync().shards.values()] == [(1, 1)]
