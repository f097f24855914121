"""SIGKILL of a run's own process, of a worker with a run, and of the server, which is away for longer than a run may be silent."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator
from datetime import UTC, datetime

import psutil
import pytest

from tests.drill.harness import SILENCE, Drill, drill, hung
from tests.drilled import if_asked

AT_ONCE = 10.0
"""Seconds within which readers are to follow a run that was killed; their shard hangs for longer."""


def also_refunds(it: Drill) -> None:
    it.view("refunds")


pytestmark = [pytest.mark.timeout(900), if_asked]  # a busy machine; on an idle one they take one minute and three


@pytest.fixture(scope="module")
def it(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Drill]:
    """A drill with two views of the same shards."""
    with drill(tmp_path_factory.mktemp("kills"), also_refunds) as made:
        assert made.ended(made.begin("sync-view/refunds")) == ("Completed", "3/3 shards merged")
        yield made


def test_a_run_that_is_killed_takes_its_readers_along_and_comes_back(it: Drill) -> None:
    it.change()
    with hung(it) as held:
        run = it.scheduled()
        assert it.until(held), it.flow_run(run)["state"]
        since = datetime.now(UTC)
        assert it.stop(run, signal.SIGKILL) < AT_ONCE  # while the shard hangs still
    assert it.ended(run)[0] == "Crashed"
    assert it.until(lambda: it.readers() == [], 10), it.readers()
    back = it.came_back(since)
    assert (back["id"] != run, "rerun" in back["tags"]) == (True, True)
    it.exact()


def test_a_server_that_is_away_crashes_nobody_but_who_was_lost_meanwhile(it: Drill) -> None:
    """The worker is killed, and with it one run of two; the other goes on, unheard, for longer than a run may be silent."""
    it.change()
    it.forget()
    heard = len(it.listener.heard)
    with it.held("analytics.refunds"), it.held("analytics.orders"):
        lives, lost = it.scheduled("sync-view/orders"), it.scheduled("sync-view/refunds")
        assert it.until(lambda: it.waits("analytics.orders") and it.waits("analytics.refunds"))
        psutil.Process(it.worker.pid).kill()  # it alone: what it began lives on
        assert it.stop(lost, signal.SIGKILL) < AT_ONCE
        it.prefect.kill()
        time.sleep(SILENCE * 1.25)
        it.prefect.start()
        it.worker.start()
        since = datetime.now(UTC)
        it.age()
        it.told("orders: shop_00 is staler than 1m", since=heard)
        assert it.until(lambda: it.flow_run(lost)["state_type"] == "CRASHED" or not it.check()), it.flow_run(lost)["state"]
        assert it.flow_run(lives)["state_type"] == "RUNNING"
    assert it.ended(lives) == ("Completed", "3/3 shards merged")
    assert [
        r["state"]["message"] for r in it.runs("sync-view/orders") if r["state_type"] == "CRASHED" and r["end_time"] > since.isoformat()
    ] == []
    it.came_back(since, of="sync-view/refunds")
    it.exact()
    it.exact("analytics.refunds")
