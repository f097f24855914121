"""The schedules of a fleet while something is stopped every minute, and what came of it."""

import json
import subprocess
import sys
import time
from collections import Counter
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import median
from typing import Any, Protocol

import yaml

from bench.chaos.lateness import Lateness
from bench.chaos.source import Writer, arrived
from bench.chaos.stops import Stops
from demo.servers import DemoServers
from demo.up import POOL
from embedded.listener import BLOCK, SAVE_BLOCK, Listener
from embedded.prefect_server import PrefectServer
from embedded.prefect_worker import PrefectWorker

HEADING = "## With a random stop a minute"
PERIOD = timedelta(minutes=3)
FRESHNESS = timedelta(seconds=210)
CHECK = timedelta(minutes=1)
"""What the views promise, and the time between two checks: people are told before two periods are over, even where a check is stopped too and the next one tells them."""
SILENCE, PENDING = 60, 120
AT_LAST = 900.0
"""Seconds that the fleet has, when all that was stopped is back and nobody writes any more, to bring every row."""


class Fleet(Protocol):
    """What bench.fleet has."""

    names: list[str]
    folder: Path
    prefect: PrefectServer
    environment: dict[str, str]

    def views(self, count: int) -> None: ...
    def write(self, schedule: list[str] | None, **more: Any) -> None: ...
    def command(self, *words: str) -> tuple[float, str]: ...
    def scheduled(self, since: datetime, until: datetime) -> list[dict[str, Any]]: ...


def chaos(fleet: Fleet, servers: DemoServers, environment: dict[str, str], minutes: float, views: int, seed: int) -> list[str]:
    """A while of schedules with a stop a minute; its section of FLEET.md."""
    with ExitStack() as stack:
        listener = stack.enter_context(Listener().listening())
        writer = Writer(servers, seed)
        _project(fleet, listener.url)
        fleet.views(views)
        fleet.command("run", *fleet.names)
        fleet.write([f"every {PERIOD.seconds // 60}m"], freshness=f"{FRESHNESS.seconds}s")
        fleet.command("publish")
        workers = [PrefectWorker(fleet.prefect, fleet.folder, environment, pool=POOL, name=f"worker-{n}") for n in (1, 2)]
        for worker in workers:
            stack.enter_context(worker)
        stops, lateness = Stops(fleet.prefect, workers, servers, seed), Lateness(servers, fleet.names, 2 * PERIOD.total_seconds())
        writer.start()
        while max(lateness.lags().values()) > PERIOD.total_seconds():  # the schedules have begun to fire
            time.sleep(2)
        began = datetime.now(UTC)
        lateness.start()
        stops.start()
        time.sleep(minutes * 60)
        stops.stop()
        lateness.stop()
        writer.stop()
        ended = datetime.now(UTC)
        missing, seconds = _all_arrived(fleet, servers, writer)
        runs = [r for r in fleet.scheduled(began, datetime.now(UTC)) if r["start_time"] or r["state_type"] == "CRASHED"]
        told = Counter(json.loads(body)["subject"] for _, body in listener.heard)
    return [
        HEADING, "",
        f"`python -m bench.fleet --chaos --minutes {minutes:g} --views {views} --seed {seed}`, the same 2 cores: {views} views every"
        f" {PERIOD.seconds // 60} minutes, which promise {FRESHNESS.seconds / 60:g}, and a check of freshness every minute. Rows come and change in every shard every second."
        " Two cores do not hold 120 views of which many come back at once.", "",
        *_outcome(fleet, writer, lateness, stops, missing, seconds, told),
        *_runs(runs, ended - began), "",
        "| at (UTC) | stopped | |", "|---|---|---|",
        *[f"| {stop.at:%H:%M:%S} | {stop.what} | {stop.about} |" for stop in stops.done],
    ]  # fmt: skip


def _project(fleet: Fleet, address: str) -> None:
    """A prefect.yaml of this bench's own: who is told, how often freshness is checked, how long a run may be silent."""
    save = [sys.executable, "-c", SAVE_BLOCK, address]
    subprocess.run(save, env=fleet.environment, check=True, capture_output=True, timeout=180)
    project = yaml.safe_load(Path(fleet.environment["SHARDLAKE_PROJECT"]).read_text())
    project["definitions"] |= {"notify": [BLOCK], "silence": SILENCE, "pending": PENDING}
    project["deployments"] = [item for item in project["deployments"] if item["name"] == "check-freshness"]
    every = {"interval": CHECK.total_seconds(), "timezone": "UTC", "slug": "every-minute"}
    project["deployments"][0] |= {"schedules": [every]}
    file = fleet.folder / "prefect.yaml"
    file.write_text(yaml.safe_dump(project))
    fleet.environment["SHARDLAKE_PROJECT"] = str(file)


def _all_arrived(fleet: Fleet, servers: DemoServers, writer: Writer) -> tuple[list[str], float]:
    """Wait until every view's table is what the shards have; those that are not when time is up, and the seconds."""
    began, wanted, missing = time.monotonic(), writer.fingerprint(), list(fleet.names)
    while missing and time.monotonic() - began < AT_LAST:
        missing = [view for view in missing if arrived(servers, f"fleet.{view}") != wanted]
        time.sleep(2 if missing else 0)
    return missing, time.monotonic() - began


def _outcome(
    fleet: Fleet, writer: Writer, lateness: Lateness, stops: Stops, missing: list[str], seconds: float, told: Counter[str]
) -> list[str]:  # fmt: skip
    records = lateness.records
    untold = sorted((stretch for record in records.values() for stretch in record.untold), key=lambda stretch: -stretch.seconds)
    worst = sorted(record.worst for record in records.values())
    rows = writer.fingerprint()[0]
    late = sum(record.beyond > 0 for record in records.values())
    gone = f"{max(stops.gone):.1f} s" if stops.gone else "-"
    return [
        "| | |", "|---|---|",
        f"| tables that are not equal to their {rows} rows at the source, of {len(fleet.names)} | {len(missing)}{': ' + ', '.join(missing) if missing else ''} |",
        f"| all of them equal, after the last stop and the last write | {f'within {seconds:.0f} s' if not missing else f'not within {AT_LAST:.0f} s'} |",
        f"| stops | {len(stops.done)} |",
        f"| processes of a run that was signalled gone, at the latest | {gone} |",
        f"| statements that wrote to the shards | {writer.statements} |",
        f"| lateness of a view at its worst: median, longest | {median(worst):.0f} s, {worst[-1]:.0f} s |",
        f"| views later than two periods at some time | {late} |",
        f"| later than two periods while nobody had been told: times | {'; '.join([str(len(untold)), *map(str, untold)])} |",
        f"| alarms in the ledger | {lateness.alarms} |",
        *[f"| told: {subject.removeprefix('Shardlake: ')} | {count} times |" for subject, count in told.most_common()],
    ]  # fmt: skip


def _runs(runs: list[dict[str, Any]], lasted: timedelta) -> list[str]:
    """How runs ended, and how those that did not came back."""
    of_views = [r for r in runs if "check" not in r["name"] and any(tag.startswith("view:") for tag in r["tags"])]
    states = Counter(r["state"]["name"] for r in of_views)
    again = sum(r["run_count"] > 1 for r in of_views)
    reruns = [r for r in of_views if "rerun" in r["tags"]]
    completed = sum(r["state_type"] == "COMPLETED" for r in reruns)
    return [
        f"| runs of views, in {lasted.total_seconds() / 60:.0f} minutes | {len(of_views)} |",
        *[f"| … {name} | {count} |" for name, count in states.most_common()],
        f"| … that were rescheduled, and began a second time | {again} |",
        f"| … begun in the place of one that crashed; of these Completed | {len(reruns)}; {completed} |",
    ]
