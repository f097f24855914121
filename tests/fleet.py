"""A project for tests: views to publish on a real Prefect server; and a fleet: with a worker, the demo's shards and warehouse."""

from __future__ import annotations

import json
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar
from unittest.mock import patch

import psutil
import pytest
import yaml
from typer.testing import CliRunner

from demo.servers import DemoServers, demo_servers
from demo.up import prepare
from embedded.postgres import Postgres
from embedded.prefect_server import PrefectServer
from embedded.prefect_worker import PrefectWorker
from tests.prefect_api import PrefectApi
from tests.world import ROOT, WINDOWS

if TYPE_CHECKING:
    from deployments.publish import Published

POOL = "shardlake-local"


class Project:
    """A prefect.yaml and views in a folder, and the commands on them."""

    kind = "postgres"

    def __init__(self, folder: Path, prefect: PrefectServer, environment: dict[str, str]) -> None:
        self.folder, self.prefect = folder, prefect
        self.api = PrefectApi(prefect)
        self.environment = {
            **prefect.client_environment(),
            **environment,
            "SHARDLAKE_PROJECT": str(folder / "prefect.yaml"),
            "SHARDLAKE_VERSION": "test",
        }
        project: dict[str, Any] = yaml.safe_load((ROOT / "prefect.yaml").read_text())
        project["definitions"]["silence"] = 40
        project["definitions"]["work_pools"] = project["definitions"]["work_pools"][:1]
        for item in project["deployments"]:
            item.pop("schedules", None)  # these tests ask for them
        self.write_project(project)

    def write_project(self, project: dict[str, Any]) -> None:
        self.project = project
        (self.folder / "prefect.yaml").write_text(yaml.safe_dump(project))

    def view(self, name: str = "orders", **changes: Any) -> None:
        """Write a view: the demo's orders under a name, with changes; None takes a key away."""
        kind = self.kind
        view: dict[str, Any] = yaml.safe_load(
            (ROOT / "demo/views/orders/view.yaml").read_text().replace("SOURCE/shop", f"{kind}-shards/shop")
        )
        view |= {"name": name, "warehouse": {**view["warehouse"], "table": f"analytics.{name}"}}
        view.pop("lake"), view.pop("schedule")
        view = {key: value for key, value in {**view, **changes}.items() if value is not None}
        home = self.folder / "views" / name
        home.mkdir(parents=True, exist_ok=True)
        (home / "view.yaml").write_text(yaml.safe_dump(view))

    def drop_view(self, name: str) -> None:
        (self.folder / "views" / name / "view.yaml").unlink()

    def run(self, program: str, *words: str, **extra: str) -> subprocess.CompletedProcess[str]:
        """`shardlake …` or `prefect …`, as a user types it."""
        command = [str(Path(sys.executable).parent / program), *words]
        return subprocess.run(command, env=self.environment | extra, cwd=self.folder, capture_output=True, text=True, timeout=180)

    def publish(self, *words: str, code: int = 0) -> dict[str, Any]:
        """`shardlake publish --json`, the command in this process, which saves the start of one."""
        from cli.main import app

        with self.here():
            done = CliRunner().invoke(app, ["publish", "--json", *words])
        if done.exception and not isinstance(done.exception, SystemExit):
            raise done.exception
        assert done.exit_code == code, done.output
        found: dict[str, Any] = json.loads(done.stdout)
        return found

    @contextmanager
    def here(self, more: dict[str, str] | None = None) -> Iterator[None]:
        """Within, this process has the project's environment and Prefect's address, as a command's own has."""
        from prefect.settings import PREFECT_API_URL, temporary_settings

        own = {name: value for name, value in self.environment.items() if not name.startswith("PREFECT_")}
        with patch.dict("os.environ", own | (more or {})), temporary_settings({PREFECT_API_URL: self.prefect.api_url}):
            yield

    def publish_as(self, pool: str | None = None, *, write: bool = True, **wish: Any) -> Published:
        """Publish in this process, with what the command's options say as `wish`."""
        from deployments.project import read_project
        from deployments.publish import publish
        from deployments.release import Wish
        from shardlake.view.view_file import load_views

        with self.here():
            project = read_project(self.folder / "prefect.yaml")
            return publish(load_views(self.folder / "views"), project, project.pool(pool), write=write, wish=Wish(**wish))

    def until(self, what: Callable[[], Any], seconds: float = 300) -> Any:
        """Wait for something to be so; what it was when time was up."""
        deadline = time.monotonic() + seconds
        while not (found := what()) and time.monotonic() < deadline:
            time.sleep(0.3)
        return found

    def deployment(self, full_name: str) -> dict[str, Any]:
        flow, name = full_name.split("/")
        found: dict[str, Any] = self.api.get(f"deployments/name/{flow}/{name}")
        return found

    def begin(self, full_name: str, **parameters: Any) -> str:
        """Have a deployment run now, as the button on its page does; the flow run's id."""
        return self.due(full_name, datetime.now(UTC), **parameters)

    def due(self, full_name: str, when: datetime, **parameters: Any) -> str:
        """A run that was due at a time; its id."""
        state = {"type": "SCHEDULED", "state_details": {"scheduled_time": when.isoformat()}}
        body = {"state": state, "parameters": parameters}
        made = self.api.post(f"deployments/{self.deployment(full_name)['id']}/create_flow_run", body)
        return str(made["id"])

    def runs(self, full_name: str) -> list[dict[str, Any]]:
        """A deployment's runs, in the order in which they were to start."""
        where = {"id": {"any_": [self.deployment(full_name)["id"]]}}
        return sorted(self.api.all("flow_runs", deployments=where), key=lambda r: str(r["expected_start_time"]))

    def flow_run(self, run_id: str) -> dict[str, Any]:
        found: dict[str, Any] = self.api.get(f"flow_runs/{run_id}")
        return found

    def ended(self, run_id: str, seconds: float = 300) -> tuple[str, str]:
        """Name and message of the state in which a run ends."""
        final = {"COMPLETED", "FAILED", "CRASHED", "CANCELLED"}
        assert self.until(lambda: self.flow_run(run_id)["state_type"] in final, seconds), self.flow_run(run_id)["state"]
        state = self.flow_run(run_id)["state"]
        return state["name"], state["message"] or ""


P = TypeVar("P", bound=Project)


@contextmanager
def on_server(api: PrefectApi, folder: Path, environment: dict[str, str], kind: type[P]) -> Iterator[P]:
    """A project with one view that publishes to the session's server; nothing of it is left there. Its databases are nowhere."""
    connections = {
        "postgres-shards/shop": {"url": "postgresql://reader@db.example/shop_{00..03}", "password": "${CANARY}", "max_connections": 3},
        "postgres-warehouse/main": {"url": "postgresql://loader@w.example/analytics", "password": "${CANARY}"},
        "athena-lake/main": {"url": "s3://lake-bucket/shardlake"},
    }
    (folder / "connections.yaml").write_text(yaml.safe_dump(connections))
    files = {"SHARDLAKE_VIEWS": str(folder / "views"), "SHARDLAKE_CONNECTIONS": str(folder / "connections.yaml")}
    assert isinstance(api.server, PrefectServer)
    made = kind(folder, api.server, files | environment)
    made.view(schedule="every 15m")
    yield made
    for what in ("deployments", "automations"):
        for left in api.all(what):
            if "project:shardlake" in left["tags"]:
                api.delete(f"{what}/{left['id']}")


class Fleet(Project):
    """A project whose runs a worker takes, on the demo's servers."""

    def __init__(
        self, folder: Path, prefect: PrefectServer, servers: DemoServers, environment: dict[str, str], worker: dict[str, str] | None = None
    ) -> None:
        """`worker` is what the worker's environment has beside ours."""
        super().__init__(folder, prefect, environment)
        self.database: Postgres | None = None
        self.servers = servers
        self.worker = PrefectWorker(prefect, folder, environment | (worker or {}), pool=POOL)

    def start(self, deployment: str, **parameters: Any) -> str:
        """`prefect deployment run`; the flow run's id."""
        given = [word for name, value in parameters.items() for word in ("--param", f"{name}={json.dumps(value)}")]
        done = self.run("prefect", "deployment", "run", deployment, *given)
        assert done.returncode == 0, done.stdout + done.stderr
        return next(line.split(":", 1)[1].strip() for line in done.stdout.splitlines() if "UUID" in line)

    def as_if_scheduled(self) -> None:
        """Make the runs that have not ended such as the server's scheduler makes; its API makes none."""
        statement = "UPDATE flow_run SET auto_scheduled = true WHERE end_time IS NULL"
        if self.database:
            self.database.execute(statement, database="prefect")
            return
        with closing(sqlite3.connect(Path(str(self.prefect.home)) / "prefect.db", timeout=30)) as connection, connection:
            connection.execute(statement)

    def process(self, run_id: str) -> psutil.Process:
        """The process of a run that is under way on this machine."""
        found = self.until(lambda: [p for p in psutil.process_iter() if _flow_run(p) == run_id.replace("-", "")])
        assert found, f"no process of the run {run_id}"
        process: psutil.Process = found[0]
        return process

    def warehouse(self, statement: str) -> list[tuple[Any, ...]]:
        return list(self.servers.warehouse.execute(statement, database="warehouse"))

    @contextmanager
    def held(self, table: str) -> Iterator[None]:
        """Within, nobody can write to a table: what wants to, waits."""
        with self.servers.warehouse.connect(database="warehouse") as connection, connection.transaction():
            connection.execute(f"LOCK TABLE {table} IN SHARE MODE")
            yield

    def unmerged(self, view: str = "orders") -> int:
        """How many shards of a view have been read, and are not in the warehouse yet."""
        [(count,)] = self.warehouse(f"SELECT count(DISTINCT partition) FROM {WINDOWS} WHERE state = 'read' AND feed = '{view}'")
        return int(count)

    def waits(self, table: str | None = None) -> bool:
        """Whether somebody waits for a lock in the warehouse; for a table's, where one is named."""
        which = f"AND relation = '{table}'::regclass" if table else ""
        return bool(self.warehouse(f"SELECT 1 FROM pg_locks WHERE NOT granted {which}"))


def _flow_run(process: psutil.Process) -> str | None:
    """The run that a process of Prefect's engine is for."""
    with suppress(psutil.Error):
        if "prefect.engine" in process.cmdline():
            return process.environ().get("PREFECT__FLOW_RUN_ID", "").replace("-", "")
    return None


@contextmanager
def on_postgres(server: Postgres) -> Iterator[str]:
    """A database for Prefect's own on a Postgres; its URL."""
    if not server.execute("SELECT 1 FROM pg_available_extensions WHERE name = 'pg_trgm'"):
        pytest.skip("this Postgres has no pg_trgm, which Prefect's schema wants; Debian's and the official image have it")
    server.execute("CREATE DATABASE prefect")
    yield server.url(database="prefect")
    server.execute("DROP DATABASE prefect WITH (FORCE)")


@contextmanager
def fleet(
    folder: Path, database: Postgres | None = None, *, settings: dict[str, str] | None = None, worker: dict[str, str] | None = None
) -> Iterator[Fleet]:
    """A fleet whose Prefect server is on SQLite, or on a Postgres; with settings of server and worker."""
    with ExitStack() as stack:
        servers = stack.enter_context(demo_servers(folder, "postgres"))
        url = stack.enter_context(on_postgres(database)) if database else None
        prefect = stack.enter_context(PrefectServer(folder, database=url, settings=settings))
        made = Fleet(folder, prefect, servers, prepare(servers, folder), worker)
        made.database = database
        made.view()
        made.publish()
        stack.enter_context(made.worker)
        yield made
