"""The servers themselves, each started for real. The machines on which none is found are bare."""

import os
import signal
import subprocess
import sys
import tempfile
import textwrap
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
import psycopg
import pymysql
import pytest

from embedded import (
    NO_SERVERS,
    Machine,
    MariaDB,
    NoServer,
    NotOurs,
    Postgres,
    PrefectServer,
    ServerFailed,
    obtain_mariadb,
    obtain_postgres,
    obtain_wheel_postgres,
)

OWN = Machine(environ={"PATH": os.environ["PATH"]})
"""This machine, whatever URL the tests were pointed at."""


@pytest.fixture(scope="module")
def mariadb(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MariaDB]:
    with obtain_mariadb(tmp_path_factory.mktemp("shards"), machine=OWN) as server:
        yield server


@pytest.fixture(scope="module")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Postgres]:
    with obtain_postgres(tmp_path_factory.mktemp("warehouse"), machine=OWN) as server:
        yield server


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """Not pytest's, which lets in only its owner: under root another account must get through."""
    with tempfile.TemporaryDirectory(dir="/tmp") as name:
        folder = Path(name)
        folder.chmod(0o755)
        yield folder


def test_mariadb_gives_back_the_row_that_it_was_given(mariadb: MariaDB) -> None:
    mariadb.execute("CREATE DATABASE shop_00")
    mariadb.execute("CREATE TABLE orders (id int, note text)", database="shop_00")
    mariadb.execute("INSERT INTO orders VALUES (%s, %s)", 1, "naïve 🦈", database="shop_00")
    assert mariadb.execute("SELECT * FROM orders", database="shop_00") == [(1, "naïve 🦈")]
    assert mariadb.url(database="shop_00") == f"mysql://root@127.0.0.1:{mariadb.port}/shop_00"


def test_mariadb_writes_a_binlog_that_names_columns(mariadb: MariaDB) -> None:
    settings = mariadb.execute("SELECT @@log_bin, @@binlog_format, @@binlog_row_metadata")
    assert settings == [(1, "ROW", "FULL")]


def test_a_paused_mariadb_hangs_and_then_goes_on(mariadb: MariaDB) -> None:
    with mariadb.connect(read_timeout=1) as connection:
        mariadb.pause()
        try:
            with pytest.raises(pymysql.OperationalError, match="timed out"):
                connection.cursor().execute("SELECT 1")
        finally:
            mariadb.resume()
    assert mariadb.execute("SELECT 1") == [(1,)]


def test_mariadb_stays_on_its_port_when_killed_and_started(mariadb: MariaDB) -> None:
    port, first = mariadb.port, mariadb.pid
    mariadb.kill()
    assert not mariadb.running
    mariadb.start()
    assert (mariadb.port, mariadb.running) == (port, True)
    assert mariadb.pid != first


def test_options_reach_mariadb_and_a_bad_one_is_told_with_the_servers_own_words(
    tmp_path: Path,
) -> None:
    server = obtain_mariadb(tmp_path, options=("--max-connections=17",), machine=OWN)
    with server:
        assert server.execute("SELECT @@max_connections") == [(17,)]
    server.options = ("--no-such-option=1",)
    with pytest.raises(ServerFailed, match="unknown variable 'no-such-option=1'"):
        server.start()


def test_postgres_gives_back_the_row_that_it_was_given(postgres: Postgres) -> None:
    assert postgres.createdb("analytics") == postgres.url(database="analytics")
    postgres.execute("CREATE TABLE orders (id int, note text)", database="analytics")
    postgres.execute("INSERT INTO orders VALUES (%s, %s)", 1, "naïve 🦈", database="analytics")
    assert postgres.execute("TABLE orders", database="analytics") == [(1, "naïve 🦈")]


def test_committed_rows_outlive_a_kill_and_an_immediate_restart(postgres: Postgres) -> None:
    postgres.execute("CREATE TABLE kept (id int)")
    postgres.execute("INSERT INTO kept VALUES (1)")
    with postgres.connect(autocommit=False) as open_transaction:
        open_transaction.execute("INSERT INTO kept VALUES (2)")
        postgres.kill()
        with pytest.raises(psycopg.OperationalError):
            open_transaction.commit()
    postgres.start()
    postgres.execute("INSERT INTO kept VALUES (3)")
    postgres.restart(mode="immediate")
    assert postgres.execute("SELECT id FROM kept ORDER BY id") == [(1,), (3,)]


def test_a_paused_postgres_hangs_and_then_goes_on(postgres: Postgres) -> None:
    with postgres.connect() as connection, ThreadPoolExecutor(1) as thread:
        postgres.pause()
        answer = thread.submit(lambda: connection.execute("SELECT 1").fetchall())
        try:
            with pytest.raises(TimeoutError):
                answer.result(timeout=0.5)
        finally:
            postgres.resume()
        assert answer.result(timeout=10) == [(1,)]


def test_postgres_lets_nobody_in_without_the_password(postgres: Postgres) -> None:
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        psycopg.connect(postgres.url(user="postgres", password="wrong"))
    assert postgres.password not in repr(postgres)


def test_the_wheel_holds_a_postgres_that_takes_settings(tmp_path: Path) -> None:
    with obtain_wheel_postgres(tmp_path, settings={"fsync": "off"}) as server:
        assert server.execute("SHOW fsync") == [("off",)]
        assert server.execute("SHOW server_encoding") == [("UTF8",)]
        assert server.execute("SHOW server_version_num") >= [("180000",)]


def test_data_is_found_again_by_a_second_handle_on_its_folder(open_folder: Path) -> None:
    with obtain_postgres(open_folder, settings={"fsync": "off"}, machine=OWN) as first:
        first.execute("CREATE TABLE kept AS SELECT 1 AS id")
    with obtain_postgres(open_folder, settings={"fsync": "off"}, machine=OWN) as second:
        assert second.execute("TABLE kept") == [(1,)]


@pytest.mark.skipif(os.geteuid() != 0, reason="an ordinary user's servers run as that user")
def test_root_is_told_where_data_went_when_the_account_cannot_enter_its_folder(
    open_folder: Path,
) -> None:
    open_folder.chmod(0o700)
    said: list[str] = []
    server = obtain_mariadb(open_folder, machine=OWN, say=said.append)
    assert server.home is not None
    assert said == [f"mariadb: the account mysql cannot enter {open_folder}/mariadb; data is in {server.home} meanwhile"]


def test_a_url_in_the_environment_wins(mariadb: MariaDB, postgres: Postgres, tmp_path: Path) -> None:
    pointed = Machine(
        environ={
            "PATH": os.environ["PATH"],
            "SHARDLAKE_TEST_MYSQL_URL": mariadb.url(),
            "SHARDLAKE_TEST_POSTGRES_URL": postgres.url(),
        }
    )
    for theirs, port in (
        (obtain_mariadb(tmp_path, machine=pointed), mariadb.port),
        (obtain_postgres(tmp_path, machine=pointed), postgres.port),
    ):
        with theirs:
            assert (theirs.port, theirs.owned) == (port, False)
            assert theirs.execute("SELECT 1") == [(1,)]
            with pytest.raises(NotOurs, match=f"cannot kill .*:{port}: it was reached by a URL"):
                theirs.kill()
    assert mariadb.running
    assert postgres.running
    assert list(tmp_path.iterdir()) == []


def test_a_machine_without_servers_is_told_of_every_way_to_one(tmp_path: Path) -> None:
    with pytest.raises(NoServer) as no_mariadb:
        obtain_mariadb(tmp_path, machine=NO_SERVERS)
    assert str(no_mariadb.value) == textwrap.dedent("""\
        No MariaDB to be had on this machine. Any one of these will do:
          1. a URL in SHARDLAKE_TEST_MYSQL_URL, as mysql://user:password@host:port: not set
          2. mariadbd and mariadb-install-db on the PATH or in /usr/sbin: not found
          3. apt-get install mariadb-server, as root or with passwordless sudo: no apt-get here
          4. Docker Compose, if `docker info` answers: no docker here""")
    with pytest.raises(NoServer) as no_postgres:
        obtain_postgres(tmp_path, machine=NO_SERVERS)
    assert [line.split(".")[0] for line in str(no_postgres.value).splitlines()[1:]] == [f"  {way}" for way in range(1, 6)]


def test_the_prefect_server_answers_tells_of_its_wait_and_goes(tmp_path: Path) -> None:
    seconds: list[float] = []
    with PrefectServer(tmp_path, progress=seconds.append) as server:
        assert server.environment()["PREFECT_API_URL"] == f"http://127.0.0.1:{server.port}/api"
        server.ping()
        pid = server.pid
    assert seconds == sorted(seconds)
    assert seconds
    assert pid is not None
    assert not psutil.pid_exists(pid)


@pytest.mark.skipif(sys.platform != "linux", reason="the kernel's part is Linux's")
def test_no_server_outlives_a_process_that_was_killed(open_folder: Path) -> None:
    """Started from a thread that ends, too: the kernel's death signal is a thread's, not ours."""
    script = """
        import sys, threading, time
        from pathlib import Path
        from embedded import Machine, obtain_postgres
        server = obtain_postgres(Path(sys.argv[1]), settings={"fsync": "off"}, say=lambda _: None)
        thread = threading.Thread(target=server.start)
        thread.start()
        thread.join()
        server.execute("SELECT 1")
        print(server.pid, flush=True)
        time.sleep(60)
    """
    environment = {k: v for k, v in os.environ.items() if k != "SHARDLAKE_TEST_POSTGRES_URL"}
    owner = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(script), str(open_folder)],
        stdout=subprocess.PIPE,
        env=environment,
        cwd=Path(__file__).parents[2],
    )
    assert owner.stdout is not None
    server = psutil.Process(int(owner.stdout.readline()))
    assert server.is_running()
    owner.send_signal(signal.SIGKILL)
    owner.wait()
    owner.stdout.close()
    deadline = time.monotonic() + 10
    while server.is_running() and server.status() != psutil.STATUS_ZOMBIE:
        assert time.monotonic() < deadline, "the server outlived its owner"
        time.sleep(0.05)
