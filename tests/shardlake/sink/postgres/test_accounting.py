"""One row is lost on purpose, or is one too many, at every place between shape and the commit: nothing of the window is committed."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import psycopg
import pyarrow as pa
import pytest

from shardlake.rows.binary_copy import encode
from shardlake.sink.postgres import replace
from shardlake.sink.postgres.apply import Written, apply
from shardlake.sink.postgres.merge_sql import MergeSql
from tests.audit import leftovers
from tests.shardlake.faults.test_servers import Running, held, until, waiting
from tests.world import ORDERS_TABLE, World, WorldMaker, orders_view

Connection = psycopg.Connection[Any]
Fault = Callable[[World], AbstractContextManager[None]]
DELETED = ORDERS_TABLE.replace("payload longtext", "payload longtext, deleted_at datetime(6)")
DELETES: dict[str, Any] = {"deletes": {"column": "deleted_at", "mode": "apply"}}
EXPLODE: dict[str, Any] = {
    **DELETES, "explode": {"path": "payload.items"}, "warehouse": {"key": ["id", "n"]},
    "columns": {"id": "bigint", "n": {"type": "int", "from": "$index"}, "status": {"type": "text", "from": "$element.sku"}, "updated_at": "timestamp"},
}  # fmt: skip


def shop(world: WorldMaker, shards: list[str] | None = None, **view: Any) -> World:
    """Shards with orders 1 to 4, which every run reads again."""
    w = world(shards, view=orders_view(**{"source": {"lookback": "36500d"}, **view}))
    w.on_all(DELETED)
    for shard in w.shards:
        for id in range(1, 5):
            put(w, shard, id, "new", 2)
    return w


def put(w: World, shard: str, id: int, status: str, day: int) -> None:
    """An order as of a day of January, with one item."""
    w.on(
        shard, "REPLACE INTO orders (id, status, updated_at, payload) VALUES (%s, %s, %s, %s)",
        id, status, f"2026-01-{day:02}", json.dumps({"items": [{"sku": status}]}),
    )  # fmt: skip


# --- the faults ------------------------------------------------------------------------------------------------------
@contextmanager
def sent(w: World, change: Callable[[pa.Table], pa.Table]) -> Iterator[None]:
    """COPY is sent other rows than were shaped."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("shardlake.sink.postgres.stage.encode", lambda rows, *others: encode(change(rows), *others))
        yield


def sent_without_its_first(w: World) -> AbstractContextManager[None]:
    return sent(w, lambda rows: rows.slice(1))


def sent_twice_its_first(w: World) -> AbstractContextManager[None]:
    return sent(w, lambda rows: pa.concat_tables([rows, rows.slice(0, 1)]))


@contextmanager
def staging(statement: str) -> Iterator[None]:
    """Staging changes between COPY and merge."""

    def changed(connection: Connection, sql: MergeSql, expected: int, *, alone: bool) -> Written:
        connection.execute(statement.format(staging=sql.staging))
        return apply(connection, sql, expected, alone=alone)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("shardlake.sink.postgres.merge.apply", changed)
        yield


def staging_loses_one(w: World) -> AbstractContextManager[None]:
    return staging("DELETE FROM {staging} WHERE ctid = (SELECT max(ctid) FROM {staging})")


def staging_gains_one(w: World) -> AbstractContextManager[None]:
    return staging("INSERT INTO {staging} SELECT * FROM {staging} WHERE ctid = (SELECT max(ctid) FROM {staging})")


@contextmanager
def trigger(w: World, when: str, body: str, table: str = "analytics.orders") -> Iterator[None]:
    """A trigger of the target's owner."""
    w.warehouse(f"CREATE FUNCTION public.meddle() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN {body} END $$")
    w.warehouse(f"CREATE TRIGGER meddle {when} ON {table} FOR EACH ROW EXECUTE FUNCTION public.meddle()")
    yield
    w.warehouse("DROP FUNCTION public.meddle() CASCADE")


TWIN = "INSERT INTO analytics.orders SELECT (jsonb_populate_record(NEW, '{\"id\": 77}')).*;"


def insert_drops_one(w: World) -> AbstractContextManager[None]:
    return trigger(w, "BEFORE INSERT", "IF NEW.id = 5 THEN RETURN NULL; END IF; RETURN NEW;")


def insert_is_undone(w: World) -> AbstractContextManager[None]:
    return trigger(w, "AFTER INSERT", "DELETE FROM analytics.orders WHERE id = 5; RETURN NULL;")


def insert_adds_one(w: World) -> AbstractContextManager[None]:
    return trigger(w, "AFTER INSERT", f"IF NEW.id = 5 THEN {TWIN} END IF; RETURN NULL;")


def update_drops_one(w: World) -> AbstractContextManager[None]:
    return trigger(w, "BEFORE UPDATE", "RETURN NULL;")


def delete_drops_one(w: World) -> AbstractContextManager[None]:
    return trigger(w, "BEFORE DELETE", "RETURN NULL;")


def tombstone_is_lost(w: World) -> AbstractContextManager[None]:
    return trigger(w, "BEFORE INSERT", "RETURN NULL;", "shardlake.tombstones")


def reject_is_lost(w: World) -> AbstractContextManager[None]:
    return trigger(w, "BEFORE INSERT", "RETURN NULL;", "shardlake.rejects")


# --- staging and the insert ------------------------------------------------------------------------------------------
COPIED = "COPY into shardlake_staging.w{ledger}_{window} took {n} rows of 5 that were sent"
HELD = "shardlake_staging.w{ledger}_{window} held {n} rows"
INSERTED = 'the merge inserted 0 and updated 1 rows of "analytics"."orders", and 1 were to be inserted and 1 updated'
GREW = '"analytics"."orders" grew by {n} rows, and the merge inserted 1 and removed 0'
FAULTS: list[tuple[Fault, str]] = [
    (sent_without_its_first, COPIED.replace("{n}", "4")), (sent_twice_its_first, COPIED.replace("{n}", "6")),
    (staging_loses_one, HELD.replace("{n}", "4")), (staging_gains_one, HELD.replace("{n}", "6")),
    (insert_drops_one, INSERTED), (insert_is_undone, GREW.replace("{n}", "0")), (insert_adds_one, GREW.replace("{n}", "2")),
    (update_drops_one, 'the merge inserted 1 and updated 0 rows of "analytics"."orders", and 1 were to be inserted and 1 updated'),
]  # fmt: skip


def fails(w: World, fault: Fault, figures: str, shard: str = "shop_00") -> None:
    """A run with the fault commits nothing of its window, and says which, where and with which figures."""
    before = w.target("id, status, _shard", "1, 2, 3")
    with fault(w):
        report = w.sync()
    ((window,),) = w.warehouse("SELECT max(window_id) FROM shardlake.windows WHERE partition = %s", shard)
    assert f"{shard}: orders, {shard}, window {window}: " in report.headline()
    ((ledger,),) = w.warehouse("SELECT left(ledger_id::text, 8) FROM shardlake.identity")
    assert figures.replace("{window}", str(window)).replace("{ledger}", ledger) in report.headline()
    assert "Nothing was committed" in report.headline()
    assert report.shards[shard].state == "failed"
    assert w.target("id, status, _shard", "1, 2, 3") == before
    assert w.warehouse("SELECT status FROM shardlake.windows WHERE window_id = %s", window) == [("read",)]
    assert w.warehouse("SELECT * FROM shardlake.sink_windows WHERE window_id = %s", window) == []


@pytest.mark.parametrize("view", [{}, DELETES, EXPLODE], ids=["plain", "deletes", "exploded"])
@pytest.mark.parametrize(("fault", "figures"), FAULTS, ids=[f.__name__ for f, _ in FAULTS])
def test_a_row_too_few_or_too_many_fails_its_window_and_the_next_run_is_exact(
    world: WorldMaker, fault: Fault, figures: str, view: dict[str, Any]
) -> None:
    w = shop(world, **view)
    w.must_sync()
    put(w, "shop_00", 1, "paid", 3)
    put(w, "shop_00", 5, "new", 3)
    fails(w, fault, figures)
    w.must_sync()
    assert w.target("id, status") == [(1, "paid"), (2, "new"), (3, "new"), (4, "new"), (5, "new")]
    assert leftovers(w) == []


@pytest.mark.parametrize("view", [DELETES, EXPLODE], ids=["deletes", "exploded"])
@pytest.mark.parametrize(
    ("fault", "figures"),
    [
        (delete_drops_one, 'the merge removed 0 rows of "analytics"."orders", and 1 were to be removed'),
        (tombstone_is_lost, "1 staged rows say that 1 units are gone; of these 0 were written down, and 0 were known"),
    ],
)
def test_a_delete_that_does_not_happen_fails_its_window(world: WorldMaker, fault: Fault, figures: str, view: dict[str, Any]) -> None:
    w = shop(world, **view)
    w.must_sync()
    w.on("shop_00", "UPDATE orders SET deleted_at = '2026-01-03', updated_at = '2026-01-03' WHERE id = 4")
    fails(w, fault, figures)
    w.must_sync()
    assert w.target("id") == [(1,), (2,), (3,)]


def test_a_reject_that_is_lost_fails_its_window(world: WorldMaker) -> None:
    w = shop(
        world,
        columns={
            "id": "bigint",
            "status": {"type": "text", "from": "status"},
            "amount": {"type": "int", "from": "payload.amount"},
            "updated_at": "timestamp",
        },
    )
    w.must_sync()
    put(w, "shop_00", 5, "new", 3)
    w.on("shop_00", """UPDATE orders SET payload = '{"amount": "a lot"}' WHERE id = 5""")
    fails(w, reject_is_lost, "0 rejects were written down, of 0 of shape and 1 of the judge")
    w.must_sync()
    assert [row[:2] for row in w.rejects()] == [("shop_00", {"id": "5"})] * 2  # of the window that was left, and of the next


# --- the direct copy of a first load ---------------------------------------------------------------------------------
TOOK = 'COPY into "analytics"."orders" took {n} rows of 5 that were sent'
GREW_BY = '"analytics"."orders" grew by {n} rows, and COPY took 5'


@pytest.mark.parametrize(
    ("fault", "figures"),
    [
        (sent_without_its_first, TOOK.replace("{n}", "4")),
        (insert_drops_one, TOOK.replace("{n}", "4")),
        (insert_is_undone, GREW_BY.replace("{n}", "4")),
        (insert_adds_one, GREW_BY.replace("{n}", "6")),
    ],
)
def test_a_row_too_few_or_too_many_fails_a_first_load(world: WorldMaker, fault: Fault, figures: str) -> None:
    w = shop(world, ["shop_00", "shop_01"], warehouse={"key": ["_shard", "id"]})
    w.must_sync(shards=["shop_00"])
    put(w, "shop_01", 5, "new", 2)
    fails(w, fault, figures, "shop_01")
    w.must_sync()
    assert w.target("_shard, id", "1, 2") == [("shop_00", id) for id in range(1, 5)] + [("shop_01", id) for id in range(1, 6)]


# --- a replace -------------------------------------------------------------------------------------------------------
@contextmanager
def before_the_switch(statement: str) -> Iterator[None]:
    """The run's new table changes before it is put in the old one's place."""
    real = replace.swap

    def changed(connection: Connection, view: Any, run_id: Any, *others: Any) -> None:
        connection.execute(statement.format(new=replace.new_table(run_id)))
        real(connection, view, run_id, *others)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(replace, "swap", changed)
        yield


LOSES = "DELETE FROM {new} WHERE id = 2 AND _shard = 'shop_01'"
GAINS = "INSERT INTO {new} (id, status, _shard) VALUES (77, 'from nowhere', 'shop_01')"
REPLACE: dict[str, Any] = {
    "source": {"cursor": None}, "columns": {"id": "bigint", "status": "text"}, "warehouse": {"write": "replace", "key": ["_shard", "id"]},
}  # fmt: skip


@pytest.mark.parametrize(("statement", "rows"), [(LOSES, 3), (GAINS, 5)], ids=["too few", "too many"])
def test_a_new_table_that_does_not_hold_what_its_windows_merged_is_not_put_in_place(world: WorldMaker, statement: str, rows: int) -> None:
    w = shop(world, ["shop_00", "shop_01"], **REPLACE)
    w.must_sync()
    before = w.target("_shard, id, status", "1, 2")
    w.on_all("UPDATE orders SET status = 'paid'")
    with before_the_switch(statement):
        report = w.sync()
    ((window,),) = w.warehouse("SELECT max(window_id) FROM shardlake.windows WHERE partition = 'shop_01'")
    assert not report.ok
    assert f"(shop_01: {rows} rows, and 4 were merged by windows {window}; 0 gave way to another shard's)" in report.headline()
    assert w.target("_shard, id, status", "1, 2") == before
    w.must_sync()
    assert w.target("_shard, id, status", "1, 2") == [(shard, id, "paid") for shard in w.shards for id in range(1, 5)]
    assert leftovers(w) == []


def test_a_row_that_is_lost_on_its_way_into_a_table_with_dependents_stops_the_switch(world: WorldMaker) -> None:
    w = shop(world, ["shop_00", "shop_01"], **REPLACE)
    w.must_sync()
    w.warehouse("CREATE VIEW analytics.paid AS SELECT * FROM analytics.orders WHERE status = 'paid'")
    w.on_all("UPDATE orders SET status = 'paid'")
    with trigger(w, "BEFORE INSERT OR UPDATE", "IF NEW.id = 2 THEN RETURN NULL; END IF; RETURN NEW;"):
        report = w.sync()
    assert 'the switch updated 6 rows of "analytics"."orders", and 8 were to be' in report.headline()
    assert w.warehouse("SELECT count(*) FROM analytics.paid") == [(0,)]
    w.must_sync()
    assert w.warehouse("SELECT count(*) FROM analytics.paid") == [(8,)]


def test_the_rows_of_a_shard_that_is_overruled_in_a_replace_are_accounted_for(world: WorldMaker) -> None:
    w = shop(world, ["shop_00", "shop_01"], **{**REPLACE, "warehouse": {"write": "replace", "key": ["id"]}})
    put(w, "shop_00", 5, "only here", 2)
    for _ in range(2):
        report = w.must_sync()
        found = {name: (s.merged, s.superseded, s.removed) for name, s in report.shards.items()}
        assert found in (  # in whichever order they came
            {"shop_00": (5, 0, 0), "shop_01": (4, 0, 4)},
            {"shop_00": (1, 4, 0), "shop_01": (4, 0, 0)},
        )
        assert w.target("id, _shard") == [(1, "shop_01"), (2, "shop_01"), (3, "shop_01"), (4, "shop_01"), (5, "shop_00")]


# --- what is no fault ------------------------------------------------------------------------------------------------
def test_a_trigger_that_changes_rows_but_not_their_number_is_no_fault(world: WorldMaker) -> None:
    w = shop(world)
    w.must_sync()
    put(w, "shop_00", 1, "paid", 3)
    put(w, "shop_00", 5, "new", 3)
    with trigger(
        w, "AFTER INSERT OR UPDATE", "UPDATE analytics.orders SET amount = 7 WHERE id = NEW.id AND amount IS DISTINCT FROM 7; RETURN NULL;"
    ):
        report = w.must_sync()
    assert (report.shards["shop_00"].merged, report.shards["shop_00"].unchanged) == (2, 3)
    assert w.target("id, status, amount::int") == [(1, "paid", 7), (2, "new", None), (3, "new", None), (4, "new", None), (5, "new", 7)]


def test_rows_that_come_into_a_partitioned_target_and_move_between_its_partitions_are_counted_once(world: WorldMaker) -> None:
    w = shop(world)
    w.warehouse("CREATE SCHEMA analytics")
    w.warehouse(
        "CREATE TABLE analytics.orders (id bigint, status text, amount numeric(12,2), updated_at timestamp, customer_name text, items jsonb,"
        " _shard text, PRIMARY KEY (id)) PARTITION BY RANGE (id)"
    )
    w.warehouse("CREATE TABLE analytics.orders_few PARTITION OF analytics.orders FOR VALUES FROM (0) TO (3)")
    w.warehouse("CREATE TABLE analytics.orders_many PARTITION OF analytics.orders FOR VALUES FROM (3) TO (1000)")
    w.must_sync()
    put(w, "shop_00", 1, "paid", 3)
    put(w, "shop_00", 4, "paid", 3)
    put(w, "shop_00", 5, "new", 3)
    report = w.must_sync()
    assert (report.shards["shop_00"].merged, report.shards["shop_00"].unchanged) == (3, 2)
    assert w.target("id, status") == [(1, "paid"), (2, "new"), (3, "new"), (4, "paid"), (5, "new")]


# --- what other transactions do meanwhile ----------------------------------------------------------------------------
FROM_ELSEWHERE = "INSERT INTO analytics.orders (id, status, updated_at, _shard) VALUES (5, 'from elsewhere', %s, 'shop_99')"


@pytest.mark.parametrize(
    ("day", "status", "counts"),
    [("2026-01-02", "paid", (1, 4, 0)), ("2026-01-04", "from elsewhere", (0, 4, 1))],
    ids=["an older version", "a newer version"],
)
def test_a_key_that_another_transaction_writes_meanwhile_is_judged_again(
    world: WorldMaker, day: str, status: str, counts: tuple[int, int, int]
) -> None:
    w = shop(world)
    w.must_sync()
    put(w, "shop_00", 5, "paid", 3)
    with held(w, FROM_ELSEWHERE.replace("%s", f"'{day}'")) as session:
        run = Running(w)
        until(lambda: waiting(w, "a.query LIKE 'WITH verdicts %%'") == 1)
        session.commit()
    shard = run.report().shards["shop_00"]
    assert (shard.error, shard.merged, shard.unchanged, shard.superseded) == (None, *counts)
    assert w.target("id, status")[-1] == (5, status)


@pytest.mark.parametrize("view", [{}, DELETES], ids=["plain", "deletes"])
def test_rows_of_one_key_and_version_do_not_take_turns(world: WorldMaker, view: dict[str, Any]) -> None:
    columns = {"code": {"type": "text", "from": "amount"}, "status": "text", "updated_at": "timestamp"}
    w = shop(world, columns=columns, warehouse={"key": ["code"]}, **view)
    w.on("shop_00", "UPDATE orders SET amount = 1, status = id, updated_at = '2026-01-02'")
    found = [w.must_sync().shards["shop_00"] for _ in range(3)]
    assert [(s.merged, s.unchanged, s.superseded) for s in found] == [(1, 0, 3), (0, 1, 3), (0, 1, 3)]
    assert w.target("code, status") == [("1.00", "4")]
