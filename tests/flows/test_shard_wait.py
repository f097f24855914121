"""Waiting for the runs of shards, where the server refuses to say what became of them. It is an emulator that answers each request alike."""

from __future__ import annotations

from uuid import uuid4

import httpx
import pytest
from prefect.settings import PREFECT_API_URL, PREFECT_CLIENT_CSRF_SUPPORT_ENABLED, temporary_settings

from embedded.listener import Listener
from flows import shard_wait
from shardlake.run.report import RunReport, ShardReport


@pytest.mark.parametrize("status", [401, 403])
def test_a_server_that_refuses_is_not_asked_for_ever(status: int) -> None:
    waiting = {str(uuid4()): ["shop_00"]}
    report = RunReport("orders", uuid4(), {"shop_00": ShardReport("shop_00")})
    with (
        Listener().listening() as server,
        temporary_settings({PREFECT_API_URL: f"{server.url}/api", PREFECT_CLIENT_CSRF_SUPPORT_ENABLED: False}),
    ):
        server.answer = status
        with pytest.raises(httpx.HTTPStatusError, match=str(status)):
            shard_wait.wait(waiting, report, lambda _part: None)
        asked = [path for path, _ in server.heard if path == "/api/flow_runs/filter"]
    assert (len(asked), len(waiting)) == (1, 1)
