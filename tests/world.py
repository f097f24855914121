"""A small world for a test: shards on a real MariaDB or Postgres, a real warehouse, a lake in a folder, and one view."""

from __future__ import annotations

import itertools
import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from embedded.mariadb import MariaDB
from embedded.postgres import Postgres
from shardlake.connection.kinds import Connection, kind_of
from shardlake.connection.lake import Lake
from shardlake.connection.postgres import PostgresWarehouse
from shardlake.ledger.database import open_warehouse
from shardlake.run.job import Job, open_job
from shardlake.run.report import RunReport
from shardlake.run.sync import sync
from shardlake.sink.lake.query import query
from shardlake.sink.postgres.target import prepare_database
from shardlake.view.view import View

_numbers = itertools.count(1)
LEDGER = "postgres-warehouse/ledger"
"""The connection of a world's ledger that is apart."""
ROOT = Path(__file__).parent.parent

ORDERS_TABLE = (
    "CREATE TABLE orders (id bigint PRIMARY KEY, status varchar(40), amount decimal(12,2),"
    " updated_at datetime(6) NOT NULL, payload longtext, KEY (updated_at))"
)
ORDERS_VIEW: dict[str, Any] = {
    "name": "orders",
    "owner": "tests@example.com",
    "source": {
        "connection": "mysql-shards/shop",
        "table": "orders",
        "primary_key": ["id"],
        "cursor": "updated_at",
        "lookback": "0s",
        "safety_lag": "0s",
    },
    "columns": {
        "id": "bigint",
        "status": "text",
        "amount": "numeric(12,2)",
        "updated_at": "timestamp",
        "customer_name": {"type": "text", "from": "payload.customer.name"},
        "items": {"type": "jsonb", "from": "payload.items"},
    },
    "warehouse": {"connection": "postgres-warehouse/main", "table": "analytics.orders", "key": ["id"]},
}
WINDOWS = """(
    SELECT w.*, CASE WHEN s.applied_at IS NOT NULL THEN 'applied' ELSE w.status END AS state, w.plan ->> 'order' AS scan,
           w.plan ->> 'upper' AS upper, w.end_position -> 'after' AS until, s.applied_at, s.merged, s.unchanged
    FROM shardlake.windows w LEFT JOIN shardlake.sink_windows s ON s.window_id = w.window_id AND s.sink = 'warehouse') w"""
"""The windows of the ledger with what the warehouse made of them, for a FROM."""


def orders_view(**changes: Any) -> dict[str, Any]:
    """The orders view with some parts changed: `orders_view(source={"lookback": "5m"})` merges into its source."""
    view = json.loads(json.dumps(ORDERS_VIEW))
    for key, value in changes.items():
        if isinstance(value, dict) and isinstance(view.get(key), dict) and key != "columns":
            view[key] |= value
        else:
            view[key] = value
    return view


@dataclass
class World:
    """Shards, warehouse, lake and a view; `sync()` runs the engine in this process, `command()` the real command.

    With `ledger_apart` the ledger is in a database of its own, else it is in the warehouse's.
    """

    source: MariaDB | Postgres
    warehouse_server: Postgres
    folder: Path
    shards: list[str]
    view: dict[str, Any] = field(default_factory=orders_view)
    connection_changes: dict[str, Any] = field(default_factory=dict)
    lake: dict[str, Any] = field(default_factory=dict)
    prefix: str = ""
    warehouse_database: str = ""
    ledger_apart: bool = False
    ledger_database: str = ""

    def __post_init__(self) -> None:
        number = next(_numbers)
        self.prefix = f"t{os.getpid()}_{number}_"
        self.warehouse_database = f"w{os.getpid()}_{number}"
        self.ledger_database = f"{self.warehouse_database}_ledger" if self.ledger_apart else self.warehouse_database
        for database in {self.warehouse_database, self.ledger_database}:
            self.warehouse_server.execute(f'CREATE DATABASE "{database}"')
        for shard in self.shards:
            self.create_shard(shard)

    def close(self) -> None:
        """Give back the connections to warehouse and ledger, which the engine keeps for as long as its process lives."""
        warehouse = self.connect("postgres-warehouse/main")
        assert isinstance(warehouse, PostgresWarehouse)
        if self.ledger_apart:
            ledger = self.connect(LEDGER)
            assert isinstance(ledger, PostgresWarehouse)
            open_warehouse(warehouse, prepare_database).close()
            open_warehouse(ledger).close()
        else:
            open_warehouse(warehouse).close()

    # --- the shards --------------------------------------------------------------------------------------------------
    @property
    def on_mysql(self) -> bool:
        return isinstance(self.source, MariaDB)

    def database(self, shard: str) -> str:
        return self.prefix + shard

    def create_shard(self, shard: str) -> None:
        quote = "`" if self.on_mysql else '"'
        self.source.execute(f"CREATE DATABASE {quote}{self.database(shard)}{quote}")

    def on(self, shard: str, statement: str, *values: Any) -> Any:
        """Run a statement on a shard, in autocommit; rows come back as tuples."""
        return self.source.execute(statement, *values, database=self.database(shard))

    def on_all(self, statement: str, *values: Any) -> None:
        for shard in self.shards:
            self.on(shard, statement, *values)

    # --- the connections ---------------------------------------------------------------------------------------------
    def connections(self) -> dict[str, dict[str, Any]]:
        """What stands in connections.yaml, passwords included (these are a test's own servers)."""
        slug = "mysql-shards" if self.on_mysql else "postgres-shards"
        plain, password = _without_password(self.source.url())
        shards = {shard: f"{plain.rstrip('/')}/{self.database(shard)}" for shard in self.shards}
        if not self.on_mysql:
            base = plain.rsplit("/", 1)[0]
            shards = {shard: f"{base}/{self.database(shard)}" for shard in self.shards}
        target, secret = _without_password(self.warehouse_server.url(database=self.warehouse_database))
        apart, _ = _without_password(self.warehouse_server.url(database=self.ledger_database))
        return {
            f"{slug}/shop": {"shards": shards, "password": password, "connect_timeout": "3s", **self.connection_changes},
            "postgres-warehouse/main": {"url": target, "password": secret},
            "athena-lake/main": self.lake or {"url": str(self.folder / "lake")},
            **({LEDGER: {"url": apart, "password": secret}} if self.ledger_apart else {}),
        }

    def connect(self, reference: str) -> Connection:
        spec = kind_of(reference)
        return spec.model_validate(self.connections()[reference])

    def write_files(self) -> None:
        """views/<name>/view.yaml and connections.yaml in the world's folder."""
        home = self.folder / "views" / self.view["name"]
        home.mkdir(parents=True, exist_ok=True)
        content = {k: v for k, v in self.view.items() if k != "sql_text"}
        (home / "view.yaml").write_text(yaml.safe_dump(content, sort_keys=False, allow_unicode=True))
        if "sql_text" in self.view:
            (home / self.view["source"]["sql"]).write_text(self.view["sql_text"])
        named = {"ledger": LEDGER} if self.ledger_apart else {}
        (self.folder / "connections.yaml").write_text(yaml.safe_dump({**self.connections(), **named}, sort_keys=False))

    # --- running -----------------------------------------------------------------------------------------------------
    def model(self) -> View:
        return View.model_validate(self.view)

    def job(self) -> Job:
        return open_job(self.model(), self.connect, LEDGER if self.ledger_apart else None)

    def sync(self, **options: Any) -> RunReport:
        """A run of the engine, here."""
        return sync(self.model(), self.connect, **{"ledger": LEDGER if self.ledger_apart else None, **options})

    def must_sync(self, **options: Any) -> RunReport:
        report = self.sync(**options)
        assert report.ok, report.headline()
        return report

    def environment(self, **extra: str) -> dict[str, str]:
        return {
            **os.environ, "SHARDLAKE_VIEWS": str(self.folder / "views"), "SHARDLAKE_CONNECTIONS": str(self.folder / "connections.yaml"),
            "DO_NOT_TRACK": "1", "PREFECT_SERVER_ANALYTICS_ENABLED": "false", "COLUMNS": "200", **extra,
        }  # fmt: skip

    def engine_process(self, timeout: float = 120, **extra: str) -> subprocess.CompletedProcess[str]:
        """A run of the engine in a process of its own, which failpoints may kill. Prints the report's JSON."""
        self.write_files()
        code = (
            "import json, os, sys\nfrom functools import partial\nfrom pathlib import Path\nfrom shardlake.connection.connection_file import load_connection\n"
            "from shardlake.run.sync import sync\nfrom shardlake.view.view_file import load_view\n"
            f"if __name__ == '__main__':\n    view = load_view(Path(os.environ['SHARDLAKE_VIEWS'], {self.view['name']!r}))\n"
            "    r = sync(view, partial(load_connection, Path(os.environ['SHARDLAKE_CONNECTIONS'])))\n"
            "    print(json.dumps(r.as_json()))\n    sys.exit(0 if r.ok else 1)\n"
        )
        script = self.folder / "engine_run.py"
        script.write_text(code)
        return subprocess.run(
            [sys.executable, str(script)], cwd=ROOT, env=self.environment(**extra), capture_output=True, text=True, timeout=timeout
        )

    def command(self, *words: str, timeout: float = 180, **extra: str) -> subprocess.CompletedProcess[str]:
        """The real `shardlake` command in a process of its own."""
        self.write_files()
        program = Path(sys.executable).parent / "shardlake"
        return subprocess.run(
            [str(program), *words], cwd=self.folder, env=self.environment(**extra), capture_output=True, text=True, timeout=timeout
        )

    # --- the ledger --------------------------------------------------------------------------------------------------
    def ledger(self, statement: str, *values: Any) -> list[tuple[Any, ...]]:
        """Run a statement in the ledger's database."""
        return self.warehouse_server.execute(statement, *values, database=self.ledger_database)  # type: ignore[return-value]

    def set_back(self, cursor: str | int, partition: str | None = None, kind: str = "datetime") -> None:
        """Move the watermark of a partition, or of all, to where a window ended at `cursor`."""
        self.ledger(
            "UPDATE shardlake.positions SET position = jsonb_build_object('kind', %s::text, 'cursor', %s::text), shown = %s"
            " WHERE %s::text IS NULL OR partition = %s",
            kind, str(cursor), str(cursor), partition, partition,
        )  # fmt: skip

    def watermarks(self) -> dict[str, str | None]:
        """The cursor that each partition has been read up to."""
        return dict(self.ledger("SELECT partition, position ->> 'cursor' FROM shardlake.positions ORDER BY 1"))

    def windows(self, columns: str, condition: str = "true") -> list[tuple[Any, ...]]:
        """Of every window, oldest first: its columns in the ledger, `state` (one that is in the warehouse is `applied`), how it
        was to be read (`scan`, `upper`), the place behind its last row (`until`), and what became of its rows there (`merged`, `unchanged`).
        """
        return self.ledger(f"SELECT {columns} FROM {WINDOWS} WHERE {condition} ORDER BY window_id")

    # --- the outcome -------------------------------------------------------------------------------------------------
    def warehouse(self, statement: str, *values: Any) -> list[tuple[Any, ...]]:
        """Run a statement in the warehouse's database, where the ledger is, too, unless it is apart."""
        return self.warehouse_server.execute(statement, *values, database=self.warehouse_database)  # type: ignore[return-value]

    def target(self, columns: str = "*", order: str = "1") -> list[tuple[Any, ...]]:
        """The target's rows."""
        return self.warehouse(f"SELECT {columns} FROM {self.view['warehouse']['table']} ORDER BY {order}")

    def query(self, sql: str) -> list[tuple[Any, ...]]:
        """Rows of the lake, by `shardlake query`'s own engine."""
        lake = self.connect("athena-lake/main")
        assert isinstance(lake, Lake)
        job = self.job()
        return [tuple(row.values()) for row in query(job.ledger, lake, sql).rows.to_pylist()]

    def rejects(self) -> list[tuple[Any, ...]]:
        """(shard, row_key, column, value, reason) of every row that the warehouse does not have, oldest first."""
        return self.ledger(
            "SELECT shard, row_key, column_name, value, reason FROM shardlake.rejects WHERE stage <> 'lake' ORDER BY reject_id"
        )

    def lake_rejects(self) -> list[tuple[Any, ...]]:
        """(layout, row_key, column, value, reason) of every row that a lake table cannot hold, oldest first."""
        return self.ledger(
            "SELECT layout, row_key, column_name, value, reason FROM shardlake.rejects WHERE stage = 'lake' ORDER BY reject_id"
        )


WorldMaker = Callable[..., World]


def _without_password(url: str) -> tuple[str, str]:
    from urllib.parse import unquote, urlsplit, urlunsplit

    parts = urlsplit(url)
    host = f"{parts.username}@{parts.hostname}:{parts.port}"
    return urlunsplit((parts.scheme, host, parts.path, "", "")), unquote(parts.password or "")
