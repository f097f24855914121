"""The flows, run for real against a Prefect server: what they do with shards, and what they show of it."""

from __future__ import annotations

import re
import socket
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import datetime
from itertools import pairwise
from typing import Any

import yaml

from flows.backfill import backfill
from flows.check_freshness import check_freshness
from flows.sync_view import sync_view
from flows.sync_views import sync_views
from tests.flows.flaky_port import FlakyPort
from tests.pages import plain, tables
from tests.prefect_api import PrefectApi
from tests.world import ORDERS_TABLE, WINDOWS, World, WorldMaker, orders_view

TEN = [f"shop_{n:02d}" for n in range(10)]


def closed_port() -> int:
    """A port on which nobody answers."""
    with closing(socket.socket()) as held:
        held.bind(("127.0.0.1", 0))
        port: int = held.getsockname()[1]
    return port


def filled(world: WorldMaker, shards: list[str], **options: Any) -> World:
    """Shards that hold an order each, numbered as they are."""
    w = world(shards, **options)
    w.on_all(ORDERS_TABLE)
    for number, shard in enumerate(shards):
        w.on(shard, "INSERT INTO orders VALUES (%s, 'new', 1.50, '2026-01-01', '{\"customer\": {\"name\": \"Ada\"}}')", number)
    return w


def with_address(w: World, shard: str, host_and_port: str, user: str = "root") -> None:
    """Say another address for a shard."""
    shards: dict[str, str] = w.connections()["mysql-shards/shop"]["shards"]
    w.connection_changes = {**w.connection_changes, "shards": {**shards, shard: f"mysql://{user}@{host_and_port}/{w.database(shard)}"}}


def run(prefect_api: PrefectApi, w: World, **options: Any) -> Any:
    """sync_view, here; its final state."""
    with prefect_api.here(w):
        return sync_view(w.view["name"], **options, return_state=True)


def test_every_shard_goes_through_every_stage_and_the_run_is_completed(world: WorldMaker, prefect_api: PrefectApi) -> None:
    w = filled(world, ["shop_00", "shop_01", "shop_02"])
    state = run(prefect_api, w)
    assert (state.type.value, state.message) == ("COMPLETED", "3/3 shards merged")
    assert w.target("id, customer_name, _shard") == [(0, "Ada", "shop_00"), (1, "Ada", "shop_01"), (2, "Ada", "shop_02")]
    tasks = prefect_api.task_runs(str(state.state_details.flow_run_id), 7)  # the plans of all shards are one
    assert sorted(tasks) == sorted(["plan orders", *(f"{stage} orders {shard}" for stage in ("extract", "apply") for shard in w.shards)])
    assert {t["state_type"] for t in tasks.values()} == {"COMPLETED"}
    assert {t["run_count"] for t in tasks.values()} == {1}


def test_a_run_is_named_after_its_view_and_the_end_of_its_window(world: WorldMaker, prefect_api: PrefectApi) -> None:
    w = filled(world, ["shop_00", "shop_01"])
    plain, narrow = run(prefect_api, w), run(prefect_api, w, shards=["shop_01"], full=True)
    assert re.fullmatch(r"orders up to \d{4}-\d\d-\d\d \d\d:\d\d", prefect_api.flow_run(plain)["name"])
    assert re.fullmatch(r"orders \(shop_01\) in full up to \d{4}-\d\d-\d\d \d\d:\d\d", prefect_api.flow_run(narrow)["name"])
    assert prefect_api.flow_run(plain)["parameters"] == {"view": "orders", "shards": None, "full": False}


def test_a_table_artifact_shows_each_shards_numbers_and_the_progress_comes_to_its_end(world: WorldMaker, prefect_api: PrefectApi) -> None:
    w = filled(world, ["shop_00", "shop_01"])
    w.on("shop_01", "INSERT INTO orders VALUES (77, 'new', 2, '2026-01-02', '{\"cut off')")
    state = run(prefect_api, w)
    artifacts = prefect_api.artifacts(str(state.state_details.flow_run_id))
    assert sorted(artifacts) == ["orders-progress", "orders-run"]
    assert (artifacts["orders-progress"]["type"], artifacts["orders-progress"]["data"]) == ("progress", 100.0)
    page = artifacts["orders-run"]
    assert page["type"] == "markdown"
    assert re.fullmatch(
        r"\*\*All 2 shards of orders arrived:\*\* 3 rows read, 2 merged, 1 rejected, in \d+ s\."
        r" \*\*Next:\*\* look at what was rejected with `shardlake rejects orders`\.",
        page["description"],
    )
    (rows,) = tables(page["data"])
    columns = ("shard", "state", "read", "merged", "rejected")
    assert [tuple(row[c] for c in columns) for row in rows] == [
        ("shop_00", "✓ merged", "1", "1", ""),
        ("shop_01", "✓ merged", "2", "1", "1"),
    ]
    for row in rows:
        assert datetime.strptime(row["up to"], "%d %b %Y, %H:%M:%S")  # to the second
        assert 0 < float(row["seconds"]) < 60
    assert not {"unchanged", "superseded"} & rows[0].keys()  # 0 in every row


def test_a_shard_that_is_down_fails_alone_and_the_final_state_names_it(world: WorldMaker, prefect_api: PrefectApi) -> None:
    w = filled(world, TEN)
    port = closed_port()
    with_address(w, "shop_03", f"127.0.0.1:{port}")
    state = run(prefect_api, w)
    assert state.type.value == "FAILED"
    assert state.message == (
        f"9/10 shards merged; shop_03: (127.0.0.1:{port}/{w.database('shop_03')}) cannot be reached or broke off (error 2003)."
        " Check that it runs and can be reached from here."
    )
    assert prefect_api.flow_run(state)["state"]["message"] == state.message
    assert w.target("_shard") == [(shard,) for shard in TEN if shard != "shop_03"]
    artifacts = prefect_api.artifacts(str(state.state_details.flow_run_id))
    page = artifacts["orders-run"]
    (failed,) = [t for t in prefect_api.task_runs(str(state.state_details.flow_run_id), 20).values() if t["state_type"] == "FAILED"]
    log = f"{prefect_api.server.ui_url}/runs/task-run/{failed['id']}"
    assert page["description"].startswith("**9 of 10 shards of orders arrived, shop\\_03 did not:** 9 rows read, 9 merged, in ")
    assert page["description"].endswith(
        f"s. **Next:** read why in [the log of shop\\_03]({log}), mend it; the next run goes on from there, or run it now with `shardlake run orders`."
    )
    assert f"- **shop_03**: {state.message.split('shop_03: ')[1]} (its log)" in plain(page["data"])
    assert [(row["shard"], row["state"]) for row in tables(page["data"])[0]][:2] == [("shop_03", "✗ failed"), ("shop_00", "✓ merged")]
    assert artifacts["orders-progress"]["data"] == 100.0
    assert "shop_03" not in w.watermarks()


def test_shards_whose_every_row_is_rejected_fail_the_flow_that_names_them_and_the_freshness_check_says_so_until_it_is_mended(
    world: WorldMaker, prefect_api: PrefectApi
) -> None:
    w = filled(world, ["shop_00", "shop_01"])
    w.on("shop_01", "UPDATE orders SET payload = '{cut off'")
    state = run(prefect_api, w)
    why = "every row was rejected (1), most often for payload: is not JSON"
    assert (state.type.value, state.message.partition(" (unexpected")[0]) == ("FAILED", f"1/2 shards merged; shop_01: {why}")
    flow_run = str(state.state_details.flow_run_id)
    assert {t["state_type"] for t in prefect_api.task_runs(flow_run, 5).values()} == {"COMPLETED"}  # nothing is tried again
    artifact = prefect_api.artifacts(flow_run)["orders-run"]
    assert [(row["shard"], row["state"], row["rejected"]) for row in tables(artifact["data"])[0]] == [
        ("shop_01", "✗ rejected", "1"),
        ("shop_00", "✓ merged", ""),
    ]
    assert artifact["description"].endswith(" **Next:** look at what was rejected with `shardlake rejects orders`.")
    with prefect_api.here(w):
        views, fresh = sync_views(["orders"], return_state=True), check_freshness(return_state=True)
        again = backfill("orders", "2025-12-31", "2026-01-01", ["shop_01"], "1d", return_state=True)
    assert (views.type.value, views.message) == ("COMPLETED", "2/2 shards merged")  # nothing is new
    assert (fresh.type.value, fresh.message) == (
        "FAILED", "1 of 2 shards of 1 view are fresh, 1 with every row rejected;"
        " orders: shop_01: every row that last came was rejected by warehouse; `shardlake rejects orders` lists them"
    )  # fmt: skip
    assert (again.type.value, why in again.message) == ("FAILED", True)
    w.on("shop_01", "UPDATE orders SET payload = '{}', updated_at = utc_timestamp(6)")
    with prefect_api.here(w):
        views, fresh = sync_views(["orders"], return_state=True), check_freshness(return_state=True)
    assert [(found.type.value, found.message) for found in (views, fresh)] == [
        ("COMPLETED", "2/2 shards merged"), ("COMPLETED", "all 2 shards of 1 view are fresh")
    ]  # fmt: skip


def test_a_wrong_password_is_tried_once_and_a_closed_port_again_after_a_pause(world: WorldMaker, prefect_api: PrefectApi) -> None:
    w = filled(world, ["shop_00", "shop_01", "shop_02"])
    with_address(w, "shop_01", f"127.0.0.1:{closed_port()}")
    with_address(w, "shop_02", f"127.0.0.1:{w.source.port}", user="nobody")
    state = run(prefect_api, w)
    assert state.message.startswith("1/3 shards merged; shop_01: (127.0.0.1:")
    assert f"; shop_02: (127.0.0.1:{w.source.port}/{w.database('shop_02')}) refused user 'nobody'" in state.message
    tasks = prefect_api.task_runs(str(state.state_details.flow_run_id), 5)
    plans = {name: task["run_count"] for name, task in tasks.items() if name.startswith("plan")}
    assert plans == {"plan orders": 1, "plan orders shop_01": 2, "plan orders shop_02": 1}  # who fails is asked by itself
    assert [s["name"] for s in prefect_api.states(tasks["plan orders shop_01"])] == [
        "Pending",
        "Running",
        "AwaitingRetry",
        "Retrying",
        "Failed",
    ]
    assert [s["name"] for s in prefect_api.states(tasks["plan orders shop_02"])] == ["Pending", "Running", "Failed"]


def test_a_read_that_breaks_off_is_tried_again_with_growing_pauses_until_it_passes(world: WorldMaker, prefect_api: PrefectApi) -> None:
    w = filled(world, ["shop_00"])
    with FlakyPort(w.source.port, refused={2, 3}) as port:  # the plan gets through, two reads do not
        with_address(w, "shop_00", f"127.0.0.1:{port.number}")
        state = run(prefect_api, w)
    assert (state.type.value, state.message) == ("COMPLETED", "1/1 shards merged")
    assert w.target("id") == [(0,)]
    extract = prefect_api.task_runs(str(state.state_details.flow_run_id), 3)["extract orders shop_00"]
    assert extract["run_count"] == 3
    began = [datetime.fromisoformat(s["timestamp"]) for s in prefect_api.states(extract) if s["name"] in ("Running", "Retrying")]
    first, second = ((later - earlier).total_seconds() for earlier, later in pairwise(began))
    assert first > 0.4  # of a second and of two, half is left to chance
    assert second > 0.9


def test_a_large_first_load_goes_window_by_window_within_one_run(world: WorldMaker, prefect_api: PrefectApi) -> None:
    w = world(["shop_00", "shop_01"], view=orders_view(source={"chunk": "64KB", "window": "1KB"}))
    w.on_all(ORDERS_TABLE)
    w.on_all("INSERT INTO orders SELECT seq, 'bulk', 1, '2026-01-01', concat('{\"a\": \"', repeat('x', 1000), '\"}') FROM seq_1_to_250")
    w.on("shop_01", "UPDATE orders SET id = id + 1000")
    state = run(prefect_api, w)
    assert state.message == "2/2 shards merged"
    assert w.warehouse(f"SELECT partition, count(*), sum(merged)::int FROM {WINDOWS} GROUP BY 1 ORDER BY 1") == [
        ("shop_00", 3, 250),
        ("shop_01", 3, 250),
    ]
    (rows,) = tables(prefect_api.artifacts(str(state.state_details.flow_run_id))["orders-run"]["data"])
    assert [(row["read"], row["merged"]) for row in rows] == [("250", "250"), ("250", "250")]
    assert w.target("count(*), count(DISTINCT id)") == [(500, 500)]


def test_a_run_that_finds_nothing_new_starts_no_reader(world: WorldMaker, prefect_api: PrefectApi) -> None:
    w = filled(world, ["shop_00", "shop_01"])
    w.must_sync()
    state = run(prefect_api, w)
    assert (state.type.value, state.message) == ("COMPLETED", "2/2 shards merged")
    assert sorted(prefect_api.task_runs(str(state.state_details.flow_run_id), 1)) == ["plan orders"]


def test_a_view_that_cannot_begin_is_a_failed_run_that_says_why(world: WorldMaker, prefect_api: PrefectApi) -> None:
    w = filled(world, ["shop_00"])
    unknown, missing = run(prefect_api, w, shards=["shop_99"]), None
    assert (unknown.type.value, unknown.message) == ("FAILED", "mysql-shards/shop has no shard 'shop_99'; there are: shop_00")
    w.view["warehouse"]["connection"] = "postgres-warehouse/elsewhere"
    missing = run(prefect_api, w)
    assert missing.type.value == "FAILED"
    assert "has no connection 'postgres-warehouse/elsewhere'" in missing.message


def test_two_runs_of_a_view_at_once_take_every_row_once(world: WorldMaker, prefect_api: PrefectApi) -> None:
    w = filled(world, ["shop_00", "shop_01"])
    w.write_files()
    together = threading.Barrier(2)

    def one() -> Any:
        together.wait()
        return prefect_api.command(w, "run", "orders")

    with ThreadPoolExecutor(2) as pool:
        ends = [future.result() for future in [pool.submit(one), pool.submit(one)]]
    assert [(end.returncode, end.stderr) for end in ends] == [(0, ""), (0, "")]
    assert w.target("id, _shard") == [(0, "shop_00"), (1, "shop_01")]
    assert w.warehouse(f"SELECT count(*), sum(merged)::int FROM {WINDOWS} WHERE state = 'applied'") == [(2, 2)]
    assert w.warehouse("SELECT state FROM shardlake.runs") == [("completed",), ("completed",)]


def add_view(w: World, name: str, **changes: Any) -> None:
    """One more view of the same shards beside the world's own."""
    view = orders_view(name=name, warehouse={"table": f"analytics.{name}"}, **changes)
    home = w.folder / "views" / name
    home.mkdir(parents=True)
    (home / "view.yaml").write_text(yaml.safe_dump(view))


def test_sync_views_runs_all_views_of_the_folder_and_each_has_its_table(world: WorldMaker, prefect_api: PrefectApi) -> None:
    w = filled(world, ["shop_00", "shop_01"])
    add_view(w, "orders_again")
    with prefect_api.here(w):
        state = sync_views(return_state=True)
    assert (state.type.value, state.message) == ("COMPLETED", "all 2 views merged")
    assert re.fullmatch(r"all views up to [\d-]+ [\d:]+", prefect_api.flow_run(state)["name"])
    artifacts = prefect_api.artifacts(str(state.state_details.flow_run_id))
    assert sorted(artifacts) == ["orders-again-progress", "orders-again-run", "orders-progress", "orders-run"]
    assert w.target("id") == w.warehouse("SELECT id FROM analytics.orders_again ORDER BY 1") == [(0,), (1,)]


def test_a_view_that_fails_does_not_stop_the_next_and_the_final_state_names_it(world: WorldMaker, prefect_api: PrefectApi) -> None:
    w = filled(world, ["shop_00", "shop_01"])
    add_view(w, "a_bad_one", source={"table": "nowhere"})
    add_view(w, "a_broken_one")
    (w.folder / "views" / "a_broken_one" / "view.yaml").write_text("name: [")
    with prefect_api.here(w):
        state = sync_views(["a_bad_one", "a_broken_one", "orders"], return_state=True)
    assert state.type.value == "FAILED"
    bad, broken = str(state.message).split(" | ")
    assert bad.startswith("a_bad_one: 0/2 shards merged; shop_00: ")
    assert broken.startswith("a_broken_one: ")
    assert "view.yaml, line 1: " in broken
    assert prefect_api.flow_run(state)["name"].startswith("a_bad_one, a_broken_one, orders up to ")
    assert w.target("id") == [(0,), (1,)]
