"""The last steps of a window, from raw into the sinks; each can run again.

into_warehouse, window by window as they are read; catch_up: into each layout of the lake what it lacks.
"""

import time
from dataclasses import dataclass
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
"""Seconds that a run waits for another one that is at work on a sink and gets no further."""
POLL = 0.5
"""Seconds between two looks at it."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """An applied window: verdicts, what was read, the seconds of each stage, whether the partition has more, and notes for people."""

    applied: Applied
    raw_rows: int
    raw_bytes: int
    seconds: dict[str, float]
    more: bool
    notes: tuple[str, ...] = ()


def bring(job: Job, run_id: UUID, window_id: int, *, again: bool = False) -> Outcome:
    """Bring a window into the warehouse, as soon as it is read; `again` is a replay. Where its raw is gone it is read again first."""
    window = job.supply.window(window_id)
    some = [Pending(window_id, window.partition, window.raw_rows, window.raw_bytes, window.raw_removed)]
    committed = job.warehouse.apply(some, run_id, again=True) if again else _apply(job, run_id, job.warehouse, some)
    applied = next((one.windows[window_id] for one in committed if window_id in one.windows), None)
    if applied is None:
        raise AccountingError(
            f"{job.view.name}, {window.partition}, window {window_id}: the {job.warehouse.name} does not say what became of it",
            hint="The next run applies it again. Please report it.",
        )
    notes = tuple(note for one in committed for note in one.notes)
    return Outcome(applied, applied.raw_rows, window.raw_bytes, {**window.seconds, **applied.seconds}, window.more, notes)


def into_warehouse(job: Job, run_id: UUID, planned: Planned, window: Window | None) -> list[Outcome]:
    """Bring into the warehouse what waits for it of the plan's partition, and then the window that was read just now."""
    job.watch.merges(planned.plan.partition)
    return [bring(job, run_id, window_id) for window_id in planned.windows(window)]


def switch(job: Job, run_id: UUID, arrived: list[str]) -> None:
    """The end of a replace: the new table in the old one's place, where any partition arrived."""
    if job.warehouse.replaces and arrived:
        job.warehouse.switch(run_id, arrived, [p for p in job.partitions if p not in arrived])


def due(job: Job, sink: Sink) -> bool:
    """Whether as much waits for a sink as a commit holds, or as the spool should: a run that has more to read may bring it in now."""
    if sink.replaces:
        return False
    waiting = _lacking(job, sink, full=True)
    spooled = job.spool.held([w.window_id for w in waiting]) if job.spool else 0
    return fill_a_commit(waiting) or spooled >= SPOOLED


def catch_up(job: Job, run_id: UUID, table: str, *, full: bool = False) -> list[Committed]:
    """Bring into a layout every window that it lacks, whoever read it, commit by commit, and finish what was begun; with `full` only
    as long as a whole commit's worth waits, as a run does that has more to read. Those of which raw is gone are read again first.

    A run that is at the layout is waited for as long as it gets on; with `full` the layout is left to it. Raises ShardlakeError.
    """
    sink, found, before = job.layout(table), list[Committed](), set[int]()
    job.watch.writes(table)
    patience = _Patience(job)
    while not full or due(job, sink):
        lacking = _lacking(job, sink, run_id, full=full)
        ids = {w.window_id for w in lacking}
        if lost := sorted(before & ids):
            raise AccountingError(
                f"{job.view.name}, {sink.name}: windows {', '.join(map(str, lost[:10]))} were applied, and the ledger does not say so",
                hint="The next run applies them again. Please report it.",
            )
        if not lacking and (full or not _has_begun(job, sink)):
            break
        some = lacking if sink.replaces else one_commit(lacking)
        try:
            found += _apply(job, run_id, sink, some)
        except SinkBusy as busy:
            if full or not some:  # what was begun is in hand
                break
            patience.wait(busy, ids)
            continue
        before = {w.window_id for w in some}
        if not some:
            break
    return found


def replay(job: Job, run_id: UUID, table: str, partitions: list[str]) -> list[Committed]:
    """Apply the windows of partitions that a layout holds, and of which raw is there, again. Raises ShardlakeError."""
    sink, patience = job.layout(table), _Patience(job)
    job.watch.writes(table)
    while True:
        with job.ledger.connection() as connection:
            found = sinks.held(connection, job.view.name, sink.name, job.feed, partitions)
        try:
            return sink.apply([w for w in found if not w.removed], run_id, again=True)
        except SinkBusy as busy:
            patience.wait(busy, {w.window_id for w in found})


class _Patience:
    """Waiting for another run that is at a sink: BUSY_WAIT seconds in which nothing changes there."""

    def __init__(self, job: Job) -> None:
        self._job, self._seen, self._deadline = job, set[int](), 0.0

    def wait(self, busy: SinkBusy, windows: set[int]) -> None:
        """A moment. Raises `busy` when it is over, and RunEnded."""
        now = time.monotonic()
        if windows != self._seen:
            self._seen, self._deadline = windows, now + BUSY_WAIT
        if now > self._deadline:
            raise busy
        self._job.cancellation.pause(POLL)


def _lacking(job: Job, sink: Sink, run_id: UUID | None = None, *, full: bool = False) -> list[Pending]:
    """The windows that a sink lacks, oldest first; of one that is replaced, those of the run. With `full` those that can be brought in
    now: neither ones that another run has in hand, nor ones to be read again.
    """
    of_run = run_id if sink.replaces else None
    with job.ledger.connection() as connection:
        empty = sink.replaces or not (full or sinks.has_any(connection, job.view.name, sink.name))  # of no rows there is a table, too
        found = sinks.pending(connection, job.view.name, sink.name, job.feed, of_run=of_run, empty=empty, begun=not full)
    return [w for w in found if not (full and w.removed)]


def _apply(job: Job, run_id: UUID, sink: Sink, some: list[Pending]) -> list[Committed]:
    """Apply windows, the source asked once more where raw does not hold them."""
    for window_id in [w.window_id for w in some if w.removed]:
        window = job.supply.window(window_id)
        if window.raw_removed:  # and another sink's thread, or another run, has not read it since
            read_again(job, window)
    try:
        return sink.apply(some, run_id)
    except FileGone:
        lost = [w for w in _begun_and(job, sink, some) if _is_lost(job, sink, w)]
        if not lost:
            raise
    for window in lost:
        read_again(job, window)
    return sink.apply(some, run_id)


def _is_lost(job: Job, sink: Sink, window: Window) -> bool:
    """Whether a sink cannot have a window's rows: of one that the spool has, layouts need no raw."""
    in_spool = sink is not job.warehouse and job.spool is not None and job.spool.kept(window.window_id) is not None
    return not in_spool and not job.supply.is_whole(window)


def _has_begun(job: Job, sink: Sink) -> bool:
    with job.ledger.connection() as connection:
        return sinks.has_begun(connection, job.view.name, sink.name)


def _begun_and(job: Job, sink: Sink, some: list[Pending]) -> list[Window]:
    """The windows, and those of a commit that an earlier run has begun and not finished."""
    with job.ledger.connection() as connection:
        begun = sinks.begun(connection, job.view.name, sink.name)
    return [job.supply.window(window_id) for window_id in sorted({*begun, *(w.window_id for w in some)})]
