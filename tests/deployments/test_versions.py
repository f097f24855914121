"""What deployments run: versions, images and canaries on a real Prefect server. The registry of the images is an emulator."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from cli.main import app
from deployments.job_template import load
from deployments.publish import Published
from deployments.server import PublishRefused
from shardlake.errors import SpecError
from tests.fleet import POOL, Project, on_server
from tests.prefect_api import PrefectApi
from tests.registry import FakeRegistry, fake_registry, layer_of

FLEET = "fleet-on-ecs"


class EcsProject(Project):
    """A project whose first pool gives its runs an image."""

    registry: FakeRegistry

    def build(self, tag: str, *, pool: bool = False) -> str:
        """Push an image of the views as they are; with `pool`, give it to the pool as the stack's outputs would. Returns its name."""
        self.registry.push(tag, layer_of(self.folder / "views"), revision=f"commit-{tag}")
        name = f"{self.registry.host}/shardlake:{tag}"
        if pool:
            template = load("ecs")
            template["variables"]["properties"]["image"]["default"] = name
            self.api.patch(f"work_pools/{FLEET}", {"base_job_template": template})
        return name

    def runs_what(self) -> dict[str, tuple[str, str | None, str | None]]:
        """Each deployment's version, image, and the image that its runs are told of."""
        return {
            f"{d['entrypoint'].rpartition('.')[2]}/{d['name']}": (
                d["version"], d["job_variables"].get("image"), d["job_variables"]["env"].get("SHARDLAKE_IMAGE")
            )
            for d in self.api.all("deployments", deployments={"tags": {"all_": ["project:shardlake"]}})
        }  # fmt: skip

    def all_but(self, *names: str) -> dict[str, Any]:
        """All that the server has of the other deployments."""
        found = self.api.all("deployments", deployments={"tags": {"all_": ["project:shardlake"]}})
        return {d["id"]: {k: v for k, v in d.items() if k not in ("last_polled", "status")} for d in found if d["name"] not in names}

    def whole(self) -> dict[str, Any]:
        """All that publish may change on the server: deployments, automations, the pool, its queues and limits."""
        pool = {k: v for k, v in self.api.get(f"work_pools/{FLEET}").items() if k in ("base_job_template", "concurrency_limit")}
        queues = {q["name"]: (q["priority"], q["concurrency_limit"]) for q in self.api.all(f"work_pools/{FLEET}/queues")}
        automations = {a["id"]: a for a in self.api.all("automations") if "project:shardlake" in a["tags"]}
        limits = {found["name"]: found["limit"] for found in self.api.all("v2/concurrency_limits")}
        return {"deployments": self.all_but(), "pool": pool, "queues": queues, "automations": automations, "limits": limits}

    def drift(self) -> None:
        """Have the server differ in all that publish writes before deployments."""
        self.api.patch(f"work_pools/{FLEET}", {"concurrency_limit": 7})
        self.api.patch(f"work_pools/{FLEET}/queues/runs", {"concurrency_limit": 1})


@pytest.fixture
def it(prefect_api: PrefectApi, tmp_path: Path) -> Iterator[EcsProject]:
    """A project on a pool of ECS with two views, published by the image `old`."""
    with on_server(prefect_api, tmp_path, {}, EcsProject) as made, fake_registry() as registry:
        made.registry = registry
        pools = [{"name": FLEET, "type": "ecs"}, {"name": POOL, "type": "process"}]
        made.write_project({**made.project, "definitions": {**made.project["definitions"], "work_pools": pools}})
        made.view("items", schedule="every 1h")
        prefect_api.post("work_pools/", {"name": FLEET, "type": "ecs", "base_job_template": load("ecs")})
        made.build("old", pool=True)
        made.publish_as()
        yield made
    prefect_api.delete(f"work_pools/{FLEET}")


def check(it: EcsProject, *words: str) -> tuple[int, str]:
    """How `publish --check` ends, and what it is refused by."""
    with it.here():
        done = CliRunner().invoke(app, ["publish", "--check", "--json", *words])
    refused = done.exception if isinstance(done.exception, PublishRefused) else ""
    return done.exit_code, str(refused).partition(". ")[0]


def changed(done: Published) -> set[tuple[str, tuple[str, ...]]]:
    assert {c.action for c in done.changes} <= {"change"}
    return {(c.name, c.fields) for c in done.changes}


ALL = {
    "sync_view/orders",
    "sync_view/items",
    "sync_views/sync-views",
    "backfill/backfill",
    "check_freshness/check-freshness",
    "compact_lake/compact-lake",
}


def test_every_deployment_bears_the_version_and_the_image_that_it_runs(it: EcsProject) -> None:
    old = f"{it.registry.host}/shardlake:old"
    assert it.runs_what() == dict.fromkeys(ALL, ("commit-old", old, old))
    again = it.publish_as(write=False)
    assert (again.changes, again.release and again.release.version) == ([], "commit-old")

    it.view(schedule="every 15m", description="Another.")
    new = it.build("new")
    before = it.all_but()
    assert check(it) == (1, f"the image {old} (version commit-old) is not what would be published: orders is another there than here")
    assert check(it, "--image", new) == (1, "")
    assert it.all_but() == before
    done = it.publish_as(image=new)
    assert (f"{FLEET}", ("image",)) in changed(done)
    assert ("backfill/backfill", ("job_variables", "version")) in changed(done)
    assert it.runs_what() == dict.fromkeys(ALL, ("commit-new", new, new))
    assert check(it, "--image", new) == (0, "")
    assert it.publish_as(write=False).changes == []  # the pool gives the same image now


def test_one_view_is_moved_and_back_and_all_others_stay_as_they_are(it: EcsProject) -> None:
    before, old = it.all_but("orders"), f"{it.registry.host}/shardlake:old"
    digest = it.registry.push("next", layer_of(it.folder / "views"), revision="commit-next")
    it.view("items", schedule="every 2h")  # not published yet, and not by this
    image = f"{it.registry.host}/shardlake@{digest}"
    done = it.publish_as(view="orders", image=digest)
    assert changed(done) == {("sync-view/orders", ("tags", "job_variables", "version"))}
    assert it.runs_what()["sync_view/orders"] == ("commit-next", image, image)
    assert it.all_but("orders") == before
    assert it.publish_as(view="orders", image=digest, write=False).changes == []

    it.view("items", schedule="every 1h")
    plain = it.publish_as()
    assert (plain.changes, plain.kept) == ([], ["sync-view/orders"])
    assert it.runs_what()["sync_view/orders"] == ("commit-next", image, image)

    back = it.publish_as(view="orders")
    assert changed(back) == {("sync-view/orders", ("tags", "job_variables", "version"))}
    assert it.runs_what() == dict.fromkeys(ALL, ("commit-old", old, old))
    assert it.all_but("orders") == before


def test_an_image_for_all_ends_canaries(it: EcsProject) -> None:
    new = it.build("new")
    it.publish_as(view="orders", image=new)
    assert it.publish_as(image=new).kept == []
    assert it.runs_what() == dict.fromkeys(ALL, ("commit-new", new, new))
    assert "shardlake:canary" not in it.deployment("sync-view/orders")["tags"]


def test_a_view_that_is_tagged_canary_is_none_and_the_mark_is_no_tag_of_a_view(it: EcsProject) -> None:
    it.view(schedule="every 15m", tags=["canary"])
    it.build("tagged", pool=True)
    it.publish_as()
    assert "canary" in it.deployment("sync-view/orders")["tags"]
    it.view(schedule="every 30m", tags=["canary"])
    it.build("again", pool=True)
    done = it.publish_as()
    assert (done.kept, [s["slug"] for s in it.deployment("sync-view/orders")["schedules"]]) == ([], ["every-30m"])
    it.view(tags=["shardlake:canary"])
    with pytest.raises(SpecError, match="'shardlake:canary' is not a tag"):
        it.publish_as()


def test_the_image_of_a_pool_that_prefect_yaml_does_not_declare_stays(it: EcsProject) -> None:
    definitions = it.project["definitions"]
    it.write_project({**it.project, "definitions": {**definitions, "work_pools": [{"name": POOL, "type": "process"}]}})
    before, template = it.all_but(), it.api.get(f"work_pools/{FLEET}")["base_job_template"]
    with pytest.raises(PublishRefused, match=f"the work pool {FLEET} is not declared in prefect.yaml, and keeps the image"):
        it.publish_as(FLEET, pool_named=True, image=it.build("new"))
    assert (it.all_but(), it.api.get(f"work_pools/{FLEET}")["base_job_template"]) == (before, template)


def test_a_canary_of_a_view_that_is_only_there_is_kept_and_goes_when_it_is_named(it: EcsProject) -> None:
    it.view("third", schedule="every 1h")
    it.publish_as(view="third", image=it.build("third"))
    it.drop_view("third")
    assert it.publish_as().kept == ["sync-view/third"]
    gone = it.publish_as(view="third")
    assert [(c.action, c.name) for c in gone.changes] == [("remove", "sync-view/third")]


def test_a_group_moves_as_one(it: EcsProject) -> None:
    for name in ("a_view", "b_view"):
        it.view(name, group="finance", schedule="every 1h")
    old, new = it.build("group", pool=True), it.build("new")
    it.publish_as()
    with pytest.raises(SpecError, match="a_view runs in the group finance, with its other views"):
        it.publish_as(view="a_view", image=new)
    it.publish_as(view="finance", image=new)
    moved = {"sync_views/finance", "sync_view/a_view", "sync_view/b_view"}
    assert it.runs_what() == dict.fromkeys(ALL, ("commit-group", old, old)) | dict.fromkeys(moved, ("commit-new", new, new))
    assert it.publish_as().kept == ["sync-view/a_view", "sync-view/b_view", "sync-views/finance"]
    with it.here():
        said = CliRunner().invoke(app, ["publish"]).stdout
    assert "sync-view/a_view is a canary and stays as it is; --view finance brings it back" in " ".join(said.split())

    for name in ("a_view", "b_view"):
        it.view(name, schedule="every 1h")  # the group is dissolved
    it.build("alone", pool=True)
    assert "sync-views/finance" in it.publish_as().kept
    assert [(c.action, c.name) for c in it.publish_as(view="finance").changes] == [("remove", "sync-views/finance")]
    it.publish_as(view="a_view")
    assert it.publish_as().kept == ["sync-view/b_view"]


def test_an_image_that_lacks_a_view_or_has_another_is_refused_and_nothing_is_changed(it: EcsProject) -> None:
    before, pool = it.all_but(), it.api.get(f"work_pools/{FLEET}")["base_job_template"]
    stale = it.build("stale")
    it.view(schedule="every 30m")
    it.view("third")
    said = (
        rf"the image {stale} \(version commit-stale\) is not what would be published: third is not in it, orders is another there than here"
    )
    for wish in ({"image": stale}, {"image": stale, "view": "orders"}, {}):
        with pytest.raises(PublishRefused, match="orders is another there than here"):
            it.publish_as(**wish)  # type: ignore[arg-type]
    with pytest.raises(PublishRefused, match=said):
        it.publish_as(image=stale)
    with pytest.raises(PublishRefused, match=r"gone cannot be read \(HTTP 404\)"):
        it.publish_as(image=f"{it.registry.host}/shardlake:gone")
    with pytest.raises(SpecError, match="there is no view 'nobody'"):
        it.publish_as(view="nobody", image=stale)
    assert (it.all_but(), it.api.get(f"work_pools/{FLEET}")["base_job_template"]) == (before, pool)
    trusted = it.publish_as(image=f"{it.registry.host}/shardlake:gone", trust=True)
    assert trusted.release is not None
    assert (trusted.release.version, it.runs_what()["sync_view/third"][0]) == ("gone", "gone")


def test_runs_that_are_processes_have_no_image(it: EcsProject) -> None:
    with pytest.raises(
        PublishRefused, match="the runs of the work pool shardlake-local are processes of its worker, and have no image of their own"
    ):
        it.publish_as(POOL, image=it.build("new"), pool_named=True)


def test_a_fleet_is_moved_to_another_pool_only_by_its_name_on_the_command_line(it: EcsProject) -> None:
    before = it.all_but()
    with it.here({"SHARDLAKE_POOL": POOL}):
        said = str(CliRunner().invoke(app, ["publish"]).exception)
    assert (
        f"this would move 6 deployments (backfill/backfill, check-freshness/check-freshness, compact-lake/compact-lake, …) from the work pool {FLEET} to {POOL}"
        in said
    )
    assert f"Say --pool {FLEET} to leave them there, or --pool {POOL} to move them; SHARDLAKE_POOL moves nothing." in said
    assert it.all_but() == before
    with it.here({"SHARDLAKE_POOL": FLEET}):
        moved = CliRunner().invoke(app, ["publish", "--json", "--pool", POOL])
    assert {c["name"] for c in json.loads(moved.stdout)["changes"] if "work_pool_name" in c["fields"]} == {
        "sync-view/orders", "sync-view/items", "sync-views/sync-views", "backfill/backfill", "check-freshness/check-freshness", "compact-lake/compact-lake"
    }  # fmt: skip
    assert it.runs_what() == dict.fromkeys(ALL, ("test", None, None))
    with pytest.raises(PublishRefused, match=f"from the work pool {POOL} to {FLEET}"):
        it.publish_as()


@pytest.mark.parametrize(
    ("views", "said"),
    [
        ({"orders": {"cpu": 2048, "memory": "1GB"}}, "orders: run: .* cpu 2048 with memory 1024MB. With cpu 2048 go 4096 to 16384MB"),
        ({"orders": {"memory": "8GB"}}, "orders: run: .* cpu 512 with memory 8192MB. With cpu 512 go 1024 to 4096MB, in steps of 1024MB"),
        ({"orders": {"cpu": 300}}, "orders: run: .* cpu 300 with memory 1024MB. Its cpu is one of 256, 512, 1024, 2048, 4096, 8192, 16384"),
        (
            {"a_view": {"cpu": 4096, "memory": "17GB"}, "b_view": {"cpu": 8192, "memory": "16GB"}},
            "the group finance: run: .* cpu 8192 with memory 17408MB. With cpu 8192 go 16384 to 61440MB, in steps of 4096MB",
        ),
    ],
)
def test_a_size_that_fargate_lacks_is_refused_and_nothing_is_changed(it: EcsProject, views: dict[str, Any], said: str) -> None:
    for name, run in views.items():
        it.view(name, run=run, schedule="every 1h", group="finance" if len(views) > 1 else None)
    it.drift()
    before = it.whole()
    with pytest.raises(SpecError, match=said):
        it.publish_as(trust=True)
    assert it.whole() == before


def test_a_size_that_fargate_has_is_taken_and_processes_have_any(it: EcsProject) -> None:
    it.view(schedule="every 15m", run={"memory": "4GB"})
    it.publish_as(trust=True)
    assert it.deployment("sync-view/orders")["job_variables"]["memory"] == 4096
    it.view(schedule="every 15m", run={"cpu": 300})
    it.publish_as(POOL, pool_named=True)
    assert it.deployment("sync-view/orders")["work_pool_name"] == POOL


def test_one_view_whose_order_changes_is_refused_and_nothing_is_changed(it: EcsProject) -> None:
    it.view("items", after=["orders"])
    image, before = it.build("after"), it.whole()
    with pytest.raises(PublishRefused, match=r"items: its order changes: it is to run after orders, .*Publish all views, without --view"):
        it.publish_as(view="items", image=image)
    assert it.whole() == before

    it.publish_as(image=image)
    it.view("orders", schedule="every 30m")
    it.view("items", after=["orders"], description="Another.")
    assert "commit-canary" in it.publish_as(view="items", image=it.build("canary")).release.version  # type: ignore[union-attr]
    for changes, said in (({"after": ["orders", "compact_lake"]}, "after orders, compact_lake"), ({"schedule": "every 1h"}, "every 1h")):
        it.view("items", **changes)
        before = it.whole()
        with pytest.raises(PublishRefused, match=f"items: its order changes: it is to run {said}, "):
            it.publish_as(view="items", trust=True)
        assert it.whole() == before


def test_an_image_that_the_pools_file_refuses_and_a_name_that_is_taken_change_nothing(it: EcsProject) -> None:
    template = load("ecs")
    template["variables"]["properties"]["image"]["default"] = it.build("old")
    template["variables"]["properties"]["memory"]["default"] = 2048
    (it.folder / "pool.json").write_text(json.dumps(template))
    named = {**it.project["definitions"]["work_pools"][0], "base_job_template": "pool.json"}
    declared = it.project
    it.write_project({**declared, "definitions": {**declared["definitions"], "work_pools": [named]}})
    it.drift()
    before = it.whole()
    with pytest.raises(PublishRefused, match=r"is kept to .*pool\.json, which names another image"):
        it.publish_as(image=it.build("new"))
    assert it.whole() == before

    it.write_project(declared)
    it.view("third", schedule="every 1h")
    flow = it.api.post("flows/", {"name": "sync-view"})["id"]
    theirs = it.api.post("deployments/", {"name": "third", "flow_id": flow, "tags": ["project:other"]})["id"]
    try:
        with pytest.raises(PublishRefused, match="there is a deployment sync-view/third already"):
            it.publish_as(image=it.build("newer"))
        assert it.whole() == before
    finally:
        it.api.delete(f"deployments/{theirs}")
