"""Runs that do not begin: their queue is full, or nobody is there who would take them. People are told all the same."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from tests.drill.harness import Drill, OnlyAlarms, drill
from tests.drilled import if_asked
from tests.fleet import POOL

NEVER = "orders: the run that was due at "


def also_refunds(it: Drill) -> None:
    it.view("refunds")
    it.project["definitions"]["work_pools"][0]["queues"] = {"runs": {"concurrency_limit": 1}}
    it.write_project(it.project)


pytestmark = [pytest.mark.timeout(900), if_asked]  # a busy machine; on an idle one each takes half a minute


@pytest.fixture(scope="module")
def it(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Drill]:
    """A drill with room for one run, beside checks of freshness."""
    with drill(tmp_path_factory.mktemp("starts"), also_refunds) as made:
        assert made.ended(made.begin("sync-view/refunds"))[0] == "Completed"
        made.view(schedule="every 1m", freshness="1h")
        made.publish()
        made.api.patch(f"deployments/{made.deployment('sync-view/orders')['id']}", {"paused": True})
        for run in made.api.all("flow_runs", flow_runs={"state": {"type": {"any_": ["SCHEDULED"]}}}):
            made.api.delete(f"flow_runs/{run['id']}")  # the schedule's own: these tests make theirs, and it makes none any more
        yield made


def test_a_full_queue_keeps_nobody_from_being_told(it: Drill) -> None:
    it.change()
    it.forget()
    heard = len(it.listener.heard)
    with it.held("analytics.refunds"):
        fills = it.begin("sync-view/refunds", full=True)
        assert it.until(it.waits), it.flow_run(fills)["state"]
        since = datetime.now(UTC)
        late = it.scheduled()
        it.age(rows="10 minutes", runs="20 minutes", watched="1 hour")
        it.told(NEVER, "never began", since=heard)
        assert (it.flow_run(fills)["state_type"], it.flow_run(late)["state_type"]) == ("RUNNING", "SCHEDULED")
    assert it.ended(fills)[0] == "Completed"
    it.came_back(since)
    it.exact()
    it.told("orders: over: the run that was due at ", since=heard)


def test_a_schedule_that_is_missed_since_no_worker_is_there(it: Drill) -> None:
    it.change()
    it.forget()
    heard = len(it.listener.heard)
    it.worker.kill()
    since = datetime.now(UTC)
    missed = it.scheduled()
    it.told(f"The work pool {POOL} has no worker any more", since=heard, checks=False)
    it.age(rows="10 minutes", runs="20 minutes", watched="1 hour")
    with OnlyAlarms(it.prefect, it.folder, it.own, pool=POOL, name="alarms"):
        it.told(NEVER, "never began", since=heard)
        assert it.flow_run(missed)["state_type"] == "SCHEDULED"
    it.worker.start()
    assert it.came_back(since)["id"] == missed
    it.exact()
    it.told("orders: over: the run that was due at ", since=heard)
