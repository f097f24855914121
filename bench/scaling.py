"""`python -m bench.scaling`: a first load on 1, 2, 4, 8 and 16 cores as the rule has it, and with 1, 2, 4 and 8 chains and readers.

Only this project's processes are bound to cores: the servers keep the whole machine, so that on a machine with as many cores
as are asked for they take from the same.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
from dataclasses import dataclass, field
from pathlib import Path

from bench import seed
from bench.contestants import HOUSE, OURS, Shardlake, contestants
from bench.machine import machine, versions
from bench.measure import Run
from bench.peers import FIRST
from bench.servers import Servers, running
from shardlake.parallelism import parallelism

STEPS = (1, 2, 4, 8, 16)
CONNECTIONS = 16


@dataclass(frozen=True)
class Setting:
    """Cores that ours is bound to, or chains and readers on all of them."""

    name: str
    options: tuple[str, ...]


@dataclass(frozen=True)
class Scaled(Shardlake):
    """Ours, with a setting, and as many connections to the source as any of them needs."""

    options: tuple[str, ...] = ()

    def command(self, servers: Servers, scenario: str) -> list[str]:
        return [*super().command(servers, scenario), *self.options]

    def _connections(self, servers: Servers, state: Path) -> str:
        given = super()._connections(servers, state)
        return given.replace("postgres-warehouse", f"  max_connections: {CONNECTIONS}\npostgres-warehouse", 1)


@dataclass
class Found:
    """What the runs of a setting took: seconds of the engine, CPU seconds of its processes, bytes at their peak."""

    runs: list[Run] = field(default_factory=list)
    cpu: list[dict[str, float]] = field(default_factory=list)

    def row(self, name: str, rows: int) -> str:
        if problem := next((run.problem for run in self.runs if run.problem), None):
            return f"| {name} | {problem} | | | | |"
        engine = statistics.median(run.engine or run.seconds for run in self.runs)
        own, readers = (statistics.median(cpu[key] for cpu in self.cpu) for key in ("own", "readers"))
        return f"| {name} | {engine:.2f} | {rows / engine:,.0f} | {own:.1f} | {readers:.1f} | {max(r.peak for r in self.runs) / 1e6:.0f} |"


def settings(cores: int, memory: int) -> list[Setting]:
    """What is measured on a machine."""
    found = []
    for count in (n for n in STEPS if n <= cores):
        rule = parallelism(count, memory)
        found.append(Setting(f"{count} cores: {rule.chains} chains, {rule.readers} readers", ("--cores", str(count))))
    for count in (1, 2, 4, 8):
        found.append(Setting(f"all cores, {count} chains and readers", ("--chains", str(count), "--readers", str(count))))
    return found


def measured(servers: Servers, chosen: list[Setting], rounds: int) -> dict[str, Found]:
    """Every setting in turn, each round; every run is verified."""
    ours = next(c for c in contestants(servers, {OURS}) if isinstance(c, Shardlake))
    expected, found = seed.digests(servers.source), {one.name: Found() for one in chosen}
    for number in range(rounds):
        for place, one in enumerate(chosen):
            contestant = Scaled(**{**vars(ours), "options": one.options})
            contestant.prepare(servers)
            log = servers.folder / "logs" / f"scaling-{place}-{number}.log"
            run = contestant.run(servers, FIRST, expected, log)
            contestant.clear(servers)
            found[one.name].runs.append(run)
            if not run.problem:
                found[one.name].cpu.append(json.loads(log.with_suffix(".out").read_text().strip().splitlines()[-1])["cpu"])
            print(f"  {one.name:40}{run.problem or f'{run.engine:8.2f} s {run.peak / 1e6:8.0f} MB'}", flush=True)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.scaling", description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--folder", type=Path, default=HOUSE / ".bench")
    parser.add_argument("--output", type=Path, default=HOUSE / "bench" / "SCALING.md")
    arguments = parser.parse_args()
    on, chosen = machine(), settings(len(os.sched_getaffinity(0)), os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"))
    with running(arguments.folder, arguments.rows) as servers:
        found = measured(servers, chosen, arguments.rounds)
        lines = ["| | engine seconds | rows/s | CPU of its process | CPU of its readers | peak MB |", "|---|---:|---:|---:|---:|---:|"]
        lines += [one.row(name, servers.rows) for name, one in found.items()]
        used = "\n".join(f"- {line}" for line in versions(servers)[:2])
        text = (
            f"# How it scales\n\nWritten by `python -m bench.scaling`. Do not edit: run it again.\n\n- {on}\n{used}\n\n"
            f"A first load of {servers.rows:,} rows from ten shards, {arguments.rounds} rounds, medians; memory is the peak PSS of the process tree.\n\n"
        )
    arguments.output.write_text(text + "\n".join(lines) + "\n", encoding="utf-8")
    print("\n".join(["", *lines, "", f"written to {arguments.output}"]))


if __name__ == "__main__":
    main()
