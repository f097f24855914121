"""A run of a view: its claims on the shards, its report, and what is decided between the steps.

`loop.py` drives it, on threads or with Prefect's tasks; the decisions are the same.
"""

import time
from collections.abc import Iterable
from contextlib import nullcontext
from threading import Lock
from types import TracebackType
from typing import Self
from uuid import UUID, uuid4

from shardlake import cancellation
from shardlake.errors import ShardlakeError, SpecError
from shardlake.ledger import runs
from shardlake.ledger.claims import Claims
from shardlake.ledger.status import rejects_of_layout
from shardlake.run import deliver, steps
from shardlake.run.contract import drift
from shardlake.run.deliver import Outcome
from shardlake.run.job import Job
from shardlake.run.readers import prepare, stop
from shardlake.run.rejected import explain
from shardlake.run.report import LayoutReport, RunReport, ShardReport
from shardlake.run.steps import Planned
from shardlake.sink.door import Committed

CLAIM_WAIT = 60.0
"""Seconds that a run waits for another run of the same view and shard."""
LAST_WORDS = 4.0
"""Seconds that a run which is broken off has to say so in the ledger: a warehouse that hangs does not keep it."""


def wrote(job: Job, report: LayoutReport, written: list[Committed]) -> None:
    """Count a lake table's commits, and which of their rejects are the table's own."""
    for one in written:
        report.wrote(one)
    if windows := [window for one in written for window, applied in one.windows.items() if applied.rejected]:
        with job.ledger.connection() as connection:
            report.alone += rejects_of_layout(connection, job.view.name, report.table, windows)


class Run:
    """A run under way. Entering it claims the shards; leaving it writes down how it ended, even by an exception."""

    def __init__(self, job: Job, shards: Iterable[str] | None = None, run_id: UUID | None = None) -> None:
        """Raises SpecError for a shard that is not there, or for single shards of a replaced table."""
        self.job = job
        names = [job.partition(name) for name in shards] if shards else list(job.partitions)
        if job.warehouse.replaces and len(names) < len(job.partitions):
            raise SpecError(f"{job.view.name} replaces its whole table; it cannot be run for single shards", hint="Leave --shard away.")
        self.report = RunReport(job.view.name, run_id or uuid4(), {n: ShardReport(n) for n in names}, held=job.held)
        self._started = time.perf_counter()
        self._claims = Claims(job.ledger, job.feed, self.report.run_id)
        self._put_off: set[str] = set()
        self._reporting = Lock()

    @property
    def id(self) -> UUID:
        """The run's id, in the ledger and in the names of its tables."""
        return self.report.run_id

    def __enter__(self) -> Self:
        try:
            self._begin()
        except BaseException as error:  # it has been opened, and perhaps claimed: the ledger says why it came to nothing
            self.__exit__(type(error), error, error.__traceback__)
            raise
        return self

    def _begin(self) -> None:
        if self.job.spool:
            self.job.spool.open()
        with self.job.ledger.connection() as connection:
            runs.open_run(connection, self.id, self.job.view.name, self.job.feed, takes=self.job.view.source.takes_text)
        self._claims.__enter__()
        for name, busy in self._claims.claim(list(self.report.shards), CLAIM_WAIT).items():
            self.report.shards[name].failed(busy)
        for sink in self.job.sinks.values():
            sink.clear(self.free)
        self.job.watch.begins(self.job.view.name, list(self.report.shards))

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if error is not None:
            self.job.cancellation.cancel()
            stop(self.job)
            self.report.error = str(error) if isinstance(error, ShardlakeError) else f"{type(error).__name__}: the run was broken off"
        self.report.seconds = time.perf_counter() - self._started
        try:
            with cancellation.within(LAST_WORDS) if error else nullcontext(), self.job.ledger.connection() as connection:
                explain(connection, self.report)
                shards = [shard.as_json() for shard in self.report.shards.values()]
                runs.close_run(connection, self.id, self.report.view, shards, ok=self.report.ok, message=self.report.headline())
        except ShardlakeError as late:
            self.report.error = self.report.error or str(late)
        finally:
            if self.job.spool:
                self.job.cancellation.afterwards(self.job.spool.close)
            self.job.cancellation.afterwards(self._claims.close)  # last: no step goes on without its claim

    @property
    def replaces(self) -> bool:
        """Whether each run reads everything anew."""
        return self.job.warehouse.replaces

    @property
    def free(self) -> list[str]:
        """The shards that are claimed and have not failed."""
        return [name for name, shard in self.report.shards.items() if shard.error is None]

    @property
    def _arrived(self) -> list[str]:
        """The shards of which a replace puts the new rows in place of the old ones: where every row was rejected the old ones stay."""
        return [name for name in self.free if not self.report.shards[name].all_rejected]

    def failed(self, shard: str, error: BaseException) -> None:
        """A shard failed; the others go on."""
        self.report.shards[shard].failed(error)
        self.ended(shard)

    def ended(self, shard: str) -> None:
        """A shard has come to its end."""
        self.job.watch.ends(shard, self.report.shards[shard])

    def foresees(self, planned: Planned) -> None:
        """A first plan is there, perhaps before those of other shards: where it says that there is something to read, readers start now."""
        if planned.plan.anything or planned.first or planned.unfinished is not None or self.replaces:
            prepare(self.job)

    def begin(self, planned: dict[str, Planned]) -> list[Planned]:
        """From the first plans of all shards, those to be carried out: drift has its say, and empty windows are passed."""
        self._check_drift(planned)
        return [p for name, p in planned.items() if self.report.shards[name].error is None and self.goes_on(p)]

    def goes_on(self, planned: Planned) -> bool:
        """Whether the plan holds anything to do. A window without rows only moves the watermark, here and now."""
        shard = self.report.shards[planned.plan.partition]
        shard.planned(planned.plan.extent, planned.plan.notes, planned.seconds)
        try:
            if not steps.pass_over(self.job, self.id, planned):
                return True
        except ShardlakeError as error:
            shard.failed(error)
        self.ended(shard.shard)
        return False

    def delivered(self, planned: Planned, outcomes: list[Outcome]) -> bool:
        """Windows came into the warehouse. Returns whether the partition is to be planned again: while the source has more, and
        once more behind a window whose reading an earlier run had begun.
        """
        shard = self.report.shards[planned.plan.partition]
        for outcome in [
            o for o in outcomes if o.raw_rows or not planned.first
        ]:  # a first window without rows made the target, and that is all
            shard.merged_window(outcome.raw_rows, outcome.raw_bytes, outcome.applied.counts(), outcome.seconds, outcome.notes)
        self.job.watch.merged(shard.shard, shard)
        if planned.error:  # what had been read is in; the source is still to be mended
            self.failed(shard.shard, planned.error)
            return False
        if planned.unfinished is not None or (bool(outcomes) and outcomes[-1].more):
            return True
        self.ended(shard.shard)
        return False

    def finish(self) -> None:
        """The end of a replace: the switch to the new table."""
        try:
            deliver.switch(self.job, self.id, self._arrived)
        except ShardlakeError as error:
            self.report.error = str(error)

    def layouts(self) -> list[str]:
        """The lake tables that are to be written now. One that is replaced as a whole waits until every shard is there."""
        self._maintain_raw()
        whole = len(self._arrived) == len(self.job.partitions) and self.report.error is None
        chosen = [t.table for t in self.job.view.lake.layouts if whole or not self.job.layout(t.table).replaces]
        self.report.lake = {table: self.report.lake.get(table, LayoutReport(table)) for table in chosen}
        return chosen

    def due(self) -> list[str]:
        """The lake tables for which a whole commit's worth waits, to be asked behind every merged window: a first load of many
        windows comes into the lake as it goes, and its spool stays small. One that failed so waits for the run's end.
        """
        lake = self.job.view.lake.layouts
        found = [t.table for t in lake if t.table not in self._put_off and deliver.due(self.job, self.job.layout(t.table))]
        for table in found:
            self.report.lake.setdefault(table, LayoutReport(table))
        return found

    def put_off(self, table: str) -> None:
        """A table that was due could not be written: `layouts` has it once more, at the end."""
        self._put_off.add(table)

    def _maintain_raw(self) -> None:
        """Make `raw.<feed>` known, and keep it to its retention."""
        try:
            self.job.layouts.register_raw()
            self.job.layouts.expire()
        except ShardlakeError as error:
            self.report.error = self.report.error or f"raw.{self.job.feed}: {error}"

    def wrote(self, table: str, written: list[Committed]) -> None:
        """A lake table's commits were published."""
        with self._reporting:
            wrote(self.job, self.report.lake[table], written)
        self.job.watch.wrote(table, self.report.lake[table])

    def not_written(self, table: str, error: BaseException) -> None:
        """A lake table failed; the others, and the warehouse, go on. The next run writes what is missing."""
        self.report.lake[table].failed(error)
        self.job.watch.wrote(table, self.report.lake[table])

    def _check_drift(self, planned: dict[str, Planned]) -> None:
        """Fail the shards whose columns are not like the others', before anything of them moves."""
        view, kinds = self.job.view, {name: p.plan.schema for name, p in planned.items() if not p.error}
        with self.job.ledger.connection() as connection:
            contract = runs.contract(connection, self.job.feed)
            odd = drift(view, kinds, contract)
            if len(odd) == len(kinds) == len(self.job.partitions):
                odd = drift(view, kinds, None)  # all have changed alike: what was written down is old
            good = [found for name, found in kinds.items() if name not in odd]
            if good and (contract is None or not odd):  # a shard may lack a column that is filled with NULL
                runs.record_contract(
                    connection, self.job.feed, {column: kind for found in reversed(good) for column, kind in found.items()}
                )
        if view.source.drift != "null":
            for name, error in odd.items():
                self.failed(name, error)
