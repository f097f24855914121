"""A Prefect worker: it takes flow runs from a work pool and starts a process for each.

with PrefectWorker(prefect, folder, environment, pool="shardlake-local") as worker:
    …
"""

import json
import sys
from collections.abc import Mapping
from http.client import HTTPConnection
from pathlib import Path

from embedded.loopback import HOST
from embedded.prefect_server import PrefectServer
from embedded.server import Server


class PrefectWorker(Server):
    """`prefect worker start` on a process pool. `environment` reaches the runs: SHARDLAKE_VIEWS, SHARDLAKE_CONNECTIONS, secrets."""

    label = "Prefect worker"
    host = HOST
    seconds_to_start = 120

    def __init__(self, prefect: PrefectServer, folder: Path, environment: Mapping[str, str], *, pool: str, name: str = "worker") -> None:
        """It takes what the pool's queues give; they are asked every 2 seconds."""
        self.prefect, self.given, self.pool, self.name = prefect, dict(environment), pool, name
        self.port = prefect.port
        self.home = folder.absolute() / name
        self.home.mkdir(parents=True, exist_ok=True)

    def process_environment(self) -> dict[str, str]:
        """The server's clients', and what the runs need."""
        return {**self.prefect.client_environment(), "PREFECT_WORKER_QUERY_SECONDS": "2", **self.given}

    def command(self) -> list[str]:
        prefect = [sys.executable, "-m", "prefect"]
        return [*prefect, "worker", "start", "--pool", self.pool, "--type", "process", "--name", self.name]

    def ping(self) -> None:
        """Raise while the server does not know it as online."""
        connection = HTTPConnection(self.prefect.host, self.prefect.port, timeout=5)
        try:
            body = json.dumps({"limit": 200}).encode()
            connection.request("POST", f"/api/work_pools/{self.pool}/workers/filter", body, {"content-type": "application/json"})
            answer = json.loads(connection.getresponse().read())
            if not any(worker["name"] == self.name and worker["status"] == "ONLINE" for worker in answer):
                raise ConnectionError(f"{self.name} is not online")
        finally:
            connection.close()
