"""Reading a replica: what a transaction on its primary has not committed yet is waited for, or each run says that it cannot be seen."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from embedded.account import run_as
from embedded.loopback import free_port
from embedded.machine import Machine
from embedded.mariadb import MariaDB, obtain_mariadb
from embedded.postgres import Postgres, obtain_postgres
from tests.audit import audit
from tests.world import World, WorldMaker, orders_view

OWN = Machine(environ={"PATH": os.environ["PATH"]})
BOTH = pytest.mark.parametrize("source", ["mysql", "postgres"])
UNSEEN = (
    "the open transactions of the replica's primary cannot be seen (name it as `primary`): late commits are caught by the lookback alone"
)
INNODB_LISTS = 0.15


@pytest.fixture(scope="module")
def second_mariadb(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MariaDB]:
    """A MariaDB of this module's own, to be a replica, and to be killed."""
    options = ("--server-id=2", "--innodb-flush-log-at-trx-commit=1")
    with obtain_mariadb(tmp_path_factory.mktemp("second"), machine=OWN, options=options) as server:
        yield server


@pytest.fixture(scope="module")
def first_postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Postgres]:
    """A Postgres of this module's own, small enough to be copied."""
    settings = {"fsync": "off", "max_prepared_transactions": "10"}
    with obtain_postgres(tmp_path_factory.mktemp("first"), machine=OWN, settings=settings) as server:
        yield server


@pytest.fixture(scope="module")
def standby(first_postgres: Postgres) -> Iterator[Postgres]:
    """A replica of it."""
    first = first_postgres
    assert first.home
    assert first.programs
    home = first.home / "standby"
    home.mkdir()
    if first.account:
        first.account.own(home)
    done = run_as(first.account, [f"{first.programs}/pg_basebackup", "-d", first.url(), "-D", f"{home}/data", "-R", "-c", "fast"], home)
    assert done.returncode == 0, done.stdout
    with replace(first, port=free_port(), home=home) as server:
        yield server


@pytest.fixture
def replicated(request: pytest.FixtureRequest, mariadb: MariaDB, postgres: Postgres, tmp_path: Path) -> Iterator[Any]:
    """Make a world whose shard is read from a replica; what is written goes to its primary."""
    made: list[World] = []

    def make(server: str, /, cursor: str = "updated_at datetime(6) NOT NULL", **view: Any) -> World:
        view["source"] = {"connection": f"{server}-shards/shop", **view.get("source", {})}
        primary: Any = mariadb
        if server == "mysql":
            replica: Any = request.getfixturevalue("second_mariadb")
            (position,) = mariadb.execute("SELECT @@GLOBAL.gtid_binlog_pos")
            replica.execute("STOP SLAVE")
            replica.execute(f"SET GLOBAL gtid_slave_pos = '{position[0]}'")
            replica.execute(
                f"CHANGE MASTER TO MASTER_HOST='127.0.0.1', MASTER_PORT={mariadb.port}, MASTER_USER='root', MASTER_USE_GTID=slave_pos"
            )
            replica.execute("START SLAVE")
        else:
            primary, replica = request.getfixturevalue("first_postgres"), request.getfixturevalue("standby")
            cursor = cursor.replace("datetime(6)", "timestamp")
        w = World(primary, postgres, tmp_path, ["shop_00"], view=orders_view(**view))
        made.append(w)
        w.on("shop_00", f"CREATE TABLE orders (id bigint PRIMARY KEY, status varchar(40), {cursor})")
        at = w.connections()[f"{server}-shards/shop"]["shards"]["shop_00"]
        w.connection_changes = {
            "shards": {"shop_00": at.replace(str(primary.port), str(replica.port))},
            "replica": True,
            "primary": at.rpartition("/")[0],
        }
        return w

    yield make
    for w in made:
        w.close()
        audit(w)


COLUMNS = {"id": "bigint", "status": "text", "updated_at": "timestamp"}


def now(w: World) -> datetime:
    query = "SELECT utc_timestamp(6)" if w.on_mysql else "SELECT clock_timestamp() AT TIME ZONE 'UTC'"
    found: datetime = w.on("shop_00", query)[0][0]
    return found


def put(w: World, id: int, status: str, cursor: object) -> None:
    w.on("shop_00", "INSERT INTO orders VALUES (%s, %s, %s)", id, status, cursor)


@BOTH
def test_a_row_of_a_transaction_that_is_open_on_the_primary_arrives_when_it_commits(replicated: Any, source: str) -> None:
    w = replicated(source, columns=COLUMNS)
    put(w, 1, "old", "2026-01-01")
    w.must_sync()
    with closing(w.source.connect(w.database("shop_00"), autocommit=False)) as session:
        session.cursor().execute("SELECT 1 FROM orders")
        session.cursor().execute("INSERT INTO orders VALUES (2, 'late', %s)", (now(w),))
        time.sleep(INNODB_LISTS)
        put(w, 3, "committed meanwhile", now(w))
        report = w.must_sync().shards["shop_00"]
        assert (report.read, report.notes) == (0, ())
        assert "an open transaction on shop_00's primary since" in str(w.ledger("SELECT held_by FROM shardlake.positions"))
        assert w.target("id") == [(1,)]
        session.commit()
    time.sleep(INNODB_LISTS)
    w.must_sync()
    assert w.target("id, status") == [(1, "old"), (2, "late"), (3, "committed meanwhile")]


@BOTH
def test_a_replica_whose_primary_is_not_named_says_so_in_each_run_and_keeps_to_the_lookback(replicated: Any, source: str) -> None:
    w = replicated(source, columns=COLUMNS, source={"lookback": "5m"})
    del w.connection_changes["primary"]
    put(w, 1, "old", "2026-01-01")
    w.must_sync()
    with closing(w.source.connect(w.database("shop_00"), autocommit=False)) as session:
        session.cursor().execute("SELECT 1 FROM orders")
        session.cursor().execute("INSERT INTO orders VALUES (2, 'late', %s)", (now(w),))
        put(w, 3, "committed meanwhile", now(w))
        time.sleep(2.5)
        assert w.must_sync().shards["shop_00"].notes == (UNSEEN,)
        session.commit()
    put(w, 4, "the last", now(w))
    time.sleep(2.5)
    if source == "mysql":
        w.connection_changes["replica"] = False  # it is one all the same, and says so
    assert w.must_sync().shards["shop_00"].notes == (UNSEEN,)
    assert (2, "late") in w.target("id, status")


@BOTH
def test_numbers_of_a_transaction_that_is_open_on_the_primary_are_waited_for(
    replicated: Any, source: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shardlake.source.sql.transactions.PATIENCE", 0.3)
    columns = {"id": "bigint", "status": "text", "revision": "bigint"}
    w = replicated(source, "revision bigint NOT NULL", columns=columns, source={"cursor": "revision", "lookback": 0})
    put(w, 1, "a", 1)
    w.must_sync()
    with closing(w.source.connect(w.database("shop_00"), autocommit=False)) as session:
        session.cursor().execute("INSERT INTO orders VALUES (2, 'late', 2)")
        time.sleep(INNODB_LISTS)
        put(w, 3, "committed meanwhile", 3)
        assert "what is new waits for its end" in str(w.must_sync().shards["shop_00"].notes)
        session.commit()
    time.sleep(INNODB_LISTS)
    w.must_sync()
    assert w.target("id") == [(1,), (2,), (3,)]


def test_what_an_open_transaction_has_written_and_no_disk_has_yet_is_not_waited_for(replicated: Any) -> None:
    """The primary writes it when it must: a replica that has all that was committed is not behind."""
    w = replicated("postgres", columns=COLUMNS)
    put(w, 1, "old", "2026-01-01")
    w.must_sync()
    for _ in range(2):  # the server flushes by itself, too: at one of two times it does not
        with closing(w.source.connect(w.database("shop_00"), autocommit=False)) as session:
            session.cursor().execute("INSERT INTO orders VALUES (2, 'late', %s)", (now(w),))
            time.sleep(0.5)
            assert w.must_sync().shards["shop_00"].notes == ()
            session.rollback()


def test_a_primary_that_cannot_be_reached_is_a_failure_by_its_name(replicated: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shardlake.run.threads.PAUSES", ())
    w = replicated("mysql", columns=COLUMNS)
    w.connection_changes["primary"] = "mysql://root@127.0.0.1:1"
    assert f"shop_00's primary (127.0.0.1:1/{w.database('shop_00')}) cannot be reached" in w.sync().shards["shop_00"].error


# --- two-phase commits -----------------------------------------------------------------------------------------------
def test_a_prepared_transaction_of_mariadb_counts_from_its_start(world: WorldMaker) -> None:
    w = world(view=orders_view(columns=COLUMNS))
    w.on("shop_00", "CREATE TABLE orders (id bigint PRIMARY KEY, status varchar(40), updated_at datetime(6) NOT NULL)")
    put(w, 1, "old", "2026-01-01")
    w.must_sync()
    two = f"'{w.prefix}'"
    with closing(w.source.connect(w.database("shop_00"))) as session:
        session.cursor().execute(f"XA START {two}")
        session.cursor().execute("INSERT INTO orders VALUES (2, 'late', utc_timestamp(6))")
        time.sleep(INNODB_LISTS)
        put(w, 3, "committed meanwhile", now(w))
        time.sleep(1.2)
        session.cursor().execute(f"XA END {two}")
        session.cursor().execute(f"XA PREPARE {two}")
    try:
        w.must_sync()
        assert w.target("id") == [(1,)]
    finally:
        w.on("shop_00", f"XA COMMIT {two}")
    time.sleep(INNODB_LISTS)
    w.must_sync()
    assert w.target("id") == [(1,), (2,), (3,)]


def two_phases(w: World, begin: str, prepare: tuple[str, ...], restart: Any, commit: str) -> None:
    """A first load, a transaction that is prepared and of which nobody knows since when, a run, its end, a run."""
    put(w, 1, "old", "2026-01-01")
    w.must_sync()
    with closing(w.source.connect(w.database("shop_00"))) as session:
        for statement in (begin, f"INSERT INTO orders VALUES (2, 'late', '{now(w)}')", *prepare):
            session.cursor().execute(statement)
    restart()
    put(w, 3, "committed meanwhile", now(w))
    time.sleep(INNODB_LISTS)
    report = w.must_sync().shards["shop_00"]
    assert report.read == 0
    assert "of which nobody knows since when it is open: what is new waits for its end" in str(report.notes)
    assert "a prepared transaction on shop_00" in str(w.ledger("SELECT held_by FROM shardlake.positions"))
    assert "its rows may be older than any that are read. Wait for it, or end it." in str(w.sync(full=True).shards["shop_00"].error)
    w.on("shop_00", commit)
    time.sleep(INNODB_LISTS)
    w.must_sync()
    assert w.target("id") == [(1,), (2,), (3,)]


@pytest.fixture
def _in_haste(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shardlake.source.sql.transactions.PATIENCE", 0.3)
    monkeypatch.setattr("shardlake.run.threads.PAUSES", ())


@pytest.mark.usefixtures("_in_haste")
def test_a_prepared_transaction_of_which_mariadb_has_forgotten_the_start_holds_the_window(
    second_mariadb: MariaDB, postgres: Postgres, tmp_path: Path
) -> None:
    second_mariadb.execute("STOP SLAVE")
    second_mariadb.execute("RESET SLAVE ALL")
    w = World(second_mariadb, postgres, tmp_path, ["shop_00"], view=orders_view(columns=COLUMNS))
    w.on("shop_00", "CREATE TABLE orders (id bigint PRIMARY KEY, status varchar(40), updated_at datetime(6) NOT NULL)")

    def restart() -> None:
        second_mariadb.kill()
        second_mariadb.start()

    two_phases(w, "XA START 'two'", ("XA END 'two'", "XA PREPARE 'two'"), restart, "XA COMMIT 'two'")
    w.close()
    audit(w)


@pytest.mark.usefixtures("_in_haste")
def test_a_prepared_transaction_of_postgres_holds_the_window_since_nobody_knows_its_start(
    first_postgres: Postgres, postgres: Postgres, tmp_path: Path
) -> None:
    view = orders_view(columns=COLUMNS, source={"connection": "postgres-shards/shop"})
    w = World(first_postgres, postgres, tmp_path, ["shop_00"], view=view)
    w.on("shop_00", "CREATE TABLE orders (id bigint PRIMARY KEY, status varchar(40), updated_at timestamp NOT NULL)")
    two_phases(w, "BEGIN", ("PREPARE TRANSACTION 'two'",), lambda: None, "COMMIT PREPARED 'two'")
    w.close()
    audit(w)


@pytest.mark.usefixtures("_in_haste")
def test_while_a_prepared_transaction_holds_numbers_the_ledger_does_not_say_that_raw_is_complete(
    first_postgres: Postgres, postgres: Postgres, tmp_path: Path
) -> None:
    columns = {"id": "bigint", "status": "text", "revision": "bigint"}
    view = orders_view(columns=columns, source={"connection": "postgres-shards/shop", "cursor": "revision", "lookback": 0})
    w = World(first_postgres, postgres, tmp_path, ["shop_00"], view=view)
    w.on("shop_00", "CREATE TABLE orders (id bigint PRIMARY KEY, status varchar(40), revision bigint NOT NULL)")
    put(w, 1, "old", 1)
    w.must_sync()
    complete = w.ledger("SELECT complete_to FROM shardlake.positions")
    with closing(w.source.connect(w.database("shop_00"))) as session:
        for statement in ("BEGIN", "INSERT INTO orders VALUES (2, 'late', 2)", "PREPARE TRANSACTION 'numbers'"):
            session.cursor().execute(statement)
    put(w, 3, "committed meanwhile", 3)
    assert w.must_sync().shards["shop_00"].read == 0
    assert w.ledger("SELECT complete_to FROM shardlake.positions") == complete
    w.on("shop_00", "COMMIT PREPARED 'numbers'")
    w.must_sync()
    assert w.target("id") == [(1,), (2,), (3,)]
    w.close()
    audit(w)
