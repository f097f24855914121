"""A stop a minute, by chance: of a run, a worker, the Prefect server, a shard, the warehouse. Each is undone after a while."""

import random
import signal
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime

import psutil

from demo.servers import SHARDS, DemoServers
from embedded.prefect_server import PrefectServer
from embedded.prefect_worker import PrefectWorker

EVERY = 60.0
PATIENCE = 20.0
"""Seconds that a stop waits for a run to be under way."""


@dataclass(frozen=True, slots=True)
class Stop:
    """What was done, and when."""

    at: datetime
    what: str
    about: str = ""

    def __str__(self) -> str:
        return f"{self.at:%H:%M:%S} {self.what}{f': {self.about}' if self.about else ''}"


class Stops:
    """Does one thing a minute until it is stopped, and leaves all as it was. The seed decides what, and when within the minute."""

    def __init__(self, prefect: PrefectServer, workers: list[PrefectWorker], servers: DemoServers, seed: int) -> None:
        self.prefect, self.workers, self.servers = prefect, workers, servers
        self.chance = random.Random(seed)
        self.done: list[Stop] = []
        self.gone: list[float] = []
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._work, daemon=True)
        self._kinds: list[tuple[str, Callable[[], str]]] = [
            ("SIGTERM to a run", lambda: self._run(signal.SIGTERM)),
            ("SIGTERM to a run", lambda: self._run(signal.SIGTERM)),
            ("SIGKILL to a run", lambda: self._run(signal.SIGKILL)),
            ("SIGKILL to a run", lambda: self._run(signal.SIGKILL)),
            ("SIGTERM to a worker", lambda: self._worker(signal.SIGTERM)),
            ("SIGKILL to a worker and its runs", lambda: self._worker(signal.SIGKILL)),
            ("SIGKILL to the Prefect server", self._server),
            ("a shard hangs", self._shard),
            ("the warehouse restarts", self._warehouse),
        ]

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """End, once what was stopped is back."""
        self._over.set()
        self._thread.join()

    def _work(self) -> None:
        began, deck = time.monotonic(), list[tuple[str, Callable[[], str]]]()
        while not self._over.is_set():
            minute = began + EVERY * int((time.monotonic() - began) / EVERY + 1)
            if self._over.wait(self.chance.uniform(0, EVERY / 3)):
                return
            if not deck:  # each comes once before one comes again
                deck = self.chance.sample(self._kinds, len(self._kinds))
            what, do = deck.pop()
            at = datetime.now(UTC)
            try:
                about = do()
            except Exception as error:
                about = f"{type(error).__name__}: {error}"[:200]
            self.done.append(Stop(at, what, about))
            print(self.done[-1], flush=True)
            self._over.wait(max(0.0, minute - time.monotonic()))

    def _run(self, how: signal.Signals) -> str:
        """Signal a run of a view, and time how long its processes live on."""
        deadline = time.monotonic() + PATIENCE
        while not (runs := _runs(self.prefect)):
            if time.monotonic() > deadline or self._over.wait(0.5):
                return "no run was under way"
        first, key = self.chance.choice(sorted(runs, key=lambda found: found[0].pid))
        began = time.monotonic()
        family = [p for p in psutil.process_iter() if flow_run_of(p, self.prefect) == key]
        first.send_signal(how)
        _, alive = psutil.wait_procs(family, timeout=EVERY / 2)
        seconds = time.monotonic() - began
        self.gone.append(seconds)
        return f"run {key[:8]}, {f'{len(alive)} processes still there' if alive else 'gone'} after {seconds:.1f} s"

    def _worker(self, how: signal.Signals) -> str:
        worker = self.chance.choice(self.workers)
        worker.stop() if how == signal.SIGTERM else worker.kill()
        away = self.chance.uniform(2, 15)
        self._over.wait(away)
        worker.start()
        return f"{worker.name}, away for {away:.0f} s"

    def _server(self) -> str:
        self.prefect.kill()
        began = time.monotonic()
        self._over.wait(self.chance.uniform(5, 25))
        self.prefect.start()
        return f"away for {time.monotonic() - began:.0f} s"

    def _shard(self) -> str:
        away = self.chance.uniform(10, 35)
        server = self.servers.of(SHARDS[-1])
        server.pause()
        self._over.wait(away)
        server.resume()
        return f"{SHARDS[-1]}, for {away:.0f} s"

    def _warehouse(self) -> str:
        began = time.monotonic()
        self.servers.warehouse.restart()
        return f"with the shards on its server, within {time.monotonic() - began:.1f} s"


def _runs(server: PrefectServer) -> list[tuple[psutil.Process, str]]:
    """The first processes of the views' runs that are under way, with their flow runs' ids."""
    found = []
    for process in psutil.process_iter():
        key = flow_run_of(process, server)
        with suppress(psutil.Error):
            parent = process.parent() if key else None
            if key and (parent is None or flow_run_of(parent, server) != key) and _is_of_a_view(process):
                found.append((process, key))
    return found


def _is_of_a_view(process: psutil.Process) -> bool:
    """Whether it has begun to read or to merge: a reader's fork server is below it. Checks of freshness have none."""
    return bool(process.children())


def flow_run_of(process: psutil.Process, server: PrefectServer) -> str | None:
    """The flow run of a server's that a process belongs to."""
    try:
        found = process.environ() if process.status() != psutil.STATUS_ZOMBIE else {}
        return found.get("PREFECT__FLOW_RUN_ID") if found.get("PREFECT_API_URL") == server.api_url else None
    except psutil.Error:
        return None
