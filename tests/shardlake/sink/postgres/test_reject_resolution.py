"""Rejects whose row is read again: the list holds what is bad now, and the ledger all that ever was."""

from __future__ import annotations

import json
from typing import Any

import pytest

from shardlake.run.replay import replay
from tests.world import ORDERS_TABLE, World, WorldMaker, orders_view

COLUMNS = {"id": "bigint", "updated_at": "timestamp", "age": {"type": "smallint", "from": "payload.age"}}
BROKEN = '{"age": '
OLD = "'2026-01-01'"


def shop(world: WorldMaker, shards: list[str] | None = None, **view: Any) -> World:
    """Shards with a row that is fine, one whose value does not fit, and one whose document is broken."""
    w = world(shards, view=orders_view(**{"columns": COLUMNS, **view}))
    w.on_all(ORDERS_TABLE)
    for shard in w.shards:
        for id, payload in ((1, '{"age": 41}'), (2, '{"age": 70000}'), (3, BROKEN)):
            put(w, shard, id, payload, OLD)
    w.must_sync()
    return w


def put(w: World, shard: str, id: int, payload: str, at: str = "utc_timestamp(6)") -> None:
    """A row, as of now or of another time."""
    w.on(shard, f"REPLACE INTO orders VALUES (%s, 'new', 1, {at}, %s)", id, payload)


def listed(w: World, *words: str) -> list[tuple[str, str, str, bool]]:
    """`shardlake rejects`: (shard, key, column, whether it was read again), oldest first."""
    done = w.command("rejects", "orders", "--json", *words)
    assert (done.returncode, done.stderr) == (0, "")
    found = json.loads(done.stdout)
    assert found["total"] == len(found["rejects"])
    lines = [(r["shard"], r["row_key"]["id"], r["column_name"], r["read_again_at"] is not None) for r in found["rejects"]]
    return lines[::-1]


def open_now(w: World) -> list[tuple[str, str]]:
    """(key, column) of the rejects that the list shows."""
    return w.warehouse("SELECT row_key ->> 'id', column_name FROM shardlake.rejects WHERE read_again_at IS NULL ORDER BY 1, 2")


def lake_with_a_reject(world: WorldMaker) -> World:
    """A row that the warehouse has, and the layout by city cannot name a partition for."""
    columns = {**COLUMNS, "city": {"type": "text", "from": "payload.city"}}
    w = world(
        view=orders_view(columns=columns, lake={"connection": "athena-lake/main", "layouts": [{"table": "o", "partition_by": ["city"]}]})
    )
    w.on_all(ORDERS_TABLE)
    put(w, "shop_00", 1, '{"age": 1, "city": ""}', OLD)
    assert w.sync().lake["o"].all_rejected
    assert open_now(w) == [("1", "city")]
    return w


def test_a_row_that_was_mended_at_the_source_leaves_the_list_and_stays_in_the_ledger(world: WorldMaker) -> None:
    w = shop(world, ["shop_00", "shop_01"])
    assert sorted(listed(w)) == [(s, i, c, False) for s in w.shards for i, c in (("2", "age"), ("3", "payload"))]
    put(w, "shop_00", 2, '{"age": 7}')
    put(w, "shop_01", 3, '{"age": 8}')
    w.must_sync()
    assert sorted(listed(w)) == [("shop_00", "3", "payload", False), ("shop_01", "2", "age", False)]
    assert sorted(listed(w, "--all")) == [
        ("shop_00", "2", "age", True),
        ("shop_00", "3", "payload", False),
        ("shop_01", "2", "age", False),
        ("shop_01", "3", "payload", True),
    ]
    status = {line["shard"]: line["rejects"] for line in json.loads(w.command("status", "--json").stdout)["shards"]}
    assert status == {"shop_00": 1, "shop_01": 1}


def test_a_row_that_is_still_bad_stands_there_once_with_what_is_wrong_now(world: WorldMaker) -> None:
    w = shop(world)
    put(w, "shop_00", 2, BROKEN)  # its value did not fit, now its document is broken
    put(w, "shop_00", 3, '{"age": "x"}')  # and the other way about
    assert w.sync().shards["shop_00"].state == "rejected"
    assert open_now(w) == [("2", "payload"), ("3", "age")]
    put(w, "shop_00", 2, BROKEN + " ")
    put(w, "shop_00", 3, '{"age": "y"}')
    assert w.sync().shards["shop_00"].state == "rejected"
    assert open_now(w) == [("2", "payload"), ("3", "age")]
    assert len(w.rejects()) == 6


def test_a_lookback_that_reads_bad_rows_again_and_again_lists_them_once(world: WorldMaker) -> None:
    w = shop(world, source={"lookback": "36500d"})
    for age in range(3):
        put(w, "shop_00", 1, f'{{"age": {age}}}')
        w.must_sync()
    assert open_now(w) == [("2", "age"), ("3", "payload")]
    assert len(w.rejects()) == 8


def test_rows_that_were_not_read_stay_listed(world: WorldMaker) -> None:
    w = shop(world)
    put(w, "shop_00", 1, '{"age": 42}')
    w.must_sync()
    assert open_now(w) == [("2", "age"), ("3", "payload")]


def test_a_replay_of_old_raw_does_not_list_what_is_mended_since(world: WorldMaker) -> None:
    w = shop(world)
    put(w, "shop_00", 2, '{"age": 7}')
    put(w, "shop_00", 3, '{"age": 8}')
    w.must_sync()
    assert replay(w.job()).ok
    assert open_now(w) == []
    assert len(w.rejects()) == 2
    assert w.target("id, age") == [(1, 41), (2, 7), (3, 8)]


def test_a_run_from_the_beginning_lists_what_it_finds_and_nothing_else(world: WorldMaker) -> None:
    w = shop(world)
    put(w, "shop_00", 2, '{"age": 7}', OLD)  # mended without a newer cursor
    w.must_sync(full=True)
    assert open_now(w) == [("3", "payload")]
    assert w.target("id, age") == [(1, 41), (2, 7)]


def test_a_replaced_table_lists_the_rejects_of_its_last_load(world: WorldMaker) -> None:
    w = shop(world, source={"cursor": None}, warehouse={"write": "replace"})
    w.on("shop_00", "DELETE FROM orders WHERE id = 2")
    w.must_sync()
    assert open_now(w) == [("3", "payload")]


@pytest.mark.parametrize(
    "again", ['{"items": []}', '{"items": [{"n": 1}, {"n": 2}]}', '{"items": [{"n": 1}, {"n": "x"}]}'], ids=["none", "good", "bad"]
)
def test_the_elements_of_an_exploded_parent_are_listed_as_they_are_now(world: WorldMaker, again: str) -> None:
    columns = {
        "id": "bigint", "i": {"type": "integer", "from": "$index"}, "n": {"type": "integer", "from": "$element.n"}, "updated_at": "timestamp",
    }  # fmt: skip
    w = world(view=orders_view(columns=columns, explode={"path": "payload.items"}, warehouse={"key": None}))
    w.on_all(ORDERS_TABLE)
    put(w, "shop_00", 1, '{"items": [{"n": "a"}, {"n": 2}, {"n": "c"}]}', OLD)
    w.must_sync()
    assert open_now(w) == [("1", "n"), ("1", "n")]
    put(w, "shop_00", 1, again)
    w.must_sync()
    assert open_now(w) == ([("1", "n")] if "x" in again else [])


def test_a_key_of_another_name_than_the_source_has_it_is_the_same_row(world: WorldMaker) -> None:
    columns = {"order_id": {"type": "bigint", "from": "id"}, "updated_at": "timestamp", "age": {"type": "smallint", "from": "payload.age"}}
    w = shop(world, columns=columns, warehouse={"key": ["order_id"]})
    put(w, "shop_00", 2, BROKEN)
    put(w, "shop_00", 3, '{"age": 8}')
    w.must_sync()
    assert w.warehouse("SELECT row_key, column_name FROM shardlake.rejects WHERE read_again_at IS NULL") == [({"id": "2"}, "payload")]
    assert w.target("order_id, age") == [(1, 41), (3, 8)]


def test_a_reject_of_the_lake_is_history_once_its_row_is_read_again(world: WorldMaker) -> None:
    w = lake_with_a_reject(world)
    put(w, "shop_00", 1, '{"age": 1, "city": "Oslo"}')
    w.must_sync()
    assert open_now(w) == []


@pytest.mark.parametrize("view", [{}, {"source": {"cursor": None}, "warehouse": {"write": "replace"}}], ids=["merge", "replace"])
def test_a_run_from_the_beginning_that_does_not_reach_a_shard_leaves_its_list_alone(world: WorldMaker, view: dict[str, Any]) -> None:
    w = shop(world, ["shop_00", "shop_01"], **view)
    known = w.connections()["mysql-shards/shop"]["shards"]
    w.connection_changes = {"shards": {**known, "shop_01": f"mysql://root@127.0.0.1:1/{w.database('shop_01')}"}}
    w.on("shop_00", "DELETE FROM orders WHERE id = 3")
    assert not w.sync(full=True).ok
    assert sorted(listed(w)) == [("shop_00", "2", "age", False), ("shop_01", "2", "age", False), ("shop_01", "3", "payload", False)]


def test_a_scan_of_several_windows_settles_what_was_before_it_when_it_is_at_its_end(world: WorldMaker) -> None:
    w = shop(world, source={"chunk": 65536, "window": 65536})
    w.on(
        "shop_00",
        f"INSERT INTO orders SELECT 100 + seq, repeat('x', 40), 1, {OLD}, concat('{{\"age\": 1, \"x\": \"', repeat('x', 900), '\"}}') FROM seq_1_to_400",
    )
    put(w, "shop_00", 2, '{"age": 7}', OLD)
    report = w.must_sync(full=True)
    assert report.shards["shop_00"].windows > 2
    assert open_now(w) == [("3", "payload")]


def test_a_key_of_bytes_is_the_same_row_however_it_is_spelt(world: WorldMaker) -> None:
    columns = {"id": "uuid", "updated_at": "timestamp", "age": {"type": "smallint", "from": "payload.age"}}
    w = world(view=orders_view(columns=columns))
    w.on_all("CREATE TABLE orders (id binary(16) PRIMARY KEY, updated_at datetime(6) NOT NULL, payload longtext, KEY (updated_at))")
    for payload, expected in ((BROKEN, [BROKEN]), ('{"age": 70000}', ["70000"]), (BROKEN, [BROKEN]), ('{"age": 7}', [])):
        w.on("shop_00", "REPLACE INTO orders VALUES (unhex('000102030405060708090a0b0c0d0e0f'), utc_timestamp(6), %s)", payload)
        assert w.sync().shards["shop_00"].state == ("rejected" if expected else "merged")
        assert w.warehouse("SELECT value FROM shardlake.rejects WHERE read_again_at IS NULL") == [(v,) for v in expected]


def test_keys_that_differ_in_capitals_are_two_rows(world: WorldMaker) -> None:
    w = world(view=orders_view(columns={"id": "text", "updated_at": "timestamp", "age": {"type": "smallint", "from": "payload.age"}}))
    w.on_all(
        "CREATE TABLE orders (id varchar(9) COLLATE utf8mb4_bin PRIMARY KEY, updated_at datetime(6) NOT NULL, payload longtext, KEY (updated_at))"
    )
    for id, payload in (("A", BROKEN), ("B", '{"age": 70000}'), ("a", '{"age": 1}'), ("b", '{"age": 2}')):
        w.on("shop_00", "INSERT INTO orders VALUES (%s, utc_timestamp(6), %s)", id, payload)
        assert w.sync().shards["shop_00"].state == ("rejected" if id.isupper() else "merged")
    assert open_now(w) == [("A", "payload"), ("B", "age")]


def test_another_row_with_the_same_key_in_the_target_settles_nothing(world: WorldMaker) -> None:
    columns = {**COLUMNS, "status": "text"}
    w = shop(world, columns=columns, warehouse={"key": ["status"]})
    before = w.warehouse("SELECT count(*) FROM shardlake.rejects WHERE read_again_at IS NULL")
    put(w, "shop_00", 9, '{"age": 9}')  # its status is that of the row whose age does not fit
    w.must_sync()
    assert w.warehouse("SELECT count(*) FROM shardlake.rejects WHERE read_again_at IS NULL") == before == [(2,)]


def test_a_replay_keeps_the_rejects_of_the_lake_which_it_does_not_write(world: WorldMaker) -> None:
    w = lake_with_a_reject(world)
    assert replay(w.job()).headline().startswith("1/1 shards merged; lake table o: every row was rejected (1), most often for city: ")
    assert open_now(w) == [("1", "city")]
