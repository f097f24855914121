"""MariaDB: the shards. One server holds as many shard databases as a test wants.

    with obtain_mariadb(folder) as shards:
        shards.execute("CREATE DATABASE shop_00")
        shards.execute("INSERT INTO orders VALUES (%s, %s)", 1, "paid", database="shop_00")

Root has no password: the server listens on the loopback only, and may read and write files only
in its own data folder.
"""

import secrets
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote, urlsplit

import pymysql
import pymysql.cursors

from embedded.account import Account, account_for, home_for, run_as, temporary_folder
from embedded.apt import apt_install
from embedded.compose import compose_up
from embedded.loopback import HOST, free_port
from embedded.machine import Machine, Unavailable, Way, first_that_works
from embedded.server import Server, ServerFailed

URL_VARIABLE = "SHARDLAKE_TEST_MYSQL_URL"

FLAGS = (
    "--server-id=1",
    "--binlog-format=ROW",
    "--binlog-row-image=FULL",
    "--binlog-row-metadata=FULL",  # without it the binlog does not know its columns' names
    "--character-set-server=utf8mb4",
    "--default-time-zone=+00:00",
    "--skip-name-resolve",
    "--performance-schema=OFF",
    "--innodb-flush-log-at-trx-commit=0",  # a shard here may lose a second to a crash: it is fed
    "--sync-binlog=0",
)

_LONGEST_SOCKET = 100  # of sockaddr_un's 108 bytes


@dataclass(kw_only=True, eq=False)
class MariaDB(Server):
    """A MariaDB: ours, with a `home` and a `program`, or one that a URL led to."""

    host: str = HOST
    port: int
    user: str = "root"
    password: str = field(default="", repr=False)
    home: Path | None = None
    program: Path | None = None
    socket: Path | None = None
    options: tuple[str, ...] = ()
    account: Account | None = None
    seconds_to_start: float = 60
    label = "MariaDB"

    @property
    def datadir(self) -> Path | None:
        return self.home / "data" if self.home else None

    def url(self, user: str | None = None, password: str | None = None, database: str = "") -> str:
        """`mysql://user:password@host:port/database`, of root unless named."""
        if user is None:
            user, password = self.user, self.password
        secret = f":{quote(password, safe='')}" if password else ""
        return f"mysql://{quote(user, safe='')}{secret}@{self.host}:{self.port}/{quote(database)}"

    def connect(self, database: str | None = None, **options: Any) -> "pymysql.Connection[Any]":
        """An autocommitting utf8mb4 connection as root; `options` are pymysql's."""
        defaults: dict[str, Any] = {"autocommit": True, "charset": "utf8mb4", "connect_timeout": 10}
        if self.home:  # ours, on loopback: pymysql would read all the machine's certificates for each connection
            defaults["ssl_disabled"] = True
        return pymysql.connect(
            host=self.host,
            port=self.port,
            user=self.user,
            password=self.password,
            database=database,
            **{**defaults, **options},
        )

    def execute(self, sql: str, *args: object, database: str | None = None) -> list[tuple[Any, ...]]:
        """Run one statement on a connection of its own, and return its rows."""
        with self.connect(database) as connection, connection.cursor() as cursor:
            cursor.execute(sql, args or None)
            return list(cursor.fetchall())

    def ping(self) -> None:
        self.connect(connect_timeout=2, read_timeout=2).close()

    def command(self) -> list[str]:
        data = self.datadir
        return [
            str(self.program),
            "--no-defaults",
            f"--datadir={data}",
            f"--bind-address={HOST}",
            f"--port={self.port}",
            f"--socket={self.socket}",
            f"--pid-file={data}/mariadb.pid",
            f"--log-bin={data}/bin",
            f"--secure-file-priv={data}",
            f"--tmpdir={self.home}/tmp",
            *FLAGS,
            *self.options,
        ]


def obtain_mariadb(
    folder: Path,
    *,
    options: tuple[str, ...] = (),
    machine: Machine | None = None,
    say: Callable[[str], None] = print,
) -> MariaDB:
    """A MariaDB, not yet started, with its data in `folder/mariadb`; NoServer if none can be had.

    `options` go to the server's command line after ours, as `"--ssl-cert=…"`. A `folder` that
    holds data already is used as it is.
    """
    machine = machine or Machine()

    def from_url() -> MariaDB:
        url = machine.environ.get(URL_VARIABLE)
        if not url:
            raise Unavailable("not set")
        if options:
            raise Unavailable(f"set, but a server of our own is needed for {' '.join(options)}")
        return _at(url)

    def from_programs() -> MariaDB:
        return _ours(folder, options, machine, say)

    def from_apt() -> MariaDB:
        apt_install(machine, "mariadb-server", say)
        return _ours(folder, options, machine, say)

    def from_compose() -> MariaDB:
        if options:
            raise Unavailable(f"its server is not given {' '.join(options)}")
        password = secrets.token_urlsafe(18)
        port = compose_up(machine, "mariadb", password, say)
        return MariaDB(port=port, password=password, seconds_to_start=10)

    return first_that_works(
        "MariaDB",
        [
            Way(f"a URL in {URL_VARIABLE}, as mysql://user:password@host:port", from_url),
            Way("mariadbd and mariadb-install-db on the PATH or in /usr/sbin", from_programs),
            Way("apt-get install mariadb-server, as root or with passwordless sudo", from_apt),
            Way("Docker Compose, if `docker info` answers", from_compose),
        ],
    )


def _at(url: str) -> MariaDB:
    parts = urlsplit(url)
    return MariaDB(
        host=parts.hostname or HOST,
        port=parts.port or 3306,
        user=unquote(parts.username or "root"),
        password=unquote(parts.password or ""),
        seconds_to_start=5,
    )


def _ours(folder: Path, options: tuple[str, ...], machine: Machine, say: Callable[[str], None]) -> MariaDB:
    program = machine.find("mariadbd", "mysqld")
    install = machine.find("mariadb-install-db", "mysql_install_db")
    if program is None or install is None:
        raise Unavailable("not found")
    version = subprocess.run([program, "--version"], capture_output=True, text=True, check=False)
    if "MariaDB" not in version.stdout:
        raise Unavailable(f"{program} is not MariaDB but {version.stdout.strip()}")

    account = account_for("mysql")
    home = home_for(account, folder, "mariadb", say)
    if not (home / "data").exists():
        _initialise(home, install, account)
    socket = home / "mariadb.sock"
    if len(bytes(socket)) > _LONGEST_SOCKET:
        socket = temporary_folder("shardlake-socket-", account) / "mariadb.sock"
    return MariaDB(
        port=free_port(),
        home=home,
        program=program,
        socket=socket,
        options=options,
        account=account,
    )


def _initialise(home: Path, install: Path, account: Account | None) -> None:
    """Make the system tables, under another name until they are whole."""
    # never /tmp: a mariadbd that starts removes the temporary tables of the others that use it
    tmpdir = home / "tmp"
    tmpdir.mkdir(exist_ok=True)
    if account:
        account.own(tmpdir)
    unfinished = home / "data.unfinished"
    shutil.rmtree(unfinished, ignore_errors=True)
    done = run_as(
        account,
        [
            str(install),
            "--no-defaults",
            f"--datadir={unfinished}",
            f"--tmpdir={tmpdir}",
            "--auth-root-authentication-method=normal",
            "--skip-test-db",
            "--skip-name-resolve",
            "--innodb-log-file-size=16M",
        ],
        home,
    )
    if done.returncode != 0:
        raise ServerFailed(f"mariadb-install-db failed in {home}:\n{done.stdout}")
    unfinished.rename(home / "data")
