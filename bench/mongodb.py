"""`python -m bench.mongodb`: a collection into Postgres, next to dlt's mongodb source; into raw, next to a loop that only moves bytes.

The server is SecantusDB, which speaks MongoDB's protocol; SHARDLAKE_TEST_MONGODB_URL leads to a real one. dlt's source is no part of
its package: `--dlt` names the folder in which `dlt init mongodb postgres` was run. Each contestant is a process, in turn.
"""

from __future__ import annotations

import argparse
import json
import random
import shutil
import statistics
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import yaml
from bson import Decimal128, Int64, ObjectId, decode, encode, json_util

from bench.contestants import HOUSE
from bench.machine import machine
from bench.measure import Run, measured
from bench.peers.environments import pinned, python_of
from embedded.postgres import Postgres, obtain_postgres
from embedded.secantusdb import SecantusDB, obtain_secantusdb
from shardlake.source.mongodb.client import OPTIONS
from shardlake.source.mongodb.rows import RowMaker

DATABASE, COLLECTION = "bench", "orders"
VIEW: dict[str, Any] = {
    "name": "orders",
    "owner": "bench@example.com",
    "source": {"connection": "mongodb/bench", "collection": COLLECTION, "primary_key": ["_id"], "cursor": "updatedAt"},
    "columns": {
        "_id": "text", "status": "text", "amount": "numeric(12,2)", "quantity": "bigint", "updatedAt": "timestamptz",
        "name": {"type": "text", "from": "customer.name"}, "city": {"type": "text", "from": "customer.city"}, "items": "jsonb",
    },
    "warehouse": {"connection": "postgres-warehouse/main", "table": "analytics.orders"},
}  # fmt: skip
BARE = """
import json, sys, time, pymongo
o = json.load(sys.stdin)
began = time.perf_counter()
rows = pymongo.MongoClient(o["host"], o["port"], username=o["user"], password=o["password"], directConnection=True)[o["database"]][o["collection"]]
moved = sum(len(batch) for batch in rows.find_raw_batches())
print(json.dumps({"seconds": time.perf_counter() - began, "moved": moved}))
"""
OURS = """
import json, sys, time
from functools import partial
from pathlib import Path
from shardlake.connection.connection_file import load_connection
from shardlake.raw.files import RawTarget
from shardlake.run.job import open_job
from shardlake.run.sync import sync
from shardlake.view.view_file import load_view
o = json.load(sys.stdin)
view, connect = load_view(Path(o["views"], "orders")), partial(load_connection, Path(o["connections"]))
began = time.perf_counter()
if o["raw"]:
    job = open_job(view, connect)
    plan = job.source.plan(view, o["database"], None)
    began = time.perf_counter()
    count = job.source.read(view, o["database"], plan.extent, RawTarget(job.lake, "raw/orders/load_date=2026-01-01/shard=x", 1, 1)).rows
else:
    report = sync(view, connect)
    assert report.ok, report.headline()
    count = sum(s.merged for s in report.shards.values())
assert count == o["rows"], count
print(json.dumps({"seconds": time.perf_counter() - began}))
"""
DLT = """
import json, os, sys, time
os.environ |= {"RUNTIME__DLTHUB_TELEMETRY": "false", "RUNTIME__LOG_LEVEL": "ERROR"}
o = json.load(sys.stdin)
sys.path.insert(0, o["dlt"])
import dlt
from mongodb import mongodb
url = f"mongodb://{o['user']}:{o['password']}@{o['host']}:{o['port']}/?directConnection=true"
began = time.perf_counter()
rows = mongodb(connection_url=url, database=o["database"], collection_names=[o["collection"]], write_disposition="merge", parallel=False)
if o["raw"]:
    count = sum(1 for _ in rows)
else:
    made = dlt.pipeline("bench_mongodb", pipelines_dir=o["state"], destination=dlt.destinations.postgres(o["warehouse"]), dataset_name="dlt_orders")
    made.run(rows, loader_file_format="csv").raise_on_failed_jobs()
    count = o["rows"]
assert count == o["rows"], count
print(json.dumps({"seconds": time.perf_counter() - began}))
"""


def document(chance: random.Random, n: int) -> dict[str, Any]:
    """An order, about as wide as the SQL bench's rows."""
    items = [{"sku": f"sku-{chance.randint(1, 9999)}", "price": chance.randint(1, 9999) / 100, "n": chance.randint(1, 9)} for _ in range(2)]
    return {
        "_id": ObjectId(), "status": chance.choice(["new", "paid", "shipped"]), "amount": Decimal128(f"{chance.randint(100, 99999)}.10"),
        "quantity": Int64(n), "priority": n % 3, "updatedAt": datetime(2026, 1, 1) + timedelta(seconds=n),
        "customer": {"name": f"Ünal {n}", "city": chance.choice(["Köln", "Berlin"]), "id": ObjectId()}, "items": items,
    }  # fmt: skip


def fill(server: SecantusDB, rows: int) -> None:
    """The collection, by a seed, with an index on the cursor."""
    chance = random.Random(1)
    with server.client() as client:
        client.drop_database(DATABASE)
        for first in range(0, rows, 5_000):
            client[DATABASE][COLLECTION].insert_many([document(chance, n) for n in range(first, min(first + 5_000, rows))])
        client[DATABASE][COLLECTION].create_index("updatedAt")


class Bench:
    """The contestants, over one collection and one Postgres."""

    def __init__(self, server: SecantusDB, postgres: Postgres, state: Path, rows: int, dlt: Path | None) -> None:
        self.server, self.postgres, self.state, self.rows, self.dlt = server, postgres, state, rows, dlt
        self.found: dict[str, list[Run]] = {}

    def run(self, rounds: int) -> None:
        """Every contestant, in turn."""
        for _ in range(rounds):
            self._timed("find_raw_batches, bytes alone", sys.executable, BARE)
            self._timed("shardlake, a window into raw", sys.executable, OURS, raw=True)
            self._timed("shardlake, into Postgres", sys.executable, OURS)
            if self.dlt:
                peer = str(python_of("dlt_mongodb.txt", self.state / "envs"))
                self._timed("dlt's source, documents alone", peer, DLT, raw=True)
                self._timed("dlt, into Postgres", peer, DLT)

    def _timed(self, name: str, python: str, code: str, *, raw: bool = False) -> None:
        database = "bench_mongodb"
        self.postgres.execute(f"DROP DATABASE IF EXISTS {database} WITH (FORCE)")
        self.postgres.execute(f"CREATE DATABASE {database}")
        work = self.state / "work"
        shutil.rmtree(work, ignore_errors=True)
        (work / "views" / "orders").mkdir(parents=True)
        (work / "views" / "orders" / "view.yaml").write_text(yaml.safe_dump(VIEW, sort_keys=False), encoding="utf-8")
        target = self.postgres.url(database=database)
        plain, password = _without_password(target)
        connections = {
            "mongodb/bench": {"url": self.server.url(DATABASE), "password": self.server.password, "ranges": 1},
            "postgres-warehouse/main": {"url": plain, "password": password},
            "athena-lake/main": {"url": str(work / "lake")},
        }
        (work / "connections.yaml").write_text(yaml.safe_dump(connections), encoding="utf-8")
        order = {
            "host": self.server.host, "port": self.server.port, "user": self.server.user, "password": self.server.password, "database": DATABASE,
            "collection": COLLECTION, "rows": self.rows, "raw": raw, "views": str(work / "views"), "connections": str(work / "connections.yaml"),
            "dlt": str(self.dlt), "state": str(work / "dlt"), "warehouse": target,
        }  # fmt: skip
        log = self.state / "logs" / f"mongodb-{len(self.found)}.log"
        run = measured([python, "-c", code], json.dumps(order), {"PYTHONPATH": str(HOUSE)} if python == sys.executable else {}, HOUSE, log)
        if run.problem:
            raise SystemExit(f"{name}: {run.problem}")
        self.found.setdefault(name, []).append(run)
        print(
            f"  {name:32} {run.engine or 0:7.2f} s {self.rows / (run.engine or 1):10,.0f} documents/s {run.peak / 1e6:6.0f} MB", flush=True
        )


def _without_password(url: str) -> tuple[str, str]:
    from urllib.parse import unquote, urlsplit

    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.username}@{parts.hostname}:{parts.port}{parts.path}", unquote(parts.password or "")


def decoders(rows: int) -> Iterator[tuple[str, float]]:
    """Documents a second in memory, by how they are decoded: the part of a read that is ours to choose."""
    chance = random.Random(1)
    stored = [encode(document(chance, n)) for n in range(rows)]

    def ours() -> None:
        maker = RowMaker("date", "any", ("updatedAt",), None)
        for bson in stored:
            maker.add(bson)
        maker.take()

    ways: dict[str, Any] = {
        "shardlake: decode and orjson, to Arrow": ours,
        "bson.decode alone, to dicts": lambda: [None for bson in stored if decode(bson, OPTIONS)],
        "bson.decode and json_util.dumps": lambda: [json_util.dumps(decode(bson, OPTIONS)) for bson in stored[: rows // 10]],
    }
    for name, way in ways.items():
        seconds = []
        for _ in range(3):
            began = time.process_time()
            way()
            seconds.append(time.process_time() - began)
        yield name, (rows // 10 if "json_util" in name else rows) / statistics.median(seconds)


def report(bench: Bench, state: Path, decoded: dict[str, float]) -> str:
    """MONGODB.md, from what was measured and nothing else."""
    dlt = f"; dlt {pinned('dlt_mongodb.txt')['dlt']} with its mongodb source" if bench.dlt else ""
    with bench.server.client() as client:
        size = client[DATABASE].command("collStats", COLLECTION)["avgObjSize"]
    lines = [
        "# A MongoDB collection", "",
        f"`python -m bench.mongodb`, {datetime.now(UTC):%Y-%m-%d %H:%M} UTC: {bench.rows:,} documents of {size:.0f} bytes on {bench.server.label}, a server that"
        f" speaks MongoDB's protocol{dlt}. {machine()}. Each contestant is a process, in turn; seconds are its own, without its imports; the median, with"
        " the fastest and the slowest. We read by one connection (`ranges: 1`): SecantusDB goes through the whole collection for each range, and for"
        " each question of a plan, where MongoDB looks into an index.", "",
        "| contestant | seconds | documents a second | peak memory |", "|---|---|---|---|",
    ]  # fmt: skip
    for name, runs in bench.found.items():
        seconds = sorted(run.engine or run.seconds for run in runs)
        middle = statistics.median(seconds)
        lines.append(
            f"| {name} | {middle:.2f} ({seconds[0]:.2f} to {seconds[-1]:.2f}) | {bench.rows / middle:,.0f} | {max(r.peak for r in runs) / 1e6:.0f} MB |"
        )
    lines += ["", "In memory, on one core, without a server:", "", "| decoder | documents a second |", "|---|---|"]
    lines += [f"| {name} | {rate:,.0f} |" for name, rate in decoded.items()]
    return "\n".join(lines) + "\n"


def main() -> None:
    """Measure, and write MONGODB.md; with fewer documents than usual into .bench."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--dlt", type=Path, help="the folder in which `dlt init mongodb postgres` was run")
    given = parser.parse_args()
    state = HOUSE / ".bench"
    shutil.rmtree(state / "secantusdb", ignore_errors=True)
    with obtain_secantusdb(state) as server, obtain_postgres(state / "mongodb-postgres") as postgres:
        fill(server, given.rows)
        bench = Bench(server, postgres, state, given.rows, given.dlt.resolve() if given.dlt else None)
        bench.run(given.rounds)
        text = report(bench, state, dict(decoders(given.rows // 2)))
    target = HOUSE / "bench" / "MONGODB.md" if given.rows == 100_000 and given.dlt else state / "MONGODB.md"
    target.write_text(text, encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
