"""Runs come back, and are judged rightly: killed, silent, pending, and with the server away. A real server, worker and databases."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import UTC, datetime
from typing import Any

import pytest
import yaml

from embedded.prefect_worker import PrefectWorker
from tests.drilled import if_asked
from tests.fleet import POOL, Fleet, fleet
from tests.world import WINDOWS

pytestmark = [pytest.mark.timeout(900), if_asked]
SILENCE = 35
"""Seconds; a run beats every 30."""
CHECK = "check-freshness/check-freshness"


@pytest.fixture(scope="module")
def it(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    """A fleet of three views that are loaded; Prefect is on SQLite."""
    with fleet(tmp_path_factory.mktemp("fleet")) as made:
        made.write_project({**made.project, "definitions": {**made.project["definitions"], "silence": SILENCE}})
        for name in ("orders", "refunds", "returns"):
            patient(made, name)
        made.publish()
        for run in [made.begin(f"sync-view/{name}") for name in ("orders", "refunds", "returns")]:
            assert made.ended(run, 180)[0] == "Completed"
        yield made


def patient(it: Fleet, name: str) -> None:
    """A view whose merge waits for a lock as long as a test holds it."""
    it.view(name)
    file = it.folder / "views" / name / "view.yaml"
    view = yaml.safe_load(file.read_text())
    view["warehouse"]["lock_timeout"] = "1h"
    file.write_text(yaml.safe_dump(view))


def rows(it: Fleet, view: str) -> int:
    return int(it.warehouse(f"SELECT count(*) FROM analytics.{view}")[0][0])


def due(it: Fleet, view: str) -> str:
    """A run as the scheduler makes it, which reads the whole view again."""
    made = it.due(f"sync-view/{view}", datetime.now(UTC), view=view, full=True)
    it.as_if_scheduled()
    return made


def has_read(it: Fleet, view: str) -> bool:
    """Whether a run has read what it now waits to merge."""
    return it.unmerged(view) > 0


def beats(it: Fleet, run: str) -> bool:
    where = {"event": {"name": ["prefect.flow-run.heartbeat"]}, "resource": {"id": [f"prefect.flow-run.{run}"]}}
    return bool(it.api.post("events/filter", {"filter": where, "limit": 1})["events"])


def reruns(it: Fleet, view: str) -> list[dict[str, Any]]:
    return [run for run in it.runs(f"sync-view/{view}") if "rerun" in run["tags"]]


def state(it: Fleet, run: str) -> str:
    return str(it.flow_run(run)["state_type"])


def called(it: Fleet) -> list[str]:
    """The states of the checks that crashes have called for."""
    by = "shardlake: runs that crashed"
    return [run["state_type"] for run in it.runs(CHECK) if (run["created_by"] or {}).get("display_value") == by]


def rerun(it: Fleet, *words: str) -> list[dict[str, Any]]:
    """What `shardlake rerun --crashed --json` says of runs."""
    done = it.run("shardlake", "rerun", "--crashed", "--json", *words)
    assert done.returncode == 0, done.stdout + done.stderr
    found: list[dict[str, Any]] = json.loads(done.stdout)["runs"]
    return found


def test_a_scheduled_run_that_is_killed_comes_back_once_and_then_by_the_command(it: Fleet) -> None:
    before, calls, known = rows(it, "orders"), len(called(it)), {r["id"] for r in reruns(it, "orders")}

    def news() -> list[str]:
        return [r["id"] for r in reruns(it, "orders") if r["id"] not in known]

    with it.held("analytics.orders"):
        run = due(it, "orders")
        assert it.until(lambda: has_read(it, "orders"))
        it.process(run).kill()
        name, why = it.ended(run)
        assert (name, "status code: -9" in why) == ("Crashed", True), why
        (again,) = it.until(news)
        assert it.flow_run(again)["parameters"] == {"view": "orders", "full": True}
        assert it.until(lambda: called(it)[calls:] in (["COMPLETED"], ["FAILED"]))  # it says what is wrong, called(it)
        again_crashed = {"type": "CRASHED", "message": "Execution was aborted by a termination signal."}
        it.api.post(f"flow_runs/{run}/set_state", {"state": again_crashed, "force": True})  # as an engine does that is ended late

        assert it.until(lambda: state(it, again) == "RUNNING"), it.flow_run(again)["state"]
        it.process(again).kill()
        assert it.ended(again)[0] == "Crashed"
        alarm = "SELECT message FROM shardlake.alarms WHERE view = 'orders' AND kind = 'crashed' AND ended_at IS NULL"
        assert it.until(lambda: it.warehouse(alarm))
        assert "crashed, as did the one before it: Process exited with status code: -9" in it.warehouse(alarm)[0][0]
        assert "`shardlake rerun --crashed orders`" in it.warehouse(alarm)[0][0]
        assert len(called(it)) == calls + 2, "one for each run that crashed"
    assert news() == [again]

    shown = it.run("shardlake", "rerun", "--crashed", "--dry-run", COLUMNS="80")
    assert "1 crashed and not made up for by a later run; 1 would be begun again" in shown.stdout, shown.stdout + shown.stderr
    assert max(map(len, shown.stdout.splitlines())) <= 80, shown.stdout
    assert rerun(it, "refunds") == []
    assert news() == [again]
    (line,) = rerun(it, "orders")
    assert (line["deployment"], line["id"], line["views"], line["under_way"]) == ("orders", again, ["orders"], False)
    last = next(r for r in reruns(it, "orders") if r["name"] == line["begun"])
    assert it.ended(last["id"])[0] == "Completed"
    assert rows(it, "orders") == before
    assert it.warehouse(f"SELECT count(*) FROM {WINDOWS} WHERE state IN ('open', 'read')") == [(0,)]
    assert rerun(it) == []


def test_a_server_that_is_away_crashes_no_run_that_lives_and_one_that_is_gone_comes_back(it: Fleet) -> None:
    """One run goes on all the while, one ends its work meanwhile, and one was lost with its worker before."""
    before = {view: rows(it, view) for view in ("orders", "refunds", "returns")}
    worker = it.worker.pid
    assert worker
    with ExitStack() as orders, ExitStack() as refunds, ExitStack() as returns:
        orders.enter_context(it.held("analytics.orders"))
        refunds.enter_context(it.held("analytics.refunds"))
        returns.enter_context(it.held("analytics.returns"))
        going_on, ending = due(it, "orders"), due(it, "refunds")
        assert it.until(lambda: has_read(it, "orders") and has_read(it, "refunds") and beats(it, going_on) and beats(it, ending))
        os.kill(worker, signal.SIGSTOP)  # the worker alone: its runs go on
        with PrefectWorker(it.prefect, it.folder, it.worker.given, pool=POOL, name="second") as second:
            lost = due(it, "returns")
            assert it.until(lambda: has_read(it, "returns") and beats(it, lost))
            second.kill()
        os.kill(worker, signal.SIGCONT)
        it.prefect.stop()
        refunds.close()
        time.sleep(SILENCE + 5)  # as long an outage is what this is about
        it.prefect.start()

        assert it.ended(ending) == ("Completed", "3/3 shards merged")
        assert it.ended(lost) == (
            "Crashed",
            "check-freshness: no sign of life for more than 35 seconds, nor while the server listened for it",
        )
        assert state(it, going_on) == "RUNNING"
        again = it.until(lambda: reruns(it, "returns"))[0]["id"]
    assert it.ended(going_on) == ("Completed", "3/3 shards merged")
    assert it.ended(again)[0] == "Completed"
    assert {view: rows(it, view) for view in before} == before
    assert {it.deployment(f"sync-view/{view}")["global_concurrency_limit"]["active_slots"] for view in before} == {0}
    assert rerun(it) == []


def test_a_run_that_never_starts_is_crashed_its_slot_is_free_and_it_is_begun_again_and_told(it: Fleet) -> None:
    it.worker.stop()
    run = due(it, "orders")
    it.api.post(f"flow_runs/{run}/set_state", {"state": {"type": "PENDING"}})
    assert it.deployment("sync-view/orders")["global_concurrency_limit"]["active_slots"] == 1
    check = (
        "import flows.fleet.silent; from datetime import timedelta; flows.fleet.silent.LISTENING = timedelta(seconds=2); flows.fleet.silent.POLL = 0.5\n"
        "from flows.check_freshness import check_freshness as c; from prefect import tags\n"
        "with tags('shardlake', 'project:shardlake'): print(c(pending=1, return_state=True).message)"
    )
    done = it.run("python", "-c", check)
    why = "never started: no container or process came up for it in 1 seconds"
    assert f"crashed: {why}. It was begun again." in done.stdout, done.stdout + done.stderr
    assert it.ended(run) == ("Crashed", f"check-freshness: {why}")
    assert it.deployment("sync-view/orders")["global_concurrency_limit"]["active_slots"] == 0
    again = reruns(it, "orders")[-1]
    assert (again["state_type"], again["parameters"]) == ("SCHEDULED", {"view": "orders", "full": True})
    assert "was begun again" in it.run("python", "-c", check).stdout  # told, until a run has arrived
    assert [r["state_type"] for r in reruns(it, "orders")].count("SCHEDULED") == 1
    it.worker.start()
    assert it.ended(again["id"])[0] == "Completed"
    assert why not in it.run("python", "-c", check).stdout


def test_a_check_freshness_that_never_starts_is_crashed_by_the_server_itself(it: Fleet) -> None:
    it.worker.stop()
    before = it.project
    it.write_project({**before, "definitions": {**before["definitions"], "pending": 10}})
    it.publish()
    run = it.due(CHECK, datetime.now(UTC))
    it.api.post(f"flow_runs/{run}/set_state", {"state": {"type": "PENDING"}})
    assert it.ended(run, 60) == ("Crashed", "check-freshness: it did not begin, or gave no sign of life any more")
    assert it.deployment(CHECK)["global_concurrency_limit"]["active_slots"] == 0
    assert it.deployment(CHECK)["parameters"] == {"silence": 35, "pending": 10}
    it.write_project(before)
    it.publish()
    it.worker.start()
