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
