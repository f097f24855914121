"""A fleet of 120 views: what publishing costs, and ten minutes of their schedules on one server with two workers.

    python -m bench.fleet [--minutes 10] [--views 120] [--sqlite]
    python -m bench.fleet --chaos [--minutes 30] [--views 20] [--seed 1]

Each writes its section of bench/FLEET.md. The views are the demo's table; most runs find a lookback's rows or nothing, but with
--chaos: rows change all the time, and every minute a run, a worker, a server or a shard is stopped.
"""

import argparse
import json
import os
import re
import subprocess
import sys
import time
from collections import Counter
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

import httpx
import psutil
import yaml

from bench.chaos.run import HEADING, chaos
from demo.servers import demo_servers
from demo.up import POOL, prepare
from embedded.postgres import obtain_postgres
from embedded.prefect_server import PrefectServer
from embedded.prefect_worker import PrefectWorker

HERE = Path(__file__).parent
ROOT = HERE.parent
SCHEDULES = "# A fleet"
FINAL = ("COMPLETED", "FAILED", "CRASHED", "CANCELLED")


def main() -> int:
    """Measure, and write it down."""
    parser = argparse.ArgumentParser(prog="python -m bench.fleet", description=__doc__)
    parser.add_argument("--minutes", type=float, help="10, and 30 with --chaos")
    parser.add_argument("--views", type=int, help="120, and 20 with --chaos")
    parser.add_argument("--sqlite", action="store_true", help="Prefect's own database on SQLite in place of Postgres")
    parser.add_argument("--chaos", action="store_true", help="something is stopped every minute")
    parser.add_argument("--seed", type=int, default=1, help="what decides, with --chaos, what is stopped and when")
    arguments = parser.parse_args()
    minutes = arguments.minutes or (30 if arguments.chaos else 10)
    views = arguments.views or (20 if arguments.chaos else 120)
    lines = [
        f"{SCHEDULES} of {views} views",
        "",
        f"`python -m bench.fleet`, 2 cores that also hold the server, the workers and the databases; Prefect on {'SQLite' if arguments.sqlite else 'Postgres'}.",
        "",
    ]
    with TemporaryDirectory(prefix="shardlake-fleet-") as name, ExitStack() as stack:
        folder = Path(name)
        folder.chmod(0o755)
        database = None
        if not arguments.sqlite:
            postgres = stack.enter_context(obtain_postgres(folder / "prefect-database"))
            postgres.execute("CREATE DATABASE prefect")
            database = postgres.url(database="prefect")
        prefect = stack.enter_context(PrefectServer(folder, database=database))
        servers = stack.enter_context(demo_servers(folder, "postgres"))
        environment = prepare(servers, folder)
        fleet = Fleet(folder, prefect, environment)
        if arguments.chaos:
            put(chaos(fleet, servers, environment, minutes, views, arguments.seed), HEADING)
            return 0
        fleet.views(views)
        lines += fleet.publishing()
        lines += fleet.overhead()
        workers = [PrefectWorker(prefect, folder, environment, pool=POOL, name=f"worker-{n}") for n in (1, 2)]
        for worker in workers:
            stack.enter_context(worker)
        lines += fleet.starts()
        lines += fleet.schedules(minutes)
    put(lines, SCHEDULES)
    return 0


def put(lines: list[str], heading: str) -> None:
    """Write a section of FLEET.md in the place of the one whose heading begins so; the other stays."""
    file, text = HERE / "FLEET.md", "\n".join(lines).rstrip() + "\n"
    sections = re.split(r"^(?=#)", file.read_text(), flags=re.MULTILINE) if file.exists() else []
    kept = [s.rstrip() + "\n" for s in sections if s.strip() and not s.startswith(heading)]
    file.write_text("\n".join(sorted([*kept, text])))  # "# …" sorts before "## …"
    print(text)


class Fleet:
    """The views, and what is asked of the server about them."""

    def __init__(self, folder: Path, prefect: PrefectServer, environment: dict[str, str]) -> None:
        self.folder, self.prefect = folder, prefect
        self.environment = {**prefect.client_environment(), **environment}
        self.api = httpx.Client(base_url=prefect.api_url + "/", timeout=60, trust_env=False)

    def views(self, count: int) -> None:
        """As many views as asked for, on demand for now."""
        text = (self.folder / "views" / "orders" / "view.yaml").read_text()
        self.template: dict[str, Any] = yaml.safe_load(text)
        self.template.pop("lake")
        self.names = [f"view_{n:03d}" for n in range(count)]
        self.write(None)
        (self.folder / "views" / "orders" / "view.yaml").unlink()

    def write(self, schedule: list[str] | None, **more: Any) -> None:
        """Write every view's file: with these schedules in turn, and with more keys."""
        for number, name in enumerate(self.names):
            home = self.folder / "views" / name
            home.mkdir(exist_ok=True)
            view = {**self.template, "name": name, "warehouse": {**self.template["warehouse"], "table": f"fleet.{name}"}, **more}
            view.pop("schedule", None)
            if schedule:
                view["schedule"] = schedule[number % len(schedule)]
            (home / "view.yaml").write_text(yaml.safe_dump(view))

    def command(self, *words: str) -> tuple[float, str]:
        began = time.perf_counter()
        done = subprocess.run(
            [str(Path(sys.executable).parent / "shardlake"), *words], env=self.environment, cwd=ROOT, capture_output=True, text=True
        )
        if done.returncode:
            raise SystemExit(done.stdout + done.stderr)
        return time.perf_counter() - began, done.stdout

    def publishing(self) -> list[str]:
        """The first publish, one that finds nothing changed, and one that finds ten changed."""
        lines = ["| publish | s | calls of the API |", "|---|---|---|"]
        for what in ("first", "unchanged", "unchanged again"):
            seconds, said = self.command("publish", "--json")
            lines.append(f"| {what} | {seconds:.1f} | {json.loads(said)['calls']} |")
        return [*lines, "", "Seconds are of the whole command, of which about 2 are Python's imports.", ""]

    def overhead(self) -> list[str]:
        """What Prefect adds to a run that finds nothing to do."""
        name = self.names[0]
        self.command("run", name)
        engine, flow = [], []
        script = (
            "import time; b = time.perf_counter()\n"
            "from pathlib import Path; from os import environ as e\n"
            "from shardlake.run.sync import sync; from shardlake.view.view_file import load_view; from shardlake.connection.connection_file import load_connection\n"
            f"v = load_view(Path(e['SHARDLAKE_VIEWS']) / {name!r})\n"
            "r = sync(v, lambda n: load_connection(Path(e['SHARDLAKE_CONNECTIONS']), n)); assert r.ok\n"
        )
        for _ in range(5):
            began = time.perf_counter()
            subprocess.run([sys.executable, "-c", script], env=self.environment, cwd=ROOT, check=True, capture_output=True)
            engine.append(time.perf_counter() - began)
            flow.append(self.command("run", name)[0])
        return [
            f"A run that finds nothing to do, as a process, median of 5: the engine alone {median(engine):.2f} s,"
            f" `shardlake run` (with Prefect) {median(flow):.2f} s.",
            "",
        ]

    def starts(self) -> list[str]:
        """From `prefect deployment run` to the first word of the flow and to the first rows in the warehouse."""
        taken, read = [], []
        for name in self.names[1:6]:  # each for the first time: there is something to read
            flow_run = self.start(name)
            asked = datetime.fromisoformat(flow_run["expected_start_time"])
            taken.append((datetime.fromisoformat(flow_run["start_time"]) - asked).total_seconds())
            while not (lines := [t for t, line in self.logs(flow_run["id"]) if line.startswith("window.merged")]):
                time.sleep(0.5)
            first = lines[0]
            read.append((first - asked).total_seconds())
        cold, warm = read[0], read[1:]
        return [
            f"From `prefect deployment run` on a worker that asks every 2 s: the flow begins after {median(taken):.1f} s (median of 5), the first"
            f" window is in the warehouse after {cold:.1f} s the first time and {median(warm):.1f} s then. A container's start comes on top.",
            "",
        ]

    def start(self, name: str) -> Any:
        deployment = self.api.get(f"deployments/name/sync-view/{name}").json()["id"]
        key = self.api.post(f"deployments/{deployment}/create_flow_run", json={"state": {"type": "SCHEDULED"}}).json()["id"]
        while (found := self.api.get(f"flow_runs/{key}").json())["state_type"] not in FINAL:
            time.sleep(0.2)
        return found

    def logs(self, flow_run: str) -> list[tuple[datetime, str]]:
        answer = self.api.post("logs/filter", json={"logs": {"flow_run_id": {"any_": [flow_run]}}, "sort": "TIMESTAMP_ASC"}).json()
        return [(datetime.fromisoformat(line["timestamp"]), line["message"]) for line in answer]

    def schedules(self, minutes: float) -> list[str]:
        """A while of schedules: what began when, what was left out, what failed."""
        self.write(["every 5m", "every 10m", "every 10m"])
        self.command("publish")
        began = datetime.now(UTC)
        server = psutil.Process(self.prefect.pid)
        memory, load = [], []
        while datetime.now(UTC) - began < timedelta(minutes=minutes):
            memory.append(sum(p.memory_info().rss for p in [server, *server.children(recursive=True)]) >> 20)
            load.append(os.getloadavg()[0])
            time.sleep(5)
        ended = datetime.now(UTC)
        time.sleep(45)  # what was due at the end may still run
        runs = [r for r in self.scheduled(began, ended) if r["auto_scheduled"]]
        states = Counter(r["state_name"] for r in runs)
        waits = sorted(
            (datetime.fromisoformat(r["start_time"]) - datetime.fromisoformat(r["expected_start_time"])).total_seconds()
            for r in runs
            if r["start_time"]
        )
        late = sum(wait > 60 for wait in waits)
        never = [r for r in runs if not r["start_time"]]
        return [
            f"{minutes:g} minutes, {len(self.names)} views every 5 or 10 minutes, two workers, four runs at once: {len(runs)} runs were due.",
            "",
            "| | |", "|---|---|",
            *[f"| {name} | {count} |" for name, count in states.most_common()],
            f"| never began | {len(never)} |",
            f"| began after: median, 95th percentile, longest | {median(waits):.1f} s, {waits[int(0.95 * len(waits))]:.1f} s, {waits[-1]:.1f} s |",
            f"| later than a minute | {late} |",
            f"| the server's memory: at first, at last, most | {memory[0]}, {memory[-1]}, {max(memory)} MB |",
            f"| load of the machine, median | {median(load):.1f} |",
        ]  # fmt: skip

    def scheduled(self, since: datetime, until: datetime) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        where = {"expected_start_time": {"after_": since.isoformat(), "before_": until.isoformat()}, "tags": {"all_": ["shardlake"]}}
        while True:
            answer = self.api.post(
                "flow_runs/filter", json={"flow_runs": where, "limit": 200, "offset": len(found), "sort": "EXPECTED_START_TIME_ASC"}
            ).json()
            found += answer
            if len(answer) < 200:
                return found


if __name__ == "__main__":
    sys.exit(main())
