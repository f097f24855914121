"""The demo's servers: the first two shards and the warehouse on one, the third shard on another that can be stopped."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urlsplit

import yaml

from demo.data import Row, rows
from embedded.mariadb import MariaDB, obtain_mariadb
from embedded.postgres import Postgres, obtain_wheel_postgres

SHARDS = ("shop_00", "shop_01", "shop_02")


@dataclass
class DemoServers:
    """The servers, started, with empty shards."""

    kind: str
    warehouse: Postgres
    sources: Sequence[MariaDB | Postgres]

    @property
    def holds(self) -> str:
        """What there is, with a place for the count of rows."""
        return f"{len(SHARDS)} {self.kind} shards with {{}} rows"

    def of(self, shard: str) -> MariaDB | Postgres:
        """The server that a shard is on."""
        return self.sources[1] if shard == SHARDS[-1] else self.sources[0]

    def on(self, shard: str, statement: str) -> None:
        """Run a statement on a shard."""
        self.of(shard).execute(statement, database=shard)

    def fill(self) -> int:
        """Create the shards with their rows; returns how many."""
        count = 0
        document = "longtext" if self.kind == "mysql" else "text"
        for number, shard in enumerate(SHARDS):
            self.of(shard).execute(f"CREATE DATABASE {shard}")
            self.on(
                shard,
                "CREATE TABLE orders (id bigint PRIMARY KEY, status varchar(40), amount decimal(12,2),"
                f" updated_at {'datetime(6)' if self.kind == 'mysql' else 'timestamp'} NOT NULL, payload {document})",
            )
            self.on(shard, "CREATE INDEX orders_updated_at ON orders (updated_at)")
            found = list(rows(number))
            self._insert(shard, found)
            count += len(found)
        return count

    def _insert(self, shard: str, found: list[Row]) -> None:
        with self.of(shard).connect(database=shard) as connection:
            with connection.cursor() as cursor:
                if self.kind == "postgres":
                    with cursor.copy("COPY orders FROM STDIN") as copy:
                        for row in found:
                            copy.write_row(row)
                else:
                    cursor.executemany("INSERT INTO orders VALUES (%s, %s, %s, %s, %s)", found)
            connection.commit()

    def write_connections(self, path: Path) -> dict[str, str]:
        """connections.yaml without secrets in it; returns the environment that holds them."""
        environment: dict[str, str] = {"DEMO_WAREHOUSE_PASSWORD": _password(self.warehouse)}
        overrides = {}
        for number, server in enumerate(self.sources):
            environment[f"DEMO_SHARDS_{number}_PASSWORD"] = _password(server)
        overrides[SHARDS[-1]] = {"password": "${DEMO_SHARDS_1_PASSWORD}"}
        connections = {
            f"{self.kind}-shards/shop": {
                "shards": {shard: plain_url(self.of(shard), shard) for shard in SHARDS},
                "password": "${DEMO_SHARDS_0_PASSWORD}",
                "overrides": overrides,
                "connect_timeout": "3s",
            },
            "postgres-warehouse/main": {"url": plain_url(self.warehouse, "warehouse"), "password": "${DEMO_WAREHOUSE_PASSWORD}"},
            "athena-lake/main": {"url": str(path.parent / "lake")},
        }
        path.write_text(yaml.safe_dump(connections, sort_keys=False))
        return environment

    def write_project(self, folder: Path) -> dict[str, str]:
        """Write the demo's connections.yaml and views into a folder; returns the secrets that the connections refer to."""
        secrets = self.write_connections(folder / "connections.yaml")
        views = folder / "views"
        shutil.copytree(Path(__file__).parent / "views", views)
        view = views / "orders" / "view.yaml"
        view.write_text(view.read_text().replace("SOURCE/shop", f"{self.kind}-shards/shop"))
        return secrets


def write_environment(folder: Path, environment: dict[str, str]) -> None:
    """Write env.sh, for another terminal; only its owner may read it."""
    script = folder / "env.sh"
    script.touch(mode=0o600)
    script.write_text("".join(f"export {k}='{v}'\n" for k, v in sorted(environment.items())))


@contextmanager
def demo_servers(folder: Path, kind: str) -> Iterator[DemoServers]:
    """Start what the demo needs: Postgres from a wheel; for MySQL shards whatever `embedded` can find."""
    with ExitStack() as stack:
        warehouse = stack.enter_context(obtain_wheel_postgres(folder / "postgres"))
        if kind == "postgres":
            sources: list[MariaDB | Postgres] = [warehouse, stack.enter_context(obtain_wheel_postgres(folder / "postgres-2"))]
        else:
            sources = [stack.enter_context(obtain_mariadb(folder / "mariadb")), stack.enter_context(obtain_mariadb(folder / "mariadb-2"))]
        warehouse.execute("CREATE DATABASE warehouse")
        yield DemoServers(kind, warehouse, sources)


def _password(server: MariaDB | Postgres) -> str:
    return unquote(urlsplit(server.url()).password or "")


def plain_url(server: MariaDB | Postgres, database: str) -> str:
    """The URL of a server's database, without the password."""
    parts = urlsplit(server.url(database=database))
    return f"{parts.scheme}://{parts.username}@{parts.hostname}:{parts.port}/{database}"


def environment_without(*prefixes: str) -> dict[str, str]:
    """This process's environment without what would lead the demo elsewhere."""
    return {k: v for k, v in os.environ.items() if not k.startswith(prefixes)}
