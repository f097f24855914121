"""A first load: every document of a collection, whatever its `_id`, by ranges that are read at once."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from bson import Decimal128, MaxKey, MinKey, ObjectId, Timestamp
from bson.int64 import Int64

from tests.collections_world import CollectionsMaker, people

DAY = datetime(2026, 1, 2, 3, 4, 5, 678000)


def test_every_document_of_every_tenant_comes_and_then_what_has_changed(collections: CollectionsMaker) -> None:
    w = collections()
    w.people("a").insert_many(
        [
            {"_id": 1, "name": "Ünal", "age": 41, "address": {"city": "Köln"}, "updatedAt": DAY},
            {"_id": 2, "name": "Mia", "age": Int64(7), "updatedAt": DAY},
        ]
    )
    w.people("b").insert_one({"_id": "x", "name": None, "updatedAt": DAY})
    report = w.must_sync()
    assert [(s.shard.removeprefix(w.prefix), s.read, s.merged) for s in report.shards.values()] == [("a", 2, 2), ("b", 1, 1)]
    assert w.target("_id, name, age, city") == [("1", "Ünal", 41, "Köln"), ("2", "Mia", 7, None), ("x", None, None, None)]
    w.people("a").update_one({"_id": 2}, {"$set": {"age": 8, "updatedAt": datetime.now(UTC)}})
    report = w.must_sync()
    assert [(s.state, s.read, s.merged) for s in report.shards.values()] == [("merged", 1, 1), ("nothing", 0, 0)]
    assert w.target("_id, age") == [("1", 41), ("2", 8), ("x", None)]
    assert [s.state for s in w.must_sync().shards.values()] == ["nothing", "nothing"]


IDS: list[tuple[Any, str]] = [
    (MinKey(), '{"$minKey": 1}'),
    (None, "null"),
    (float("nan"), '{"$numberDouble": "NaN"}'),
    (-5, "-5"),
    (0.1, "0.1"),
    (Decimal128("0.3"), '{"$numberDecimal": "0.3"}'),
    (7.5, "7.5"),
    (Int64(2**53 + 1), "9007199254740993"),
    (float("inf"), '{"$numberDouble": "Infinity"}'),
    ("", ""),
    ("7.5", '"7.5"'),
    ("507f1f77bcf86cd799439011", '"507f1f77bcf86cd799439011"'),
    ("O'Hara; DROP TABLE", "O'Hara; DROP TABLE"),
    ("🚚", "🚚"),
    ({"a": ObjectId("507f1f77bcf86cd799439011")}, '{"a": {"$oid": "507f1f77bcf86cd799439011"}}'),
    (b"\x00\xff", '{"$binary": {"base64": "AP8=", "subType": "00"}}'),
    (ObjectId("507f1f77bcf86cd799439011"), "507f1f77bcf86cd799439011"),
    (True, "true"),
    (datetime(2026, 1, 2), '{"$date": "2026-01-02T00:00:00Z"}'),
    (Timestamp(3, 4), '{"$timestamp": {"t": 3, "i": 4}}'),
    (MaxKey(), '{"$maxKey": 1}'),
]
"""Ids of all types in the server's own order, and how they are spelt. One subdocument alone: SecantusDB keeps those of several inner types in its index
in another order than it compares them, as no MongoDB does."""


def mixed(w: Any) -> None:
    w.people().insert_many([{"_id": id, "name": f"n{n}", "updatedAt": DAY} for n, (id, _) in reversed(list(enumerate(IDS)))])


EXPECTED = sorted((text, f"n{n}") for n, (_, text) in enumerate(IDS))


def test_ids_of_every_type_are_read_by_ranges_and_none_is_taken_for_another(collections: CollectionsMaker) -> None:
    w = collections(view=people(source={"chunk": 1}, columns={"_id": "text", "name": "text"}))
    mixed(w)
    w.must_sync()
    ranges, order = w.ledger("SELECT jsonb_array_length(plan -> 'intervals'), plan ->> 'upper' IS NOT NULL FROM shardlake.windows")[0]
    assert (ranges > 8, order) == (True, True)
    assert sorted(w.target("_id, name")) == EXPECTED


def test_a_first_load_of_many_windows_goes_on_exactly_where_it_was(collections: CollectionsMaker) -> None:
    w = collections(view=people(source={"chunk": 1, "window": 1}, columns={"_id": "text", "name": "text"}))
    mixed(w)
    w.must_sync()
    assert sorted(w.target("_id, name")) == EXPECTED
    windows = w.ledger("SELECT raw_rows FROM shardlake.windows ORDER BY window_id")
    assert len(windows) > 5
    assert sum(rows for (rows,) in windows) == len(IDS)  # each document once


def test_a_first_load_by_one_connection_stops_and_goes_on_between_any_two_ids(collections: CollectionsMaker) -> None:
    w = collections(
        view=people(source={"chunk": 1, "window": 1}, columns={"_id": "text", "name": "text"}), connection_changes={"ranges": 1}
    )
    chosen = IDS[::3]
    w.people().insert_many([{"_id": id, "name": "a", "updatedAt": DAY} for id, _ in reversed(chosen)])
    w.must_sync()
    assert sorted(w.target("_id")) == sorted((text,) for _, text in chosen)
    assert w.ledger("SELECT raw_rows FROM shardlake.windows ORDER BY window_id")[:-1] == [(1,)] * len(chosen)
