"""The two kinds of this folder as lines in the registry, and a world of theirs: a folder of JSON lines, a SQLite file, a ledger in Postgres."""

from __future__ import annotations

import json
import sqlite3
import subprocess
import sys
from functools import partial
from pathlib import Path
from typing import Any

import yaml

from shardlake import kinds
from shardlake.connection.connection_file import load_connection
from shardlake.connection.kinds import Connection
from shardlake.connection.postgres import PostgresWarehouse
from shardlake.kinds import Kind
from shardlake.ledger.database import open_warehouse
from shardlake.ledger.status import ShardStatus, status
from shardlake.run.job import Job, open_job
from shardlake.run.report import RunReport
from shardlake.run.sync import sync
from shardlake.settings import connections_file, views_folder
from shardlake.sink.postgres.target import prepare_database
from shardlake.view.view_file import load_view
from tests.world import ROOT, World

_SOURCE, _SINK = "tests.doors.jsonl_source", "tests.doors.sqlite_sink"
HERE = {
    "json-lines": Kind("source", f"{_SOURCE}:JsonLines", f"{_SOURCE}:JsonLinesView", f"{_SOURCE}:JsonLinesSource"),
    "sqlite-file": Kind("warehouse", f"{_SINK}:SqliteFile", opener=f"{_SINK}:SqliteSink"),
}
LEDGER = "postgres-warehouse/main"
VIEW: dict[str, Any] = {
    "name": "orders",
    "owner": "tests@example.com",
    "source": {"connection": "json-lines/landing", "primary_key": ["id"]},
    "columns": {
        "id": "bigint",
        "status": {"type": "text", "from": "document.status"},
        "amount": {"type": "numeric(12,2)", "from": "document.amount"},
        "customer": {"type": "text", "from": "document.customer.name"},
    },
    "warehouse": {"connection": "sqlite-file/main", "table": "main.orders"},
}


class Doors(World):
    """A world whose views may read JSON lines and fill a SQLite file; its ledger is named apart from the warehouse."""

    def connections(self) -> dict[str, dict[str, Any]]:
        """See World."""
        landing = {"folder": str(self.folder / "landing"), "key": ["id"], "version": "seq"}
        here = {"json-lines/landing": landing, "sqlite-file/main": {"path": str(self.folder / "target.sqlite")}}
        found = super().connections() | here
        main = found[LEDGER]
        return {**found, "postgres-warehouse/apart": {**main, "url": f"{main['url']}_apart"}}

    def create_apart(self) -> None:
        """A second Postgres database, for a warehouse that has no ledger."""
        self.warehouse_server.execute(f'CREATE DATABASE "{self.warehouse_database}_apart"')

    def apart(self, statement: str) -> list[tuple[Any, ...]]:
        """Rows of that one."""
        return self.warehouse_server.execute(statement, database=f"{self.warehouse_database}_apart")  # type: ignore[return-value]

    def close(self) -> None:
        """See World."""
        super().close()
        apart = self.connect("postgres-warehouse/apart")
        assert isinstance(apart, PostgresWarehouse)
        open_warehouse(apart, prepare_database).close()

    def connect(self, reference: str) -> Connection:
        """See World."""
        spec = kinds.KINDS[reference.partition("/")[0]].connection_spec()
        found: Connection = spec.model_validate(self.connections()[reference])
        return found

    def write_files(self) -> None:
        """See World; the connections file names the ledger."""
        super().write_files()
        with (self.folder / "connections.yaml").open("a") as file:
            file.write(yaml.safe_dump({"ledger": LEDGER}))

    def job(self) -> Job:
        """See World."""
        return open_job(self.model(), self.connect, LEDGER)

    def sync(self, **options: Any) -> RunReport:
        """See World."""
        return super().sync(ledger=LEDGER, **options)

    def land(self, partition: str, file: str, *rows: dict[str, Any] | str) -> None:
        """Write a file of lines."""
        place = self.folder / "landing" / partition / file
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text("".join(f"{row if isinstance(row, str) else json.dumps(row)}\n" for row in rows))

    def sqlite(self, statement: str) -> list[tuple[Any, ...]]:
        """Rows of the SQLite file."""
        db = sqlite3.connect(self.folder / "target.sqlite")
        try:
            return db.execute(statement).fetchall()
        finally:
            db.close()

    def rows(self) -> list[tuple[Any, ...]]:
        """What the SQLite table shows, by partition and id."""
        return self.sqlite("SELECT _shard, id, status, amount, customer FROM orders ORDER BY 1, 2")

    def status(self) -> dict[str, ShardStatus]:
        """The view's lines, by partition."""
        job = self.job()
        with job.ledger.connection() as connection:
            lines = status(connection, job.view.name, job.feed, list(job.partitions), job.sinks, None)
        return {line.shard: line for line in lines}

    def counts(self, sink: str = "warehouse") -> list[tuple[Any, ...]]:
        """What the sink made of each window by the ledger: partition, raw, view rows, merged, unchanged, superseded, rejected, removed."""
        return self.warehouse(
            "SELECT partition, s.raw_rows, view_rows, merged, unchanged, superseded, rejected, removed FROM shardlake.sink_windows s"
            " JOIN shardlake.windows USING (window_id) WHERE view = %s AND sink = %s ORDER BY partition, window_id", self.view["name"], sink
        )  # fmt: skip

    def process(self, *words: str, **extra: str) -> subprocess.CompletedProcess[str]:
        """`run`, or a `shardlake` command, in a process of its own that has registered the two kinds."""
        self.write_files()
        environment = {**self.environment(**extra), "PYTHONPATH": str(ROOT)}
        return subprocess.run(
            [sys.executable, "-m", "tests.doors.registered", *words],
            cwd=self.folder,
            env=environment,
            capture_output=True,
            text=True,
            timeout=120,
        )


def _run(name: str) -> None:
    file = connections_file()
    assert file
    report = sync(load_view(Path(views_folder(), name)), partial(load_connection, file), ledger=LEDGER, threads=1)
    print(json.dumps(report.as_json()))
    sys.exit(0 if report.ok else 1)


if __name__ == "__main__":
    kinds.KINDS.update(HERE)
    if sys.argv[1] == "run":
        _run(sys.argv[2])
    from cli.main import main

    main()
