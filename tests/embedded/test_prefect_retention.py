"""A Prefect server of one's own removes what is old: without that its tables grow for ever."""

from __future__ import annotations

import sqlite3
import time
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from prefect import flow, get_run_logger
from prefect.artifacts import create_markdown_artifact
from prefect.settings import PREFECT_API_URL, PREFECT_HOME, temporary_settings

from tests.prefect_api import PrefectApi, drain


@flow(name="leaves-traces")
def leaves_traces() -> None:
    get_run_logger().info("a line")
    create_markdown_artifact("a page")


def test_runs_with_their_logs_and_artifacts_are_removed_after_thirty_days_and_no_earlier(prefect_api: PrefectApi, tmp_path: Path) -> None:
    with temporary_settings({PREFECT_API_URL: prefect_api.server.api_url, PREFECT_HOME: tmp_path}):
        ids = [str(leaves_traces(return_state=True).state_details.flow_run_id) for _ in range(2)]
    drain()
    of: dict[str, Any] = {"flow_run_id": {"any_": ids}}
    until(lambda: {line["flow_run_id"] for line in prefect_api.all("logs", logs=of)} == set(ids))
    for run, days in zip(ids, (31, 29), strict=True):
        ended(prefect_api, run, datetime.now(UTC) - timedelta(days=days))

    def left() -> list[set[str]]:
        runs = {r["id"] for r in prefect_api.all("flow_runs", flow_runs={"id": {"any_": ids}})}
        logs = {line["flow_run_id"] for line in prefect_api.all("logs", logs=of)}
        return [runs, logs, {a["flow_run_id"] for a in prefect_api.all("artifacts", artifacts=of)}]

    until(lambda: left() == [{ids[1]}] * 3)
    assert left() == [{ids[1]}] * 3


def ended(api: PrefectApi, run: str, when: datetime) -> None:
    """Make a run one that ended then; the API makes none."""
    with closing(sqlite3.connect(Path(str(api.server.home)) / "prefect.db", timeout=60)) as connection, connection:
        done = connection.execute("UPDATE flow_run SET end_time = ? WHERE id = ?", (f"{when:%Y-%m-%d %H:%M:%S.%f}", run))
        assert done.rowcount == 1


def until(what: Any, seconds: float = 90) -> None:
    deadline = time.monotonic() + seconds
    while not what() and time.monotonic() < deadline:
        time.sleep(0.5)
