"""Makes the files beside it, which hold what the ledger's migrations 001 to 007 kept: what a later migration must not lose.

They were written by the code of commit 6366eee, on its embedded MariaDB and Postgres (15), by

    python -m tests.shardlake.ledger.make_present_ledger

which runs the engine over a few views, breaks some of the runs off, and dumps what that leaves. Do not make them anew with a
later ledger: they are of use because an old one wrote them. Once a migration 008 is there this program refuses to run.

- `present_ledger.sql`: the whole warehouse, as `pg_dump --inserts` prints it, less what only psql reads and its session's settings;
  psycopg's `execute` of the text restores it into an empty database.
- `present_ledger.json`: the views, the source's statements by shard, and the ledger's rows by table (`facts` reads them).
- `present_lake.tar.gz`: the lake's folder: raw, Parquet, Delta. Names in it are those under the lake's URL.

| view | what it leaves |
|---|---|
| orders | finished twice; rejects of shape, merge and lake, two of them read again; three backfills: done, broken off, given up |
| scans | shop_00: a scan by key that goes on, and the window behind it read and not merged; shop_01: a scan by cursor that goes on |
| counted | a cursor of numbers; its last run was killed in a commit of its lake table, which is open |
| replaced | no cursor, loaded twice; the lake files of the first load are replaced |
| people | deletes applied: tombstones |
| opened | shop_00: a run that was killed behind the opening of its first window; an open alarm |
"""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import tarfile
import tempfile
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from shardlake.backfill import Backfill, backfill
from shardlake.freshness import alarms as judged
from shardlake.give_up import give_up
from shardlake.part import merge_part, read_part

from embedded.mariadb import obtain_mariadb
from embedded.postgres import Postgres, obtain_postgres
from shardlake.ledger import alarms
from shardlake.ledger.alarms import Alarm
from tests.audit import audit
from tests.breaking import broken_at
from tests.world import ORDERS_TABLE, ROOT, World, orders_view

HERE = Path(__file__).parent
DUMP, FACTS, LAKE = HERE / "present_ledger.sql", HERE / "present_ledger.json", HERE / "present_lake.tar.gz"
COMMIT = "6366eee"
MIGRATIONS = 7
SHARDS = ["shop_00", "shop_01"]

TABLES = {
    "orders": ORDERS_TABLE,
    "events": "CREATE TABLE events (id bigint PRIMARY KEY, kind varchar(20), at datetime(6) NOT NULL, KEY (at))",
    "counters": "CREATE TABLE counters (id bigint PRIMARY KEY, label varchar(20), version bigint NOT NULL, KEY (version))",
    "countries": "CREATE TABLE countries (code varchar(8) PRIMARY KEY, title varchar(40))",
    "people": "CREATE TABLE people (id bigint PRIMARY KEY, title varchar(40), deleted_at datetime(6), updated_at datetime(6) NOT NULL, KEY (updated_at))",
    "visits": "CREATE TABLE visits (id bigint PRIMARY KEY, at datetime(6) NOT NULL, KEY (at))",
}


def _view(name: str, table: str, columns: dict[str, Any], source: dict[str, Any], **rest: Any) -> dict[str, Any]:
    warehouse = {"table": f"analytics.{name}", "key": [next(iter(columns))], **rest.pop("warehouse", {})}
    source = {"table": table, "primary_key": [next(iter(columns))], **source}
    return orders_view(name=name, columns=columns, source=source, warehouse=warehouse, **rest)


def _lake(*layouts: dict[str, Any]) -> dict[str, Any]:
    return {"connection": "athena-lake/main", "database": "analytics", "layouts": list(layouts)}


VIEWS: dict[str, dict[str, Any]] = {
    "orders": _view(
        "orders",
        "orders",
        {
            "id": "bigint",
            "status": "text",
            "amount": "numeric(12,2)",
            "updated_at": "timestamp",
            "age": {"type": "smallint", "from": "payload.age"},
            "customer_name": {"type": "text", "from": "payload.customer.name"},
            "items": {"type": "jsonb", "from": "payload.items"},
        },
        {},
        lake=_lake(
            {"table": "orders_by_day", "partition_by": ["day(updated_at)"]},
            {"table": "orders_now", "format": "delta"},
            {"table": "orders_by_status", "partition_by": ["status"], "write": "replace"},
        ),
    ),
    "scans": _view(
        "scans", "events", {"id": "bigint", "kind": "text", "at": "timestamp"}, {"cursor": "at", "chunk": "64KB", "window": "1KB"}
    ),
    "counted": _view(
        "counted",
        "counters",
        {"id": "bigint", "label": "text"},
        {"cursor": "version", "lookback": 0},
        lake=_lake({"table": "counted_history"}),
    ),
    "replaced": _view(
        "replaced",
        "countries",
        {"code": "text", "title": "text"},
        {"cursor": None},
        warehouse={"key": ["_shard", "code"], "write": "replace"},
        lake=_lake({"table": "replaced_whole", "write": "replace"}),
    ),
    "people": _view(
        "people",
        "people",
        {"id": "bigint", "title": "text", "updated_at": "timestamp"},
        {},
        deletes={"column": "deleted_at", "mode": "apply"},
    ),
    "opened": _view("opened", "visits", {"id": "bigint", "at": "timestamp"}, {"cursor": "at"}, freshness="30m"),
}
RANGES: dict[str, dict[str, str]] = {
    "completed": {"from": "2026-01-01", "to": "2026-01-04", "step": "1d"},
    "broken off": {"from": "2026-01-01", "to": "2026-01-07", "step": "1d"},
    "given up": {"from": "2026-01-02", "to": "2026-01-04", "step": "2d"},
}
"""The backfills of `orders`, by what became of them."""


# --- making ----------------------------------------------------------------------------------------------------------
def make(w: World) -> None:
    """Fill the shards, and run and break off every view."""
    for table in TABLES.values():
        w.on_all(table)
    _orders(w)
    _backfills(w)
    _scans(w)
    _counted(w)
    _replaced(w)
    _people(w)
    _opened(w)
    _alarms(w)


def _orders(w: World) -> None:
    w.view = VIEWS["orders"]
    for number, shard in enumerate(SHARDS):
        w.on(
            shard,
            f"INSERT INTO orders SELECT {number} * 100 + seq, 'new', seq * 1.25, '2026-01-01 09:00' + INTERVAL seq % 6 DAY,"
            ' concat(\'{"age": \', 20 + seq, \', "customer": {"name": "Ada \', seq, \'"}, "items": [{"sku": "s\', seq, \'"}]}\') FROM seq_1_to_12',
        )
    w.on("shop_00", "UPDATE orders SET payload = %s WHERE id = 2", '{"age": 70000}')  # refused by the merge, and mended
    w.on("shop_00", "UPDATE orders SET payload = %s WHERE id = 3", '{"age": ')  # refused by shape
    w.on("shop_01", "UPDATE orders SET payload = %s WHERE id = 102", '{"age": ')  # refused by shape, and mended
    w.on("shop_01", "UPDATE orders SET payload = %s WHERE id = 103", '{"age": "old"}')  # refused by the merge
    w.on("shop_01", "UPDATE orders SET status = '' WHERE id = 104")  # refused by the layout by status
    w.must_sync()
    now = "updated_at = utc_timestamp(6)"
    w.on("shop_00", f"UPDATE orders SET payload = %s, {now} WHERE id = 2", '{"age": 7}')
    w.on("shop_01", f"UPDATE orders SET payload = %s, {now} WHERE id = 102", '{"age": 8}')
    w.on_all(f"UPDATE orders SET status = 'paid', {now} WHERE id % 100 IN (5, 6)")
    w.on("shop_00", "INSERT INTO orders VALUES (13, 'new', 1, utc_timestamp(6), NULL)")
    w.must_sync()


def _backfills(w: World) -> None:
    done, broken, left = RANGES.values()
    report = backfill(w.model(), w.connect, done["from"], done["to"], step=done["step"], parallel=1)
    assert report.ok, report.headline()
    for given, slices in ((broken, 3), (left, 1)):
        with suppress(RuntimeError), Backfill(w.job(), given["from"], given["to"], step=given["step"], parallel=1) as run:
            for part in run.parts[:slices]:
                while window := read_part(run.job, part):
                    merge_part(run.job, part, window)
                run.merged(part)
            assert read_part(run.job, run.parts[slices])  # read, and not merged
            raise RuntimeError
    give_up(w.job().warehouse, "orders", str(run.id))


def _scans(w: World) -> None:
    w.view = VIEWS["scans"]
    w.on("shop_00", "INSERT INTO events SELECT seq, 'seen', '2026-01-02' + INTERVAL seq SECOND FROM seq_1_to_230")
    w.on("shop_01", "INSERT INTO events SELECT 1000 + seq, 'seen', '2026-01-02' + INTERVAL seq SECOND FROM seq_1_to_130")
    w.must_sync(shards=["shop_01"])
    w.on("shop_01", "UPDATE events SET kind = 'seen again', at = utc_timestamp(6) WHERE id <= 1120")
    with broken_at("merge.committed"), suppress(RuntimeError):
        w.sync(shards=["shop_01"])
    with broken_at("extract.recorded", passage=2), suppress(RuntimeError):
        w.sync(shards=["shop_00"])


def _counted(w: World) -> None:
    w.view = VIEWS["counted"]
    w.on("shop_00", "INSERT INTO counters SELECT seq, 'one', seq * 10 FROM seq_1_to_8")
    w.on("shop_01", "INSERT INTO counters SELECT 100 + seq, 'one', seq * 7 FROM seq_1_to_8")
    w.must_sync()
    w.on_all("UPDATE counters SET label = 'two', version = version + 1000 WHERE id % 100 <= 3")
    _killed(w, "lake.put")


def _replaced(w: World) -> None:
    w.view = VIEWS["replaced"]
    w.on("shop_00", "INSERT INTO countries VALUES ('no', 'Norway'), ('se', 'Sweden')")
    w.on("shop_01", "INSERT INTO countries VALUES ('dk', 'Denmark')")
    w.must_sync()
    w.on("shop_01", "INSERT INTO countries VALUES ('fi', 'Finland')")
    w.must_sync()


def _people(w: World) -> None:
    w.view = VIEWS["people"]
    w.on("shop_00", "INSERT INTO people SELECT seq, concat('Person ', seq), NULL, '2026-01-03' FROM seq_1_to_6")
    w.on("shop_01", "INSERT INTO people SELECT 100 + seq, concat('Person ', seq), NULL, '2026-01-03' FROM seq_1_to_6")
    w.must_sync()
    w.on_all("UPDATE people SET deleted_at = utc_timestamp(6), updated_at = utc_timestamp(6) WHERE id IN (2, 4, 103)")
    w.must_sync()


def _opened(w: World) -> None:
    w.view = VIEWS["opened"]
    w.on("shop_00", "INSERT INTO visits SELECT seq, '2026-01-04' FROM seq_1_to_5")
    w.on("shop_01", "INSERT INTO visits SELECT 100 + seq, '2026-01-04' FROM seq_1_to_5")
    w.must_sync(shards=["shop_01"])
    _killed(w, "window.opened")


def _alarms(w: World) -> None:
    """An alarm that lasts, of `opened`, whose first shard never arrived; and one of `orders` that is over."""
    job = w.job()
    judged(job, {"opened": job.view})  # watched from here on
    with job.warehouse.connection() as connection:
        over = [Alarm("orders", "shop_00", "late", "shop_00 is staler than 30m")]
        alarms.record(connection, ["orders"], [], over)
        alarms.told(connection, over, [])
        alarms.record(connection, ["orders"], [], [])
    _, found = judged(job, {"opened": job.view}, datetime.now(UTC) + timedelta(days=1))
    with job.warehouse.connection() as connection:
        alarms.record(connection, ["opened"], [], found)
        alarms.told(connection, found, [])


def _killed(w: World, place: str) -> None:
    ended = w.engine_process(SHARDLAKE_FAILPOINT=f"{place}=kill")
    assert ended.returncode == -signal.SIGKILL, ended.stderr


# --- writing down ----------------------------------------------------------------------------------------------------
LEDGER = {
    "runs": "started_at", "run_shards": "ended_at", "watermarks": "view, shard", "windows": "window_id", "files": "window_id, key",
    "rejects": "reject_id", "tombstones": "view, unit_key", "contracts": "view", "backfills": "started_at",
    "backfill_slices": "backfill_id, slice", "alarms": "alarm_id", "watched": "view", "lake_commits": "commit_id",
    "lake_windows": "view, layout, window_id", "lake_files": "key", "lake_tables": "database, name", "migrations": "version",
}  # fmt: skip
"""The ledger's tables, and the order that their rows are written down in."""


def facts(server: Postgres, database: str) -> dict[str, Any]:
    """The ledger's rows, table by table as dicts, with sums that a test asks for; `run_shards` without its reports."""

    def ask(statement: str) -> list[tuple[Any, ...]]:
        return server.execute(statement, database=database)

    tables = {name: [row for (row,) in ask(f"SELECT to_jsonb(t) FROM shardlake.{name} t ORDER BY {by}")] for name, by in LEDGER.items()}
    for line in tables["run_shards"]:
        del line["report"]
    merged: dict[str, dict[str, int]] = {}
    for view, shard, count in ask(
        "SELECT view, shard, count(*) FROM shardlake.windows WHERE status = 'merged' GROUP BY 1, 2 ORDER BY 1, 2"
    ):
        merged.setdefault(view, {})[shard] = count
    return {
        "merged_windows": merged,
        "unfinished_windows": [line for line in tables["windows"] if line["status"] in ("open", "extracted")],
        "open_rejects": [line for line in tables["rejects"] if line["read_again_at"] is None],
        "targets": {name: ask(f"SELECT count(*) FROM analytics.{name}")[0][0] for name in VIEWS if (name, "shop_01") in _arrived(tables)},
        "tables": tables,
    }


def _arrived(tables: dict[str, list[dict[str, Any]]]) -> set[tuple[str, str]]:
    return {(line["view"], line["shard"]) for line in tables["windows"] if line["status"] == "merged"}


def source(w: World) -> dict[str, list[str]]:
    """The statements that make each shard's tables as they are now."""
    found: dict[str, list[str]] = {}
    for shard in w.shards:
        found[shard] = list(TABLES.values())
        with w.source.connect(w.database(shard)) as connection, connection.cursor() as cursor:  # type: ignore[union-attr]
            for table in TABLES:
                cursor.execute(f"SELECT * FROM {table} ORDER BY 1")
                rows = ",\n".join(f"({', '.join(connection.escape(v) for v in row)})" for row in cursor.fetchall())
                found[shard].append(f"INSERT INTO {table} VALUES\n{rows}")
    return found


def dump(server: Postgres, database: str) -> str:
    """The database as SQL that psycopg runs: no commands of psql, and no settings that outlive it."""
    own = Path(str(server.programs), "pg_dump")
    program = str(own) if own.exists() else shutil.which("pg_dump")
    assert program, "no pg_dump"
    words = [program, "--inserts", "--no-owner", "--no-privileges", "--host", server.host, "--port", str(server.port)]
    done = subprocess.run(
        [*words, "--username", server.user, database],
        env={**os.environ, "PGPASSWORD": server.password}, capture_output=True, text=True, check=True,
    )  # fmt: skip
    kept = re.sub(r"^(\\.*|SET \w+ = .*;|SELECT pg_catalog\.set_config\('search_path'.*\);|--.*)\n", "", done.stdout, flags=re.M)
    head = f"-- A warehouse that the code of commit {COMMIT} wrote (migrations 001 to 00{MIGRATIONS}): see make_present_ledger.py.\n\n"
    return head + re.sub(r"\n{3,}", "\n\n", kept).strip() + "\n"


def _plain(entry: tarfile.TarInfo) -> tarfile.TarInfo:
    entry.uid = entry.gid = 0
    entry.uname = entry.gname = ""
    return entry


def main() -> None:
    """Make the files, restore them beside, and see that the ledger is the same there."""
    numbers = sorted(path.name for path in (ROOT / "shardlake" / "ledger").glob("*.sql"))
    assert len(numbers) == MIGRATIONS, f"this ledger is another one: {numbers[-1]}"
    with (
        tempfile.TemporaryDirectory(prefix="present-ledger-") as name,
        obtain_mariadb(Path(name)) as mariadb,
        obtain_postgres(Path(name), settings={"fsync": "off"}) as postgres,
    ):
        folder = Path(name, "world")
        folder.mkdir()
        w = World(mariadb, postgres, folder, SHARDS)
        make(w)
        audit(w)
        text, lines = dump(postgres, w.warehouse_database), facts(postgres, w.warehouse_database)
        content = {"commit": COMMIT, "views": VIEWS, "backfills": RANGES, "source": source(w), **lines}
        for part in (text, json.dumps(content)):
            assert not [word for word in (name, w.prefix, "127.0.0.1", *re.findall(r"/(?:work|home|tmp|root)/", part)) if word in part]
        DUMP.write_text(text, "utf-8")
        FACTS.write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n", "utf-8")
        with tarfile.open(LAKE, "w:gz") as archive:
            for path in sorted(p for p in (folder / "lake").rglob("*") if p.is_file()):
                archive.add(path, str(path.relative_to(folder / "lake")), filter=_plain)
        w.close()
        postgres.createdb("restored")
        postgres.execute(DUMP.read_text("utf-8"), database="restored")
        assert facts(postgres, "restored") == lines
        assert dump(postgres, "restored") == text


if __name__ == "__main__":
    main()
