"""Published, scheduled, run, killed and watched for real: a Prefect server, a process worker, and the demo's databases."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
import yaml

from embedded.postgres import Postgres
from shardlake.version import running_version
from tests.fleet import Fleet, fleet


@pytest.fixture(scope="module")
def it(postgres: Postgres, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    """A fleet with the view orders published; Prefect is on Postgres, as a shared server has it."""
    with fleet(tmp_path_factory.mktemp("fleet"), postgres) as made:
        yield made
        assert postgres.execute("SELECT count(*) > 0 FROM deployment", database="prefect") == [(True,)]


@pytest.fixture(autouse=True)
def _as_it_was(it: Fleet) -> Iterator[None]:
    """Whatever a test did: the view as the demo has it, published, and a worker."""
    yield
    it.view()
    it.publish()
    it.worker.start()


def rows(it: Fleet, table: str = "analytics.orders") -> int:
    return int(it.warehouse(f"SELECT count(*) FROM {table}")[0][0])


def test_an_ad_hoc_run_by_prefects_own_command(it: Fleet) -> None:
    run = it.start("sync-view/orders", full=True)
    assert it.ended(run) == ("Completed", "3/3 shards merged")
    assert it.flow_run(run)["parameters"] == {"view": "orders", "full": True}

    def lines() -> list[str]:
        logs = [line["message"] for line in it.api.all("logs", logs={"flow_run_id": {"any_": [run]}})]
        return [line for line in logs if line.startswith("window.merged view=orders shard=shop_")]

    assert it.until(lambda: len(lines()) == 3)
    ours = [line["message"] for line in it.api.all("logs", logs={"flow_run_id": {"any_": [run]}}, sort="TIMESTAMP_ASC")]
    first = next(line for line in ours if re.match(r"[a-z]+\.[a-z]+ ", line))
    assert re.fullmatch(rf"run\.begins view=orders run=[0-9a-f-]{{36}} version={re.escape(running_version())}", first), first
    merged = lines()
    assert all(" window=" in line and " run=" in line and " read=" in line for line in merged)

    def announced() -> set[str]:
        return {e["payload"]["shard"] for e in it.api.events() if e["event"] == "shardlake.window.merged"}

    assert it.until(lambda: announced() == {"shop_00", "shop_01", "shop_02"}), announced()


def test_a_schedule_fires(it: Fleet) -> None:
    it.view(schedule="every 1m")
    assert it.publish()["changes"] == [
        {"action": "change", "kind": "deployment", "name": "sync-view/orders", "fields": ["description", "schedules", "job_variables"]}
    ]
    done = it.until(lambda: [r for r in it.runs("sync-view/orders") if r["auto_scheduled"] and r["state_type"] == "COMPLETED"])
    it.view()
    it.publish()
    assert done, it.runs("sync-view/orders")
    assert [r for r in it.runs("sync-view/orders") if r["state_type"] == "SCHEDULED"] == []


@pytest.mark.parametrize(("late", "second"), [("skip", "Cancelled"), ("queue", "Completed")])
def test_two_runs_at_once(it: Fleet, late: str, second: str) -> None:
    """One run a view at a time: another is left out, or waits, as the view says."""
    it.view(late=late)
    it.publish()
    it.ended(it.begin("sync-view/orders"))
    with it.held("analytics.orders"):
        first = it.begin("sync-view/orders", full=True)
        assert it.until(lambda: it.flow_run(first)["state_type"] == "RUNNING")
        other = it.begin("sync-view/orders", full=True)
        waits = {"skip": "CANCELLED", "queue": "SCHEDULED"}[late]
        assert it.until(lambda: it.flow_run(other)["state_type"] == waits and it.flow_run(other)["state"]["name"] != "Scheduled", 60)
        if late == "queue":
            assert it.flow_run(other)["state"]["name"] == "AwaitingConcurrencySlot"
    assert it.ended(first)[0] == "Completed"
    assert it.ended(other, 150)[0] == second


def test_a_view_runs_after_another(it: Fleet) -> None:
    it.view("refunds", after=["orders"])
    it.publish()
    assert it.ended(it.begin("sync-view/orders"))[0] == "Completed"
    assert it.until(lambda: [r for r in it.runs("sync-view/refunds") if r["state_type"] == "COMPLETED"])
    assert rows(it, "analytics.refunds") == rows(it)
    it.drop_view("refunds")
    gone = {(c["action"], c["kind"]) for c in it.publish()["changes"]}
    assert gone == {("remove", "deployment"), ("remove", "automation")}


def test_late_runs_that_piled_up_are_left_out_but_the_newest(it: Fleet) -> None:
    """While no worker is there runs pile up; check-freshness leaves the newest, and a run that finds a later one done ends Skipped."""
    it.worker.stop()
    began = datetime.now(UTC)
    runs = [it.due("sync-view/orders", began - timedelta(minutes=minutes)) for minutes in (50, 40, 30, 20)]
    it.as_if_scheduled()
    check = (
        "from flows.check_freshness import check_freshness as c; from prefect import tags\n"
        "with tags('shardlake', 'project:shardlake'): print(c(return_state=True).message)"
    )
    assert "3 late runs left out" in it.run("python", "-c", check).stdout
    assert [it.flow_run(run)["state_type"] for run in runs] == ["CANCELLED", "CANCELLED", "CANCELLED", "SCHEDULED"]
    done = it.run("shardlake", "run", "orders")
    assert done.returncode == 0, done.stderr
    it.worker.start()
    assert it.ended(runs[-1]) == ("Skipped", "left out: a run that began after this one was due has read what it would have")


def test_each_shard_as_a_run_of_its_own(it: Fleet) -> None:
    it.view(run={"fan_out": "deployments"})
    it.publish()
    run = it.begin("sync-view/orders", full=True)
    assert it.ended(run, 150) == ("Completed", "3/3 shards merged")
    shards = it.runs("sync-view/orders.shards")
    assert sorted(r["parameters"]["shards"] for r in shards) == [["shop_00"], ["shop_01"], ["shop_02"]]
    assert {r["parent_task_run_id"] is not None for r in shards} == {True}


def test_no_secret_is_in_anything_that_was_deployed(it: Fleet) -> None:
    secrets = [value for name, value in it.environment.items() if name.endswith("_PASSWORD")]
    assert len(secrets) >= 3
    kept = it.api.everything() + yaml.safe_dump(it.api.all("automations")) + yaml.safe_dump(it.api.all("block_documents"))
    kept += it.run("prefect", "deployment", "inspect", "sync-view/orders").stdout
    assert '"orders"' in kept
    assert [secret for secret in secrets if secret in kept] == []
