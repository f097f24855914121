"""Windows on real servers: what belongs to one, what must wait for the next, and that nothing falls between two."""

from __future__ import annotations

import json
import re
import threading
import time
from contextlib import closing
from datetime import date, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest

from shardlake.errors import SourceFailed
from shardlake.run import steps
from shardlake.run.report import RunReport
from tests.audit import leftovers, unfinished
from tests.breaking import broken_at
from tests.world import WINDOWS, World, WorldMaker, orders_view

BOTH = pytest.mark.parametrize("source", ["mysql", "postgres"])
LONG = "x" * 1000
"""A hundred rows of it fill the smallest chunk that there is."""
INNODB_LISTS = 0.15
"""Seconds until InnoDB's list of transactions shows what has begun or ended; it is made anew ten times a second."""


def shop(world: WorldMaker, server: str, /, *, cursor: str = "updated_at datetime(6) NOT NULL", **view: Any) -> World:
    """Shards with an empty table of orders, on either kind of server."""
    if server == "postgres":
        cursor = cursor.replace("datetime(6)", "timestamp")
        view["source"] = {"connection": "postgres-shards/shop", **view.get("source", {})}
    w = world(source=server, view=orders_view(**view))
    w.on_all(f"CREATE TABLE orders (id bigint PRIMARY KEY, status varchar(40), amount decimal(12,2), {cursor}, payload text)")
    w.on_all(f"CREATE INDEX orders_cursor ON orders ({cursor.split()[0]})")
    return w


def put(w: World, shard: str, id: int, status: str, cursor: object, payload: str | None = None) -> None:
    """Insert an order, or write over it."""
    w.on(shard, "DELETE FROM orders WHERE id = %s", id)
    w.on(shard, "INSERT INTO orders VALUES (%s, %s, NULL, %s, %s)", id, status, cursor, payload)


def many(w: World, count: int, cursor: str) -> None:
    """Rows 1 to `count` on shop_00, all with one cursor."""
    numbers = f"seq_1_to_{count} AS n(id)" if w.on_mysql else f"generate_series(1, {count}) AS n(id)"
    numbers = f"(SELECT seq AS id FROM seq_1_to_{count}) AS n" if w.on_mysql else numbers
    w.on("shop_00", f"INSERT INTO orders SELECT n.id, 'bulk', NULL, %s, %s FROM {numbers}", cursor, f'{{"a": "{LONG}"}}')
    w.on("shop_00", "ANALYZE TABLE orders" if w.on_mysql else "ANALYZE orders")


def now(w: World) -> datetime:
    """The shard's own time, in UTC, without a zone."""
    query = "SELECT utc_timestamp(6)" if w.on_mysql else "SELECT clock_timestamp() AT TIME ZONE 'UTC'"
    found: datetime = w.on("shop_00", query)[0][0]
    return found


def hold(w: World) -> Any:
    """A session on shop_00 whose transactions end when the test says so."""
    return w.source.connect(w.database("shop_00"), autocommit=False)


def counted(report: RunReport, shard: str = "shop_00") -> tuple[int, int, int, int]:
    """(read, merged, unchanged, superseded) of a shard."""
    found = report.shards[shard]
    return found.read, found.merged, found.unchanged, found.superseded


# --- rows on one cursor value ----------------------------------------------------------------------------------------
@BOTH
def test_three_thousand_rows_on_one_timestamp_arrive_in_chunks_of_a_hundred(world: WorldMaker, source: str) -> None:
    w = shop(world, source, source={"chunk": 1})
    put(w, "shop_00", 0, "first", "2026-01-01")
    w.must_sync()
    many(w, 3000, (now(w) - timedelta(seconds=5)).isoformat(" "))
    put(w, "shop_00", 0, "later", now(w) - timedelta(seconds=4))
    assert counted(w.sync()) == (0, 0, 0, 0)  # those came in under the watermark: the lookback is none
    w.set_back("2026-01-01 00:00:00")
    assert counted(w.must_sync()) == (3001, 3001, 0, 0)
    assert w.warehouse("SELECT max(rows), count(*) > 29 FROM shardlake.files") == [(100, True)]
    assert w.target("count(*), count(DISTINCT id), min(id), max(id)") == [(3001, 3001, 0, 3000)]


@BOTH
def test_a_window_that_is_closed_within_one_timestamp_goes_on_behind_its_last_row(world: WorldMaker, source: str) -> None:
    w = shop(world, source, source={"chunk": 1, "window": 1})
    put(w, "shop_00", 0, "first", "2026-01-01")
    w.must_sync()
    w.set_back("2026-01-01 00:00:00")
    many(w, 350, "2026-02-02 02:02:02.000002")
    report = w.must_sync()
    assert (report.shards["shop_00"].windows, counted(report)) == (4, (350, 350, 0, 0))
    assert w.target("count(*), count(DISTINCT id)") == [(351, 351)]
    assert w.windows("scan, raw_rows, until ->> 1", "window_id > 1") == [
        ("cursor", 100, "100"), ("cursor", 100, "200"), ("cursor", 100, "300"), ("cursor", 50, None),
    ]  # fmt: skip


# --- late commits ----------------------------------------------------------------------------------------------------
@BOTH
def test_a_window_does_not_pass_an_open_transaction_and_its_row_arrives_when_it_commits(world: WorldMaker, source: str) -> None:
    w = shop(world, source)
    put(w, "shop_00", 1, "old", "2026-01-01")
    with closing(hold(w)) as session:
        session.cursor().execute("SELECT 1 FROM orders")
        session.cursor().execute("INSERT INTO orders VALUES (2, 'late', NULL, %s, NULL)", (held := now(w),))
        time.sleep(INNODB_LISTS)
        put(w, "shop_00", 3, "committed meanwhile", now(w))
        first = w.must_sync()
        assert datetime.fromisoformat(str(first.shards["shop_00"].upper)) < held
        assert w.target("id, status") == [(1, "old")]
        assert counted(w.must_sync()) == (0, 0, 0, 0)
        session.commit()
    time.sleep(INNODB_LISTS)
    assert counted(w.must_sync()) == (2, 2, 0, 0)
    assert w.target("id, status") == [(1, "old"), (2, "late"), (3, "committed meanwhile")]


def test_without_the_process_grant_a_note_says_so_and_the_lookback_catches_what_commits_late(world: WorldMaker) -> None:
    w = shop(world, "mysql", source={"lookback": "5m"})
    reader = f"reader_{w.prefix}"[:32]
    w.on("shop_00", f"GRANT SELECT ON {w.database('shop_00')}.* TO '{reader}'@'%%' IDENTIFIED BY 'only-reads'")
    w.connection_changes = {
        "shards": {"shop_00": f"mysql://{reader}@{w.source.host}:{w.source.port}/{w.database('shop_00')}"},
        "password": "only-reads",
    }
    put(w, "shop_00", 1, "old", "2026-01-01")
    with closing(hold(w)) as session:
        session.cursor().execute("INSERT INTO orders VALUES (2, 'late', NULL, utc_timestamp(6), NULL)")
        put(w, "shop_00", 3, "committed meanwhile", now(w))
        first = w.must_sync()
        assert first.shards["shop_00"].notes == (
            "open transactions cannot be seen (grant PROCESS): late commits are caught by the lookback alone",
        )
        assert w.target("id") == [(1,), (3,)]
        session.commit()
    assert counted(w.must_sync()) == (2, 1, 1, 0)
    assert w.target("id, status") == [(1, "old"), (2, "late"), (3, "committed meanwhile")]


# --- cursors of all kinds --------------------------------------------------------------------------------------------
@BOTH
def test_rows_without_a_cursor_arrive_and_their_changes_too(world: WorldMaker, source: str) -> None:
    w = shop(world, source, cursor="updated_at datetime(6)")
    put(w, "shop_00", 1, "has none", None)
    put(w, "shop_00", 2, "has one", "2026-01-01")
    assert counted(w.must_sync()) == (2, 2, 0, 0)
    put(w, "shop_00", 1, "changed", None)
    put(w, "shop_00", 3, "has none either", None)
    assert counted(w.must_sync()) == (2, 2, 0, 0)
    assert counted(w.must_sync()) == (2, 0, 2, 0)
    assert w.target("id, status, updated_at::text") == [
        (1, "changed", None),
        (2, "has one", "2026-01-01 00:00:00"),
        (3, "has none either", None),
    ]
    put(w, "shop_00", 1, "has one now", now(w))
    assert counted(w.must_sync()) == (2, 1, 1, 0)
    put(w, "shop_00", 1, "lost it again", None)  # no cursor is older than any
    assert counted(w.must_sync()) == (2, 0, 1, 1)
    assert w.target("id, status") == [(1, "has one now"), (2, "has one"), (3, "has none either")]


@BOTH
def test_a_day_as_the_cursor_is_read_again_until_it_is_over(world: WorldMaker, source: str) -> None:
    columns = {"id": "bigint", "status": "text", "updated_on": "date"}
    w = shop(world, source, cursor="updated_on date NOT NULL", source={"cursor": "updated_on"}, columns=columns)
    today = now(w).date()
    put(w, "shop_00", 1, "long ago", date(2026, 1, 1))
    put(w, "shop_00", 2, "this morning", today)
    assert counted(w.must_sync()) == (2, 2, 0, 0)
    put(w, "shop_00", 2, "this noon", today)
    put(w, "shop_00", 3, "this evening", today)
    assert counted(w.must_sync()) == (2, 2, 0, 0)
    assert counted(w.must_sync()) == (2, 0, 2, 0)
    assert w.target("id, status, updated_on") == [(1, "long ago", date(2026, 1, 1)), (2, "this noon", today), (3, "this evening", today)]


@BOTH
def test_a_lookback_reaches_back_over_midnight_where_the_cursor_is_a_day(world: WorldMaker, source: str) -> None:
    columns = {"id": "bigint", "status": "text", "updated_on": "date"}
    w = shop(world, source, cursor="updated_on date NOT NULL", source={"cursor": "updated_on", "lookback": "5m"}, columns=columns)
    today = now(w).date()
    put(w, "shop_00", 1, "just after midnight", today)
    w.must_sync()
    put(w, "shop_00", 2, "begun just before midnight", today - timedelta(days=1))
    w.must_sync()
    assert w.target("id, status") == [(1, "just after midnight"), (2, "begun just before midnight")]


@BOTH
def test_a_number_as_the_cursor(world: WorldMaker, source: str) -> None:
    columns = {"id": "bigint", "status": "text", "revision": "bigint"}
    w = shop(world, source, cursor="revision bigint NOT NULL", source={"cursor": "revision", "lookback": 2}, columns=columns)
    assert counted(w.must_sync()) == (0, 0, 0, 0)
    put(w, "shop_00", 1, "a", -5)
    put(w, "shop_00", 2, "b", 7)
    assert counted(w.must_sync()) == (2, 2, 0, 0)
    put(w, "shop_00", 3, "under the watermark, within the lookback", 6)
    put(w, "shop_00", 1, "a again", 9_000_000_000_000_000_000)
    assert counted(w.must_sync()) == (3, 2, 1, 0)
    assert counted(w.must_sync()) == (1, 0, 1, 0)
    assert w.target("id, status, revision") == [
        (1, "a again", 9_000_000_000_000_000_000),
        (2, "b", 7),
        (3, "under the watermark, within the lookback", 6),
    ]


@BOTH
def test_a_number_that_a_transaction_still_holds_is_waited_for(world: WorldMaker, source: str) -> None:
    columns = {"id": "bigint", "status": "text", "revision": "bigint"}
    w = shop(world, source, cursor="revision bigint NOT NULL", source={"cursor": "revision"}, columns=columns)
    put(w, "shop_00", 1, "a", 1)
    w.must_sync()
    with closing(hold(w)) as session:
        session.cursor().execute("INSERT INTO orders VALUES (2, 'late', NULL, 2, NULL)")
        put(w, "shop_00", 3, "committed meanwhile", 3)
        time.sleep(INNODB_LISTS)
        commit = threading.Timer(0.5, session.commit)
        commit.start()
        assert counted(w.must_sync()) == (2, 2, 0, 0)
        commit.join()
    assert w.target("id, status") == [(1, "a"), (2, "late"), (3, "committed meanwhile")]


# --- rows that no window takes, and what holds a window back ---------------------------------------------------------
FUTURE = "a cursor in the future (updated_at)"


def status(w: World) -> dict[str, Any]:
    """What `shardlake status --json` says of shop_00."""
    done = w.command("status", "--json")
    assert done.stderr == ""
    found: dict[str, Any] = json.loads(done.stdout)["shards"][0]
    return found


@BOTH
def test_rows_whose_cursor_lies_in_the_future_are_counted_noted_and_shown_until_they_are_mended(world: WorldMaker, source: str) -> None:
    w = shop(world, source)
    put(w, "shop_00", 1, "now", "2026-01-01")
    put(w, "shop_00", 2, "far", "9999-12-31")
    put(w, "shop_00", 3, "farthest", "9999-12-31 23:59:59.999999" if source == "mysql" else "infinity")
    put(w, "shop_00", 4, "will come by itself", now(w) + timedelta(minutes=10))
    assert steps.plan(w.job(), "shop_00").plan.unreachable == {FUTURE: 2}
    shown = json.loads(w.command("plan", "orders", "--json").stdout)["shards"][0]
    note = f"2 rows have {FUTURE}: no window takes them"
    assert (shown["unreachable"], note in shown["notes"]) == ({FUTURE: 2}, True)
    report = w.must_sync()
    assert (counted(report), report.shards["shop_00"].notes) == ((1, 1, 0, 0), (note,))
    assert w.warehouse("SELECT unreachable FROM shardlake.positions") == [({FUTURE: 2},)]
    assert status(w)["unreachable"] == {FUTURE: 2}
    assert f"orders, shop_00: {note}" in w.command("status").stdout.splitlines()
    put(w, "shop_00", 2, "mended", now(w))
    report = w.must_sync()
    assert (counted(report), report.shards["shop_00"].notes) == ((1, 1, 0, 0), (f"1 rows have {FUTURE}: no window takes them",))
    w.on("shop_00", "DELETE FROM orders WHERE id = 3")
    assert counted(w.must_sync()) == (0, 0, 0, 0)
    assert (w.warehouse("SELECT unreachable FROM shardlake.positions"), status(w)["unreachable"]) == ([({},)], {})
    assert w.target("id, status") == [(1, "now"), (2, "mended")]


@BOTH
def test_a_day_in_the_future_is_counted_too_and_tomorrow_is_none(world: WorldMaker, source: str) -> None:
    columns = {"id": "bigint", "status": "text", "updated_on": "date"}
    w = shop(world, source, cursor="updated_on date NOT NULL", source={"cursor": "updated_on"}, columns=columns)
    put(w, "shop_00", 1, "long ago", date(2026, 1, 1))
    put(w, "shop_00", 2, "tomorrow", now(w).date() + timedelta(days=1))
    put(w, "shop_00", 3, "the last day", date(9999, 12, 31))
    w.must_sync()
    assert w.warehouse("SELECT unreachable FROM shardlake.positions") == [({"a cursor in the future (updated_on)": 1},)]
    assert w.target("id") == [(1,)]


@BOTH
def test_rows_whose_cursor_is_no_time_are_read_by_each_run_as_those_without_one(world: WorldMaker, source: str) -> None:
    w = shop(world, source)
    put(w, "shop_00", 1, "old", "2026-01-01")
    w.must_sync()

    def write(status: str) -> None:
        if source == "postgres":
            put(w, "shop_00", 2, status, "-infinity")
            return
        with closing(w.source.connect(w.database("shop_00"), sql_mode="")) as session:
            session.cursor().execute("REPLACE INTO orders VALUES (2, %s, NULL, '0000-00-00 00:00:00', NULL)", (status,))

    write("has no time")
    put(w, "shop_00", 3, "has one", now(w))
    report = w.must_sync()
    if source == "mysql":  # the target's type holds no zero date: each run says so
        assert (counted(report), report.shards["shop_00"].rejected) == ((2, 1, 0, 0), 1)
        again = w.sync().shards["shop_00"]  # and where nothing else came, it is every row
        assert (again.rejected, again.state) == (1, "rejected")
        assert w.rejects()[-1][:3] == ("shop_00", {"id": "2"}, "updated_at")
        assert w.target("id") == [(1,), (3,)]
        with closing(w.source.connect(w.database("shop_00"))) as session:
            session.cursor().execute("UPDATE orders SET updated_at = utc_timestamp(6) WHERE id = 2")
        assert counted(w.must_sync()) == (1, 1, 0, 0)
    else:
        assert counted(report) == (2, 2, 0, 0)
        assert counted(w.must_sync()) == (1, 0, 1, 0)
        write("changed")
        assert counted(w.must_sync()) == (1, 1, 0, 0)
        assert w.target("id, status, updated_at::text", "id")[1] == (2, "changed", "-infinity")
        put(w, "shop_00", 2, "has no time", now(w))
        assert counted(w.must_sync()) == (1, 1, 0, 0)
    assert counted(w.must_sync()) == (0, 0, 0, 0)
    assert w.target("id, status") == [(1, "old"), (2, "has no time"), (3, "has one")]


@BOTH
def test_an_open_transaction_is_named_by_the_status_and_the_lag_grows_by_the_sources_time(world: WorldMaker, source: str) -> None:
    w = shop(world, source, freshness="3s")
    put(w, "shop_00", 1, "old", "2026-01-01")
    w.must_sync()
    before = now(w)
    with closing(hold(w)) as session:
        session.cursor().execute("SELECT 1 FROM orders")
        session.cursor().execute("INSERT INTO orders VALUES (2, 'late', NULL, %s, NULL)", (began := now(w),))
        time.sleep(3.5)
        w.must_sync()
        first = status(w)
        time.sleep(2)
        w.must_sync()
        later = status(w)
        session.commit()
    for line in (first, later):
        assert (line["last_state"], line["last_error"], line["problem"]) == ("nothing", None, "staler than 3s")
        found = re.fullmatch(r"an open transaction on shop_00 since (\S+ \S+) UTC", line["held_by"])
        assert found is not None, line
        assert before - timedelta(seconds=3) < datetime.fromisoformat(found[1]) <= began  # InnoDB's times are of whole seconds
    assert first["lag_seconds"] > 3
    assert later["lag_seconds"] - first["lag_seconds"] > 2
    time.sleep(INNODB_LISTS)
    at = now(w)
    w.must_sync()
    position = w.warehouse(
        "SELECT held_by, complete_to > %s::timestamp AT TIME ZONE 'UTC' - interval '3s' FROM shardlake.positions", at.isoformat()
    )
    assert position == [(None, True)]
    assert w.target("id, status") == [(1, "old"), (2, "late")]


def test_a_transaction_that_holds_numbers_is_named_and_the_lag_grows(world: WorldMaker, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shardlake.source.sql.transactions.PATIENCE", 0.3)
    columns = {"id": "bigint", "status": "text", "revision": "bigint"}
    w = shop(world, "postgres", cursor="revision bigint NOT NULL", source={"cursor": "revision"}, columns=columns)
    put(w, "shop_00", 1, "a", 1)
    w.must_sync()
    complete = w.warehouse("SELECT complete_to FROM shardlake.positions")
    assert complete != [(None,)]
    with closing(hold(w)) as session:
        session.execute("INSERT INTO orders VALUES (2, 'late', NULL, 2, NULL)")
        put(w, "shop_00", 3, "committed meanwhile", 3)
        time.sleep(2.5)
        w.must_sync()
        (line,) = w.warehouse("SELECT complete_to, held_by FROM shardlake.positions")
        assert [line[:1]] == complete
        assert str(line[1]).startswith("an open transaction on shop_00 since ")
        session.commit()
    w.must_sync()
    assert w.target("id") == [(1,), (2,), (3,)]
    assert w.warehouse("SELECT held_by FROM shardlake.positions") == [(None,)]


# --- extract.sql -----------------------------------------------------------------------------------------------------
JOIN = """
SELECT o.id, o.status, c.name AS customer, o.updated_at AS order_updated, c.updated_at AS customer_updated
FROM orders o LEFT JOIN customers c ON c.id = o.customer_id
"""
BOUND = JOIN + "WHERE (o.updated_at > :lower AND o.updated_at <= :upper) OR (c.updated_at > :lower AND c.updated_at <= :upper)"


@BOTH
@pytest.mark.parametrize("text", [JOIN, BOUND], ids=["unbound", "bound inside"])
def test_a_join_follows_the_newest_of_its_tables_cursors(world: WorldMaker, source: str, text: str) -> None:
    view = orders_view(columns={"id": "bigint", "status": "text", "customer": "text"}, warehouse={"key": ["id"]})
    view["source"] = {
        "connection": f"{source}-shards/shop", "sql": "extract.sql", "primary_key": ["id"],
        "cursor": {"greatest": ["order_updated", "customer_updated"]}, "lookback": "0s", "safety_lag": "0s",
    }  # fmt: skip
    w = world(source=source, view={**view, "sql_text": text})
    stamp = "datetime(6)" if source == "mysql" else "timestamp"
    w.on("shop_00", f"CREATE TABLE customers (id int PRIMARY KEY, name varchar(40), updated_at {stamp})")
    w.on("shop_00", f"CREATE TABLE orders (id bigint PRIMARY KEY, status varchar(40), customer_id int, updated_at {stamp})")
    w.on("shop_00", "INSERT INTO customers VALUES (1, 'Ada', '2026-01-05'), (2, 'Grace', '2026-01-01')")
    w.on("shop_00", "INSERT INTO orders VALUES (10, 'new', 1, '2026-01-03'), (11, 'new', 2, '2026-01-03'), (12, 'new', NULL, '2026-01-02')")
    assert counted(w.must_sync()) == (3, 3, 0, 0)
    assert w.target("id, status, customer, _cursor::text") == [
        (10, "new", "Ada", "2026-01-05 00:00:00"), (11, "new", "Grace", "2026-01-03 00:00:00"), (12, "new", None, "2026-01-02 00:00:00"),
    ]  # fmt: skip
    w.on("shop_00", "UPDATE customers SET name = 'Ada L.', updated_at = %s WHERE id = 1", now(w))
    w.on("shop_00", "UPDATE orders SET status = 'paid', updated_at = %s WHERE id = 12", now(w))
    assert counted(w.must_sync()) == (2, 2, 0, 0)
    assert w.target("id, status, customer") == [(10, "new", "Ada L."), (11, "new", "Grace"), (12, "paid", None)]


@BOTH
def test_bounds_inside_extract_sql_take_numbers_too(world: WorldMaker, source: str) -> None:
    view = orders_view(columns={"id": "bigint", "status": "text", "revision": "bigint"})
    view["source"] = {
        "connection": f"{source}-shards/shop",
        "sql": "extract.sql",
        "primary_key": ["id"],
        "cursor": "revision",
        "lookback": 0,
    }
    w = world(source=source, view={**view, "sql_text": "SELECT * FROM orders WHERE revision > :lower AND revision <= :upper"})
    w.on("shop_00", "CREATE TABLE orders (id bigint PRIMARY KEY, status varchar(40), revision bigint)")
    w.on("shop_00", "INSERT INTO orders VALUES (1, 'small', -3), (2, 'middle', 900), (3, 'great', 5000000000)")
    assert counted(w.must_sync()) == (3, 3, 0, 0)
    w.on("shop_00", "INSERT INTO orders VALUES (4, 'greater', 5000000001)")
    assert counted(w.must_sync()) == (1, 1, 0, 0)
    assert w.target("id, status, revision") == [
        (1, "small", -3),
        (2, "middle", 900),
        (3, "great", 5_000_000_000),
        (4, "greater", 5_000_000_001),
    ]


# --- the first load, and windows that are left -----------------------------------------------------------------------
def test_a_first_load_closes_windows_early_and_commits_as_it_goes(world: WorldMaker) -> None:
    w = shop(world, "mysql", source={"chunk": 1, "window": 1}, cursor="updated_at datetime(6)")
    many(w, 350, "2026-02-02")
    w.on("shop_00", "UPDATE orders SET updated_at = NULL WHERE id = 120")
    with broken_at("merge.started", passage=3), pytest.raises(RuntimeError, match=r"merge\.started"):
        w.sync()
    assert w.target("count(*), max(id)") == [(200, 200)]
    ((upper,),) = set(w.windows("upper"))
    assert w.warehouse("SELECT shown, complete_to FROM shardlake.positions") == [(f"scanning to {upper}", None)]
    put(w, "shop_00", 50, "behind the scan", now(w))
    put(w, "shop_00", 320, "before the scan", now(w))
    assert w.must_sync().shards["shop_00"].windows == 3  # and what has changed meanwhile, in a window of its own
    assert w.target("count(*), count(DISTINCT id), max(id)") == [(350, 350, 350)]
    assert w.target("id, status, updated_at IS NULL", "1")[119] == (120, "bulk", True)
    assert [row for row in w.target("id, status") if row[1] != "bulk"] == [(50, "behind the scan"), (320, "before the scan")]
    scans = w.windows("scan, raw_rows, state")
    assert scans == [
        ("key", 100, "applied"),
        ("key", 100, "applied"),
        ("key", 100, "applied"),
        ("key", 49, "applied"),
        ("cursor", 3, "applied"),
    ]


@pytest.mark.parametrize("place", ["window.opened", "extract.recorded", "stage.copied"])
def test_a_window_that_was_left_is_finished_before_a_new_one(world: WorldMaker, place: str) -> None:
    w = shop(world, "mysql")
    put(w, "shop_00", 1, "first", "2026-01-01")
    with broken_at(place), pytest.raises(RuntimeError, match=place):
        w.sync()
    assert len(unfinished(w)) == 1
    bound = w.windows("upper")
    assert w.warehouse("SELECT shown FROM shardlake.positions") == ([] if place == "window.opened" else bound)
    put(w, "shop_00", 2, "second", now(w))
    report = w.must_sync()
    assert (report.shards["shop_00"].windows, counted(report)) == (2, (2, 2, 0, 0))
    assert w.windows("upper", "window_id = 1") == bound
    assert w.windows("window_id, state, raw_rows") == [(1, "applied", 1), (2, "applied", 1)]
    assert w.target("id, status") == [(1, "first"), (2, "second")]


def test_full_reads_everything_anew_and_gives_up_what_was_left(world: WorldMaker) -> None:
    w = shop(world, "mysql")
    put(w, "shop_00", 1, "first", "2026-01-01")
    put(w, "shop_00", 2, "second", "2026-01-02")
    w.must_sync()
    w.warehouse("DELETE FROM analytics.orders WHERE id = 1")
    w.on("shop_00", "UPDATE orders SET status = 'changed under its cursor' WHERE id = 2")
    assert counted(w.must_sync()) == (0, 0, 0, 0)
    put(w, "shop_00", 3, "third", now(w))
    with broken_at("stage.copied"), pytest.raises(RuntimeError):
        w.sync()
    assert counted(w.must_sync(full=True)) == (3, 3, 0, 0)
    assert w.target("id, status") == [(1, "first"), (2, "changed under its cursor"), (3, "third")]
    assert w.windows("window_id, state") == [(1, "applied"), (2, "abandoned"), (3, "applied")]
    assert leftovers(w) == []


# --- watermarks ------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("mark", "says"),
    [
        ({"cursor": "2999-01-01 00:00:00"}, "shop_00: the watermark 2999-01-01 00:00:00 is ahead of the shard's clock"),
        ({"cursor": "yesterday; DROP TABLE orders"}, "shop_00: the watermark 'yesterday; DROP TABLE orders' is not of kind datetime"),
        ({"kind": "int", "cursor": "7"}, "shop_00: the watermark is on a cursor of kind int, the view's cursor is of kind datetime"),
        ({"cursor": None, "after": ["1 OR 1=1"]}, "shop_00: '1 OR 1=1' cannot be a position on a column of kind int"),
        ({"cursor": None, "after": []}, "shop_00: the watermark's position [] is not one on id"),
        (
            {"cursor": None, "after": ["1"], "upper": "0' OR 1=1"},
            'shop_00: "0\' OR 1=1" cannot be a position on a column of kind datetime',
        ),
        ({"lsn": "0/16B3748"}, "the ledger's position is not one of a cursor"),
    ],
)
def test_a_watermark_that_cannot_be_right_is_refused_and_full_begins_anew(world: WorldMaker, mark: dict[str, Any], says: str) -> None:
    w = shop(world, "mysql")
    put(w, "shop_00", 1, "first", "2026-01-01")
    w.must_sync()
    stands = "position || %s" if "cursor" in mark else "%s"
    w.warehouse(f"UPDATE shardlake.positions SET position = {stands}::jsonb", json.dumps(mark))
    put(w, "shop_00", 2, "second", now(w))
    report = w.sync()
    assert not report.ok
    assert says in report.headline()
    assert "--full" in report.headline()
    assert w.target("id") == [(1,)]
    w.must_sync(full=True)
    assert w.target("id") == [(1,), (2,)]


def test_a_watermark_that_is_lost_is_a_first_load_that_changes_nothing(world: WorldMaker) -> None:
    w = shop(world, "mysql")
    put(w, "shop_00", 1, "first", "2026-01-01")
    w.must_sync()
    place = w.target("ctid::text")
    w.warehouse("DELETE FROM shardlake.positions")
    assert counted(w.must_sync()) == (1, 0, 1, 0)
    assert w.target("ctid::text") == place


# --- replace ---------------------------------------------------------------------------------------------------------
def countries(world: WorldMaker, shards: list[str] | None = None, source: str = "mysql", **warehouse: Any) -> World:
    """A view of a small table without a cursor, which is replaced whole."""
    view = orders_view(
        columns={"id": "bigint", "name": "text"}, warehouse={"write": "replace", "key": ["_shard", "id"], **warehouse},
        source={"cursor": None, "table": "countries", "connection": f"{source}-shards/shop"},
    )  # fmt: skip
    w = world(shards, source=source, view=view)
    w.on_all("CREATE TABLE countries (id bigint PRIMARY KEY, name varchar(80))")
    return w


@BOTH
def test_a_table_without_a_cursor_is_loaded_whole_and_what_left_it_is_gone(world: WorldMaker, source: str) -> None:
    w = countries(world, ["shop_00", "shop_01"], source)
    w.on_all("INSERT INTO countries VALUES (1, 'Peru'), (2, 'Siam')")
    assert counted(w.must_sync()) == (2, 2, 0, 0)
    w.on("shop_01", "DELETE FROM countries WHERE id = 1")
    w.on("shop_01", "UPDATE countries SET name = 'Thailand' WHERE id = 2")
    w.must_sync()
    assert w.target("_shard, id, name", "1, 2") == [("shop_00", 1, "Peru"), ("shop_00", 2, "Siam"), ("shop_01", 2, "Thailand")]
    w.on_all("DELETE FROM countries")
    w.must_sync()
    assert w.target() == []
    assert leftovers(w) == []


def test_a_replaced_table_of_many_windows_arrives_whole(world: WorldMaker) -> None:
    w = countries(world)
    w.view["source"] |= {"chunk": 1, "window": 1}
    w.on("shop_00", "INSERT INTO countries SELECT seq, repeat('x', 80) FROM seq_1_to_2000")
    report = w.must_sync()
    assert report.shards["shop_00"].windows > 1
    assert w.target("count(*), count(DISTINCT id)") == [(2000, 2000)]


def test_readers_of_a_replaced_table_see_the_old_rows_or_the_new_and_never_none(world: WorldMaker) -> None:
    w = countries(world)
    w.on("shop_00", "INSERT INTO countries SELECT seq, 'old' FROM seq_1_to_50")
    w.must_sync()
    seen: set[tuple[Any, ...]] = set()
    done = threading.Event()

    def read() -> None:
        with w.warehouse_server.connect(w.warehouse_database) as session:
            while not done.is_set():
                seen.update(session.execute("SELECT count(*), min(name), max(name) FROM analytics.orders").fetchall())

    reader = threading.Thread(target=read)
    reader.start()
    for generation in ("new", "newer"):
        w.on("shop_00", "UPDATE countries SET name = %s", generation)
        w.must_sync()
    done.set()
    reader.join()
    assert {(50, "old", "old"), (50, "new", "new")} <= seen <= {(50, g, g) for g in ("old", "new", "newer")}


def test_a_shard_that_is_down_keeps_its_old_rows_in_a_replaced_table(world: WorldMaker) -> None:
    w = countries(world, ["shop_00", "shop_01"])
    w.on_all("INSERT INTO countries VALUES (1, 'Peru')")
    w.must_sync()
    w.on_all("UPDATE countries SET name = 'Perú'")
    w.connection_changes = {"overrides": {"shop_01": {"url": f"mysql://root@127.0.0.1:1/{w.database('shop_01')}"}}}
    report = w.sync()
    assert [s.state for s in report.shards.values()] == ["merged", "failed"]
    assert w.target("_shard, id, name") == [("shop_00", 1, "Perú"), ("shop_01", 1, "Peru")]
    assert leftovers(w) == []


def test_a_shard_that_fails_in_the_midst_keeps_its_old_rows_and_none_of_its_new_ones(world: WorldMaker) -> None:
    w = countries(world, ["shop_00", "shop_01"])
    w.view["source"] |= {"chunk": 1, "window": 1}
    w.on_all("INSERT INTO countries SELECT seq, repeat('x', 80) FROM seq_1_to_3000")
    w.must_sync()
    w.on_all("DELETE FROM countries WHERE id % 2 = 1")
    w.on_all("UPDATE countries SET name = 'new'")
    run = threading.Thread(target=w.sync)
    run.start()
    latest = "(SELECT run_id FROM shardlake.runs ORDER BY started_at DESC LIMIT 1)"
    merged = f"SELECT count(*) > 0 FROM {WINDOWS} WHERE partition = 'shop_01' AND state = 'applied' AND run_id = {latest}"
    while w.warehouse("SELECT count(*) FROM shardlake.runs") != [(2,)] or w.warehouse(merged) != [(True,)]:
        time.sleep(0.002)
    w.on("shop_01", "DROP TABLE countries")
    run.join()
    counts = "SELECT _shard, count(*), count(*) FILTER (WHERE name = 'new') FROM analytics.orders GROUP BY 1 ORDER BY 1"
    assert w.warehouse(counts) == [("shop_00", 1500, 1500), ("shop_01", 3000, 0)]


def test_a_table_that_goes_between_the_plan_and_the_reading_is_a_named_failure_of_its_shard(world: WorldMaker) -> None:
    w = countries(world)
    w.on("shop_00", "INSERT INTO countries VALUES (1, 'Peru')")
    job = w.job()
    planned = steps.plan(job, "shop_00")
    w.on("shop_00", "DROP TABLE countries")
    with pytest.raises(SourceFailed, match="there is no such table"):
        steps.extract(job, uuid4(), planned)


def test_a_replace_of_which_no_shard_arrived_leaves_the_table_alone(world: WorldMaker) -> None:
    w = countries(world)
    w.on_all("INSERT INTO countries VALUES (1, 'Peru')")
    w.must_sync()
    w.on("shop_00", "RENAME TABLE countries TO gone")
    assert not w.sync().ok
    assert w.target("id, name") == [(1, "Peru")]
    assert leftovers(w) == []


def test_a_replace_keeps_grants_comment_and_indexes(world: WorldMaker) -> None:
    w = countries(world, indexes=[["name"]])
    w.view["description"] = "Countries; the analysts' favourite."
    w.on_all("INSERT INTO countries VALUES (1, 'Peru')")
    w.must_sync()
    role = f"analyst_{w.warehouse_database}"
    w.warehouse(f"CREATE ROLE {role}")
    w.warehouse(f"GRANT SELECT ON analytics.orders TO {role} WITH GRANT OPTION")
    w.warehouse("GRANT SELECT ON analytics.orders TO PUBLIC")
    facts = (
        "SELECT obj_description('analytics.orders'::regclass), (SELECT array_agg(u ORDER BY u) FROM"
        " (SELECT pg_get_indexdef(indexrelid) ~ 'UNIQUE' AS u FROM pg_index WHERE indrelid = 'analytics.orders'::regclass) i),"
        " (SELECT array_agg(g ORDER BY g COLLATE \"C\") FROM (SELECT grantee || ' ' || privilege_type || ' ' || is_grantable AS g"
        " FROM information_schema.role_table_grants WHERE table_name = 'orders' AND grantee <> 'postgres') g)"
    )
    before = w.warehouse(facts)
    assert before == [("Countries; the analysts' favourite.", [False, True], ["PUBLIC SELECT NO", f"{role} SELECT YES"])]
    w.must_sync()
    w.must_sync()
    assert w.warehouse(facts) == before


def test_a_view_that_stands_on_a_replaced_table_stays_and_shows_the_new_rows(world: WorldMaker) -> None:
    w = countries(world)
    w.on_all("INSERT INTO countries VALUES (1, 'Peru'), (2, 'Siam')")
    w.must_sync()
    w.warehouse("CREATE VIEW analytics.names AS SELECT name FROM analytics.orders")
    w.on_all("UPDATE countries SET name = 'Thailand' WHERE id = 2")
    w.must_sync()
    assert w.warehouse("SELECT name FROM analytics.names ORDER BY 1") == [("Peru",), ("Thailand",)]
    assert leftovers(w) == []


@pytest.mark.parametrize("place", ["stage.copied", "merge.before_commit", "swap.before_commit"])
def test_a_replace_that_breaks_leaves_the_old_rows_and_the_next_run_cleans_up(world: WorldMaker, place: str) -> None:
    w = countries(world)
    w.on_all("INSERT INTO countries VALUES (1, 'Peru')")
    w.must_sync()
    w.on_all("UPDATE countries SET name = 'Perú'")
    with broken_at(place), pytest.raises(RuntimeError):
        w.sync()
    assert w.target("id, name") == [(1, "Peru")]
    w.must_sync()
    assert w.target("id, name") == [(1, "Perú")]
    assert leftovers(w) == []


def test_a_key_that_two_shards_hold_is_replaced_by_the_shard_that_sorts_last(world: WorldMaker) -> None:
    w = countries(world, ["shop_00", "shop_01", "shop_02"], key=["id"])
    for shard in w.shards:
        w.on(shard, "INSERT INTO countries VALUES (1, %s)", shard)
    report = w.must_sync()
    assert w.target("id, name, _shard") == [(1, "shop_02", "shop_02")]
    assert sum(s.merged + s.superseded for s in report.shards.values()) == 3


# --- append ----------------------------------------------------------------------------------------------------------
@BOTH
def test_append_adds_what_is_behind_the_greatest_key_and_never_changes_a_row(world: WorldMaker, source: str) -> None:
    view = orders_view(
        columns={"id": "bigint", "what": "text"}, warehouse={"write": "append", "key": ["_shard", "id"]},
        source={"cursor": "id", "table": "events", "connection": f"{source}-shards/shop", "lookback": 1},
    )  # fmt: skip
    w = world(["shop_00", "shop_01"], source=source, view=view)
    w.on_all("CREATE TABLE events (id bigint PRIMARY KEY, what varchar(40))")
    w.on_all("INSERT INTO events VALUES (1, 'login'), (2, 'order')")
    assert counted(w.must_sync()) == (2, 2, 0, 0)
    w.on("shop_01", "INSERT INTO events VALUES (3, 'logout')")
    w.on("shop_01", "UPDATE events SET what = 'rewritten' WHERE id = 2")
    report = w.must_sync()
    assert (counted(report), counted(report, "shop_01")) == ((1, 0, 1, 0), (2, 1, 1, 0))
    assert w.target("_shard, id, what", "1, 2") == [
        ("shop_00", 1, "login"), ("shop_00", 2, "order"), ("shop_01", 1, "login"), ("shop_01", 2, "order"), ("shop_01", 3, "logout"),
    ]  # fmt: skip


# --- zones -----------------------------------------------------------------------------------------------------------
@BOTH
def test_datetimes_without_a_zone_are_in_the_zone_of_their_connection(world: WorldMaker, source: str) -> None:
    stamps = {
        "created_at": "timestamptz",
        "noted_at": {"type": "timestamptz", "from": "payload.at"},
        "local_at": {"type": "timestamp", "from": "created_at"},
    }
    columns = {"id": "bigint", "updated_at": "timestamptz", "known_at": "timestamptz", **stamps}
    w = world(source=source, view=orders_view(columns=columns, source={"connection": f"{source}-shards/shop"}))
    w.connection_changes = {"timezone": "Europe/Berlin"}
    naive, instant = ("datetime(6)", "timestamp(6) NULL") if source == "mysql" else ("timestamp", "timestamptz")
    w.on(
        "shop_00",
        f"CREATE TABLE orders (id bigint PRIMARY KEY, updated_at {naive} NOT NULL, known_at {instant}, created_at {naive}, payload text)",
    )
    insert = "INSERT INTO orders VALUES (%s, %s, %s, %s, %s)"
    offset = "" if source == "mysql" else "+00"  # the server runs in UTC
    w.on(
        "shop_00",
        insert,
        1,
        "2026-07-01 12:00:00",
        f"2026-07-01 12:00:00{offset}",
        "2026-01-01 12:00:00.000001",
        '{"at": "2026-07-01T12:00:00"}',
    )
    w.on(
        "shop_00", insert, 2, "2026-01-01 12:00:00", f"2026-01-01 12:00:00{offset}", "2026-07-01 00:30:00", '{"at": "2026-07-01T12:00:00Z"}'
    )
    w.must_sync()
    assert w.target("id, updated_at::text, known_at::text, created_at::text, noted_at::text, local_at::text") == [
        (
            1,
            "2026-07-01 10:00:00+00",
            "2026-07-01 12:00:00+00",
            "2026-01-01 11:00:00.000001+00",
            "2026-07-01 10:00:00+00",
            "2026-01-01 12:00:00.000001",
        ),
        (2, "2026-01-01 11:00:00+00", "2026-01-01 12:00:00+00", "2026-06-30 22:30:00+00", "2026-07-01 12:00:00+00", "2026-07-01 00:30:00"),
    ]
    place = w.target("ctid::text")
    w.set_back("2026-01-01 00:00:00")
    assert counted(w.must_sync()) == (2, 0, 2, 0)
    assert w.target("ctid::text") == place
    w.on(
        "shop_00", "UPDATE orders SET updated_at = %s, created_at = NULL WHERE id = 2", now(w) + timedelta(hours=1)
    )  # now or an hour ago in Berlin
    assert counted(w.must_sync()) == (1, 1, 0, 0)
    assert w.target("id, created_at IS NULL") == [(1, False), (2, True)]
