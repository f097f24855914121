"""What a run may be given: a view's deployment runs its own view alone, and no parameter may hold a secret, an address or SQL."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx
import pytest
import yaml
from prefect.blocks.notifications import SlackWebhook
from prefect.blocks.webhook import Webhook
from pydantic import SecretStr

from deployments.deployed import flow_at
from tests.fleet import Project, on_server
from tests.prefect_api import PrefectApi
from tests.world import ROOT

PARAMETERS = {
    "flows.sync_view.sync_view": ["view", "shards", "full"],
    "flows.sync_views.sync_views": ["views", "shards", "full"],
    "flows.backfill.backfill": ["view", "start", "end", "shards", "step", "parallel"],
    "flows.check_freshness.check_freshness": ["views", "notify", "heartbeat", "silence", "pending"],
    "flows.compact_lake.compact_lake": ["views"],
    "flows.infer_schemas.infer_schemas": ["views"],
}
"""Every parameter of every flow that is deployed: names of views, shards and notification blocks, ends of a range, numbers. A new one is
added here by somebody who has asked: may it hold a reference to a secret, an address, or SQL? Then it belongs into a file."""


@pytest.fixture(scope="module")
def it(prefect_api: PrefectApi, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    """A project with two views and a group of two."""
    with on_server(prefect_api, tmp_path_factory.mktemp("forms"), {}, Project) as made:
        made.view("items")
        for name in ("a_view", "b_view"):
            made.view(name, group="finance", schedule="every 1h")
        made.publish()
        yield made


def begin(it: Project, deployment: str, parameters: dict[str, Any], **more: Any) -> str:
    """Ask the server for a run, as its page does; what it refuses is told by its answer."""
    try:
        made = it.api.post(f"deployments/{it.deployment(deployment)['id']}/create_flow_run", {"parameters": parameters, **more})
    except httpx.HTTPStatusError as error:
        return f"{error.response.status_code} {error.response.json()['detail']}"
    return str(made["id"])


def strange(it: Project) -> list[str]:
    """Runs of orders' deployment for another view, whoever asked for them."""
    found = it.api.all("flow_runs", deployments={"id": {"any_": [it.deployment("sync-view/orders")["id"]]}})
    return [str(run["id"]) for run in found if run["parameters"]["view"] != "orders"]


def test_no_parameter_of_a_deployed_flow_may_hold_a_secret_an_address_or_sql(it: Project) -> None:
    declared = [item["entrypoint"] for item in yaml.safe_load((ROOT / "prefect.yaml").read_text())["deployments"]]
    deployed = it.api.all("deployments", deployments={"tags": {"all_": ["project:shardlake"]}})
    assert {*declared, *(d["entrypoint"] for d in deployed)} == set(PARAMETERS)
    assert {e: list(flow_at(e).parameters.properties) for e in PARAMETERS} == PARAMETERS
    for found in deployed:
        assert list(found["parameter_openapi_schema"]["properties"]) == PARAMETERS[found["entrypoint"]]
        assert [v for v in str(found["parameters"]).split() if "${" in v or "://" in v] == []


def test_the_server_refuses_a_run_of_another_view(it: Project) -> None:
    assert begin(it, "sync-view/orders", {"view": "items"}) == (
        "409 Error creating flow run: Validation failed for field 'view'. Failure reason: 'items' is not one of ['orders']"
    )
    assert begin(it, "sync-view/orders", {"view": None}).startswith("409 ")
    assert begin(it, "sync-view/orders", {"view": "orders", "full": True, "shards": ["shop_00"]}).count("-") == 4
    for views in (["a_view"], ["b_view", "a_view"], ["orders", "items"], None):
        assert begin(it, "sync-views/finance", {"views": views}).startswith("409 "), views
    assert begin(it, "sync-views/finance", {"full": True}).count("-") == 4
    assert begin(it, "sync-views/sync-views", {"views": ["items"]}).count("-") == 4


def test_the_server_refuses_a_check_that_would_tell_others_or_nobody(it: Project) -> None:
    check = "check-freshness/check-freshness"
    for other in ({"notify": []}, {"notify": ["slack-webhook/other"]}, {"heartbeat": "webhook/other"}, {"silence": 1}, {"pending": 1}):
        assert begin(it, check, other).startswith(f"409 Error creating flow run: Validation failed for field '{next(iter(other))}'."), other
    assert begin(it, check, {"notify": None, "views": ["orders"]}).count("-") == 4
    asked = {**it.project["definitions"], "notify": ["slack-webhook/team"], "heartbeat": "webhook/switch", "pending": 600}
    with it.here():
        SlackWebhook(url=SecretStr("https://hooks.example/team")).save("team", overwrite=True)
        Webhook(url=SecretStr("https://hc.example/switch")).save("switch", overwrite=True)
    told, before = ["slack-webhook/team"], it.project
    try:
        it.write_project({**it.project, "definitions": asked})
        it.publish()
        for mine in ({"notify": []}, {"notify": None}, {"notify": [*told, *told]}, {"heartbeat": None}, {"pending": 900}, {"silence": 180}):
            assert begin(it, check, mine).startswith("409 "), mine
        assert begin(it, check, {}).count("-") == 4
        assert begin(it, check, {"notify": told, "heartbeat": "webhook/switch", "pending": 600, "silence": 40}).count("-") == 4
    finally:
        it.write_project(before)
        it.publish()


def test_prefects_own_command_is_refused_too(it: Project) -> None:
    before = strange(it)
    done = it.run("prefect", "deployment", "run", "sync-view/orders", "--param", 'view="items"')
    assert done.returncode == 1
    assert "'items' is not one of ['orders']" in " ".join((done.stdout + done.stderr).split())
    assert strange(it) == before


def test_an_automation_begins_no_run_of_another_view(it: Project) -> None:
    deployment, before = it.deployment("sync-view/orders")["id"], strange(it)
    trigger = {
        "type": "event",
        "posture": "Reactive",
        "expect": ["test.begin"],
        "match": {"prefect.resource.id": "test.*"},
        "threshold": 1,
        "within": 0,
    }
    actions = [{"type": "run-deployment", "source": "selected", "deployment_id": deployment, "parameters": {"view": "items"}}]
    made = it.api.post("automations/", {"name": "another view", "trigger": trigger, "actions": actions})
    try:
        emit = "from prefect.events import emit_event; emit_event('test.begin', resource={'prefect.resource.id': 'test.x'})"
        done = it.run("python", "-c", emit)
        assert done.returncode == 0, done.stderr

        def failed() -> list[Any]:
            mine = [e for e in it.api.events() if e["event"] == "prefect.automation.action.failed"]
            return [e["payload"] for e in mine if made["id"] in str(e)]

        assert "is not one of ['orders']" in str(it.until(failed))
        assert strange(it) == before
    finally:
        it.api.delete(f"automations/{made['id']}")


def test_a_run_that_had_the_server_look_away_refuses_itself_and_says_what_it_is(it: Project) -> None:
    """The API lets a caller have parameters not checked; the run then reads its deployment's schema. Its first line is its version."""
    run = begin(it, "sync-view/orders", {"view": "items"}, enforce_parameter_schema=False)
    it.view("items", description="Another than was published.")
    told = {"PREFECT__FLOW_RUN_ID": run, "SHARDLAKE_IMAGE": "host/shardlake:1", "SHARDLAKE_DEFINITIONS": "items=000000000000"}
    it.run("prefect", "flow-run", "execute", **told)
    state = it.api.get(f"flow_runs/{run}")["state"]
    assert (state["type"], state["message"]) == (
        "FAILED", "this deployment runs orders, and not items. Run the deployment of items, or `shardlake run items`."
    )  # fmt: skip

    def lines() -> list[str]:
        return [line["message"] for line in it.api.all("logs", logs={"flow_run_id": {"any_": [run]}}, sort="TIMESTAMP_ASC")]

    [begins] = it.until(lambda: [line for line in lines() if line.startswith("run.begins ")])
    assert begins.startswith("run.begins view=items run=")
    assert begins.endswith(" version=test image=host/shardlake:1 definition=another")
