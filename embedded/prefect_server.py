"""A Prefect server with a database, a home and a port of its own.

with PrefectServer(folder) as prefect:
    subprocess.run([...], env={**os.environ, **prefect.environment()})
"""

import os
import sys
from collections.abc import Callable, Mapping
from http.client import HTTPConnection
from pathlib import Path

from embedded.loopback import HOST, free_port
from embedded.server import Server

RETENTION = {
    "PREFECT_SERVER_SERVICES_DB_VACUUM_ENABLED": "events,flow_runs",
    "PREFECT_SERVER_SERVICES_DB_VACUUM_RETENTION_PERIOD": str(30 * 86400),
    "PREFECT_SERVER_EVENTS_RETENTION_PERIOD": "P3D",
    "PREFECT_SERVER_SERVICES_DB_VACUUM_EVENT_RETENTION_OVERRIDES": '{"prefect.flow-run.heartbeat": 86400}',
}
"""How long a server of one's own keeps what it knows, in seconds where it is no ISO 8601: by itself it removes no run, and its tables grow for ever."""


class PrefectServer(Server):
    """`prefect server start`, on SQLite in `folder/prefect` or on a Postgres. It answers after about 14 seconds."""

    label = "Prefect server"
    host = HOST
    seconds_to_start = 180  # a laptop's first start compiles and migrates; seen: 14 to 60

    def __init__(
        self,
        folder: Path,
        progress: Callable[[float], None] | None = None,
        *,
        database: str | None = None,
        settings: Mapping[str, str] | None = None,
    ) -> None:
        """`progress` is told, while it starts, how many seconds have passed. `database` is a Postgres's URL, password
        included; it and `settings` reach the server alone.
        """
        self._settings = dict(settings or {})
        if database:
            self._settings["PREFECT_SERVER_DATABASE_CONNECTION_URL"] = database.replace("postgresql://", "postgresql+asyncpg://", 1)
        self.home = folder.absolute() / "prefect"
        self.home.mkdir(parents=True, exist_ok=True)
        self.port = free_port()
        self.waiting = progress

    @property
    def api_url(self) -> str:
        return f"http://{self.host}:{self.port}/api"

    @property
    def ui_url(self) -> str:
        return f"http://{self.host}:{self.port}"

    def environment(self) -> dict[str, str]:
        """What a client process adds to its environment to work with this server, and quietly.

        Runs still log to the server at INFO: only the console is quiet.
        """
        return {
            "PREFECT_API_URL": self.api_url,
            "PREFECT_HOME": str(self.home),
            "PREFECT_SERVER_ALLOW_EPHEMERAL_MODE": "false",
            "PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL": "WARNING",
            "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
            "DO_NOT_TRACK": "1",
            "NO_PROXY": ",".join(filter(None, [os.environ.get("NO_PROXY"), f"{HOST},localhost"])),
        }

    def client_environment(self) -> dict[str, str]:
        """Ours without its PREFECT_ settings, which may name another server, or another's key; and `environment`."""
        kept = {key: value for key, value in os.environ.items() if not key.startswith("PREFECT_")}
        return {**kept, **self.environment()}

    def process_environment(self) -> dict[str, str]:
        """Its clients' and its own settings."""
        return {**self.client_environment(), **RETENTION, **self._settings}

    def command(self) -> list[str]:
        prefect = [sys.executable, "-m", "prefect"]
        return [*prefect, "server", "start", "--host", self.host, "--port", str(self.port)]

    def ping(self) -> None:
        """GET /api/health, by http.client: urllib would ask a proxy for it."""
        connection = HTTPConnection(self.host, self.port, timeout=2)
        try:
            connection.request("GET", "/api/health")
            answer = connection.getresponse()
            if answer.status != 200:
                raise ConnectionError(f"/api/health answered {answer.status}")
        finally:
            connection.close()
