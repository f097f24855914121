"""`shardlake run` and `backfill` without a Prefect server: the engine in this process, at once; what can be known is said before."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from tests.prefect_api import PrefectApi
from tests.world import ORDERS_TABLE, World, WorldMaker, orders_view

HEAVY = {"prefect", "prefect_aws", "fastapi", "sqlalchemy", "pyiceberg", "deltalake", "boto3"}
"""Packages that take from a fifth of a second to two to import."""
SHARDS = ["shop_00", "shop_01"]


@pytest.fixture
def shop(world: WorldMaker) -> World:
    """Two shards with two orders each, one of them a reject."""
    w = world(SHARDS, view=orders_view(warehouse={"key": ["_shard", "id"]}))
    w.on_all(ORDERS_TABLE)
    w.on_all("INSERT INTO orders VALUES (1, 'new', 1.50, '2026-01-01', NULL), (2, 'new', 1.50, '2026-01-02', '{\"cut off')")
    return w


def imported(stderr: str) -> set[str]:
    """The packages that a command has imported, by what PYTHONPROFILEIMPORTTIME has it write."""
    return {line.split("|")[-1].strip().partition(".")[0] for line in stderr.splitlines() if line.startswith("import time:")}


def said(stderr: str) -> str:
    return "".join(line for line in stderr.splitlines(keepends=True) if not line.startswith("import time:"))


def counts(stdout: str) -> list[tuple[Any, ...]]:
    (view,) = json.loads(stdout)["views"]
    return [(s["shard"], s["state"], s["windows"], s["read"], s["merged"], s["rejected"], s["error"]) for s in view["shards"]]


def test_a_run_without_a_server_brings_the_rows_and_loads_nothing_of_prefect_or_of_lakes_that_it_has_not(shop: World) -> None:
    first = shop.command("run", "orders", "--json", PYTHONPROFILEIMPORTTIME="1")
    assert (first.returncode, said(first.stderr)) == (0, "")
    assert counts(first.stdout) == [(shard, "merged", 1, 2, 1, 1, None) for shard in SHARDS]
    assert shop.target("id, _shard", "_shard") == [(1, "shop_00"), (1, "shop_01")]
    again = shop.command("run", "orders", "--json", PYTHONPROFILEIMPORTTIME="1")
    assert counts(again.stdout) == [(shard, "nothing", 0, 0, 0, 0, None) for shard in SHARDS]
    for done in (first, again):
        assert imported(done.stderr) & HEAVY == set()
        assert "psycopg" in imported(done.stderr)  # so it does tell


def test_a_flow_and_a_run_in_this_process_do_the_same(shop: World, prefect_api: PrefectApi) -> None:
    shown = []
    for number, command in enumerate((shop.command, lambda *words: prefect_api.command(shop, *words))):
        shop.on_all(f"INSERT INTO orders VALUES ({number + 10}, 'new', 1.50, '2026-01-{number + 10}', NULL)")
        before = len(prefect_api.all("flow_runs"))
        done = command("run", "orders", "--full", "--shard", "shop_01", "--json")
        assert (done.returncode, done.stderr) == (0, "")
        assert len(prefect_api.all("flow_runs")) == before + number
        shown.append(counts(done.stdout))
    assert shown == [[("shop_01", "merged", 1, 3, 2, 1, None)], [("shop_01", "merged", 1, 4, 1, 1, None)]]


def test_with_flow_a_server_is_started_for_the_command_where_none_is_named_and_no_notice_of_its_own_is_shown(shop: World) -> None:
    home = shop.folder / "prefect-home"
    done = shop.command("run", "orders", "--flow", PREFECT_HOME=str(home), DO_NOT_TRACK="", PREFECT_SERVER_ANALYTICS_ENABLED="true")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines()[-1] == "orders: 4 rows read, 2 merged, 2 rejected; 2/2 shards merged; next: shardlake rejects orders"
    assert (home / "prefect.db").exists()


def test_a_backfill_without_a_server_reads_its_slices_and_goes_on_where_it_was(shop: World) -> None:
    shop.must_sync()
    words = ("backfill", "orders", "--from", "2025-12-30", "--to", "2026-01-03", "--step", "1d")
    shards = shop.connections()["mysql-shards/shop"]["shards"]
    shop.connection_changes = {"shards": {**shards, "shop_01": f"mysql://root@127.0.0.1:1/{shop.database('shop_01')}"}}
    half = shop.command(*words, PYTHONPROFILEIMPORTTIME="1")
    assert half.returncode == 1
    assert imported(half.stderr) & HEAVY == set()
    assert half.stdout.splitlines()[-1].endswith(
        "the same command again goes on; next: shardlake rejects orders, then the same command, which goes on"
    )
    shop.connection_changes = {}
    done = shop.command(*words)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines()[-1] == (
        "orders: 4 rows read, 2 unchanged, 2 rejected; 8/8 slices merged (4 of them by earlier runs); next: shardlake rejects orders"
    )


@pytest.mark.parametrize("server", ["no server", "a server"])
def test_what_can_be_known_is_said_before_anything_is_loaded_or_started(shop: World, server: str, prefect_api: PrefectApi) -> None:
    named = {} if server == "no server" else {"PREFECT_API_URL": prefect_api.server.api_url}
    shop.write_files()
    file = shop.folder / "connections.yaml"
    unset = file.read_text().replace("password: ''", "password: ${NOT_SET_AT_ALL}", 1)
    closed = re.sub(r"(postgresql://[^@]+@127.0.0.1:)\d+", r"\g<1>1", file.read_text())
    (shop.folder / "unset.yaml").write_text(unset)
    (shop.folder / "closed.yaml").write_text(closed)
    for words, message in (
        (("run", "order"), f"no view 'order' in {shop.folder / 'views'}; there are: orders. Check the name, or --views."),
        (("--connections", "unset.yaml", "run", "orders"), "unset.yaml: mysql-shards/shop.password: ${NOT_SET_AT_ALL} is not set. Set it in the environment of this process."),
        (("--connections", "closed.yaml", "run", "orders"), "postgres-warehouse/main: nobody answers at 127.0.0.1:1 (connection refused). Start it, or correct its address in closed.yaml."),
        (("--connections", "closed.yaml", "backfill", "orders", "--from", "2026-01-01", "--to", "2026-01-02"), "postgres-warehouse/main: nobody answers at 127.0.0.1:1 (connection refused). Start it, or correct its address in closed.yaml."),
    ):  # fmt: skip
        done = shop.command(*words, PYTHONPROFILEIMPORTTIME="1", **named)
        assert (done.returncode, done.stdout) == (1, "")
        assert said(done.stderr).partition(" ")[2] == message + "\n"
        assert imported(done.stderr) & (HEAVY | {"duckdb", "polars", "connectorx"}) == set()


def test_an_api_that_does_not_answer_is_said_with_where_it_is_named(shop: World) -> None:
    done = shop.command("run", "orders", PREFECT_API_URL="http://127.0.0.1:1/api/", PYTHONPROFILEIMPORTTIME="1")
    assert (done.returncode, done.stdout) == (1, "")
    assert said(done.stderr) == (
        "PrefectUnavailable Prefect's API at http://127.0.0.1:1/api (PREFECT_API_URL in the environment): nobody answers at 127.0.0.1:1"
        " (connection refused). Start it, or name none: the command then does its work by itself.\n"
    )
    assert imported(done.stderr) & HEAVY == set()


def test_a_shard_at_which_nobody_answers_is_said_before_a_flow_begins_and_the_others_are_brought_up_to_now(
    shop: World, prefect_api: PrefectApi
) -> None:
    shards = shop.connections()["mysql-shards/shop"]["shards"]
    shop.connection_changes = {"shards": {**shards, "shop_01": "mysql://root@127.0.0.1:1/gone"}}
    done = prefect_api.command(shop, "run", "orders")
    assert done.returncode == 1
    assert done.stderr == "shop_01: nobody answers at 127.0.0.1:1 (connection refused); the run goes on without it\n"
    assert shop.target("id, _shard") == [(1, "shop_00")]


def test_without_a_file_and_without_prefect_the_way_out_is_said(shop: World) -> None:
    for words in (("run", "orders"), ("plan", "orders"), ("status",)):
        done = shop.command(*words, SHARDLAKE_CONNECTIONS="", PREFECT_HOME=str(shop.folder / "nothing"), PYTHONPROFILEIMPORTTIME="1")
        assert done.returncode == 1
        assert "there is no connections file, and no Prefect server is named that could have connections as blocks." in said(done.stderr)
        assert imported(done.stderr) & HEAVY == set()


def test_a_fault_in_shardlake_itself_is_its_shards_failure_with_the_line_and_no_traceback(shop: World) -> None:
    done = shop.command("run", "orders", SHARDLAKE_FAILPOINT="merge.started=error")
    assert (done.returncode, done.stderr) == (1, "")
    assert re.search(r"shop_00: RuntimeError in Shardlake itself \(shardlake/failpoints\.py, line \d+\)", done.stdout)
    assert shop.warehouse("SELECT state FROM shardlake.runs") == [("failed",)]
    shop.must_sync()
    assert shop.target("id, _shard", "_shard") == [(1, "shop_00"), (1, "shop_01")]
