"""What is measured: each scenario brings the shards into a state and lets everyone run in turn.

A, B, C, A, B, C, …: what disturbs the machine for a minute disturbs them all.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

from bench import seed
from bench.contestants import OURS, Contestant
from bench.measure import Series
from bench.peers import ALL, FIRST, LOOKBACK, NOTHING, SOME
from bench.servers import Servers, with_rows

MEMORY = "memory"
MEMORY_FACTOR = 5
MEMORY_OF = (OURS, "sling", "dlt-adbc", "by-hand")

SETTLE = 5.0  # seconds for a change to be older than anyone's safety lag

EXPLAINED = {
    FIRST: "Empty warehouse, every row of every shard.",
    NOTHING: "A rerun, no row has changed.",
    SOME: "A rerun after 1% of every shard's rows have changed, anew in each round.",
    LOOKBACK: "A rerun with a lookback over everything: every row is read and none has changed.",
    ALL: "A rerun after every row has changed, anew in each round.",
    MEMORY: f"First loads of as many rows and of {MEMORY_FACTOR} times as many: is memory flat?",
}
Results = dict[str, list[Series]]


class Bench:
    """The scenarios over one set of shards; `results` fills as they run."""

    def __init__(self, servers: Servers, contestants: list[Contestant], rounds: int) -> None:
        self.servers = servers
        self.contestants = contestants
        self.rounds = rounds
        self.results: Results = {}
        self._generation = 0
        self._loaded: list[Contestant] = []

    def first_load(self) -> None:
        def before(contestant: Contestant) -> None:
            contestant.prepare(self.servers)

        def after(contestant: Contestant) -> None:
            contestant.clear(self.servers)

        self._rounds(FIRST, self.contestants, before=before, after=after)

    def nothing_changed(self) -> None:
        self._rounds(NOTHING, self._loaded_for(NOTHING))

    def some_changed(self) -> None:
        self._rounds(SOME, self._loaded_for(SOME), change=0.01)

    def lookback_repeats(self) -> None:
        self._rounds(LOOKBACK, self._loaded_for(LOOKBACK))

    def all_changed(self) -> None:
        self._rounds(ALL, self._loaded_for(ALL), change=1.0)

    def memory(self) -> None:
        """One first load each; the shards of the larger one are another data folder."""
        self.finish()
        chosen = [one for one in self.contestants if one.name in MEMORY_OF]
        all_series = []
        with with_rows(self.servers, self.servers.rows * MEMORY_FACTOR) as larger:
            for contestant in chosen:
                for servers in (self.servers, larger):
                    series = Series(contestant.name, servers.rows)
                    contestant.prepare(servers)
                    self._run(servers, contestant, FIRST, series, seed.digests(servers.source))
                    contestant.clear(servers)
                    all_series.append(series)
        self.results[MEMORY] = all_series

    def finish(self) -> None:
        """Drop what everyone left in the warehouse, and put the seeded rows back."""
        for contestant in self._loaded:
            contestant.clear(self.servers)
        self._loaded = []
        if self._generation:
            seed.reset(self.servers.source, self.servers.rows, self.servers.seed_folder)
        self._generation = 0

    def _loaded_for(self, scenario: str) -> list[Contestant]:
        """Those who take part in it; whose tables are not there yet loads them first, untimed."""
        chosen = [one for one in self.contestants if scenario in one.scenarios]
        for contestant in chosen:
            if contestant in self._loaded:
                continue
            contestant.prepare(self.servers)
            untimed = Series(contestant.name, self.servers.rows)
            print("  (a first load that does not count)", end="", flush=True)
            self._run(self.servers, contestant, FIRST, untimed, seed.digests(self.servers.source))
            self._loaded.append(contestant)
        return chosen

    def _rounds(
        self,
        scenario: str,
        contestants: list[Contestant],
        change: float = 0.0,
        before: Callable[[Contestant], None] | None = None,
        after: Callable[[Contestant], None] | None = None,
    ) -> None:
        print(f"\n{scenario}", flush=True)
        rows = self.servers.rows
        all_series = {one.name: Series(one.name, int(rows * one.share)) for one in contestants}
        self.results[scenario] = list(all_series.values())
        for _ in range(self.rounds):
            if change:
                self._generation += 1
                seed.change(self.servers.source, change, self._generation)
                time.sleep(SETTLE)
            if not before:  # else autovacuum would do it in the middle of someone's run
                self.servers.run_sql("VACUUM (ANALYZE)")
            # this also brings the shards' rows into their server's memory, for everyone
            whole = seed.digests(self.servers.source)
            for contestant in contestants:
                expected = whole
                if contestant.share < 1:
                    up_to = int(rows * contestant.share)
                    expected = seed.digests(self.servers.source, up_to_id=up_to)
                if before:
                    before(contestant)
                series = all_series[contestant.name]
                self._run(self.servers, contestant, scenario, series, expected)
                if after:
                    after(contestant)

    def _run(
        self,
        servers: Servers,
        contestant: Contestant,
        scenario: str,
        series: Series,
        expected: seed.Digests,
    ) -> None:
        name = f"{scenario.replace(' ', '-').replace('%', '')}-{contestant.name}-{len(series.runs)}"
        log = Path(servers.folder) / "logs" / f"{name}.log"
        run = contestant.run(servers, scenario, expected, log)
        series.runs.append(run)
        said = run.problem or f"{run.seconds:8.2f} s {run.peak / 2**20:8.0f} MB"
        print(f"  {contestant.name:18}{said}", flush=True)


STEPS: dict[str, Callable[[Bench], None]] = {
    FIRST: Bench.first_load,
    NOTHING: Bench.nothing_changed,
    SOME: Bench.some_changed,
    LOOKBACK: Bench.lookback_repeats,
    ALL: Bench.all_changed,
    MEMORY: Bench.memory,
}
