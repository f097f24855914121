"""`python -m bench.lake`: a million rows from raw to two layouts, next to DuckDB and awswrangler; merges; what layouts cost a run.

awswrangler writes to S3 alone, so it and we are compared on moto's S3, an emulator; DuckDB's COPY and we on the local disk.
The peers begin with typed rows in one Parquet file, and DuckDB once more with raw, as we do: there JSON is taken apart first.
We count every row besides. dlt writes one table without partitions.
"""

from __future__ import annotations

import argparse
import logging
import shutil
import statistics
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import boto3
import duckdb
import yaml
from moto.server import ThreadedMotoServer

from bench import seed
from bench.contestants import HOUSE, OURS, VIEWS, Shardlake, contestants
from bench.machine import machine, versions
from bench.measure import Run, measured
from bench.peers.environments import pinned, python_of
from bench.scenarios import SETTLE
from bench.servers import PASSWORD, Servers, running

LAYOUTS = [{"table": "orders", "partition_by": ["day(updated_at)"]}, {"table": "orders_by_city", "partition_by": ["city"]}]
MERGED = {"delta": [{"table": "now", "format": "delta"}], "iceberg": [{"table": "now", "format": "iceberg"}]}
ALONE = {
    "a thousand partitions in one commit": [{"table": "many", "partition_by": ["bucket(1000, id)"]}],
    "current rows in plain Parquet, by day": [{"table": "anew", "write": "replace", "partition_by": ["day(updated_at)"]}],
}
BUCKET = "bench-lake"
_FIELDS = ", ".join(f"payload ->> '$.{p}' AS {p.replace('customer.address.city', 'city').replace('.', '_')}" for p in seed.VIEW_PATHS)
TYPES = {"id": "BIGINT", "status": "VARCHAR", "amount": "DECIMAL(12,2)", "created_at": "TIMESTAMP", "updated_at": "TIMESTAMP"}
COPY = """
import duckdb, sys
for name, part in (("orders", "CAST(updated_at AS DATE)"), ("orders_by_city", "city")):
    column = "dt" if name == "orders" else "city"
    keep = "*" if name == "orders" else "* EXCLUDE (city)"
    duckdb.sql(f"COPY (SELECT {keep}, {part} AS {column} FROM '{sys.argv[1]}') TO '{sys.argv[2]}/{name}'"
               f" (FORMAT parquet, PARTITION_BY ({column}), COMPRESSION zstd)")
"""
COPY_FROM_RAW = """
import duckdb, sys
duckdb.sql("CREATE TEMP TABLE rows AS SELECT id, status, CAST(amount AS DECIMAL(12,2)) AS amount, CAST(created_at AS TIMESTAMP) AS created_at,"
           f" CAST(updated_at AS TIMESTAMP) AS updated_at, {sys.argv[3]} FROM read_parquet('{sys.argv[1]}/**/*.parquet')")
for name, part, column, keep in (("orders", "CAST(updated_at AS DATE)", "dt", "*"), ("orders_by_city", "city", "city", "* EXCLUDE (city)")):
    duckdb.sql(f"COPY (SELECT {keep}, {part} AS {column} FROM rows) TO '{sys.argv[2]}/{name}'"
               f" (FORMAT parquet, PARTITION_BY ({column}), COMPRESSION zstd)")
"""
DLT = """
import sys, dlt, pyarrow.parquet as pq
rows = dlt.resource(pq.ParquetFile(sys.argv[1]).iter_batches(100_000), name="orders")
lake = dlt.destinations.filesystem(f"file://{sys.argv[2]}")
made = dlt.pipeline("lake", destination=lake, dataset_name="lake", pipelines_dir=f"{sys.argv[2]}/.dlt")
made.run(rows, loader_file_format="parquet").raise_on_failed_jobs()
"""
WRANGLER = """
import sys, pandas as pd, awswrangler as wr
wr.config.s3_endpoint_url = sys.argv[2]
frame = pd.read_parquet(sys.argv[1])
frame["dt"] = frame["updated_at"].dt.date
for name, column in (("orders", "dt"), ("orders_by_city", "city")):
    wr.s3.to_parquet(frame, f"s3://{sys.argv[3]}/wrangler/{name}/", dataset=True, partition_cols=[column], compression="zstd")
"""


class LakeBench:
    """The scenarios, over one set of shards and one warehouse."""

    def __init__(self, servers: Servers, rounds: int) -> None:
        self.servers, self.rounds = servers, rounds
        self.ours = next(c for c in contestants(servers, {OURS}) if isinstance(c, Shardlake))
        self.state = Path(servers.warehouse(OURS).state)
        self.found: dict[str, list[Run]] = {}
        self.notes: dict[str, str] = {}

    def run(self) -> None:
        """Everything, in turn."""
        typed = self._typed()
        for number in range(self.rounds):
            self._first("a first load, warehouse alone", [], number)
            self._first("a first load, warehouse and two layouts", LAYOUTS, number)
        self._first("", [], 0)
        with _s3() as address:
            self._to_s3(address)
            for number in range(self.rounds):
                self._write("shardlake, from raw, local disk", LAYOUTS, {"url": str(self.state / "lake")}, number)
                self._local(
                    "DuckDB COPY, from raw, local disk",
                    [sys.executable, "-c", COPY_FROM_RAW, str(self.state / "lake" / "raw")],
                    number,
                    _FIELDS,
                )
                self._local("DuckDB COPY, from typed rows, local disk", [sys.executable, "-c", COPY, str(typed)], number)
                dlt = str(python_of("dlt.txt", self.servers.folder / "envs"))
                self._local("dlt filesystem, one table, from typed rows, local disk", [dlt, "-c", DLT, str(typed)], number)
                self._write("shardlake, from raw, S3 emulator", LAYOUTS, _lake(address), number)
                self._wrangler(typed, address, number)
        for name, layouts in ALONE.items():
            for number in range(self.rounds):
                self._write(f"{name}, local disk", layouts, {"url": str(self.state / "lake")}, number)
        for format_, layouts in MERGED.items():
            self._clear()
            self._write("", layouts, {"url": str(self.state / "lake")}, 0)
            for number in range(self.rounds):
                self._merge(format_, layouts, number)

    def _first(self, name: str, layouts: list[dict[str, Any]], number: int) -> None:
        self.ours.prepare(self.servers)
        views = self._views(layouts)
        self.servers.run_sql("CHECKPOINT")
        self._keep(name, self._sync(views, number))

    def _sync(self, views: Path, number: int) -> Run:
        connections = self.state / "connections.yaml"
        connections.write_text(self.ours._connections(self.servers, self.state), encoding="utf-8")
        command = [sys.executable, "-m", "bench.ours", "--view", str(views / "orders"), "--connections", str(connections),
                   "--views", str(views), "--state", str(self.state)]  # fmt: skip
        return self._measured(command, f"sync-{number}")

    def _views(self, layouts: list[dict[str, Any]]) -> Path:
        views = self.state / "views"
        shutil.rmtree(views, ignore_errors=True)
        (views / "orders").mkdir(parents=True)
        view = yaml.safe_load((VIEWS / "orders" / "view.yaml").read_text(encoding="utf-8"))
        view["lake"] = {"connection": "athena-lake/main", "layouts": layouts}
        (views / "orders" / "view.yaml").write_text(yaml.safe_dump(view, sort_keys=False), encoding="utf-8")
        return views

    def _clear(self) -> None:
        self.servers.run_sql("DELETE FROM shardlake.lake_commits", "DELETE FROM shardlake.lake_tables")
        shutil.rmtree(self.state / "lake" / "analytics", ignore_errors=True)

    def _write(self, name: str, layouts: list[dict[str, Any]], lake: dict[str, Any], number: int) -> None:
        self._clear()
        self._keep(name, self._measured(self._writing(layouts, lake), f"write-{number}"))
        ((rows, commits),) = self.servers.run_sql("SELECT min(view_rows), count(*) FROM shardlake.lake_commits WHERE status = 'published'")
        assert (rows >= self.servers.rows, commits) == (True, len(layouts)), rows

    def _writing(self, layouts: list[dict[str, Any]], lake: dict[str, Any]) -> list[str]:
        connections = self.state / "lake.yaml"
        found = yaml.safe_load(self.ours._connections(self.servers, self.state))
        found["athena-lake/main"] = lake
        connections.write_text(yaml.safe_dump(found), encoding="utf-8")
        return [sys.executable, "-m", "bench.ours_lake", str(connections), str(self._views(layouts) / "orders")]

    def _local(self, name: str, command: list[str], number: int, *more: str) -> None:
        """A peer that writes into a folder."""
        out = self.state / "peer"
        shutil.rmtree(out, ignore_errors=True)
        out.mkdir()
        self._keep(name, self._measured([*command, str(out), *more], f"peer-{number}"))
        self.notes[name] = f"{name}: {sum(1 for _ in out.rglob('*.parquet'))} files"
        shutil.rmtree(out)

    def _wrangler(self, typed: Path, address: str, number: int) -> None:
        python = python_of("awswrangler.txt", self.servers.folder / "envs")
        run = self._measured([str(python), "-c", WRANGLER, str(typed), address, BUCKET], f"wrangler-{number}")
        self._keep("awswrangler, from typed rows, S3 emulator", run)

    def _merge(self, format_: str, layouts: list[dict[str, Any]], number: int) -> None:
        """1% of the rows change, the warehouse takes them, and then the layout does, alone."""
        seed.change(self.servers.source, 0.01, 500 + number)
        time.sleep(SETTLE)
        self._sync(self._views([]), number)
        run = self._measured(self._writing(layouts, {"url": str(self.state / "lake")}), f"merge-{format_}-{number}")
        self._keep(f"1% into {format_}", run)

    def _measured(self, command: list[str], log: str) -> Run:
        environment = {
            "BENCH_SHARDS_PASSWORD": PASSWORD, "BENCH_WAREHOUSE_PASSWORD": self.servers.warehouse(OURS).password,
            "AWS_ACCESS_KEY_ID": "k", "AWS_SECRET_ACCESS_KEY": "s", "AWS_DEFAULT_REGION": "eu-west-1",
        }  # fmt: skip
        run = measured(command, "", environment, HOUSE, self.servers.folder / "logs" / f"lake-{log}.log")
        if run.problem:
            raise SystemExit(f"{log}: {run.problem}")
        return run

    def _keep(self, name: str, run: Run) -> None:
        if name:
            self.found.setdefault(name, []).append(run)
            print(f"  {name:46} {run.seconds:6.2f} s {run.peak / 1e6:6.0f} MB", flush=True)

    def _typed(self) -> Path:
        target = self.servers.folder / f"typed-{self.servers.rows}.parquet"
        if not target.exists():
            columns = {**TYPES, **{p.replace(".", "_"): "VARCHAR" for p in seed.VIEW_PATHS}}
            source = self.servers.seed_folder / "flat" / "*.csv"
            duckdb.sql(
                f"COPY (SELECT *, customer_address_city AS city FROM read_csv('{source}', columns = {columns}, header = false))"
                f" TO '{target}' (FORMAT parquet)"
            )
        return target

    def _to_s3(self, address: str) -> None:
        client = _client(address)
        for file in (self.state / "lake" / "raw").rglob("*.parquet"):
            client.upload_file(str(file), BUCKET, f"lake/{file.relative_to(self.state / 'lake')}")

    def _engine(self, name: str) -> float:
        return statistics.median(r.engine for r in self.found[name] if r.engine)

    def table(self) -> str:
        """What was seen."""
        lines = ["| | seconds | rows/s | peak MB |", "|---|---:|---:|---:|"]
        for name, runs in self.found.items():
            seconds = statistics.median(r.seconds for r in runs)
            spread = f"{min(r.seconds for r in runs):.2f}–{max(r.seconds for r in runs):.2f}"
            rate = self.servers.rows * (0.01 if name.startswith("1%") else 1) / seconds
            lines.append(f"| {name} | {seconds:.2f} ({spread}) | {rate:,.0f} | {max(r.peak for r in runs) / 1e6:.0f} |")
        alone, both = (self._engine(f"a first load, warehouse {what}") for what in ("alone", "and two layouts"))
        lines += [
            "",
            f"- the engine alone, of a first load: {alone:.2f} s, with two layouts {both:.2f} s, {100 * (both / alone - 1):+.0f}%",
        ]
        return "\n".join([*lines, *(f"- {note}" for note in self.notes.values())])


@contextmanager
def _s3() -> Iterator[str]:
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    address = f"http://{host}:{port}"
    _client(address).create_bucket(Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": "eu-west-1"})
    yield address
    server.stop()


def _client(address: str) -> Any:
    return boto3.client("s3", endpoint_url=address, region_name="eu-west-1", aws_access_key_id="k", aws_secret_access_key="s")


def _lake(address: str) -> dict[str, Any]:
    return {"url": f"s3://{BUCKET}/lake", "endpoint": address, "region": "eu-west-1"}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.lake", description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--folder", type=Path, default=HOUSE / ".bench")
    parser.add_argument("--output", type=Path, default=HOUSE / "bench" / "LAKE.md")
    arguments = parser.parse_args()
    with running(arguments.folder, arguments.rows) as servers:
        bench = LakeBench(servers, arguments.rounds)
        bench.run()
        text = (
            f"# The lake, measured\n\nWritten by `python -m bench.lake`. Do not edit: run it again.\n\n- {machine()}\n- {chr(10).join('- ' + v for v in versions(servers)[:2])[2:]}\n- awswrangler {pinned('awswrangler.txt')['awswrangler']}\n\n"
            f"{arguments.rows:,} rows, {arguments.rounds} rounds, whole processes, medians (fastest–slowest); memory is the peak PSS"
            f" of the process tree.\n\n{bench.table()}\n"
        )
        arguments.output.write_text(text, encoding="utf-8")
        print(f"\n{bench.table()}\n\nwritten to {arguments.output}")


if __name__ == "__main__":
    main()
