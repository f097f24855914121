"""SIGTERM, as a worker and ECS stop a run: in extract, stage, merge and write."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from datetime import UTC, datetime

import pytest

from tests.drill.harness import Drill, drill, hung
from tests.drilled import if_asked
from tests.stopping import in_time

LAKE = {"connection": "athena-lake/main", "layouts": [{"table": "orders", "partition_by": ["day(updated_at)"]}]}


pytestmark = [pytest.mark.timeout(900), if_asked]  # a busy machine; on an idle one each takes half a minute


@pytest.fixture(scope="module")
def it(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Drill]:
    """A drill with a table in the lake."""
    with drill(tmp_path_factory.mktemp("stops"), lake=LAKE) as made:
        yield made


@contextmanager
def waiting(it: Drill, hold: AbstractContextManager[None], unmerged: int = 0) -> Iterator[Callable[[], bool]]:
    """Within, a lock is held; whether somebody waits for it, and so many shards wait to be merged."""
    with hold:
        yield lambda: it.waits() and it.unmerged() == unmerged


HOLDS: dict[str, Callable[[Drill], AbstractContextManager[Callable[[], bool]]]] = {
    "extract": hung,
    "stage": lambda it: waiting(it, it.advisory(), unmerged=3),
    "merge": lambda it: waiting(it, it.held("analytics.orders"), unmerged=3),
    "write": lambda it: waiting(it, it.held("shardlake.lake_commits")),
}


def as_on_ecs(it: Drill) -> None:
    """Have the view's runs begin by the command that ECS tasks begin by: stopped, they reschedule themselves."""
    found = it.deployment("sync-view/orders")
    it.api.patch(
        f"deployments/{found['id']}",
        {"job_variables": {**found["job_variables"], "command": f"{sys.executable} -m prefect flow-run execute"}},
    )


@pytest.mark.parametrize(("stage", "ecs"), [("extract", True), ("stage", False), ("merge", True), ("write", False)])
def test_a_run_that_is_stopped(it: Drill, stage: str, ecs: bool) -> None:
    """As an ECS task it goes on as the same run. As a worker's own process it crashed, and one in its place is begun again, by the check that
    the crash orders. Either way people are told that the view is late: a run that is under way and hangs is no excuse.
    """
    it.publish()
    if ecs:
        as_on_ecs(it)
    it.change()
    it.forget()
    heard = len(it.listener.heard)
    with HOLDS[stage](it) as held:
        run = it.scheduled()
        assert it.until(held), it.flow_run(run)["state"]
        it.age()
        if ecs:
            it.told("orders: shop_02 is staler than 1m", since=heard)
        since = datetime.now(UTC)
        assert it.stop(run) < in_time()
    assert it.until(lambda: it.readers() == [], 30), it.readers()
    back = it.came_back(since)
    assert (back["id"] == run, "rerun" in back["tags"]) == (ecs, not ecs)
    it.exact()
    assert it.listener.lines("orders: shop_02 is staler than 1m", since=heard) != []


def test_what_was_told_is_over_when_it_is(it: Drill) -> None:
    it.forget()
    heard = len(it.listener.heard)
    it.age()
    it.told("orders: shop_02 is staler than 1m", since=heard)
    heard = len(it.listener.heard)
    assert it.ended(it.begin("sync-view/orders")) == ("Completed", "3/3 shards merged")
    it.told("orders: over: shop_02 is staler than 1m", since=heard)
