"""What a run leaves behind in Prefect, on the console and in the process list: names and numbers, no rows and no secrets."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import yaml

from tests.prefect_api import PrefectApi, traces
from tests.world import ORDERS_TABLE, World, WorldMaker

MARK = "wren-of-the-run"
"""It stands in every password and in every row of this test, and so must stand nowhere else: no other test of this server has it."""
SHARDS, WRONG, WAREHOUSE = f"{MARK}-ß@/:%40 shards", f"{MARK}-wrong", f"{MARK}'\\ warehouse"


def guarded(world: WorldMaker) -> World:
    """Three shards and a warehouse behind passwords; the third shard's is wrong. Rows and rejects hold the mark too."""
    w = world(["shop_00", "shop_01", "shop_02"])
    w.on_all(ORDERS_TABLE)
    w.on("shop_00", "INSERT INTO orders VALUES (1, %s, 1, '2026-01-01', NULL)", MARK)
    w.on("shop_01", "INSERT INTO orders VALUES (2, 'new', 1, '2026-01-01', %s)", f'{{"{MARK}')
    w.source.execute(f"CREATE USER {w.prefix}@'%%' IDENTIFIED BY %s", SHARDS)
    w.source.execute(f"GRANT SELECT ON *.* TO {w.prefix}@'%'")
    quoted = WAREHOUSE.replace("'", "''")
    w.warehouse(f"CREATE ROLE {w.prefix} LOGIN PASSWORD '{quoted}'")
    w.warehouse(f"GRANT CREATE ON DATABASE {w.warehouse_database} TO {w.prefix}")
    found = w.connections()
    shop, main = found["mysql-shards/shop"], found["postgres-warehouse/main"]
    shop |= {"password": "${SHOP_PASSWORD}", "overrides": {"shop_02": {"password": "${WRONG_PASSWORD}"}}}
    shop["shards"] = {shard: url.replace("//root@", f"//{w.prefix}@") for shard, url in shop["shards"].items()}
    main |= {"password": "${WAREHOUSE_PASSWORD}", "url": main["url"].replace("//postgres@", f"//{w.prefix}@")}
    (w.folder / "guarded.yaml").write_text(yaml.safe_dump(found))
    return w


@contextmanager
def watched() -> Iterator[set[str]]:
    """The command lines of all that this process has started, directly or not, within."""
    seen: set[str] = set()
    over = threading.Event()

    def watch() -> None:
        while not over.is_set():
            for process in psutil.Process().children(recursive=True):
                try:
                    seen.add(" ".join(process.cmdline()))
                except psutil.Error:
                    continue
            time.sleep(0.02)

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield seen
    finally:
        over.set()
        thread.join()


def test_no_row_and_no_secret_shows_in_any_state_log_artifact_output_or_process_list(world: WorldMaker, prefect_api: PrefectApi) -> None:
    w = guarded(world)
    environment = {
        "SHOP_PASSWORD": SHARDS, "WRONG_PASSWORD": WRONG, "WAREHOUSE_PASSWORD": WAREHOUSE,
        "PREFECT_LOGGING_LEVEL": "DEBUG", "PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL": "DEBUG", "PREFECT_LOGGING_INTERNAL_LEVEL": "DEBUG",
    }  # fmt: skip
    with watched() as processes:
        run = prefect_api.command(w, "--connections", "guarded.yaml", "run", "orders", **environment)
        bug = prefect_api.command(
            w, "--connections", "guarded.yaml", "run", "orders", "--full", SHARDLAKE_FAILPOINT="merge.started=error", **environment
        )
        closed = prefect_api.command(w, "--connections", "guarded.yaml", "run", "orders", **{**environment, "WAREHOUSE_PASSWORD": WRONG})

    assert w.target("id, status") == [(1, MARK)]
    assert [(row[0], row[3]) for row in w.rejects()] == [("shop_01", f'{{"{MARK}')]
    assert [run.returncode, bug.returncode, closed.returncode] == [1, 1, 1]
    assert f"; shop_02: (127.0.0.1:{w.source.port}/{w.database('shop_02')}) refused user" in run.stdout
    assert "shop_00: RuntimeError in Shardlake itself" in bug.stdout
    assert "refused user" in closed.stderr

    for done in (run, bug, closed):
        assert traces(MARK, done.stdout + done.stderr) == []
    assert any("shardlake" in line for line in processes)
    assert [line for line in processes if MARK in line] == []
    kept = prefect_api.everything()
    assert "refused user" in kept  # it holds what there is to search in
    assert "RuntimeError: failpoint merge.started" in kept
    assert traces(MARK, kept) == []
    for table in ("runs", "run_shards", "windows", "positions", "sink_windows", "contracts"):
        assert traces(MARK, json.dumps(w.warehouse(f"SELECT to_jsonb(t) FROM shardlake.{table} t"), default=str)) == []


def test_no_result_is_kept_and_a_command_that_has_ended_has_told_prefect_all(world: WorldMaker, prefect_api: PrefectApi) -> None:
    w = world(["shop_00"])
    w.on_all(ORDERS_TABLE)
    w.on("shop_00", "INSERT INTO orders VALUES (1, 'new', 1, '2026-01-01', NULL)")
    done = prefect_api.command(w, "run", "orders")
    assert (done.returncode, done.stderr) == (0, "")
    last = max(prefect_api.all("flow_runs"), key=lambda r: str(r["start_time"] or ""))
    assert (last["state_type"], last["state"]["message"]) == ("COMPLETED", "1/1 shards merged")
    tasks = prefect_api.task_runs(last["id"], 3)
    assert {t["state_type"] for t in tasks.values()} == {"COMPLETED"}
    logs = [line["message"] for line in prefect_api.all("logs", logs={"flow_run_id": {"any_": [last["id"]]}})]
    assert "Finished in state Completed('1/1 shards merged')" in logs
    kept = [last["state"], *(s for t in tasks.values() for s in prefect_api.states(t))]
    assert {json.dumps(state.get("data")) for state in kept} == {"null"}
    assert [path for path in Path(str(prefect_api.server.home), "storage").rglob("*") if path.is_file()] == []
