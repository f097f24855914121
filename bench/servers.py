"""The two servers of the bench, real ones with the same settings for everyone."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from bench import seed
from bench.endpoints import Shard, Source, Warehouse
from embedded import MariaDB, Postgres, obtain_mariadb, obtain_postgres

POSTGRES = {"shared_buffers": "256MB", "max_wal_size": "4GB"}  # else as Postgres comes
DATABASE = "bench"
USER = PASSWORD = "bench"  # of MariaDB, on the loopback


def _mariadb_options(rows: int) -> tuple[str, ...]:
    """Enough memory that the source is not what is measured, on anyone's run."""
    megabytes = max(1024, rows * 700 // 1_000_000)
    return (f"--innodb-buffer-pool-size={megabytes}M", "--innodb-log-file-size=512M")


@dataclass(frozen=True)
class Servers:
    """The shards, filled with `rows` rows, and the warehouse. `folder` is kept between runs."""

    mariadb: MariaDB
    postgres: Postgres
    rows: int
    folder: Path

    @property
    def seed_folder(self) -> Path:
        return self.folder / f"seed-{self.rows}"

    @property
    def source(self) -> Source:
        shards = tuple(Shard(name, self.mariadb.host, self.mariadb.port, USER, PASSWORD) for name in seed.shard_names())
        return Source(shards, str(self.seed_folder / "flat"), str(self.seed_folder / "drops"))

    def warehouse(self, state: str) -> Warehouse:
        server = self.postgres
        folder = str(self.folder / "state" / state)
        return Warehouse(server.host, server.port, server.user, server.password, DATABASE, folder)

    def run_sql(self, *statements: str) -> list[tuple[Any, ...]]:
        """Run statements in the warehouse, each by itself; the rows of the last."""
        rows: list[tuple[Any, ...]] = []
        for statement in statements:
            rows = self.postgres.execute(statement, database=DATABASE)
        return rows


@contextmanager
def running(folder: Path, rows: int) -> Iterator[Servers]:
    """Both servers, up, the shards filled and as seeded, the warehouse empty or as it was left."""
    folder = folder.absolute()
    folder.mkdir(parents=True, exist_ok=True)
    with obtain_postgres(folder, settings=POSTGRES) as postgres, shards(folder, rows) as mariadb:
        if not postgres.execute("SELECT 1 FROM pg_database WHERE datname = %s", DATABASE):
            postgres.createdb(DATABASE)
        servers = Servers(mariadb, postgres, rows, folder)
        _fill(servers)
        yield servers


@contextmanager
def with_rows(servers: Servers, rows: int) -> Iterator[Servers]:
    """The same warehouse and other shards, with so many rows."""
    with shards(servers.folder, rows) as mariadb:
        other = replace(servers, mariadb=mariadb, rows=rows)
        _fill(other)
        yield other


@contextmanager
def shards(folder: Path, rows: int) -> Iterator[MariaDB]:
    home = folder / f"shards-{rows}"
    home.mkdir(exist_ok=True)
    with obtain_mariadb(home, options=_mariadb_options(rows)) as mariadb:
        mariadb.execute(f"CREATE USER IF NOT EXISTS {USER}@'%%' IDENTIFIED BY %s", PASSWORD)
        mariadb.execute(f"GRANT ALL ON *.* TO {USER}@'%'")
        yield mariadb


def _fill(servers: Servers) -> None:
    print(f"{servers.rows:,} rows on the shards", flush=True)
    seed.seed(servers.source, servers.rows, servers.seed_folder)
    seed.reset(servers.source, servers.rows, servers.seed_folder)
    seed.flat_rows(servers.rows, servers.seed_folder)
