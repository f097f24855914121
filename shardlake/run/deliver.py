"""The last steps of a window, from raw into the sinks; each can run again.

into_warehouse, window by window as they are read; catch_up: into each layout of the lake what it lacks.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from uuid import UUID

from shardlake.errors import AccountingError, FileGone, SinkBusy
from shardlake.ledger import sinks
from shardlake.ledger.sinks import Applied, Pending
from shardlake.ledger.windows import Window
from shardlake.rows.spool import SPOOLED
from shardlake.run.job import Job
from shardlake.run.steps import Planned, read_again
from shardlake.sink.door import Committed, Sink, fill_a_commit, one_commit

BUSY_WAIT = 600.0
"""Seconds that a run waits for another one that is at work on a sink."""
POLL = 0.5
"""Seconds between two looks at it."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """An applied window: verdicts, what was read, the seconds of each stage, and whether the partition has more."""

    applied: Applied
    raw_rows: int
    raw_bytes: int
    seconds: dict[str, float]
    more: bool


def bring(job: Job, run_id: UUID, window_id: int, *, again: bool = False) -> Outcome:
    """Bring a window into the warehouse, as soon as it is read; `again` is a replay. Where its raw is gone it is read again first."""
    found = job.supply.window(window_id)
    it = Pending(window_id, found.partition, found.raw_rows, found.raw_bytes, found.raw_removed)
    (committed,) = _apply(job, run_id, job.warehouse, [it], again=again)
    window, applied = job.supply.window(window_id), committed.windows[window_id]
    return Outcome(applied, window.raw_rows, window.raw_bytes, {**window.seconds, **applied.seconds}, window.more)


def into_warehouse(job: Job, run_id: UUID, planned: Planned, window: Window | None) -> list[Outcome]:
    """Bring into the warehouse what waits for it of the plan's partition, and then the window that was read just now."""
    return [bring(job, run_id, window_id) for window_id in planned.windows(window)]


def switch(job: Job, run_id: UUID, arrived: list[str]) -> None:
    """The end of a replace: the new table in the old one's place, where any partition arrived."""
    if job.warehouse.replaces and arrived:
        job.warehouse.switch(run_id, arrived, [p for p in job.partitions if p not in arrived])


def due(job: Job, sink: Sink) -> bool:
    """Whether as much waits for a sink as a commit holds, or as the spool should: a run that has more to read may bring it in now."""
    if sink.replaces:
        return False
    waiting = [w for w in _lacking(job, sink) if not w.removed]
    spooled = job.spool.held([w.window_id for w in waiting]) if job.spool else 0
    return fill_a_commit(waiting) or spooled >= SPOOLED


def catch_up(job: Job, run_id: UUID, table: str, *, full: bool = False) -> list[Committed]:
    """Bring into a layout every window that it lacks, whoever read it, commit by commit, and finish what was begun; with `full` only as long as a whole commit's
    worth waits, as a run does that has more to read. Those of which raw is gone are read again first.

    What another run is at is waited for, but with `full`: then it is left to that run. Raises ShardlakeError.
    """
    sink, found, before = job.layout(table), list[Committed](), set[int]()
    while not full or due(job, sink):
        lacking = [w for w in _lacking(job, sink, run_id) if not (full and w.removed)]
        if again := sorted(before & {w.window_id for w in lacking}):
            raise AccountingError(
                f"{job.view.name}, {sink.name}: windows {', '.join(map(str, again[:10]))} were applied, and the ledger does not say so",
                hint="The next run applies them again. Please report it.",
            )
        if not lacking and (full or not _is_unfinished(job, sink)):
            break
        some = lacking if sink.replaces else one_commit(lacking)
        try:
            found += _apply(job, run_id, sink, some) if full else _when_free(job, partial(_apply, job, run_id, sink, some))
        except SinkBusy:
            if full:
                break
            raise
        before = {w.window_id for w in some}
        if not some:  # there was only what had been begun
            break
    return found


def _when_free(job: Job, apply: Callable[[], list[Committed]]) -> list[Committed]:
    """Apply as soon as no other run is at work on the sink. Raises SinkBusy where that takes longer than BUSY_WAIT."""
    deadline = time.monotonic() + BUSY_WAIT
    while True:
        try:
            return apply()
        except SinkBusy:
            if time.monotonic() > deadline:
                raise
        job.cancellation.check()
        time.sleep(POLL)


def replay(job: Job, run_id: UUID, table: str, partitions: list[str]) -> list[Committed]:
    """Apply the windows of partitions that a layout holds, and of which raw is there, again. Raises ShardlakeError."""
    sink = job.layout(table)
    with job.ledger.connection() as connection:
        found = sinks.held(connection, job.view.name, sink.name, job.feed, partitions)
    return _when_free(job, lambda: sink.apply([w for w in found if not w.removed], run_id, again=True))


def _lacking(job: Job, sink: Sink, run_id: UUID | None = None) -> list[Pending]:
    """The windows that a sink lacks, oldest first; of one that is replaced, those of the run."""
    of_run = run_id if sink.replaces else None
    with job.ledger.connection() as connection:
        return sinks.pending(connection, job.view.name, sink.name, job.feed, of_run=of_run, empty=sink.replaces)


def _apply(job: Job, run_id: UUID, sink: Sink, some: list[Pending], *, again: bool = False) -> list[Committed]:
    """Apply windows, the source asked once more where raw does not hold them. Of a replay raw alone is asked."""
    if again:
        return sink.apply(some, run_id, again=True)
    for window in some:
        if window.removed:
            read_again(job, job.supply.window(window.window_id))
    try:
        return sink.apply(some, run_id)
    except FileGone:
        found = [job.supply.window(w.window_id) for w in _begun(job, sink, some)]
        lost = [w for w in found if not job.supply.is_whole(w)]
        if not lost:
            raise
    for lost_one in lost:
        read_again(job, lost_one)
    return sink.apply(some, run_id)


def _is_unfinished(job: Job, sink: Sink) -> bool:
    with job.ledger.connection() as connection:
        return sinks.is_unfinished(connection, job.view.name, sink.name)


def _begun(job: Job, sink: Sink, some: list[Pending]) -> list[Pending]:
    """The windows, and those of a commit that an earlier run has begun and not finished."""
    with job.ledger.connection() as connection:
        begun = sinks.begun(connection, job.view.name, sink.name)
    return list({w.window_id: w for w in (*some, *begun)}.values())
