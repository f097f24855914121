"""A task of ECS that is accepted and never starts: its run stays Pending, until it is judged, told, and begun again."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from prefect import tags
from prefect.blocks.notifications import CustomWebhookNotificationBlock

from embedded.listener import BLOCK, Listener
from flows.check_freshness import check_freshness
from flows.fleet import silent
from tests.deployments.test_ecs_worker import Aws, Pool, aws, aws_emulator, pool, variables
from tests.prefect_api import PrefectApi
from tests.world import ORDERS_TABLE, WorldMaker

__all__ = ["aws", "aws_emulator", "pool"]
PROJECT = ["shardlake", "project:drill"]

pytestmark = pytest.mark.timeout(600)  # a busy machine; on an idle one it takes half a minute


@pytest.fixture
def listener() -> Iterator[Listener]:
    """An address to be told at."""
    with Listener().listening() as made:
        yield made


def runs_of(api: PrefectApi, deployment: str) -> list[dict[str, Any]]:
    found = api.all("flow_runs", deployments={"id": {"any_": [deployment]}})
    return sorted(found, key=lambda run: str(run["expected_start_time"]))


def states(api: PrefectApi, deployment: str) -> list[str]:
    return [run["state_type"] for run in runs_of(api, deployment)]


def as_if_scheduled(api: PrefectApi, deployment: str) -> None:
    """Make a deployment's runs such as the server's scheduler makes; its API makes none."""
    with closing(sqlite3.connect(Path(str(api.server.home)) / "prefect.db", timeout=30)) as connection, connection:
        connection.execute("UPDATE flow_run SET auto_scheduled = 1 WHERE deployment_id = ?", (deployment,))


def as_the_container(api: PrefectApi, aws: Aws, environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    """What the last task would have done: its command, with the run that its environment names."""
    [override] = aws.asked("RunTask")[-1]["overrides"]["containerOverrides"]
    given = {item["name"]: item["value"] for item in override["environment"]}
    own = environment | api.server.environment() | {"PREFECT__FLOW_RUN_ID": given["PREFECT__FLOW_RUN_ID"]}
    program = str(Path(sys.executable).parent / "prefect")
    return subprocess.run([program, *override["command"][1:]], env=own, capture_output=True, text=True, timeout=180)


def test_a_task_that_never_starts(
    pool: Pool, aws: Aws, prefect_api: PrefectApi, world: WorldMaker, listener: Listener, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(silent, "LISTENING", timedelta(seconds=6))  # a task without a process gives no sign, however long one listens
    w = world(["shop_00"])
    w.on_all(ORDERS_TABLE)
    w.on_all("INSERT INTO orders VALUES (1, 'new', 1.50, '2026-01-02', NULL), (2, 'paid', 2.50, '2026-01-03', NULL)")
    w.write_files()
    pool.create()
    deployment = pool.deploy(**variables())
    prefect_api.patch(
        f"deployments/{deployment}",
        {"tags": PROJECT, "concurrency_limit": 1, "concurrency_options": {"collision_strategy": "CANCEL_NEW"}},
    )
    pool.run(deployment)
    pool.run(deployment)
    assert states(prefect_api, deployment) == ["PENDING", "CANCELLED"]  # the one that does not begin holds the place
    as_if_scheduled(prefect_api, deployment)

    with prefect_api.here(w):
        block = CustomWebhookNotificationBlock(name="listener", url=listener.url, json_data={"subject": "{{subject}}", "body": "{{body}}"})
        block.save("listener", overwrite=True)  # type: ignore[unused-coroutine]  # it is none without an event loop
        with tags(*PROJECT):
            found = check_freshness(notify=[BLOCK], pending=1, return_state=True)
    assert found.name == "Failed"
    assert "never started: no container or process came up for it" in str(found.message)
    assert listener.lines("orders: the run that was due at", "never started") != []
    assert states(prefect_api, deployment) == ["CRASHED", "CANCELLED", "SCHEDULED"]  # and it is begun again

    pool.poll()
    assert states(prefect_api, deployment)[-1] == "PENDING"
    assert len(aws.asked("RunTask")) == 2
    done = as_the_container(prefect_api, aws, w.environment())
    assert states(prefect_api, deployment)[-1] == "COMPLETED", done.stdout + done.stderr
    assert w.target("id, status") == [(1, "new"), (2, "paid")]
