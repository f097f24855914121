"""`python -m bench.files`: the bench's rows from files as AWS DMS drops them, by us, by the script that was there before, by sling and dlt.

A peer is run right behind one of our runs, and its ratio is that of the two: what disturbs the machine for a minute disturbs both. Our
own first load from MariaDB is among the peers. Reading alone, without a warehouse, is set against DuckDB.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
from dataclasses import dataclass, field, replace
from pathlib import Path

from bench import drops, seed
from bench.contestants import HOUSE, Contestant, Shardlake, peer_contestant
from bench.machine import machine, versions
from bench.measure import Run, measured
from bench.peers import FILE_PEERS, FIRST, FLAT, PEERS, PLAIN
from bench.peers.environments import pinned
from bench.servers import Servers, running

OURS, MYSQL, TEXT, LIMIT = "shardlake, files", "shardlake, MySQL", "shardlake, JSON as text", "raw-limit-two"
_LIMIT = "the flattened rows from files made beforehand, by two clients at a time: COPY into ten staging tables, INSERT with casts into an empty one"
AIMS = {MYSQL: 1.3, "pandas": 0.25, "sling": 1.0, "dlt": 0.3}
READERS = {
    "shardlake, one file at a time": ("shardlake", 1),
    "DuckDB, one thread": ("duckdb", 1),
    "shardlake, two files at a time": ("shardlake", 2),
    "DuckDB, two threads": ("duckdb", 2),
}


@dataclass
class Pairs:
    """Runs of a peer, each with the one of ours ahead of it."""

    about: str
    ours: list[Run] = field(default_factory=list)
    theirs: list[Run] = field(default_factory=list)

    @property
    def problem(self) -> str | None:
        """Why there is no ratio."""
        return next((run.problem for run in [*self.ours, *self.theirs] if run.problem), None)

    @property
    def ratio(self) -> float:
        """The median of ours divided by theirs."""
        return statistics.median(o.seconds / t.seconds for o, t in zip(self.ours, self.theirs, strict=True))


class FilesBench:
    """First loads from files, over one set of shards and one warehouse."""

    def __init__(self, servers: Servers, rounds: int, only: set[str]) -> None:
        """`only` are the peers; all where it is empty."""
        self.servers, self.rounds = servers, rounds
        self.folder = drops.drop(servers.source)
        self.expected = seed.digests(servers.source)
        self.ours = _shardlake("files", "orders_files", "JSON flattened, one table, rejects and ledger kept")
        ours = {
            MYSQL: _shardlake("mysql", "orders", "the same rows from MariaDB"),
            TEXT: _shardlake("text", "orders_files_text", "the same rows from the same files, JSON left as text", flattens=False),
        }
        limit = [replace(peer, about=_LIMIT) for peer in PEERS if peer.name == LIMIT]
        every = ours | {peer.name: peer_contestant(peer, servers) for peer in [*FILE_PEERS, *limit] if not only or peer.name in only}
        self.peers: dict[str, Contestant] = {name: peer for name, peer in every.items() if not only or name in only}
        self.pairs = {name: Pairs(peer.about) for name, peer in self.peers.items()}
        self.read: dict[str, list[Run]] = {name: [] for name in READERS}

    def run(self) -> None:
        """Everything, in turn."""
        for number in range(self.rounds):
            for name, peer in self.peers.items():
                self.pairs[name].ours.append(self._load(OURS, self.ours, number))
                self.pairs[name].theirs.append(self._load(name, peer, number))
            for name, (reader, threads) in READERS.items():
                self.read[name].append(self._reading(name, reader, threads, number))

    def _load(self, name: str, contestant: Contestant, number: int) -> Run:
        contestant.prepare(self.servers)
        run = contestant.run(self.servers, FIRST, self.expected, self._log(f"{name}-{number}"))
        contestant.clear(self.servers)
        return _said(name, run)

    def _reading(self, name: str, reader: str, threads: int, number: int) -> Run:
        log = self._log(f"reading-{reader}-{threads}-{number}")
        run = measured([sys.executable, "-m", "bench.reading", reader, str(self.folder), str(threads)], "", {}, HOUSE, log)
        if not run.problem:
            found = json.loads(log.with_suffix(".out").read_text(encoding="utf-8"))["rows"]
            assert found == self.servers.rows, f"{name} read {found:,} rows"
        return _said(name, run)

    def _log(self, name: str) -> Path:
        return self.servers.folder / "logs" / f"files-{name.replace(', ', '-').replace(' ', '-')}.log"

    def tables(self) -> str:
        """What was seen."""
        ours = [run for pairs in self.pairs.values() for run in pairs.ours]
        lines = ["| | rows/s | seconds | ours to theirs | aim | peak MB | JSON |", "|---|---:|---:|---:|---:|---:|---|"]
        lines.append(f"| {OURS} | {self._figures(ours)} | | | {_peak(ours)} | flattened |")
        for name, pairs in self.pairs.items():
            json_is = "flattened" if self.peers[name].flattens else "left as text"
            if pairs.problem:
                lines.append(f"| {name} | | {pairs.problem} | | | | {json_is} |")
                continue
            aim = AIMS.get(name, "")
            lines.append(f"| {name} | {self._figures(pairs.theirs)} | {pairs.ratio:.2f} | {aim} | {_peak(pairs.theirs)} | {json_is} |")
        if mysql := self.pairs.get(MYSQL):
            lines.append(f"\nThe engine alone: {_engine(mysql.ours)} s from files, {_engine(mysql.theirs)} s from MariaDB.")
        if text := self.pairs.get(TEXT):
            alike = [
                (n, p) for n, p in self.pairs.items() if n not in (TEXT, MYSQL, LIMIT) and not self.peers[n].flattens and not p.problem
            ]
            told = [f"{p.ratio / text.ratio:.2f} of {n}" for n, p in alike]
            if told and not text.problem:
                lines.append(f"\nWhere JSON is left as text, as they leave it: {', '.join(told)}.")
        lines += [
            "\n## Reading alone\n",
            "| | rows/s | seconds, without the start | whole process | peak MB |",
            "|---|---:|---:|---:|---:|",
        ]
        for name, runs in self.read.items():
            seconds = _engine(runs)
            rate = f"{self.servers.rows / float(seconds):,.0f}" if seconds else ""
            lines.append(f"| {name} | {rate} | {seconds} | {_spread(runs)} | {_peak(runs)} |")
        lines += ["\n## Who is who\n", *(f"- **{name}**: {pairs.about}." for name, pairs in self.pairs.items())]
        return "\n".join(lines)

    def _figures(self, runs: list[Run]) -> str:
        return f"{self.servers.rows / statistics.median(run.seconds for run in runs):,.0f} | {_spread(runs)}"


def _shardlake(name: str, view: str, about: str, *, flattens: bool = True) -> Shardlake:
    target = f"SELECT {FLAT} FROM analytics.orders" if flattens else f"SELECT {PLAIN} FROM analytics.orders_text"
    return Shardlake(
        f"shardlake-{name}", about, ("analytics", "shardlake"), target, flattens=flattens, share=1.0,
        scenarios=(FIRST,), makes_schemas=True, view=view,
    )  # fmt: skip


def _said(name: str, run: Run) -> Run:
    print(f"  {name:32} {run.problem or f'{run.seconds:6.2f} s {run.peak / 1e6:6.0f} MB'}", flush=True)
    return run


def _spread(runs: list[Run]) -> str:
    seconds = [run.seconds for run in runs]
    return f"{statistics.median(seconds):.2f} ({min(seconds):.2f}–{max(seconds):.2f})"


def _engine(runs: list[Run]) -> str:
    told = [run.engine for run in runs if run.engine is not None]
    return f"{statistics.median(told):.2f}" if told else ""


def _rounds(number: int) -> str:
    return "One round" if number == 1 else f"{number} rounds"


def _peak(runs: list[Run]) -> str:
    return f"{max(run.peak for run in runs) / 1e6:.0f}"


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.files", description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=3)
    names = [MYSQL, TEXT, *(peer.name for peer in FILE_PEERS), LIMIT]
    parser.add_argument("--only", nargs="+", default=[], choices=names, metavar="NAME", help=f"of the peers: {'; '.join(names)}")
    parser.add_argument("--folder", type=Path, default=HOUSE / ".bench")
    parser.add_argument("--output", type=Path, help="default bench/FILES.md; for fewer rows or peers FILES.md in the folder")
    arguments = parser.parse_args()
    whole = arguments.rows >= 1_000_000 and not arguments.only
    output = arguments.output or (HOUSE / "bench" if whole else arguments.folder) / "FILES.md"
    with running(arguments.folder, arguments.rows) as servers:
        on = [machine(), *versions(servers)[:2], *(f"{name} {pinned(pins)[name]}" for name, pins in _PINS)]
        bench = FilesBench(servers, arguments.rounds, set(arguments.only))
        bench.run()
        size = sum(file.stat().st_size for file in bench.folder.rglob("*.csv"))
    text = HEADER.format(
        on="\n".join(f"- {line}" for line in on),
        rows=arguments.rows,
        rounds=_rounds(arguments.rounds),
        size=size / 1e6,
        tables=bench.tables(),
    )
    output.write_text(text, encoding="utf-8")
    print(f"\n{text}\nwritten to {output}")


_PINS = (("pandas", "pandas.txt"), ("sling", "sling.txt"), ("dlt", "dlt_files.txt"))
HEADER = """\
# Files, measured

Written by `python -m bench.files`. Do not edit: run it again.

{on}

{rows:,} rows as AWS DMS drops them: ten LOAD files, {size:.0f} MB, in a folder on the local disk. {rounds}, whole processes from start
to exit, medians (fastest–slowest); memory is the peak PSS of the process tree. A ratio is the median of pairs, each run right behind
one of ours. What was delivered is checked as in [README.md](README.md), which also says what is measured.

## First loads

{tables}
"""

if __name__ == "__main__":
    main()
