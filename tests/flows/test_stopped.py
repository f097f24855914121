"""Tasks that are stopped as ECS stops them, while shards are read: gone in time, no reader left, claims free; and the run comes back by itself."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator

import pytest

from embedded.machine import Machine
from embedded.mariadb import MariaDB, obtain_mariadb
from tests.audit import unfinished
from tests.prefect_api import PrefectApi
from tests.stopping import (
    Task,
    alive,
    and_the_next_run_is_whole,
    can_have_namespaces,
    chunks,
    claims,
    ecs_task,
    flow_run,
    hanging,
    in_time,
    nobody_is_left,
    paused_midway,
    state_of,
    until,
)
from tests.world import WorldMaker

pytestmark = [pytest.mark.skipif(not can_have_namespaces, reason="a PID namespace is root's to make"), pytest.mark.timeout(600)]


@pytest.fixture(scope="module")
def frail(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MariaDB]:
    """A MariaDB of this module's own, to be paused."""
    with obtain_mariadb(tmp_path_factory.mktemp("frail"), machine=Machine(environ={"PATH": os.environ["PATH"]})) as server:
        yield server


def test_a_task_that_is_stopped_while_its_shards_hang_is_gone_in_time_and_its_run_comes_back(
    world: WorldMaker, prefect_api: PrefectApi, frail: MariaDB
) -> None:
    w = hanging(world, frail)
    run = flow_run(prefect_api, view="orders")
    with paused_midway(w, frail) as paused, ecs_task(w, prefect_api, run) as task:
        until(paused.is_set)
        assert task.stop() < in_time()
        assert task.code == 0, task.output  # an exit other than 0 would let the observer of ECS's events mark the run Crashed
        assert claims(w) == []
        assert max(attempt for (attempt,) in w.windows("attempt")) == 1  # nothing was read again, in smaller chunks or otherwise
    assert state_of(prefect_api, run) == ("AwaitingRetry", "")
    with ecs_task(w, prefect_api, run) as task:
        task.gone(300)
    assert prefect_api.get(f"flow_runs/{run}")["run_count"] == 2
    assert state_of(prefect_api, run) == ("Completed", "5/5 shards merged")
    nobody_is_left(w, frail)
    and_the_next_run_is_whole(w)


def test_a_run_that_is_cancelled_is_gone_in_time_and_not_begun_again(world: WorldMaker, prefect_api: PrefectApi, frail: MariaDB) -> None:
    w = hanging(world, frail)
    run = flow_run(prefect_api, view="orders")
    with paused_midway(w, frail) as paused, ecs_task(w, prefect_api, run) as task:
        until(paused.is_set)
        prefect_api.post(f"flow_runs/{run}/set_state", {"state": {"type": "CANCELLING", "name": "Cancelling"}, "force": False})
        assert task.gone() < in_time()
        assert claims(w) == []
    assert state_of(prefect_api, run)[0] == "Cancelled"
    nobody_is_left(w, frail)
    and_the_next_run_is_whole(w)


def test_a_run_that_meets_its_timeout_is_gone_in_time(world: WorldMaker, prefect_api: PrefectApi, frail: MariaDB) -> None:
    w = hanging(world, frail)
    for seconds in (10, 40, 160):  # the first that lets it come to a chunk
        run = flow_run(prefect_api, view="orders")
        with paused_midway(w, frail) as paused, ecs_task(w, prefect_api, run, SHARDLAKE_TIMEOUT=str(seconds)) as task:
            until(lambda run=run: state_of(prefect_api, run)[0] == "TimedOut")  # type: ignore[misc]  # of this round
            assert task.gone() < in_time()
            if paused.is_set():
                break
    else:
        raise AssertionError("no time was enough")
    assert claims(w) == []
    assert state_of(prefect_api, run) == ("TimedOut", f"Flow run exceeded timeout of {seconds}.0 second(s)")
    nobody_is_left(w, frail)
    and_the_next_run_is_whole(w)


@pytest.mark.parametrize("server", ["goes on", "hangs"])
def test_the_readers_of_an_engine_that_is_killed_end_with_it(
    world: WorldMaker, prefect_api: PrefectApi, frail: MariaDB, server: str
) -> None:
    w = hanging(world, frail, rows=40_000, shards=2)
    run = flow_run(prefect_api, view="orders")
    with ecs_task(w, prefect_api, run) as task:
        if server == "hangs":
            with paused_midway(w, frail) as paused:
                until(paused.is_set)
                killed(task)
        else:
            until(lambda: len(chunks(w)) > 1)
            killed(task)
        task.gone()
    assert {status for _, status in unfinished(w)} == {"open"}  # their readers had more to read, and would have
    assert state_of(prefect_api, run)[0] == "Crashed"
    nobody_is_left(w, frail)


def killed(task: Task) -> None:
    """SIGKILL to the engine; all that it started is gone soon."""
    engine = task.engine
    below = engine.children(recursive=True)
    assert [p for p in below if "forkserver" in " ".join(p.cmdline())]
    engine.send_signal(signal.SIGKILL)
    until(lambda: not alive(below), 60)  # theirs hang for longer


def test_a_run_that_is_always_stopped_is_given_up(world: WorldMaker, prefect_api: PrefectApi, frail: MariaDB) -> None:
    w = hanging(world, frail, shards=1, rows=200)
    run = flow_run(prefect_api, view="orders")
    for _ in range(5):
        for state in ("RUNNING", "SCHEDULED", "PENDING"):
            prefect_api.post(f"flow_runs/{run}/set_state", {"state": {"type": state}, "force": True})
    with ecs_task(w, prefect_api, run) as task:
        task.gone(300)
    assert state_of(prefect_api, run) == ("Failed", "it was stopped 5 times, whatever stops it, and is not begun again")
    logs = [log["message"] for log in prefect_api.all("logs", logs={"flow_run_id": {"any_": [run]}})]
    assert [line for line in logs if "Traceback" in line or "TypeError" in line] == []
    assert sum("whatever stops it" in line for line in logs) == 1
    w.must_sync()
