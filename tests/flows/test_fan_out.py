"""A view whose shards are runs of their own, begun again and cancelled: no shard is read twice, and no run is left behind."""

from __future__ import annotations

from typing import Any

import pytest

from tests.prefect_api import PrefectApi
from tests.stopping import can_have_namespaces, ecs_task, flow_run, in_time, state_of, until
from tests.world import ORDERS_TABLE, World, WorldMaker, orders_view


@pytest.fixture
def w(world: WorldMaker, prefect_api: PrefectApi) -> World:
    """Three shards, each a run of its own that no worker takes."""
    made = world(["shop_00", "shop_01", "shop_02"], view=orders_view(run={"fan_out": "deployments"}))
    made.on_all(ORDERS_TABLE)
    flow = prefect_api.post("flows/", {"name": "sync-view"})["id"]
    body = {"name": "orders.shards", "flow_id": flow, "entrypoint": "flows.sync_view.sync_view", "enforce_parameter_schema": False}
    prefect_api.post("deployments/", body)
    return made


def begun_by(api: PrefectApi, run: str, **filters: Any) -> list[dict[str, Any]]:
    """The runs of shards that a run has begun, in that order."""
    found = api.all("flow_runs", deployments={"name": {"any_": ["orders.shards"]}}, **filters)
    return sorted((r for r in found if r["idempotency_key"].startswith(run)), key=lambda r: str(r["created"]))


def children(api: PrefectApi, run: str) -> dict[str, list[str]]:
    """The runs of each shard that a run has begun by their states, in the order in which they were begun."""
    by_shard: dict[str, list[str]] = {}
    for run_of_shard in begun_by(api, run):
        shard, state = run_of_shard["parameters"]["shards"][0], run_of_shard["state_name"].replace("Late", "Scheduled")
        by_shard.setdefault(shard, []).append(state)
    return by_shard


def ends(api: PrefectApi, run: str, shard: str, state: str) -> None:
    """The run of a shard that waits, and that a run has begun, comes to an end."""
    found = begun_by(api, run, flow_runs={"state": {"type": {"any_": ["SCHEDULED"]}}})
    [waiting] = [r["id"] for r in found if r["parameters"]["shards"] == [shard]]
    for step in ("PENDING", "RUNNING", state):
        api.post(f"flow_runs/{waiting}/set_state", {"state": {"type": step}, "force": True})


@pytest.mark.timeout(600)
@pytest.mark.skipif(not can_have_namespaces, reason="a PID namespace is root's to make")
def test_a_fan_out_that_is_begun_again_finds_what_it_began_and_one_that_is_cancelled_leaves_nothing(
    w: World, prefect_api: PrefectApi
) -> None:
    def are(**states: Any) -> None:
        wanted = {shard: found if isinstance(found, list) else [found] for shard, found in states.items()}
        until(lambda: children(prefect_api, run) == wanted)

    run = flow_run(prefect_api, view="orders")
    with ecs_task(w, prefect_api, run) as task:
        are(shop_00="Scheduled", shop_01="Scheduled", shop_02="Scheduled")
        assert task.stop() < in_time()
    assert state_of(prefect_api, run)[0] == "AwaitingRetry"
    are(shop_00="Scheduled", shop_01="Scheduled", shop_02="Scheduled")
    ends(prefect_api, run, "shop_00", "COMPLETED")
    ends(prefect_api, run, "shop_01", "FAILED")
    with ecs_task(w, prefect_api, run) as task:
        are(shop_00="Completed", shop_01=["Failed", "Scheduled"], shop_02="Scheduled")
        until(lambda: prefect_api.get(f"flow_runs/{run}")["state_type"] == "RUNNING")
        prefect_api.post(f"flow_runs/{run}/set_state", {"state": {"type": "CANCELLING", "name": "Cancelling"}})
        assert task.gone() < in_time()
    assert state_of(prefect_api, run)[0] == "Cancelled"
    are(shop_00="Completed", shop_01=["Failed", "Cancelled"], shop_02="Cancelled")


@pytest.mark.timeout(600)
@pytest.mark.skipif(not can_have_namespaces, reason="a PID namespace is root's to make")
def test_a_run_in_the_place_of_one_that_was_killed_finds_what_it_began_and_begins_a_crashed_shard_once_more(
    w: World, prefect_api: PrefectApi
) -> None:
    killed = flow_run(prefect_api, view="orders")
    with ecs_task(w, prefect_api, killed):
        until(lambda: len(children(prefect_api, killed)) == 3)
    again = flow_run(prefect_api, view="orders", key=f"rerun-{killed}-0")
    ends(prefect_api, killed, "shop_00", "COMPLETED")
    ends(prefect_api, killed, "shop_01", "CRASHED")
    with ecs_task(w, prefect_api, again) as task:
        until(lambda: children(prefect_api, killed)["shop_01"] == ["Crashed", "Scheduled"])  # by its beginning
        ends(prefect_api, killed, "shop_01", "CRASHED")
        until(lambda: children(prefect_api, killed)["shop_01"] == ["Crashed", "Crashed", "Scheduled"])  # while it waits
        ends(prefect_api, killed, "shop_01", "CRASHED")
        ends(prefect_api, killed, "shop_02", "COMPLETED")
        task.gone(300)
    assert children(prefect_api, killed) == {
        "shop_00": ["Completed"],
        "shop_01": ["Crashed", "Crashed", "Crashed"],
        "shop_02": ["Completed"],
    }
    assert state_of(prefect_api, again) == ("Failed", "2/3 shards merged; shop_01: its run is Crashed")
    assert w.warehouse("SELECT state, message FROM shardlake.runs") == [("failed", "2/3 shards merged; shop_01: its run is Crashed")]
