"""`shardlake publish`, the real command against a real Prefect server: what it makes, changes, removes, and leaves alone."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from shardlake.errors import SpecError
from tests.fleet import POOL, Project, on_server
from tests.prefect_api import PrefectApi, traces
from tests.world import ROOT

CANARY = "canary-of-publish"

EVERY_RUN = {"PREFECT_FLOWS_HEARTBEAT_FREQUENCY": "30", "PREFECT_FLOW_RUN_EXECUTE_SIGTERM_BEHAVIOR": "reschedule"}


@pytest.fixture
def it(prefect_api: PrefectApi, tmp_path: Path) -> Iterator[Project]:
    """A project that publishes to the session's server; nothing of it is left there."""
    with on_server(prefect_api, tmp_path, {"CANARY": CANARY}, Project) as made:
        yield made


def changes(found: dict[str, Any], kind: str = "deployment") -> set[tuple[str, str, tuple[str, ...]]]:
    return {(c["action"], c["name"], tuple(c["fields"])) for c in found["changes"] if c["kind"] == kind}


STANDING = {("create", f"{name}/{name}", ()) for name in ("sync-views", "backfill", "check-freshness", "compact-lake")}


def test_the_first_time_all_is_made_and_the_second_time_nothing(it: Project) -> None:
    assert it.publish("--check", code=1)["ok"] is False
    assert it.api.all("deployments", deployments={"tags": {"all_": ["project:shardlake"]}}) == []
    assert it.publish("--dry-run")["ok"] is True
    made = it.publish()
    assert changes(made) == STANDING | {("create", "sync-view/orders", ())}
    assert changes(made, "limit") <= {("create", "shardlake-postgres-shards-shop", ())}
    again = it.publish("--check")
    assert (again["ok"], again["changes"]) == (True, [])
    assert again["calls"] <= 6


def test_schemas_are_renewed_every_week_where_a_view_infers_its_columns_and_only_there(it: Project) -> None:
    it.write_project(yaml.safe_load((ROOT / "prefect.yaml").read_text()) | {"definitions": it.project["definitions"]})
    it.publish()
    it.view(columns="inferred", schedule="every 15m")
    assert {c for c in changes(it.publish()) if c[0] == "create"} == {("create", "infer-schemas/infer-schemas", ())}
    made = it.deployment("infer-schemas/infer-schemas")
    assert ([s["schedule"]["cron"] for s in made["schedules"]], made["work_queue_name"]) == (["37 1 * * 0"], "backfills")
    it.view(schedule="every 15m")
    assert {c for c in changes(it.publish()) if c[0] == "remove"} == {("remove", "infer-schemas/infer-schemas", ())}


def test_a_deployment_holds_what_the_view_says(it: Project) -> None:
    it.view(
        schedule=["every 15m", "0 6 * * 1-5 Europe/Berlin"],
        late="queue",
        tags=["finance"],
        run={"timeout": "20m", "cpu": 512, "memory": "2GB"},
    )
    it.publish()
    found = it.deployment("sync-view/orders")
    assert found["entrypoint"] == "flows.sync_view.sync_view"
    assert found["parameters"] == {"view": "orders"}
    assert found["work_pool_name"] == POOL
    assert sorted(found["tags"]) == ["finance", "owner:demo@example.com", "project:shardlake", "shardlake", "view:orders"]
    assert "Owner: demo@example.com. Runs every 15m, 0 6 * * 1-5 Europe/Berlin." in found["description"]
    published = found["job_variables"]["env"].pop("SHARDLAKE_DEFINITIONS")
    assert re.fullmatch(r"orders=[0-9a-f]{12}", published)
    assert found["job_variables"] == {"env": {**EVERY_RUN, "SHARDLAKE_TIMEOUT": "1200"}}
    assert found["version"] == "test"
    assert (found["global_concurrency_limit"]["limit"], found["concurrency_options"]["collision_strategy"]) == (1, "ENQUEUE")
    schedules = {s["slug"]: s["schedule"] for s in found["schedules"]}
    assert schedules["0-6-x-x-1to5-europe-berlin"] == {"cron": "0 6 * * 1-5", "timezone": "Europe/Berlin", "day_or": True}
    assert schedules["every-15m"]["interval"] == 900
    assert schedules["every-15m"]["anchor_date"] == "2026-01-01T00:01:28Z"  # spread by the view's name
    properties = found["parameter_openapi_schema"]["properties"]
    assert {name: bool(p["description"]) for name, p in properties.items()} == {"view": True, "shards": True, "full": True}


def test_what_changed_is_changed_and_what_went_is_removed(it: Project) -> None:
    it.view("customers")
    it.publish()
    before = it.deployment("sync-view/orders")["id"]
    it.view(schedule="every 30m", description="Changed.")
    it.drop_view("customers")
    found = it.publish()
    assert changes(found) == {
        ("change", "sync-view/orders", ("description", "schedules", "job_variables")),
        ("remove", "sync-view/customers", ()),
    }
    after = it.deployment("sync-view/orders")
    assert (after["id"], [s["slug"] for s in after["schedules"]]) == (before, ["every-30m"])
    assert it.publish("--check")["changes"] == []


def test_what_somebody_changed_by_hand_is_drift_but_a_paused_schedule_stays_paused(it: Project) -> None:
    it.publish()
    found = it.deployment("sync-view/orders")
    schedule = found["schedules"][0]["id"]
    it.api.patch(f"deployments/{found['id']}/schedules/{schedule}", {"active": False})
    it.api.patch(f"deployments/{found['id']}", {"description": "By hand."})
    drift = it.publish("--check", code=1)
    assert changes(drift) == {("change", "sync-view/orders", ("description",))}
    it.publish()
    after = it.deployment("sync-view/orders")
    assert after["description"].startswith("One row per order")
    assert [s["active"] for s in after["schedules"]] == [False]


def test_a_paused_schedule_stays_paused_when_it_is_changed(it: Project) -> None:
    it.publish()
    found = it.deployment("sync-view/orders")
    it.api.patch(f"deployments/{found['id']}/schedules/{found['schedules'][0]['id']}", {"active": False})
    it.view(schedule="every 30m")
    it.publish()
    assert [(s["slug"], s["active"]) for s in it.deployment("sync-view/orders")["schedules"]] == [("every-30m", False)]


def test_an_automation_that_somebody_switched_off_stays_off_whatever_changes_about_it(it: Project) -> None:
    it.view("third", schedule="every 1h")
    it.view("next", after=["orders"])
    it.publish()
    [first] = orders_of(it, "next")
    it.api.patch(f"automations/{first['id']}", {"enabled": False})

    it.view("next", after=["orders", "third"])
    assert changes(it.publish(), "automation") == {("change", "shardlake: next after orders, third", ("name", "description", "trigger"))}
    assert [(a["id"], a["enabled"]) for a in orders_of(it, "next")] == [(first["id"], False)]
    it.view("third", schedule="every 2h")
    assert changes(it.publish(), "automation") == {("change", "shardlake: next after orders, third", ("trigger",))}
    [changed] = orders_of(it, "next")
    assert (changed["name"], changed["trigger"]["within"]) == ("shardlake: next after orders, third", 7200)
    assert (changed["id"], changed["enabled"]) == (first["id"], False)
    assert it.publish("--check")["changes"] == []

    it.view("other", after=["orders"])
    it.publish()
    assert [a["enabled"] for a in orders_of(it, "other")] == [True]


def orders_of(it: Project, view: str) -> list[dict[str, Any]]:
    """The automations that run a view after others."""
    return [a for a in it.api.all("automations") if a["name"].startswith(f"shardlake: {view} after ")]


def test_a_new_view_that_runs_after_another_is_shown_before_it_is_made(it: Project) -> None:
    it.view("next", after=["orders", "compact_lake"])
    found = it.publish("--dry-run")
    assert ("create", "shardlake: next after orders, compact_lake", ()) in changes(found, "automation")
    assert it.publish("--check", code=1)["ok"] is False


def test_what_crashes_or_falls_silent_is_looked_at_once_and_check_freshness_is_seen_to_by_the_server(it: Project) -> None:
    it.publish()
    found = {a["name"]: a for a in it.api.all("automations") if "project:shardlake" in a["tags"]}
    check = it.deployment("check-freshness/check-freshness")
    others = [
        {"prefect.resource.role": "tag", "prefect.resource.id": "prefect.tag.project:shardlake"},
        {"prefect.resource.role": "deployment", "prefect.resource.id": f"!prefect.deployment.{check['id']}"},
    ]
    crashed, silent = found["shardlake: runs that crashed"], found["shardlake: runs that fell silent"]
    gone = found["shardlake: check-freshness that does not begin, or fell silent"]
    for automation in (crashed, silent):
        assert automation["trigger"]["match_related"] == others
        assert automation["trigger"]["for_each"] == ["prefect.resource.id"]
        assert [(a["type"], a["deployment_id"]) for a in automation["actions"]] == [("run-deployment", check["id"])]
    assert (silent["trigger"]["posture"], silent["trigger"]["within"]) == ("Proactive", 40)
    assert (gone["trigger"]["posture"], gone["trigger"]["within"]) == ("Proactive", 900)
    assert [(a["type"], a["state"]) for a in gone["actions"]] == [("change-flow-run-state", "CRASHED")]
    assert check["parameters"] == {"silence": 40}
    assert check["job_variables"] == {"env": EVERY_RUN}


@pytest.mark.parametrize(
    ("schedule", "message"),
    [
        ({"cron": "0 3 * * *"}, "sync-views: schedules: one has no slug. Give it one, as in `slug: nightly`."),
        ({"interval": 300, "slug": "x"}, ""),
    ],
)
def test_the_schedules_of_prefect_yaml(it: Project, schedule: dict[str, Any], message: str) -> None:
    project = {**it.project, "deployments": [{**it.project["deployments"][0], "schedules": [schedule]}]}
    it.write_project(project)
    done = it.run("shardlake", "publish")
    assert (done.returncode, message in done.stderr, "Traceback" in done.stderr) == (bool(message), True, False), done.stderr
    if not message:
        assert it.publish("--check")["changes"] == []


def test_what_is_somebody_elses_is_neither_taken_nor_removed(it: Project) -> None:
    flow = it.api.post("flows/", {"name": "sync-view"})["id"]
    theirs = it.api.post("deployments/", {"name": "orders", "flow_id": flow, "tags": ["shardlake", "project:other"]})["id"]
    refused = it.run("shardlake", "publish")
    assert refused.returncode == 1
    assert "there is a deployment sync-view/orders already, which is not of the project shardlake" in refused.stderr
    assert it.api.get(f"deployments/{theirs}")["tags"] == ["shardlake", "project:other"]
    assert it.api.all("deployments", deployments={"tags": {"all_": ["project:shardlake"]}}) == []
    it.api.delete(f"deployments/{theirs}")


def test_views_of_a_group_share_a_run_in_their_order(it: Project) -> None:
    for name, after in (("a_view", ["z_view"]), ("z_view", [])):
        it.view(name, group="finance", schedule="every 1h", after=after)
    it.publish()
    group = it.deployment("sync-views/finance")
    assert group["parameters"] == {"views": ["z_view", "a_view"]}
    assert [s["slug"] for s in group["schedules"]] == ["every-1h"]
    assert it.deployment("sync-view/a_view")["schedules"] == []
    assert "in the group finance" in it.deployment("sync-view/a_view")["description"]


def test_the_order_between_views_is_an_automation(it: Project) -> None:
    it.view("daily", schedule="every 1d")
    it.view("both", after=["orders", "daily"])
    it.view("one", after=["compact_lake"])
    it.publish()
    found = {a["name"]: a for a in it.api.all("automations") if "project:shardlake" in a["tags"]}
    both, one = found["shardlake: both after orders, daily"], found["shardlake: one after compact_lake"]
    assert (both["trigger"]["type"], both["trigger"]["require"], both["trigger"]["within"]) == ("compound", "all", 86400)
    assert {t["match"]["prefect.resource.id"] for t in both["trigger"]["triggers"]} == {"shardlake.view.orders", "shardlake.view.daily"}
    assert both["actions"][0]["deployment_id"] == it.deployment("sync-view/both")["id"]
    watched = it.deployment("compact-lake/compact-lake")["id"]
    assert one["trigger"]["match_related"]["prefect.resource.id"] == f"prefect.deployment.{watched}"
    assert {"shardlake: runs that crashed", "shardlake: runs that fell silent"} <= set(found)
    assert it.publish("--check")["changes"] == []
    it.api.delete(f"automations/{both['id']}")
    assert changes(it.publish("--check", code=1), "automation") == {("create", "shardlake: both after orders, daily", ())}


@pytest.mark.parametrize(
    ("views", "message"),
    [
        ({"b": {"after": ["c"]}, "c": {"after": ["b"]}}, "after: a circle, "),
        ({"b": {"after": ["nobody"]}}, "after: there is no view and no deployment 'nobody'; there are: "),
        ({"b": {"group": "g", "schedule": "every 1h"}, "c": {"group": "g"}}, "group: c has another `schedule` or `late`"),
        ({"b": {"group": "g", "after": ["orders"]}}, "after: 'orders' is not in the group g"),
        ({"b": {"group": "orders"}}, "group: 'orders' is a view's name; choose another"),
    ],
)
def test_views_that_contradict_each_other_are_refused_by_check_and_publish(it: Project, views: dict[str, Any], message: str) -> None:
    for name, keys in views.items():
        it.view(name, **keys)
    checked, refused = it.run("shardlake", "check"), it.run("shardlake", "publish")
    assert (checked.returncode, refused.returncode) == (1, 1)
    assert f"views/b/view.yaml: {message}" in checked.stdout
    assert message in refused.stderr
    assert it.api.all("deployments", deployments={"tags": {"all_": ["project:shardlake"]}}) == []


def test_a_view_that_is_wrong_keeps_everything_from_being_changed(it: Project) -> None:
    it.view("wrong", schedule="every 5s")
    done = it.run("shardlake", "publish")
    assert done.returncode == 1
    assert "schedule: 'every 5s': an interval is a minute at least and 31 days at most" in done.stderr
    assert it.api.all("deployments", deployments={"tags": {"all_": ["project:shardlake"]}}) == []


def test_prefects_own_deploy_makes_the_standing_ones_as_publish_does_but_for_version_and_held_parameters(it: Project) -> None:
    it.write_project({**it.project, "definitions": {**it.project["definitions"], "silence": 180}})
    it.publish()
    done = it.run("prefect", "--no-prompt", "deploy", "--all", "--prefect-file", str(it.folder / "prefect.yaml"))
    assert done.returncode == 0, done.stdout + done.stderr
    held = {"check-freshness/check-freshness": ("parameter_openapi_schema", "version")}
    without_work = {("remove", "infer-schemas/infer-schemas", ())}  # no view here infers its columns
    changed = {("change", name, held.get(name, ("version",))) for _, name, _ in STANDING}
    assert changes(it.publish("--check", code=1)) == changed | without_work


def test_a_server_that_is_not_there_and_a_pool_that_nobody_knows_are_said_plainly(it: Project) -> None:
    gone = it.run("shardlake", "publish", PREFECT_API_URL="http://127.0.0.1:9/api")
    assert (gone.returncode, "Traceback" in gone.stderr) == (1, False)
    assert "the Prefect server did not answer (ConnectError). Check PREFECT_API_URL" in " ".join(gone.stderr.split())
    nowhere = it.run("shardlake", "publish", "--pool", "elsewhere")
    assert "there is no work pool 'elsewhere'. Create it, or declare it in prefect.yaml." in " ".join(nowhere.stderr.split())


def test_a_pool_that_prefect_yaml_does_not_declare_keeps_its_limit_and_queues(it: Project) -> None:
    it.api.post("work_pools/", {"name": "theirs", "type": "process", "concurrency_limit": 7})
    try:
        it.api.post("work_pools/theirs/queues", {"name": "alarms", "priority": 9, "concurrency_limit": 2})
        before = it.api.get("work_pools/theirs")
        done = it.publish_as("theirs", pool_named=True)
        assert {c.kind for c in done.changes} & {"work pool", "work queue"} == set()
        after = it.api.get("work_pools/theirs")
        assert (after["concurrency_limit"], after["base_job_template"]) == (7, before["base_job_template"])
        queues = {q["name"]: (q["priority"], q["concurrency_limit"]) for q in it.api.all("work_pools/theirs/queues")}
        assert (queues["alarms"], set(queues)) == ((9, 2), {"default", "alarms", "runs", "backfills"})  # those that deployments name
        assert it.deployment("sync-view/orders")["work_pool_name"] == "theirs"
        assert it.publish_as("theirs", pool_named=True, write=False).changes == []
    finally:
        it.api.delete("work_pools/theirs")


def test_a_standing_deployment_that_says_it_is_a_canary_is_refused(it: Project) -> None:
    first, *others = it.project["deployments"]
    it.write_project({**it.project, "deployments": [{**first, "tags": ["shardlake:canary"]}, *others]})
    with pytest.raises(SpecError, match="sync-views: tags: shardlake:canary is publish's own"):
        it.publish()
    assert it.api.all("deployments", deployments={"tags": {"all_": ["project:shardlake"]}}) == []


def test_no_secret_leaves_this_machine(it: Project) -> None:
    it.publish()
    kept = it.api.everything() + yaml.safe_dump(it.api.all("automations"))
    assert "project:shardlake" in kept
    assert traces(CANARY, kept + it.run("shardlake", "publish", "--json").stdout) == []
