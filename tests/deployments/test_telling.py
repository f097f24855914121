"""Who is told, and the queues: what prefect.yaml must say, and what publish makes of it on a real Prefect server."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from prefect.blocks.notifications import SlackWebhook
from prefect.blocks.webhook import Webhook
from prefect.settings import PREFECT_API_URL, temporary_settings
from pydantic import SecretStr

from deployments.project import read_project
from deployments.queues import Queue
from deployments.server import PublishRefused
from embedded.prefect_server import PrefectServer
from shardlake.errors import SpecError
from tests.fleet import POOL, Project
from tests.prefect_api import PrefectApi, traces
from tests.world import ROOT

CANARY = "canary-of-telling"


@pytest.fixture
def it(prefect_api: PrefectApi, tmp_path: Path) -> Iterator[Project]:
    """A project of its own name and pool on the session's server, with check-freshness alone; nothing of it is left there."""
    connections = {
        "postgres-shards/shop": {"url": "postgresql://reader@db.example/shop_{00..03}"},
        "postgres-warehouse/main": {"url": "postgresql://loader@w.example/analytics"},
    }
    (tmp_path / "connections.yaml").write_text(yaml.safe_dump(connections))
    files = {"SHARDLAKE_VIEWS": str(tmp_path / "views"), "SHARDLAKE_CONNECTIONS": str(tmp_path / "connections.yaml")}
    assert isinstance(prefect_api.server, PrefectServer)
    made = Project(tmp_path, prefect_api.server, files)
    check = next(item for item in made.project["deployments"] if item["name"] == "check-freshness")
    made.write_project({
        **made.project, "name": "told", "deployments": [{**check, "name": "check", "schedules": [{"interval": 300, "slug": "often"}]}]
    })  # fmt: skip
    made.view("told_orders")
    yield made
    for what in ("deployments", "automations"):
        for left in prefect_api.all(what):
            if "project:told" in left["tags"]:
                prefect_api.delete(f"{what}/{left['id']}")


def says(it: Project, **definitions: Any) -> None:
    """prefect.yaml's definitions, with changes; None takes a key away."""
    changed = {key: value for key, value in {**it.project["definitions"], **definitions}.items() if value is not None}
    it.write_project({**it.project, "definitions": changed})


@pytest.mark.parametrize(
    ("definitions", "message"),
    [
        ({"notify": None}, "prefect.yaml: definitions.notify: is missing: nobody would be told of what is late"),
        ({"notify": []}, "prefect.yaml: definitions.notify: is missing: nobody would be told of what is late"),
        ({"notify": "slack-webhook/data-team"}, "prefect.yaml: definitions.notify: is a list of notification blocks, or none"),
        ({"notify": ["https://hooks.slack.com/x"]}, "prefect.yaml: definitions.notify: is a list of notification blocks, or none"),
        ({"heartbeat": "https://hc-ping.com/x"}, "prefect.yaml: definitions.heartbeat: is no webhook block"),
    ],
)
def test_prefect_yaml_says_who_is_told(tmp_path: Path, definitions: dict[str, Any], message: str) -> None:
    project = yaml.safe_load((ROOT / "prefect.yaml").read_text("utf-8"))
    given = {**project["definitions"], **definitions}
    (tmp_path / "prefect.yaml").write_text(yaml.safe_dump({**project, "definitions": {k: v for k, v in given.items() if v is not None}}))
    with pytest.raises(SpecError) as refused:
        read_project(tmp_path / "prefect.yaml")
    assert message in str(refused.value)
    assert "https://" not in str(refused.value).replace(str(tmp_path), "")


@pytest.mark.parametrize(
    ("queues", "message"),
    [
        ([], ""),
        (["runs"], "queues: is a mapping"),
        ({"runs": {"limit": 3}}, "queues.runs: has other keys than priority and concurrency_limit"),
        ({"runs": {"concurrency_limit": 0}}, "queues.runs.concurrency_limit: 0 is no whole number of 1 or more"),
        ({"runs": {"priority": 1}}, "queues: two have the priority 1"),
    ],
)
def test_prefect_yaml_says_what_the_queues_are(tmp_path: Path, queues: Any, message: str) -> None:
    pool = {"name": "p", "type": "process", "queues": queues}
    (tmp_path / "prefect.yaml").write_text(yaml.safe_dump({"name": "x", "definitions": {"work_pools": [pool], "notify": "none"}}))
    if not message:
        assert read_project(tmp_path / "prefect.yaml").pool(None).queues[0] == Queue("alarms", 1)
        return
    with pytest.raises(SpecError, match=r"definitions\.work_pools: p: ") as refused:
        read_project(tmp_path / "prefect.yaml")
    assert message in str(refused.value)


def test_publish_does_not_end_well_while_nobody_is_told(it: Project) -> None:
    says(it, notify=None)
    refused = it.run("shardlake", "publish")
    assert (refused.returncode, "Traceback" in refused.stderr) == (1, False)
    assert "definitions.notify: is missing: nobody would be told of what is late" in " ".join(refused.stderr.split())
    says(it, notify=["slack-webhook/nobody"])
    with pytest.raises(PublishRefused, match=r"definitions\.notify: there is no block slack-webhook/nobody on the server"):
        it.publish()
    assert it.api.all("deployments", deployments={"tags": {"all_": ["project:told"]}}) == []


def test_publish_names_the_blocks_to_the_check_and_to_the_server(it: Project) -> None:
    with temporary_settings({PREFECT_API_URL: it.prefect.api_url}):
        SlackWebhook(url=SecretStr(f"https://hooks.example/{CANARY}")).save("data-team", overwrite=True)
        Webhook(url=SecretStr(f"https://hc.example/{CANARY}")).save("switch", overwrite=True)
    says(it, notify=["webhook/switch"])
    with pytest.raises(PublishRefused, match=r"definitions\.notify: webhook/switch is no notification block"):
        it.publish()
    says(it, notify=["slack-webhook/data-team"], heartbeat="webhook/switch")
    it.publish()
    told = {"notify": ["slack-webhook/data-team"], "heartbeat": "webhook/switch", "silence": 40}
    assert it.deployment("check-freshness/check")["parameters"] == told
    found = {a["name"]: a for a in it.api.all("automations") if "project:told" in a["tags"]}
    telling = {name for name, a in found.items() if a["actions"][0]["type"] == "send-notification"}
    assert telling == {f"told: {POOL} has no worker", "told: check broke off", "told: check does not run"}
    assert found["told: check does not run"]["trigger"]["within"] == 900
    assert it.publish()["changes"] == []
    kept = yaml.safe_dump(it.api.all("automations")) + yaml.safe_dump(it.api.all("deployments"))
    assert traces(CANARY, kept) == []
    says(it, notify="none", heartbeat=None)
    it.publish()
    assert it.deployment("check-freshness/check")["parameters"] == {"silence": 40}
    left = {a["name"] for a in it.api.all("automations") if "project:told" in a["tags"]}
    assert left & telling == set()


def test_publish_makes_the_queues_and_keeps_them(it: Project) -> None:
    pool = {"name": "told-pool", "type": "process", "queues": {"runs": {"concurrency_limit": 3}}}
    says(it, work_pools=[pool])
    it.publish()

    def queues() -> list[tuple[str, int, int | None]]:
        answer = it.api.post("work_pools/told-pool/queues/filter", {})
        return sorted(((q["name"], q["priority"], q["concurrency_limit"]) for q in answer), key=lambda q: q[1])

    wanted = [("alarms", 1, None), ("runs", 2, 3), ("shards", 3, None), ("backfills", 4, None), ("default", 5, None)]
    assert queues() == wanted
    assert it.deployment("check-freshness/check")["work_queue_name"] == "alarms"
    assert it.deployment("sync-view/told_orders")["work_queue_name"] == "runs"
    it.api.patch("work_pools/told-pool", {"concurrency_limit": 2})
    it.api.patch("work_pools/told-pool/queues/runs", {"concurrency_limit": 9})
    it.api.patch("work_pools/told-pool/queues/backfills", {"priority": 1})
    drift = {(c["kind"], c["name"], tuple(c["fields"])) for c in it.publish()["changes"]}
    assert {
        ("work pool", "told-pool", ("concurrency_limit",)),
        ("work queue", "told-pool/runs", ("priority", "concurrency_limit")),
    } <= drift
    assert queues()[:4] == wanted[:4]
    assert it.api.get("work_pools/told-pool")["concurrency_limit"] is None
    assert it.publish()["changes"] == []
    it.api.delete("work_pools/told-pool")
