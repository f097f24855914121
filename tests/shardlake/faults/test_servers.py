"""Servers that refuse, hang, die or hold a lock: the shard that has the fault fails by its name, the others commit."""

from __future__ import annotations

import os
import re
import resource
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

import psutil
import psycopg
import pymysql
import pytest

from embedded.machine import Machine
from embedded.mariadb import MariaDB, obtain_mariadb
from embedded.postgres import Postgres, obtain_postgres
from shardlake.errors import AccessRefused, WarehouseUnavailable
from shardlake.ledger.claims import Claims
from shardlake.run.report import RunReport
from shardlake.run.sync import sync
from tests.audit import audit, leftovers, unfinished
from tests.world import ORDERS_TABLE, World, WorldMaker, orders_view

OWN = Machine(environ={"PATH": os.environ["PATH"]})
LONG = "x" * 1000


@pytest.fixture(scope="module")
def frail(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MariaDB]:
    """A MariaDB of this module's own, to be paused and killed."""
    options = ("--innodb-flush-log-at-trx-commit=1",)  # what is to be read again must have outlived the kill
    with obtain_mariadb(tmp_path_factory.mktemp("frail"), machine=OWN, options=options) as server:
        yield server


@pytest.fixture(scope="module")
def frail_postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Postgres]:
    """A Postgres of this module's own, to be restarted in the midst of things."""
    with obtain_postgres(tmp_path_factory.mktemp("frail"), machine=OWN, settings={"fsync": "off"}) as server:
        yield server


@pytest.fixture(autouse=True)
def _no_long_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shardlake.run.threads.PAUSES", (0.1, 0.4))


@pytest.fixture
def shop(world: WorldMaker) -> World:
    """Two shards with one order each."""
    return make_shop(world)


def make_shop(world: WorldMaker, **view: Any) -> World:
    w = world(["shop_00", "shop_01"], view=orders_view(**view))
    w.connection_changes = {"connect_timeout": "1s"}
    w.on_all(ORDERS_TABLE)
    w.on("shop_00", "INSERT INTO orders VALUES (1, 'new', 1, '2026-01-02', NULL)")
    w.on("shop_01", "INSERT INTO orders VALUES (2, 'new', 1, '2026-01-02', NULL)")
    return w


def moved(w: World, shard: str, server: MariaDB, rows: int = 1) -> None:
    """Have a shard on another server, with that many orders there."""
    name = w.database(shard)
    server.execute(f"CREATE DATABASE {name}")
    server.execute(ORDERS_TABLE, database=name)
    server.execute(
        f"INSERT INTO orders SELECT 1000 + seq, 'frail', 1, '2026-01-02', %s FROM seq_1_to_{rows}", f'{{"x": "{LONG}"}}', database=name
    )
    server.execute("ANALYZE TABLE orders", database=name)
    w.connection_changes["overrides"] = {shard: {"url": f"mysql://root@{server.host}:{server.port}/{name}"}}


def states(report: RunReport) -> list[str]:
    return [shard.state for shard in report.shards.values()]


def until(what: Callable[[], object], seconds: float = 20) -> None:
    """Wait for something to be so."""
    deadline = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < deadline, "it never came to be"
        time.sleep(0.003)


class Running:
    """A run on a thread of its own."""

    def __init__(self, w: World) -> None:
        self._w = w
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        try:
            self._report = self._w.sync()
        except BaseException as error:
            self._report = error

    def report(self, seconds: float = 60) -> RunReport:
        self._thread.join(seconds)
        assert not self._thread.is_alive()
        if isinstance(self._report, BaseException):
            raise self._report
        return self._report


# --- refused and unreachable -----------------------------------------------------------------------------------------
def test_a_wrong_password_is_named_at_once_and_tried_once(shop: World, mariadb: MariaDB) -> None:
    def refused() -> int:
        return int(mariadb.execute("SHOW GLOBAL STATUS LIKE 'Access_denied_errors'")[0][1])

    shop.connection_changes["overrides"] = {"shop_01": {"password": "not this one"}}
    before, started = refused(), time.monotonic()
    report = shop.sync()
    assert time.monotonic() - started < 3
    assert refused() - before == 1
    assert states(report) == ["merged", "failed"]
    address = f"{mariadb.host}:{mariadb.port}/{shop.database('shop_01')}"
    assert report.shards["shop_01"].error == (
        f"shop_01 ({address}) refused user 'root': user or password is wrong (error 1045)."
        " Check the connection's user, password and grants."
    )
    assert shop.target("id") == [(1,)]
    shop.connection_changes = {}
    shop.must_sync()
    assert shop.target("id") == [(1,), (2,)]


def test_a_shard_that_is_down_fails_alone_keeps_its_watermark_and_catches_up(shop: World) -> None:
    shop.must_sync()
    marks = shop.warehouse("SELECT * FROM shardlake.positions WHERE partition = 'shop_01'")
    shop.on_all("UPDATE orders SET status = 'paid', updated_at = utc_timestamp(6)")
    shop.connection_changes["overrides"] = {"shop_01": {"url": "mysql://root@127.0.0.1:1/gone"}}
    started = time.monotonic()
    report = shop.sync()
    assert time.monotonic() - started < 3
    assert states(report) == ["merged", "failed"]
    assert str(report.shards["shop_01"].error).startswith("shop_01 (127.0.0.1:1/gone) cannot be reached or broke off (error 2003)")
    assert shop.target("id, status") == [(1, "paid"), (2, "new")]
    assert shop.warehouse("SELECT * FROM shardlake.positions WHERE partition = 'shop_01'") == marks
    assert shop.warehouse("SELECT state, message = %s FROM shardlake.runs ORDER BY started_at DESC LIMIT 1", report.headline()) == [
        ("failed", True)
    ]
    del shop.connection_changes["overrides"]
    shop.must_sync()
    assert shop.target("id, status") == [(1, "paid"), (2, "paid")]


def test_a_warehouse_that_refuses_or_is_down_is_named_before_anything_is_read(shop: World) -> None:
    real = shop.connections()["postgres-warehouse/main"]
    for change, kind, says in (
        ({"password": "not this one"}, AccessRefused, "refused user 'postgres'"),
        ({"url": re.sub(r":\d+/", ":1/", real["url"])}, WarehouseUnavailable, "cannot be reached"),
        (
            {"url": real["url"] + "_%22%25missing"},
            AccessRefused,
            f"""there is no database '{shop.warehouse_database}_"%missing' on the server. Create it there: `CREATE DATABASE "{shop.warehouse_database}_""%missing"`""",
        ),
    ):
        wrong = type(shop.connect("postgres-warehouse/main")).model_validate({**real, **change})
        started = time.monotonic()
        with pytest.raises(kind, match=re.escape(says)):
            sync(shop.model(), lambda name, wrong=wrong: wrong if name.startswith("postgres-warehouse") else shop.connect(name))  # type: ignore[misc]
        assert time.monotonic() - started < 3


def test_a_user_who_may_have_one_connection_is_enough_for_one_reader(shop: World) -> None:
    user = f"one_{shop.prefix}"
    shop.source.execute(f"CREATE USER {user} IDENTIFIED BY 'only one' WITH MAX_USER_CONNECTIONS 1")
    shop.source.execute(f"GRANT SELECT, PROCESS ON *.* TO {user}")
    at = f"mysql://{user}@{shop.source.host}:{shop.source.port}"
    shop.connection_changes |= {
        "shards": {s: f"{at}/{shop.database(s)}" for s in shop.shards},
        "password": "only one",
        "max_connections": 1,
    }
    shop.must_sync()
    assert shop.target("id") == [(1,), (2,)]
    with pymysql.connect(host=shop.source.host, port=shop.source.port, user=user, password="only one"):
        started = time.monotonic()
        report = shop.sync()
        assert time.monotonic() - started < 3
    assert states(report) == ["failed", "failed"]
    assert "refused user" in report.headline()
    assert "the user is over a limit, such as max_user_connections (error 1226)" in report.headline()


# --- servers that hang or die ----------------------------------------------------------------------------------------
def test_a_shard_that_answers_no_more_fails_by_its_deadline_and_the_others_commit(world: WorldMaker, frail: MariaDB) -> None:
    w = make_shop(world)
    moved(w, "shop_01", frail)
    frail.pause()
    try:
        started = time.monotonic()
        report = w.sync()
        assert time.monotonic() - started < 6
    finally:
        frail.resume()
    assert states(report) == ["merged", "failed"]
    assert f"shop_01 ({frail.host}:{frail.port}/{w.database('shop_01')}) did not answer in 1 s" in str(report.shards["shop_01"].error)
    assert w.target("id") == [(1,)]
    w.must_sync()
    assert w.target("id") == [(1,), (1001,)]


def test_a_postgres_shard_that_answers_no_more_fails_by_its_deadline_too(
    frail_postgres: Postgres, postgres: Postgres, tmp_path: Path
) -> None:
    w = World(frail_postgres, postgres, tmp_path, ["shop_00"], view=orders_view(source={"connection": "postgres-shards/shop"}))
    w.connection_changes = {"connect_timeout": "1s"}
    w.on_all("CREATE TABLE orders (id bigint PRIMARY KEY, status text, amount numeric(12,2), updated_at timestamp, payload text)")
    frail_postgres.pause()
    try:
        started = time.monotonic()
        report = w.sync()
        assert time.monotonic() - started < 6
    finally:
        frail_postgres.resume()
    assert str(report.shards["shop_00"].error).startswith(
        f"shop_00 (127.0.0.1:{frail_postgres.port}/{w.database('shop_00')}) did not answer"
    )
    w.must_sync()
    w.close()


def first_chunk(w: World, shard: str) -> Path | None:
    return next((w.folder / "lake").glob(f"raw/orders/*/shard={shard}/*.parquet"), None)


def test_a_shard_that_hangs_in_the_midst_of_reading_is_ended_at_its_deadline(world: WorldMaker, frail: MariaDB) -> None:
    w = make_shop(world, source={"chunk": 1, "deadline": "1.5s"})
    moved(w, "shop_01", frail, rows=8000)
    run = Running(w)
    until(lambda: first_chunk(w, "shop_01"))
    frail.pause()
    try:
        report = run.report()
    finally:
        frail.resume()
    assert states(report) == ["merged", "failed"]
    assert "shop_01" in report.headline()
    assert "did not answer in 1 s" in report.headline() or "the window was not read in 1.5 s; its reader was ended" in report.headline()
    assert w.target("id") == [(1,)]
    assert unfinished(w) == [("shop_01", "open")]
    w.view["source"]["deadline"] = "1m"
    w.must_sync()
    assert w.target("count(*), count(DISTINCT id), max(id)") == [(8001, 8001, 9000)]


def test_a_shard_that_is_killed_in_the_midst_of_reading_is_read_again(world: WorldMaker, frail: MariaDB) -> None:
    w = make_shop(world, source={"chunk": 1})
    moved(w, "shop_01", frail, rows=8000)
    run = Running(w)
    until(lambda: first_chunk(w, "shop_01"))
    frail.kill()
    frail.start()
    report = run.report()
    assert report.ok, report.headline()
    assert w.target("count(*), count(DISTINCT id), max(id)") == [(8001, 8001, 9000)]


def test_a_reader_that_is_killed_is_replaced_and_reads_smaller_chunks(world: WorldMaker) -> None:
    w = make_shop(world, source={"chunk": "1MB"})
    w.must_sync()
    forking = next(p for p in psutil.Process().children() if "forkserver" in " ".join(p.cmdline()))  # the readers are its children
    w.on("shop_00", "INSERT INTO orders SELECT 1000 + seq, 'new', 1, utc_timestamp(6), %s FROM seq_1_to_12000", f'{{"x": "{LONG}"}}')
    w.on("shop_00", "ANALYZE TABLE orders")
    before = set((w.folder / "lake").rglob("*.parquet"))
    run = Running(w)
    until(lambda: set((w.folder / "lake").rglob("*.parquet")) - before)
    for reader in forking.children():
        reader.send_signal(signal.SIGKILL)
    report = run.report()
    assert report.ok, report.headline()
    assert w.target("count(*), count(DISTINCT id)") == [(12_002, 12_002)]
    large = "SELECT max(rows) < 300, count(*) > 48 FROM shardlake.files WHERE window_id = (SELECT max(window_id) FROM shardlake.windows)"
    assert w.warehouse(large) == [(True, True)]  # of a thousand rows each before


def waiting(w: World, condition: str = "l.locktype = 'advisory'") -> int:
    """Sessions of the warehouse that wait for such a lock."""
    query = f"SELECT count(*) FROM pg_locks l JOIN pg_stat_activity a USING (pid) WHERE NOT l.granted AND a.datname = current_database() AND {condition}"
    return int(w.warehouse(query)[0][0])


@contextmanager
def held(w: World, statement: str) -> Iterator[psycopg.Connection[Any]]:
    """A session of the warehouse that holds what the statement locks, until the end."""
    with w.warehouse_server.connect(w.warehouse_database, autocommit=False, application_name="a long report") as session:
        session.execute("SET deadlock_timeout = '20s'")  # in a deadlock it is the merge that is to give way
        session.execute(statement)
        yield session


HOLD = "CREATE FUNCTION public.hold() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN PERFORM pg_advisory_xact_lock_shared(7); RETURN NEW; END'"
HOLD_COPY = """
CREATE FUNCTION public.hold_copy() RETURNS event_trigger LANGUAGE plpgsql AS $$
DECLARE made record;
BEGIN
    FOR made IN SELECT objid::regclass AS name FROM pg_event_trigger_ddl_commands() WHERE schema_name = 'shardlake_staging' LOOP
        EXECUTE format('CREATE TRIGGER hold BEFORE INSERT ON %s FOR EACH ROW EXECUTE FUNCTION public.hold()', made.name);
    END LOOP;
END $$
"""


@pytest.mark.parametrize("moment", ["copy", "merge"])
def test_a_warehouse_that_is_restarted_in_the_midst_rolls_back_and_the_run_goes_on(
    mariadb: MariaDB, frail_postgres: Postgres, tmp_path: Path, moment: str
) -> None:
    w = World(mariadb, frail_postgres, tmp_path, ["shop_00", "shop_01"])
    w.on_all(ORDERS_TABLE)
    w.on_all("INSERT INTO orders VALUES (ascii(right(database(), 1)), 'new', 1, '2026-01-02', NULL)")
    w.must_sync()
    marks = w.watermarks()
    w.warehouse(HOLD)
    if moment == "copy":
        w.warehouse(HOLD_COPY)
        w.warehouse("CREATE EVENT TRIGGER hold_copy ON ddl_command_end WHEN TAG IN ('CREATE TABLE') EXECUTE FUNCTION public.hold_copy()")
    else:
        w.warehouse("CREATE TRIGGER hold BEFORE INSERT OR UPDATE ON analytics.orders FOR EACH ROW EXECUTE FUNCTION public.hold()")
    w.on_all("UPDATE orders SET status = 'paid', updated_at = utc_timestamp(6)")
    with suppressed_at_the_end(held(w, "SELECT pg_advisory_xact_lock(7)")):
        run = Running(w)
        until(lambda: waiting(w) == 2)
        doing = w.warehouse(
            "SELECT DISTINCT left(query, 4) FROM pg_stat_activity WHERE wait_event = 'advisory' AND datname = current_database()"
        )
        assert doing == [("COPY" if moment == "copy" else "WITH",)]
        assert w.target("status") == [("new",), ("new",)]
        read = w.watermarks()  # what stands in raw is not read again
        assert all(str(read[shard]) > str(marks[shard]) for shard in w.shards)
        frail_postgres.restart("immediate")
    report = run.report()
    assert report.ok, report.headline()
    assert w.target("id, status, _shard") == [(48, "paid", "shop_00"), (49, "paid", "shop_01")]
    assert w.watermarks() == read
    assert sorted(w.windows("partition, state, attempt", "window_id > 2")) == [(shard, "applied", 1) for shard in w.shards]
    if moment == "copy":
        w.warehouse("DROP EVENT TRIGGER hold_copy")
    w.close()
    audit(w)
    assert (unfinished(w), leftovers(w)) == ([], [])


@contextmanager
def suppressed_at_the_end(inner: Any) -> Iterator[None]:
    """`inner`, whose session may have died with its server by the time it ends."""
    try:
        with inner:
            yield
    except psycopg.OperationalError:
        pass


# --- locks -----------------------------------------------------------------------------------------------------------
def test_a_lock_that_is_not_to_be_had_is_a_failure_that_names_its_holder(world: WorldMaker) -> None:
    w = make_shop(world, warehouse={"lock_timeout": "0.2s"})
    w.must_sync()
    w.on("shop_00", "UPDATE orders SET status = 'paid', updated_at = utc_timestamp(6)")
    with held(w, "LOCK TABLE analytics.orders IN ACCESS EXCLUSIVE MODE") as session:
        report = w.sync()
        holder = f"process {session.info.backend_pid} (user postgres, application a long report, idle in transaction)"
    assert states(report) == ["failed", "nothing"]
    assert report.headline() == (
        f'1/2 shards merged; shop_00: "analytics"."orders" was locked for 0.2 s by {holder}.'
        " Wait for it, or end it; the window is merged by the next run."
    )
    assert unfinished(w) == [("shop_00", "read")]
    w.must_sync()
    assert w.target("id, status") == [(1, "paid"), (2, "new")]


@pytest.mark.parametrize("change", ["a new column", "a swap"])
def test_a_reader_who_holds_up_a_change_of_the_table_is_named_too(world: WorldMaker, change: str) -> None:
    replace = {
        "columns": {"id": "bigint", "status": "text"},
        "source": {"cursor": None},
        "warehouse": {"write": "replace", "key": ["id"], "lock_timeout": "0.2s"},
    }
    w = make_shop(world, **(replace if change == "a swap" else {"warehouse": {"lock_timeout": "0.2s"}}))
    w.must_sync()
    w.view["columns"]["note"] = {"type": "text", "from": "status"}
    w.on("shop_00", "UPDATE orders SET status = 'paid', updated_at = utc_timestamp(6)")
    with held(w, "SELECT * FROM analytics.orders") as session:
        report = w.sync()
        holder = session.info.backend_pid
    assert not report.ok
    assert f'"analytics"."orders" was locked for 0.2 s by process {holder} (user postgres, application a long report' in report.headline()
    assert w.target("id, status") == [(1, "new"), (2, "new")]
    w.must_sync()
    assert w.target("id, status, note")[0] == (1, "paid", "paid")
    assert leftovers(w) == []


def test_a_merge_that_crosses_with_another_transaction_is_begun_again(world: WorldMaker) -> None:
    w = make_shop(world)
    w.on("shop_00", "INSERT INTO orders SELECT seq, 'new', 1, '2026-01-02', NULL FROM seq_3_to_9")
    w.must_sync()
    deadlocks = "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()"
    w.on("shop_00", "UPDATE orders SET status = 'paid', updated_at = utc_timestamp(6)")
    with held(w, "UPDATE analytics.orders SET amount = 7 WHERE id = 5") as session:
        run = Running(w)
        until(lambda: waiting(w, "a.query LIKE 'WITH verdicts %%'"))
        session.execute("UPDATE analytics.orders SET amount = 7 WHERE id <> 5 AND _shard = 'shop_00'")  # waits for the merge, as it for us
        session.commit()
    report = run.report()
    assert report.ok, report.headline()
    until(lambda: w.warehouse(deadlocks) == [(1,)])
    assert w.target("count(*), count(*) FILTER (WHERE status = 'paid')") == [(9, 8)]


def test_merges_of_two_shards_that_cross_both_arrive(world: WorldMaker) -> None:
    w = world(["shop_00", "shop_01"])
    w.on_all(ORDERS_TABLE)
    w.on_all("INSERT INTO orders VALUES (0, 'first', 1, '2026-01-01', NULL)")
    w.must_sync()
    w.on("shop_00", "INSERT INTO orders SELECT seq, 'older', 1, '2026-01-02' + INTERVAL seq SECOND, NULL FROM seq_1_to_100")
    w.on("shop_01", "INSERT INTO orders SELECT seq, 'newer', 1, '2026-01-03' - INTERVAL seq SECOND, NULL FROM seq_1_to_100")
    w.set_back("2026-01-01 00:00:00")
    w.warehouse("CREATE FUNCTION public.nap() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN PERFORM pg_sleep(0.002); RETURN NEW; END'")
    w.warehouse("CREATE TRIGGER nap BEFORE INSERT ON analytics.orders FOR EACH ROW EXECUTE FUNCTION public.nap()")
    w.must_sync()
    assert w.target("count(*), count(DISTINCT id), min(status), max(status)", "1") == [(101, 101, "first", "newer")]


# --- two runs at once ------------------------------------------------------------------------------------------------
def test_two_runs_of_a_view_at_once_come_out_as_one(world: WorldMaker) -> None:
    w = make_shop(world, source={"chunk": 1})
    w.on("shop_00", "INSERT INTO orders SELECT 1000 + seq, 'new', 1, '2026-01-02', %s FROM seq_1_to_1000", f'{{"x": "{LONG}"}}')
    w.write_files()
    ended: list[Any] = []
    runs = [threading.Thread(target=lambda: ended.append(w.engine_process())) for _ in range(2)]
    for run in runs:
        run.start()
    for run in runs:
        run.join()
    assert [e.returncode for e in ended] == [0, 0], [e.stdout + e.stderr for e in ended]
    assert w.target("count(*), count(DISTINCT id)") == [(1002, 1002)]
    assert w.warehouse("SELECT partition, sum(raw_rows)::int, count(*) FROM shardlake.windows GROUP BY 1 ORDER BY 1") == [
        ("shop_00", 1001, 1),
        ("shop_01", 1, 1),
    ]
    assert (unfinished(w), leftovers(w)) == ([], [])


def test_a_run_that_waits_for_a_shard_takes_none_behind_it_meanwhile(shop: World) -> None:
    w = shop
    w.must_sync()
    free = "SELECT pg_try_advisory_lock(hashtextextended('shardlake.run.orders.shop_01', 0))"
    ended: list[Any] = []
    with Claims(w.job().ledger, "orders", uuid4()) as claims:
        with held(w, "SELECT pg_advisory_lock(hashtextextended('shardlake.run.orders.shop_00', 0))"):
            waiting = threading.Thread(target=lambda: ended.append(claims.claim(["shop_01", "shop_00"], 60)))
            waiting.start()
            time.sleep(1)
            assert w.warehouse(free) == [(True,)]  # the other run, which holds shop_00, can have shop_01
        waiting.join()
        assert ended == [{}]
        assert w.warehouse(free) == [(False,)]


def test_a_run_that_another_keeps_waiting_leaves_and_says_so(shop: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shardlake.run.run.CLAIM_WAIT", 0.3)
    with held(shop, "SELECT pg_advisory_lock(hashtextextended('shardlake.run.orders.shop_01', 0))"):
        report = shop.sync()
    assert states(report) == ["merged", "failed"]
    assert "shop_01: another run of orders is on it (waited 0.3 s). Wait for that run" in report.headline()
    shop.must_sync()
    assert shop.target("id") == [(1,), (2,)]


# --- the raw store ---------------------------------------------------------------------------------------------------
def test_a_raw_store_that_cannot_be_written_is_named_and_nothing_is_merged(shop: World) -> None:
    (shop.folder / "lake").mkdir()
    (shop.folder / "lake" / "raw").write_text("a file where the folder should be")
    report = shop.sync()
    assert states(report) == ["failed", "failed"]
    assert re.search(r"shop_00: raw/orders/load_date=[\d-]+/shard=shop_00/w\d+-a\d+-00000\.parquet cannot be written", report.headline())
    (shop.folder / "lake" / "raw").unlink()
    shop.must_sync()
    assert shop.target("id") == [(1,), (2,)]


def test_a_raw_store_that_is_full_leaves_no_half_file_and_the_next_run_is_exact(shop: World) -> None:
    noise = "SELECT 1000 + seq, 'new', 1, '2026-01-02', hex(random_bytes(500)) FROM seq_1_to_400"
    shop.on("shop_00", f"INSERT INTO orders {noise}")
    shop.view["columns"].pop("customer_name")
    shop.view["columns"]["items"] = {"type": "text", "from": "payload"}
    with small_files(64 << 10):  # as a full disk does, the kernel refuses a write in the midst of a file
        ended = shop.engine_process()
    assert ended.returncode == 1, ended.stderr
    assert re.search(r"shard=shop_00/w\d+-a\d+-00000\.parquet cannot be written", ended.stdout)
    assert [path for path in (shop.folder / "lake").rglob("*") if path.is_file() and "shard=shop_00" in str(path)] == []
    shop.must_sync()
    assert shop.target("count(*), count(DISTINCT id)") == [(402, 402)]


@contextmanager
def small_files(most: int) -> Iterator[None]:
    """Processes that are started within may write no file that is larger."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (most, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_raw_file_that_is_gone_or_cut_is_named_and_full_reads_anew(shop: World) -> None:
    with closing(shop.warehouse_server.connect(shop.warehouse_database)):
        shop.must_sync()
    from shardlake.run.replay import replay

    path = first_chunk(shop, "shop_00")
    assert path is not None
    whole = path.read_bytes()
    for broken in (whole[: len(whole) // 2], None):
        path.unlink()
        if broken:
            path.write_bytes(broken)
        report = replay(shop.job())
        assert states(report) == ["failed", "merged"]
        assert re.search(
            r"shop_00: raw/orders/.*w\d+-a\d+-00000\.parquet cannot be read \(\w+\)\. If it was removed, `shardlake run --full`",
            report.headline(),
        )
    path.write_bytes(whole)
    assert shop.target("id") == [(1,), (2,)]


def test_a_partition_that_is_taken_over_while_it_is_read_counts_for_the_other_run_alone(world: WorldMaker) -> None:
    w = world(view=orders_view(source={"chunk": 1}))
    w.on_all(ORDERS_TABLE)
    w.on_all("INSERT INTO orders VALUES (9000, 'new', 1, '2026-01-02', NULL)")
    w.must_sync()
    w.on_all("INSERT INTO orders SELECT seq, 'new', 1, utc_timestamp(6), %s FROM seq_1_to_8000", f'{{"x": "{LONG}"}}')
    w.on_all("ANALYZE TABLE orders")
    forking = next(p for p in psutil.Process().children() if "forkserver" in " ".join(p.cmdline()))  # the readers are its children
    run = Running(w)
    until(lambda: list((w.folder / "lake").rglob("w000000002-a001-*.parquet")))
    readers = forking.children()
    for reader in readers:
        reader.suspend()
    try:
        ended = w.ledger(
            "SELECT pg_terminate_backend(pid) FROM (SELECT DISTINCT pid FROM pg_locks WHERE locktype = 'advisory' AND granted"
            " AND database = (SELECT oid FROM pg_database WHERE datname = current_database())) holders"
        )
        assert ended == [(True,)]
        assert w.ledger("SELECT status, attempt FROM shardlake.windows ORDER BY window_id DESC LIMIT 1") == [("open", 1)]
        other = w.engine_process()
        assert other.returncode == 0, other.stdout + other.stderr
    finally:
        for reader in readers:
            reader.resume()
    report = run.report()
    assert "another run of orders has claimed it since" in report.headline()
    assert states(report) == ["failed"]
    assert {path.name[11:15] for path in (w.folder / "lake").rglob("w000000002-*.parquet")} == {"a001", "a002"}
    assert w.ledger("SELECT sum(rows)::int, bool_and(key LIKE '%-a002-%') FROM shardlake.files WHERE window_id = 2") == [(8000, True)]
    assert w.ledger("SELECT sum(merged)::int, sum(unchanged + superseded)::int FROM shardlake.sink_windows") == [(8001, 0)]
    assert w.target("count(*), count(DISTINCT id), max(id)") == [(8001, 8001, 9000)]
    w.must_sync()
    assert w.target("count(*)") == [(8001,)]
