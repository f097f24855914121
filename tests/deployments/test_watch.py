"""Somebody is always told: a real Prefect server and worker, and a listener at the address of the blocks that are named in prefect.yaml."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from embedded.listener import Listener
from tests.fleet import POOL, Fleet, fleet
from tests.prefect_api import traces

CANARY = "canary-of-the-address"
QUICK = {"PREFECT_SERVER_SERVICES_FOREMAN_LOOP_SECONDS": "1", "PREFECT_SERVER_EVENTS_PROACTIVE_GRANULARITY": "PT1S"}
"""The server's own timings, so that a worker that is gone is missed within seconds."""
LONG = 300
"""Seconds after which a run counts as hung on the busiest machine; it ends in a few on a quiet one."""
pytestmark = pytest.mark.timeout(900)
CHECK = "check-freshness/check-freshness"
BLOCKS = """
from prefect.blocks.notifications import CustomWebhookNotificationBlock as Notification
from prefect.blocks.webhook import Webhook
body = {"text": "{{subject}}|{{body}}"}
Notification(name="team", url="ADDRESS/told/{{secret}}", json_data=body, secrets={"secret": "CANARY"}).save("team")
Webhook(url="ADDRESS/beat/CANARY").save("switch")
"""


@pytest.fixture(scope="module")
def listener() -> Iterator[Listener]:
    with Listener().listening() as made:
        yield made


@pytest.fixture(scope="module")
def it(tmp_path_factory: pytest.TempPathFactory, listener: Listener) -> Iterator[Fleet]:
    """A fleet that tells the listener, with room for one run; its worker is missed after six seconds."""
    with fleet(tmp_path_factory.mktemp("watch"), settings=QUICK, worker={"PREFECT_WORKER_HEARTBEAT_SECONDS": "2"}) as made:
        done = made.run("python", "-c", BLOCKS.replace("ADDRESS", listener.url).replace("CANARY", CANARY))
        assert done.returncode == 0, done.stderr
        made.project["definitions"] |= {"notify": ["custom-webhook/team"], "heartbeat": "webhook/switch"}
        made.project["definitions"]["work_pools"][0]["queues"] = {"runs": {"concurrency_limit": 1}}
        made.write_project(made.project)
        made.publish()
        yield made


def told(listener: Listener) -> list[str]:
    return listener.said(f"/told/{CANARY}")


def beats(listener: Listener) -> int:
    return len(listener.said(f"/beat/{CANARY}"))


def raised(it: Fleet) -> list[str]:
    """The kinds of the alarms of which there is an event."""
    return [e["payload"]["kind"] for e in it.api.events() if e["event"] == "shardlake.alarm.raised"]


def test_a_check_begins_and_tells_while_runs_that_hang_fill_their_queue(it: Fleet, listener: Listener) -> None:
    it.view("refunds")
    it.view(freshness="1m")
    it.publish()
    assert it.ended(it.begin("sync-view/orders"), LONG)[0] == "Completed"
    it.warehouse(
        "INSERT INTO shardlake.watched VALUES ('orders', now() - interval '1 hour') ON CONFLICT (view) DO UPDATE SET since = excluded.since"
    )
    with it.held("analytics.orders"):
        hangs = it.begin("sync-view/orders", full=True)
        assert it.until(lambda: it.unmerged() == 3)  # one that is read later is fresh again
        it.warehouse("UPDATE shardlake.positions SET complete_to = now() - interval '10 minutes'")
        waits = it.begin("sync-view/refunds")
        name, message = it.ended(it.begin(CHECK), LONG)
        assert (it.flow_run(hangs)["state_type"], it.flow_run(waits)["state_type"]) == ("RUNNING", "SCHEDULED")
        it.api.delete(f"flow_runs/{waits}")
    assert (name, "orders: shop_00 is staler than 1m" in message) == ("Failed", True), message
    assert len([said for said in told(listener) if "orders: shop_00 is staler than 1m" in said]) == 1
    assert beats(listener) == 1
    assert it.until(lambda: raised(it).count("late") == 3), raised(it)


def test_a_check_that_breaks_off_by_an_error_tells_it_and_gives_no_sign_of_life(it: Fleet, listener: Listener) -> None:
    before, beaten = len(told(listener)), beats(listener)
    check = "from flows.check_freshness import check_freshness as c; c(notify=['custom-webhook/team'], heartbeat='webhook/switch', return_state=True)"
    it.run("python", "-c", check, SHARDLAKE_VIEWS=str(it.folder / "nowhere"))
    assert "the check of freshness broke off" in "".join(told(listener)[before:])
    assert beats(listener) == beaten


def test_a_check_that_crashed_is_told_of_by_the_server(it: Fleet, listener: Listener) -> None:
    run = it.api.post(f"deployments/{it.deployment(CHECK)['id']}/create_flow_run", {"state": {"type": "PENDING"}})["id"]
    it.api.post(f"flow_runs/{run}/set_state", {"state": {"type": "CRASHED", "name": "Crashed"}, "force": True})
    assert it.until(lambda: any("check-freshness broke off" in said for said in told(listener)), 60), told(listener)


def test_a_pool_without_workers_and_a_check_that_does_not_run_are_told_of_by_the_server(it: Fleet, listener: Listener) -> None:
    check = next(item for item in it.project["deployments"] if item["name"] == "check-freshness")
    it.write_project({**it.project, "deployments": [{**check, "schedules": [{"interval": 4, "slug": "often"}]}]})
    it.worker.stop()
    it.publish()
    asked = [f"Shardlake: no worker for {POOL}|", "Shardlake: check-freshness does not run|"]
    try:
        assert it.until(lambda: [a for a in asked if any(a in said for said in told(listener))] == asked), told(listener)
    finally:
        it.write_project({**it.project, "deployments": [check]})
        it.publish()
        it.worker.start()


def test_no_address_is_in_what_prefect_shows_or_in_a_log(it: Fleet, listener: Listener) -> None:
    before = beats(listener)

    def beaten() -> bool:
        it.ended(it.begin(CHECK), LONG)  # where another is under way it is left out
        return beats(listener) > before

    assert it.until(beaten)
    kept: Any = it.api.everything() + yaml.safe_dump(it.api.all("automations")) + yaml.safe_dump(it.api.all("block_documents"))
    kept += "".join(log.read_text("utf-8", errors="replace") for log in it.folder.rglob("*.log"))
    assert "custom-webhook/team" in kept
    assert traces(CANARY, kept) == []
