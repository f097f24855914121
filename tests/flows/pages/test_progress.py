"""What a run shows of itself must not break it."""

from __future__ import annotations

from pathlib import Path
from uuid import uuid4

import httpx
import pytest
from prefect.artifacts import update_progress_artifact
from prefect.settings import PREFECT_API_URL, PREFECT_CLIENT_MAX_RETRIES, PREFECT_HOME, temporary_settings

from flows import outage
from flows.pages.progress import Progress
from flows.pages.run_page import publish_report
from shardlake.run.report import RunReport, ShardReport
from tests.flows.test_sync_view import closed_port
from tests.prefect_api import PrefectApi


def test_a_run_goes_on_while_the_api_takes_no_progress(
    prefect_api: PrefectApi, tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    gone = f"http://127.0.0.1:{closed_port()}/api"
    with temporary_settings({PREFECT_API_URL: prefect_api.server.api_url, PREFECT_HOME: tmp_path}):
        progress = Progress("orders", 4, "Shards").__enter__()
        assert progress._artifact is None  # a run that finds nothing new makes none
        progress.left(4)
        assert progress._artifact is not None
    with temporary_settings({PREFECT_API_URL: gone, PREFECT_CLIENT_MAX_RETRIES: 0, PREFECT_HOME: tmp_path}):
        with pytest.raises(httpx.ConnectError):  # so much is it a hiccup
            update_progress_artifact(progress._artifact, 50.0)
        progress.left(0)
        with Progress("orders", 4, "Shards") as another:
            another.left(2)
        monkeypatch.setattr(outage, "PATIENCE", 0.5)  # a run waits half an hour for a server to tell its end to
        publish_report(RunReport("orders", uuid4(), {"shop_00": ShardReport("shop_00")}))
    messages = [r.getMessage() for r in caplog.records if "could not be written" in r.getMessage()]
    assert [m.split(" (")[0] for m in messages] == [
        "The artifact orders-progress could not be written",
        "The artifact orders-progress could not be written",
        "The artifact orders-run could not be written",
    ]
