"""What people ask of a collection before a run, and after: discover, check, plan, rejects, replay."""

from __future__ import annotations

import shutil
from datetime import UTC, datetime
from typing import Any

import pytest
import yaml
from bson import Decimal128, ObjectId

from shardlake.errors import ContractError
from shardlake.run.backfill import backfill
from shardlake.run.discover import discover
from shardlake.run.preview import preview
from shardlake.run.replay import replay
from tests.collections_world import SOURCE, CollectionsMaker, people

DAY = datetime(2026, 1, 2)


def document(n: int) -> dict[str, Any]:
    """A document; one in seventeen has a field that the others have not."""
    rare = {"vip": {"since": DAY}} if n % 17 == 3 else {}
    return {"name": f"n{n}", "age": n, "price": Decimal128("1.10"), "tags": ["a"], "createdAt": DAY, "updatedAt": DAY, **rare}


def test_a_draft_has_the_cursor_and_each_field_one_in_seventeen_documents_has_too(collections: CollectionsMaker) -> None:
    w = collections(connection_changes={})
    w.people().insert_many([document(n) for n in range(200)])
    w.people().insert_one({"name": "untimed"})
    w.people().create_index("updatedAt")
    draft = discover(SOURCE, w.mongo_source(), "people")
    found = yaml.safe_load(draft.text)
    assert found["source"] == {
        "connection": SOURCE,
        "collection": "people",
        "primary_key": ["_id"],
        "cursor": "updatedAt",
        "lookback": "5m",
    }
    assert found["columns"] == {
        "id": {"type": "text", "from": ["_id"]},
        "document": "jsonb",
        "name": {"type": "text", "from": "document.name"},
        "age": {"type": "bigint", "from": "document.age"},
        "price": {"type": "numeric", "from": "document.price"},
        "tags": {"type": "jsonb", "from": "document.tags"},
        "createdat": {"type": "timestamptz", "from": "document.createdAt"},
        "updatedat": {"type": "timestamptz", "from": "document.updatedAt"},
        "vip_since": {"type": "timestamptz", "from": "document.vip.since"},
    }
    assert "# updatedAt: 1 of 201 documents looked at have no date there; they come with the first load alone" in draft.text
    assert "no index begins" not in draft.text
    w.view = found
    w.must_sync()
    assert w.warehouse("SELECT count(*), count(vip_since) FROM analytics.people") == [(201, 12)]


def test_a_draft_of_a_collection_without_dates_reads_the_whole_and_one_of_ids_that_look_like_numbers_spells_them_plainly(
    collections: CollectionsMaker,
) -> None:
    w = collections()
    w.people().insert_many([{"_id": str(n), "name": "a"} for n in range(30)])
    found = yaml.safe_load(discover(SOURCE, w.mongo_source(), "people").text)
    assert (found["source"], found["warehouse"]["write"]) == (
        {"connection": SOURCE, "collection": "people", "primary_key": ["_id"], "ids": "string"},
        "replace",
    )
    w.view = found
    w.must_sync()
    assert w.target("id", "id::int")[:2] == [("0",), ("1",)]
    with pytest.raises(ContractError) as missing:
        discover(SOURCE, w.mongo_source(), "nobody")
    assert str(missing.value) == f"{w.database()} has no collection 'nobody'; it has: people. Check the name."


def test_a_plan_shows_the_query_the_ranges_and_what_each_column_becomes(collections: CollectionsMaker) -> None:
    w = collections(view=people(source={"filter": {"age": {"$gt": 1}}}))
    w.people().insert_many([document(n) for n in range(3)])
    (line,) = preview(w.job()).shards
    assert (line.error, line.order, line.index, line.full_scan, line.table_rows, line.anything) == (
        None,
        "1 ranges of _id",
        "_id_",
        False,
        3,
        True,
    )
    assert line.select.startswith(
        f'db.getSiblingDB(\'{w.database()}\').getCollection(\'people\').find({{"$and": [{{"age": {{"$gt": 1}}}}, {{"$or": [{{"updatedAt"'
    )
    w.must_sync()
    (line,) = preview(w.job()).shards
    assert (line.order, line.index, line.full_scan, line.anything) == ("by updatedAt", None, True, False)
    types = {t["column"]: (t["from"], t["target"], t["fits"]) for t in preview(w.job()).types}
    assert types["_id"] == ("_id", "text", "every value")
    assert types["city"] == ("document.address.city", "text", "every value")


def test_the_commands_check_and_rejects_know_collections(collections: CollectionsMaker) -> None:
    w = collections()
    w.people().insert_many([{"_id": 1, "name": "a", "updatedAt": DAY}, {"_id": ObjectId(), "age": "old", "updatedAt": DAY}])
    assert w.command("check").returncode == 0
    w.must_sync()
    done = w.command("rejects", "people")
    assert "is not bigint" in done.stdout


def test_a_mended_view_is_replayed_from_raw_and_raw_that_is_gone_is_read_again(collections: CollectionsMaker) -> None:
    w = collections(view=people(source={"chunk": 1, "window": 1}, columns={"_id": "text", "name": "text"}))
    w.people().insert_many([{"_id": n, "name": f"n{n}", "age": n, "updatedAt": DAY} for n in range(12)])
    w.must_sync()
    w.view["columns"]["age"] = "bigint"
    assert replay(w.job()).shards[w.database()].merged == 12
    assert w.target("_id, age", "age")[-1] == ("11", 11)
    w.people().update_one({"_id": 3}, {"$set": {"name": "z", "updatedAt": datetime.now(UTC)}})
    w.ledger("DELETE FROM shardlake.sink_windows")
    w.ledger("DELETE FROM shardlake.rejects")
    shutil.rmtree(w.folder / "lake")
    w.must_sync()
    assert sorted(w.ledger("SELECT DISTINCT attempt FROM shardlake.windows")) == [(1,), (2,)]
    assert sorted(w.target("_id, name")) == sorted((str(n), "z" if n == 3 else f"n{n}") for n in range(12))


def test_a_range_of_the_cursor_is_read_again_by_a_backfill(collections: CollectionsMaker) -> None:
    w = collections(view=people(columns={"_id": "text", "name": "text"}))
    w.people().insert_many([{"_id": n, "name": "a", "updatedAt": datetime(2026, 1, 1 + n)} for n in range(10)])
    w.must_sync()
    w.warehouse("DELETE FROM analytics.people WHERE _id > '3'")
    w.people().update_many({}, {"$set": {"name": "mended"}})  # and nobody touched the cursor
    report = backfill(w.model(), w.connect, "2026-01-03", "2026-01-07", step="1d")
    assert report.ok, report.headline()
    assert w.target("_id, name") == [("0", "a"), ("1", "a"), ("2", "a"), ("3", "mended"), ("4", "mended"), ("5", "mended"), ("6", "mended")]


def test_a_cursor_of_object_ids_has_no_range_that_could_be_written(collections: CollectionsMaker) -> None:
    w = collections(view=people(source={"cursor": "_id"}, columns={"_id": "text"}))
    w.people().insert_one({"_id": ObjectId("507f1f77bcf86cd799439011")})
    w.must_sync()
    report = backfill(w.model(), w.connect, "2026-01-03", "2026-01-07")
    assert "_id holds ObjectIds, of which no range can be written. Run with --full" in report.headline()
