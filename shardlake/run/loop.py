"""A run from its first plans to its last layout, spelt once. An executor carries the steps out: threads, or Prefect's tasks.

plan every shard ─▶ window (extract, shape, load) ─▶ plan again, as long as there is more ─▶ the end of a replace ─▶ layouts
"""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol
from uuid import UUID

from shardlake.run.backfill_slice import BackfillSlice
from shardlake.run.job import Job
from shardlake.run.run import Run
from shardlake.run.steps import Planned
from shardlake.sink.door import Committed

Step = Literal["plan", "window", "slice", "layout"]


@dataclass(frozen=True, slots=True)
class Work:
    """One step: `plan` of a shard, the `window` of a shard's plan, the next window of a backfill's `slice`, a lake table's
    `layout`. `given` are the step's own arguments.
    """

    step: Step
    name: str
    given: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Done:
    """A step that has ended: what it returned, or why it failed."""

    work: Work
    result: Any = None
    error: BaseException | None = None


class Executor(Protocol):
    """Carries steps out. `width` is how many chains of windows may be under way at once."""

    width: int

    def submit(self, work: Work) -> None:
        """Begin a step as soon as there is room for it."""
        ...

    def next_done(self) -> Done:
        """Wait for the next step that ends, in whatever order they do."""
        ...


class Writing(Protocol):
    """A run or a backfill that has come to its lake tables."""

    job: Job

    @property
    def id(self) -> UUID:
        """Its id in the ledger."""
        ...

    def layouts(self) -> list[str]:
        """The lake tables that are to be written now."""
        ...

    def wrote(self, table: str, written: list[Committed]) -> None:
        """A lake table's commits were published."""
        ...

    def not_written(self, table: str, error: BaseException) -> None:
        """A lake table failed."""
        ...


class Slices(Writing, Protocol):
    """A backfill, as the loop sees it."""

    parts: list[BackfillSlice]
    parallel: int

    def out(self, part: BackfillSlice) -> bool:
        """Whether the part's shard has failed in a way that this part would, too."""
        ...

    def merged(self, part: BackfillSlice) -> None:
        """A part has come to its end."""
        ...

    def failed(self, part: BackfillSlice, error: BaseException) -> None:
        """A part has failed."""
        ...


def run_stages(run: Run, executor: Executor, *, full: bool = False, left: Callable[[int], None] = lambda _: None) -> None:
    """Bring every shard of a run up to now. A step that fails is its shard's failure, or its layout's, and no other's.

    `left` is told how many shards are still on their way. What the executor raises breaks the run off.
    """
    for shard in run.free:
        executor.submit(Work("plan", shard, {"full": full or run.replaces}))
    planned: dict[str, Planned] = {}
    for _ in range(len(run.free)):
        done = executor.next_done()
        if done.error:
            run.failed(done.work.name, done.error)
        else:
            planned[done.work.name] = done.result
            run.foresees(done.result)
    in_order = {name: planned[name] for name in run.report.shards if name in planned}
    waiting, busy, writing = deque(run.begin(in_order)), dict[str, Planned](), set[str]()
    while waiting or busy or writing:
        while waiting and len(busy) < executor.width:
            _window(executor, busy, waiting.popleft())
        left(len(waiting) + len(busy))
        done = executor.next_done()
        if done.work.step == "layout":
            writing.remove(done.work.name)
            if done.error:
                run.put_off(done.work.name)
            else:
                run.wrote(done.work.name, done.result)
            continue
        before = busy.pop(done.work.name)
        if done.error:
            run.failed(done.work.name, done.error)
        elif done.work.step == "plan":
            if run.goes_on(done.result):
                _window(executor, busy, done.result)
        elif run.delivered(before, done.result):
            busy[done.work.name] = before
            executor.submit(Work("plan", done.work.name))
            for table in [t for t in run.due() if t not in writing]:
                writing.add(table)
                executor.submit(Work("layout", table, {"full": True}))
    run.finish()
    write_layouts(run, executor)


def _window(executor: Executor, busy: dict[str, Planned], planned: Planned) -> None:
    busy[planned.plan.partition] = planned
    executor.submit(Work("window", planned.plan.partition, {"planned": planned}))


def run_slices(run: Slices, executor: Executor, *, left: Callable[[int], None] = lambda _: None) -> None:
    """Every part of a backfill, `run.parallel` of them at once, each window by window."""
    waiting, busy = deque(run.parts), dict[str, BackfillSlice]()
    while waiting or busy:
        while waiting and len(busy) < run.parallel:
            part = waiting.popleft()
            if not run.out(part):
                name = f"{part.shard} {part.slice}"
                busy[name] = part
                executor.submit(Work("slice", name, {"part": part}))
        left(len(waiting) + len(busy))
        if not busy:
            break
        done = executor.next_done()
        part = busy.pop(done.work.name)
        if done.error:
            run.failed(part, done.error)
        elif done.result:
            waiting.appendleft(part)
        else:
            run.merged(part)
    left(0)
    write_layouts(run, executor)


def write_layouts(run: Writing, executor: Executor) -> None:
    """Every lake table that is to be written at a run's end, all at once."""
    tables = run.layouts()
    for table in tables:
        executor.submit(Work("layout", table))
    for done in [executor.next_done() for _ in tables]:
        if done.error:
            run.not_written(done.work.name, done.error)
        else:
            run.wrote(done.work.name, done.result)
