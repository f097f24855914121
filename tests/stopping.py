"""Stopping what runs, as ECS, a worker or a user does, and looking at what is left: shards that hang, tasks in a PID namespace, who is on a shard."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import psutil

from embedded.mariadb import MariaDB
from tests.prefect_api import PrefectApi
from tests.world import ORDERS_TABLE, ROOT, World, WorldMaker, orders_view

SOON = 300.0
"""Seconds that a test waits for what is to come."""
IN_TIME = 20.0
"""Seconds within which the process of a run is to be gone that was told to end, on a machine that has the cores for what runs."""
_INIT = """
import os, signal, subprocess, sys
child = subprocess.Popen(sys.argv[1:])
signal.signal(signal.SIGTERM, lambda *_: child.send_signal(signal.SIGTERM))
while True:
    pid, status = os.wait()
    if pid == child.pid:
        sys.exit(os.waitstatus_to_exitcode(status) % 256)
"""


def in_time() -> float:
    """IN_TIME, and as much longer as what runs has to wait for a core just now: tests run beside each other."""
    return IN_TIME * max(1.0, os.getloadavg()[0] / (os.cpu_count() or 1))


def until(what: Callable[[], Any], seconds: float = SOON) -> Any:
    """Wait for something to be so; what it was then."""
    deadline = time.monotonic() + seconds
    while not (found := what()):
        assert time.monotonic() < deadline, "it never came to be"
        time.sleep(0.01)
    return found


def alive(processes: Iterable[psutil.Process]) -> list[psutil.Process]:
    """Those of processes that are there yet and run."""

    def runs(process: psutil.Process) -> bool:
        with suppress(psutil.NoSuchProcess):  # it may go between one question and the next
            return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
        return False

    return [process for process in processes if runs(process)]


def hanging(world: WorldMaker, frail: MariaDB, shards: int = 5, rows: int = 3000, **options: Any) -> World:
    """Shards on a server that can be paused, each of many small chunks: more of them than there are chains."""
    names = [f"shop_{n:02d}" for n in range(shards)]
    w = world(
        names,
        view=orders_view(source={"chunk": 1, "deadline": "10m"}, columns={"id": "bigint", "status": "text", "updated_at": "timestamp"}),
    )
    w.lake = options.get("lake", {})
    w.view["warehouse"]["key"] = ["_shard", "id"]
    for name in names:
        database = w.database(name)
        frail.execute(f"CREATE DATABASE {database}")
        frail.execute(ORDERS_TABLE, database=database)
        frail.execute(
            f"INSERT INTO orders SELECT seq, 'new', 1, '2026-01-02', repeat('x', {3_000_000 // rows}) FROM seq_1_to_{rows}",
            database=database,
        )
        frail.execute("ANALYZE TABLE orders", database=database)
    w.connection_changes = {"shards": {n: f"mysql://root@{frail.host}:{frail.port}/{w.database(n)}" for n in names}, "max_connections": 8}
    return w


def chunks(w: World) -> list[Path]:
    """What was read into raw."""
    return list(Path(w.lake.get("url", w.folder / "lake")).rglob("*.parquet"))


@contextmanager
def paused_midway(w: World, frail: MariaDB) -> Iterator[threading.Event]:
    """Pause the server as soon as a chunk was read; the event says that it was. It goes on at the end."""
    paused, over = threading.Event(), threading.Event()

    def watch() -> None:
        while not chunks(w) and not over.is_set():
            time.sleep(0.005)
        frail.pause()
        paused.set()

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        yield paused
    finally:
        over.set()
        watcher.join()
        frail.resume()


def claims(w: World) -> list[Any]:
    """The claims that somebody holds."""
    return w.ledger(
        "SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
    )


def on_the_shards(server: MariaDB, w: World) -> list[tuple[Any, ...]]:
    """Who is connected to the world's shards, and what they do there."""
    names = ", ".join(f"'{w.database(shard)}'" for shard in w.shards)
    found: list[tuple[Any, ...]] = server.execute(f"SELECT id, command, info FROM information_schema.processlist WHERE db IN ({names})")
    return found


def nobody_is_left(w: World, server: MariaDB) -> None:
    """No claim is held, and nobody is on a shard."""
    until(lambda: claims(w) == [], 10)  # Postgres has to notice that its client is gone
    until(lambda: on_the_shards(server, w) == [], 10)


def and_the_next_run_is_whole(w: World, rows: int = 3000) -> None:
    """The next run reads all that there is, each row once."""
    w.must_sync()
    assert w.target("count(*), count(DISTINCT (id, _shard))", "1") == [(rows * len(w.shards),) * 2]


class Task:
    """A command in a PID namespace of its own, as a container is: it ends with its first process, and all that is in it. With `init` that
    is a small init, as ECS's `initProcessEnabled` gives; else the command itself.
    """

    def __init__(self, command: list[str], environment: dict[str, str], folder: Path, *, init: bool = True) -> None:
        words = [sys.executable, "-c", _INIT, *command] if init else command
        self.log = folder / f"task-{time.monotonic_ns()}.log"
        with self.log.open("wb") as output:
            self._outer = subprocess.Popen(
                ["unshare", "--pid", "--fork", "--mount-proc", "--kill-child", "--", *words],
                env=environment, cwd=folder, stdout=output, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL,
            )  # fmt: skip
        self.first: psutil.Process = until(lambda: next(iter(psutil.Process(self._outer.pid).children()), None))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        with suppress(psutil.NoSuchProcess):
            self.first.kill()
        self._outer.wait(10)

    @property
    def processes(self) -> list[psutil.Process]:
        """All that runs in it, but what is dead and was not asked about."""
        with suppress(psutil.NoSuchProcess):
            return alive([self.first, *self.first.children(recursive=True)])
        return []

    @property
    def engine(self) -> psutil.Process:
        """The process in which the flow runs."""
        return next(p for p in self.processes if "prefect.engine" in p.cmdline())

    def stop(self, patience: float = 240) -> float:
        """SIGTERM to its first process, as ECS stops a task; the seconds until all of it was gone."""
        self.first.send_signal(signal.SIGTERM)
        took = self.gone(patience)
        sys.stdout.write(f"gone {took:.1f} s after SIGTERM, load {os.getloadavg()[0]:.1f}\n")
        return took

    def gone(self, patience: float = 240) -> float:
        """Wait until all of it is gone; the seconds that it took."""
        began = time.monotonic()
        self._outer.wait(patience)
        return time.monotonic() - began

    @property
    def code(self) -> int:
        """Its exit code."""
        return self._outer.wait(0)

    @property
    def output(self) -> str:
        """What it wrote."""
        return self.log.read_text(errors="replace")


def flow_run(api: PrefectApi, entrypoint: str = "flows.sync_view.sync_view", key: str | None = None, **parameters: Any) -> str:
    """A run of a deployment of a flow's, as a worker has taken it, with an idempotency key; its id."""
    name = entrypoint.rpartition(".")[2].replace("_", "-")
    flow = api.post("flows/", {"name": name})["id"]
    deployment = api.post(
        "deployments/",
        {
            "name": f"stopped-{json.dumps(parameters, sort_keys=True)[:60]}".replace("/", " "), "flow_id": flow, "entrypoint": entrypoint,
            "enforce_parameter_schema": False, "pull_steps": [],
        },
    )["id"]  # fmt: skip
    made: str = api.post(
        f"deployments/{deployment}/create_flow_run", {"parameters": parameters, "state": {"type": "PENDING"}, "idempotency_key": key}
    )["id"]
    return made


def ecs_task(w: World, api: PrefectApi, run: str, *, init: bool = True, **extra: str) -> Task:
    """What ECS starts for a flow run."""
    w.write_files()
    environment = {
        **w.environment(), **api.environment(), "PREFECT__FLOW_RUN_ID": run, "PREFECT_FLOW_RUN_EXECUTE_SIGTERM_BEHAVIOR": "reschedule",
        "PREFECT_FLOWS_HEARTBEAT_FREQUENCY": "30", "PYTHONPATH": str(ROOT), **extra,
    }  # fmt: skip
    return Task([str(Path(sys.executable).parent / "prefect"), "flow-run", "execute"], environment, w.folder, init=init)


def state_of(api: PrefectApi, run: str) -> tuple[str, str]:
    """Name and message of a flow run's state."""
    state = api.get(f"flow_runs/{run}")["state"]
    return state["name"], state["message"] or ""


can_have_namespaces = sys.platform == "linux" and os.geteuid() == 0
