"""Backfills: rows whose versions lie in a range are read again, slice by slice, and merged; newest wins, so nothing is harmed.

No watermark moves, and no claim on a shard is taken: the regular run of the same view and shard goes on meanwhile. What
a backfill has done stands in the ledger; the same command again goes on where it was left, however it ended.
"""

import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, nullcontext
from functools import partial
from types import TracebackType
from typing import Self
from uuid import UUID, uuid4

from shardlake import cancellation
from shardlake.connection.kinds import Connection
from shardlake.errors import (
    AccessRefused,
    ContractError,
    LakeUnavailable,
    ShardlakeError,
    SourceUnavailable,
    SpecError,
    WarehouseBusy,
    WarehouseUnavailable,
    shown,
)
from shardlake.ledger import backfills, runs, windows
from shardlake.ledger.claims import Claims
from shardlake.ledger.extent import Json
from shardlake.run.backfill_slice import BackfillSlice, ranges_of
from shardlake.run.contract import drift
from shardlake.run.job import Job, open_job
from shardlake.run.loop import run_slices
from shardlake.run.readers import prepare, stop
from shardlake.run.rejected import explain
from shardlake.run.report import BackfillReport, LayoutReport, ShardReport
from shardlake.run.run import LAST_WORDS, wrote
from shardlake.run.threads import Threads, persistent
from shardlake.sink.door import Committed
from shardlake.source.door import Reach
from shardlake.view.view import View

PARALLEL = 4
"""Slices under way at once, where nothing is said."""
MOST_PARALLEL = 16
_OF_THE_SHARD = (SourceUnavailable, AccessRefused, ContractError, WarehouseUnavailable, LakeUnavailable)
"""Failures that the shard's other slices would meet as well: they wait for the next run of the same command."""


class Backfill:
    """A backfill under way. Entering it finds or writes down its slices; leaving it writes down how it ended."""

    def __init__(
        self, job: Job, start: str, end: str, *, shards: Iterable[str] | None = None, step: str | None = None, parallel: int = PARALLEL
    ) -> None:
        """Raises SpecError for a view whose source does not tell changes, and for a shard that is not there."""
        if not job.view.source.tells_changes:
            raise SpecError(
                f"{job.view.name} has no {job.view.source.changes_by}: it replaces its whole table",
                hint=f"Run `shardlake run {job.view.name}`, which reads all of it.",
            )
        if not 1 <= parallel <= MOST_PARALLEL:
            raise SpecError(f"--parallel {parallel} is not between 1 and {MOST_PARALLEL}")
        self.job, self._start, self._end, self._step = job, start, end, step
        names = list(dict.fromkeys(job.partition(name) for name in shards or job.partitions))
        self.report = BackfillReport(job.view.name, uuid4(), {n: ShardReport(n) for n in names}, held=job.held)
        # one connection to the source is left to the regular run, and one to the warehouse
        self.parallel = max(1, min(parallel, job.source.max_connections - 1, job.ledger.most_connections - 1))
        self.parts: list[BackfillSlice] = []
        self._out: set[str] = set()
        self._known = False
        self._started = time.perf_counter()
        self._stack = ExitStack()

    @property
    def id(self) -> UUID:
        """The backfill's id in the ledger; the same for every run of it."""
        return self.report.run_id

    def __enter__(self) -> Self:
        if self.job.spool:
            self.job.spool.open()
        with ExitStack() as stack:
            claims = stack.enter_context(Claims(self.job.ledger, self.job.feed, self.id))
            if reaches := self._reaches():
                self._find(claims, reaches)
            self._stack = stack.pop_all()
        if self.parts:
            prepare(self.job)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if error is not None:
            self.job.cancellation.cancel()  # as a run does
            stop(self.job)
            self.report.error = str(error) if isinstance(error, ShardlakeError) else f"{type(error).__name__}: the backfill was broken off"
        try:
            with cancellation.within(LAST_WORDS) if error else nullcontext():
                if self._known:
                    self._sum_up()
        except ShardlakeError as late:
            self.report.error = self.report.error or str(late)
        self.report.seconds = time.perf_counter() - self._started
        self.job.cancellation.afterwards(self._stack.close)
        if self.job.spool:
            self.job.cancellation.afterwards(self.job.spool.close)

    def _reaches(self) -> dict[str, Reach]:
        """How far each shard can be read. A shard that does not say fails here, and waits for the next run."""

        def ask(name: str) -> Reach | ShardlakeError:
            try:
                with self.job.ledger.connection() as connection:
                    mark = windows.position(connection, self.job.feed, name)
                return persistent(lambda: self._reach(name, mark), self.job)
            except ShardlakeError as error:
                return error

        with ThreadPoolExecutor(self.parallel) as pool:
            answers = dict(zip(self.report.shards, pool.map(ask, self.report.shards), strict=True))
        found = {name: answer for name, answer in answers.items() if not isinstance(answer, ShardlakeError)}
        for name, answer in answers.items():
            if isinstance(answer, ShardlakeError):
                self._fail(name, answer)
        with self.job.ledger.connection() as connection:
            contract = runs.contract(connection, self.job.feed)
        if self.job.view.source.drift != "null":
            for name, error in drift(self.job.view, {n: r.kinds for n, r in found.items()}, contract).items():
                self._fail(name, error)
        return found

    def _reach(self, name: str, position: Json | None) -> Reach:
        return ranges_of(self.job).reach(self.job.view, name, position, self._end.strip())

    def _find(self, claims: Claims, reaches: dict[str, Reach]) -> None:
        """The backfill in the ledger: one that was left unfinished, or a new one."""
        view, names = self.job.view, list(self.report.shards)
        kind = next(iter(reaches.values())).kind
        source = ranges_of(self.job)
        found = source.read_range(kind, self._start, self._end, self._step)
        for name, other in reaches.items():
            if other.kind != kind:
                self._fail(
                    name,
                    ContractError(
                        f"{name}: the {self.job.view.source.changes_by} is of kind {other.kind} here and of kind {kind} on other shards"
                    ),
                )
        self._refuse_future(found.upper, reaches)
        if not claims.hold(backfills.lock_name(view.name, found.lower, found.upper, found.step, names)):
            raise WarehouseBusy(
                f"this backfill of {view.name} is running already", hint="Wait for that one; it reads what this one would have."
            )
        with self.job.ledger.connection() as connection:
            left = backfills.unfinished(connection, view.name, found, names)
            self.report.run_id = left or backfills.create(connection, view.name, found, found.slices(), names)
            self._known = True
            backfills.begin_again(connection, self.id)
            waiting, total = backfills.slices(connection, self.id)
        self.report.lower, self.report.upper, self.report.step = found.lower, found.upper, found.step
        self.report.slices, self.report.before = total, total - len(waiting)
        self.report.done = self.report.before
        for name, shard in self.report.shards.items():
            shard.lower, shard.upper = found.lower, found.upper
            shard.notes = reaches[name].notes if name in reaches else ()
        for part in waiting:
            if self.report.shards[part.shard].error is None:
                upper = reaches[part.shard].upper
                held = source.may_grow(kind) and source.precedes(kind, upper, part.upper)
                self.parts.append(BackfillSlice(part, upper if source.precedes(kind, upper, part.upper) else part.upper, held))

    def _refuse_future(self, upper: str, reaches: dict[str, Reach]) -> None:
        latest = {r.latest: r for r in reaches.values() if r.latest is not None}
        if latest and max(latest) < upper:
            last = latest[max(latest)]
            raise SpecError(
                f"--to {self._end} is in the future: the clock of {last.shard}, less source.safety_lag, says {last.latest}",
                hint=f"Write a time up to that; later rows are the regular run's (`shardlake run {self.job.view.name}`).",
            )

    def out(self, part: BackfillSlice) -> bool:
        """Whether the part's shard has failed in a way that the rest of its slices would, too."""
        return part.shard in self._out

    def merged(self, part: BackfillSlice) -> None:
        """A part has come to its end."""
        with self.job.ledger.connection() as connection:
            backfills.end_slice(connection, part.slice, "waiting" if part.held else "done")
        if not part.held:
            self.report.done += 1  # for who watches; the ledger has the last word
        elif self.report.shards[part.shard].error is None:
            self._fail(
                part.shard, SourceUnavailable(f"{part.shard}: an open transaction, or a replica that lags, holds it at {part.upper}")
            )

    def failed(self, part: BackfillSlice, error: BaseException) -> None:
        """A part has failed; others go on."""
        if isinstance(error, _OF_THE_SHARD):
            self._out.add(part.shard)
        text = shown(error)
        shard = self.report.shards[part.shard]
        shard.error = shard.error or f"{part.shard}: {part.slice}: {text.removeprefix(part.shard).lstrip(':, ')}"
        with self.job.ledger.connection() as connection:
            backfills.end_slice(connection, part.slice, "failed", text)

    def _fail(self, shard: str, error: BaseException) -> None:
        self._out.add(shard)
        self.report.shards[shard].failed(error)

    def layouts(self) -> list[str]:
        """The lake tables that are to be written now, when all parts have come to their end."""
        if not self._known:
            return []
        try:
            self.job.layouts.register_raw()
        except ShardlakeError as error:
            self.report.error = f"raw.{self.job.view.name}: {error}"
        chosen = [layout.table for layout in self.job.view.lake.layouts]
        self.report.lake = {table: LayoutReport(table) for table in chosen}
        return chosen

    def wrote(self, table: str, written: list[Committed]) -> None:
        """A lake table's commits were published."""
        wrote(self.job, self.report.lake[table], written)
        self.job.watch.wrote(table, self.report.lake[table])

    def not_written(self, table: str, error: BaseException) -> None:
        """A lake table failed; the next run of whatever kind writes what is missing."""
        self.report.lake[table].failed(error)
        self.job.watch.wrote(table, self.report.lake[table])

    def _sum_up(self) -> None:
        with self.job.ledger.connection() as connection:
            for name, (count, sums, seconds) in backfills.merged(connection, self.id).items():
                shard = self.report.shards[name]
                rows, size = sums.pop("raw_rows"), sums.pop("raw_bytes")
                shard.merged_window(rows, size, sums, seconds)
                shard.windows = count
            left, total = backfills.slices(connection, self.id)
            self.report.done = total - len(left)
            explain(connection, self.report)
            if left and self.report.came_to_its_end:
                self.report.error = f"{len(left)} slices are left; the same command again goes on"
            backfills.close(connection, self.id, ok=self.report.came_to_its_end, message=self.report.headline())


def backfill(
    view: View,
    connect: Callable[[str], Connection],
    start: str,
    end: str,
    *,
    shards: Iterable[str] | None = None,
    step: str | None = None,
    parallel: int = PARALLEL,
    ledger: str | None = None,
) -> BackfillReport:
    """A whole backfill in one process, on a few threads and without Prefect. Slices that fail do not stop the others.

    Raises SpecError for what cannot be read as a range of the view's versions, and WarehouseBusy where it is running already.
    """
    run = Backfill(open_job(view, connect, ledger), start, end, shards=shards, step=step, parallel=parallel)
    with run, Threads(run.job, run.id, run.parallel) as executor:
        run_slices(run, executor, left=partial(run.job.watch.left, total=len(run.parts)))
    return run.report
