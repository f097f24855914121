"""Many that begin at once where nothing is there yet: tables, namespaces and databases are made once, and all rows are written."""

from __future__ import annotations

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier
from typing import Any

import boto3

from shardlake.sink.postgres.target import ensure_target
from shardlake.view.columns import target_columns
from shardlake.view.view import View
from tests.shardlake.sink.lake.test_append import order, shop
from tests.shardlake.sink.lake.test_glue import glue_shop
from tests.world import ROOT, World, WorldMaker

FOUR: list[dict[str, Any]] = [{"table": f"iceberg_{n}", "format": "iceberg"} for n in range(4)]
IN_A_PROCESS = """
import sys
from functools import partial
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier
from shardlake.connection.connection_file import load_connection
from shardlake.sink.lake.iceberg import catalog
connect = partial(load_connection, Path(sys.argv[1]))
lake, warehouse = connect("athena-lake/main"), connect("postgres-warehouse/main")
print("ready", flush=True)
sys.stdin.readline()
made = catalog(lake, warehouse)
print(made.list_namespaces())
"""


def all_written(w: World, tables: list[str]) -> None:
    assert {t: w.query(f"SELECT id FROM {t} ORDER BY 1") for t in tables} == {t: [(1,), (2,)] for t in tables}


def test_four_iceberg_layouts_in_a_views_first_run_are_all_written(world: WorldMaker) -> None:
    w = shop(world, ["shop_00", "shop_01"], FOUR)
    order(w, "shop_00", 1)
    order(w, "shop_01", 2)
    w.must_sync()
    all_written(w, [layout["table"] for layout in FOUR])


def test_four_layouts_of_each_format_in_glue_are_all_written_by_a_first_run(world: WorldMaker, s3_emulator: str, tmp_path: Path) -> None:
    layouts = [{"table": f"{f}_{n}", "format": f} for f in ("iceberg", "delta", "parquet") for n in range(2)]
    w = glue_shop(world, s3_emulator, tmp_path, layouts)
    order(w, "shop_00", 1)
    order(w, "shop_01", 2)
    w.must_sync()
    all_written(w, [layout["table"] for layout in layouts])
    client = boto3.client("glue", endpoint_url=s3_emulator, region_name="eu-west-1", aws_access_key_id="k", aws_secret_access_key="s")
    assert {"raw", w.view["lake"]["database"]} <= {found["Name"] for found in client.get_databases()["DatabaseList"]}


def test_processes_that_open_a_new_catalogue_at_once_make_its_tables_once(world: WorldMaker, tmp_path: Path) -> None:
    w = shop(world, None, FOUR)
    w.write_files()
    w.job().ledger.verify()
    script = tmp_path / "open_catalogue.py"
    script.write_text(IN_A_PROCESS)
    command = [sys.executable, str(script), str(w.folder / "connections.yaml")]
    running = [subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) for _ in range(2)]  # fmt: skip
    assert [process.stdout.readline() for process in running if process.stdout] == ["ready\n"] * 2
    for process in running:
        assert process.stdin
        process.stdin.write("go\n")
        process.stdin.flush()
    assert [process.communicate(timeout=120) for process in running] == [("[]\n", "")] * 2


def test_views_that_make_their_schema_in_the_warehouse_at_once_make_it_once(world: WorldMaker) -> None:
    w = shop(world, None, [])
    ledger = w.job().ledger
    columns = target_columns(w.model(), "timestamp")
    views = [View.model_validate({**w.view, "warehouse": {**w.view["warehouse"], "table": f"new_here.t{n}"}}) for n in range(8)]
    at_once = Barrier(len(views))

    def make(view: View) -> list[str]:
        with ledger.session() as connection:
            at_once.wait(60)
            return ensure_target(connection, view, columns)

    with ThreadPoolExecutor(len(views)) as pool:
        made = [statement for statements in pool.map(make, views) for statement in statements]
    assert [s for s in made if s.startswith("CREATE SCHEMA")] == ['CREATE SCHEMA IF NOT EXISTS "new_here"']
