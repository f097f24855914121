"""A Prefect server as the tests see it: flows run against it, and everything that it has kept can be read back."""

from __future__ import annotations

import json
import re
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch

import httpx

from embedded.prefect_server import PrefectServer
from tests.world import World

_FINAL = {"COMPLETED", "FAILED", "CRASHED", "CANCELLED"}


def drain() -> None:
    """Have this process tell the server what it has not told it yet; without one it would try for a minute at its end."""
    from prefect.events.worker import EventsWorker
    from prefect.logging.handlers import APILogWorker

    for worker in (APILogWorker, EventsWorker):
        worker.drain_all(timeout=10)


def traces(word: str, text: str) -> list[str]:
    """What stands around `word` wherever it stands in `text`, for a list that must be empty.

    Where `word not in text` fails, pytest compares the text with itself without the word: of megabytes it never ends.
    """
    return [text[max(0, found.start() - 80) : found.end() + 40] for found in re.finditer(re.escape(word), text)]


class PrefectApi:
    """What a Prefect server knows of runs. Every answer is asked of its API."""

    def __init__(self, server: PrefectServer) -> None:
        self.server = server
        self._client = httpx.Client(base_url=server.api_url + "/", timeout=30, trust_env=False)

    def environment(self) -> dict[str, str]:
        """For a command's process: this server, and nothing else of what makes our own processes quiet."""
        return {k: v for k, v in self.server.environment().items() if "CONSOLE" not in k}

    def command(self, w: World, *words: str, **extra: str) -> subprocess.CompletedProcess[str]:
        """The real command, with this server to tell what it does."""
        environment: dict[str, Any] = {**self.environment(), **extra}
        return w.command(*words, **environment)

    @contextmanager
    def here(self, w: World) -> Iterator[None]:
        """Within, flows that are called in this process run against this server, with the world's views and connections."""
        from prefect.settings import PREFECT_API_URL, PREFECT_HOME, temporary_settings

        w.write_files()
        files = {"SHARDLAKE_VIEWS": str(w.folder / "views"), "SHARDLAKE_CONNECTIONS": str(w.folder / "connections.yaml")}
        with (
            patch.dict("os.environ", files),
            temporary_settings({PREFECT_API_URL: self.server.api_url, PREFECT_HOME: w.folder / "prefect-home"}),
        ):
            yield

    def _ask(self, method: str, path: str, body: Any = None) -> httpx.Response:
        """An answer. On SQLite a server says 503 while another writes, or nothing for long: what only reads is asked again."""
        reads, silent = method == "GET" or path.endswith("filter"), 0
        for _ in range(40):
            try:
                answer = self._client.request(method, path, json=body)
            except httpx.ReadTimeout:
                silent += 1
                if not reads or silent == 3:
                    raise
                continue
            if answer.status_code != 503:
                break
            time.sleep(0.5)
        return answer.raise_for_status()

    def get(self, path: str) -> Any:
        return self._ask("GET", path).json()

    def post(self, path: str, body: Any) -> Any:
        return self._ask("POST", path, body).json()

    def patch(self, path: str, body: Any) -> None:
        self._ask("PATCH", path, body)

    def delete(self, path: str) -> None:
        self._ask("DELETE", path)

    def all(self, what: str, **filters: Any) -> list[dict[str, Any]]:
        """Every object of a kind: `flow_runs`, `task_runs`, `artifacts`, `logs`, `block_documents` …"""
        found: list[dict[str, Any]] = []
        while True:
            answer = self.post(f"{what}/filter", {"limit": 200, "offset": len(found), **filters})
            found += answer
            if len(answer) < 200:
                return found

    def flow_run(self, state: Any) -> dict[str, Any]:
        """The run behind the state that a flow returned."""
        found: dict[str, Any] = self.get(f"flow_runs/{state.state_details.flow_run_id}")
        return found

    def task_runs(self, flow_run_id: str, count: int) -> dict[str, dict[str, Any]]:
        """A flow run's `count` task runs by name, when all have ended; the server hears of them by and by."""
        for _ in range(100):
            found = {t["name"]: t for t in self.all("task_runs", flow_runs={"id": {"any_": [flow_run_id]}})}
            if len(found) >= count and all(t["state_type"] in _FINAL for t in found.values()):
                break
            time.sleep(0.1)
        assert len(found) == count, sorted(found)
        return found

    def states(self, task_run: dict[str, Any]) -> list[dict[str, Any]]:
        """The states that a task run has gone through, oldest first."""
        found: list[dict[str, Any]] = self.get(f"task_run_states/?task_run_id={task_run['id']}")
        return sorted(found, key=lambda s: str(s["timestamp"]))

    def artifacts(self, flow_run_id: str) -> dict[str, dict[str, Any]]:
        """A flow run's artifacts, by key."""
        return {a["key"]: a for a in self.all("artifacts", flow_runs={"id": {"any_": [flow_run_id]}})}

    def everything(self) -> str:
        """All that the server has of runs, as text to search in."""
        kept: dict[str, Any] = {
            kind: self.all(kind) for kind in ("flows", "flow_runs", "task_runs", "artifacts", "logs", "deployments", "variables")
        }
        kept["flow_run_states"] = [self.get(f"flow_run_states/?flow_run_id={r['id']}") for r in kept["flow_runs"]]
        kept["task_run_states"] = [self.get(f"task_run_states/?task_run_id={r['id']}") for r in kept["task_runs"]]
        kept["events"] = self.events()
        return json.dumps(kept, ensure_ascii=False)

    def events(self) -> list[Any]:
        """Every event that the server has kept."""
        answer = self.post("events/filter", {"limit": 50})
        events = list(answer["events"])
        while answer.get("next_page"):
            answer = self.get(answer["next_page"])
            events += answer["events"]
        return events
