"""The first steps of a window, each a function of a job and a few names: what the Prefect tasks call.

plan ─▶ extract ─▶ and then `deliver`, into the sinks. Between steps go names and counts; rows go through raw files. Each step
can run again: it finds in the ledger what was done already.
"""

import time
from contextlib import suppress
from dataclasses import dataclass, replace
from threading import Lock
from uuid import UUID

from shardlake.errors import FileGone, ShardlakeError, WorkerDied
from shardlake.failpoints import failpoint
from shardlake.ledger import claims, runs, sinks, windows
from shardlake.ledger.extent import Extent, Reading
from shardlake.ledger.sinks import WAREHOUSE
from shardlake.ledger.windows import Window
from shardlake.raw.files import RawTarget, folder_of
from shardlake.run.contract import columns_as_null
from shardlake.run.job import Job
from shardlake.source.door import Estimates, Plan, Rereads

_READING_AGAIN = Lock()
"""Sinks that lack the same windows are brought up to date at the same time: one of them has a window read again."""


@dataclass(frozen=True, slots=True)
class Planned:
    """A partition's plan, and the window whose reading an earlier run left unfinished, which goes first.

    `waiting` windows were read and are not in the warehouse yet: they come before what is read now, and also where the
    source could not be planned, for the reason `error`. Where the warehouse has had nothing of the view yet, this is its `first`
    window: it is brought in even if it holds no row, so that there is a target.
    """

    plan: Plan
    unfinished: int | None
    waiting: tuple[int, ...]
    seconds: float
    error: ShardlakeError | None = None
    first: bool = False

    def windows(self, window: Window | None) -> list[int]:
        """What is to be brought into the warehouse, in order: what waits, and the window that was read."""
        return list(dict.fromkeys([*self.waiting, *([window.window_id] if window else [])]))


def plan(job: Job, partition: str, *, full: bool = False) -> Planned:
    """Plan the partition's next window. With `full`, from the beginning. Reads no data."""
    started = time.perf_counter()
    with job.ledger.connection() as connection:
        if full:
            windows.forget(connection, job.feed, partition)
            sinks.abandon(connection, job.feed, partition)
        position = windows.position(connection, job.feed, partition)
        left = windows.unfinished(connection, job.feed, partition)
        replaces = job.warehouse.replaces  # a whole load takes in nothing of the one before
        waiting = [] if replaces else sinks.pending(connection, job.view.name, WAREHOUSE, job.feed, partition, backfills=False)
        first = not replaces and not waiting and not sinks.has_any(connection, job.view.name, WAREHOUSE)
    try:
        found = job.source.plan(job.view, partition, position)
    except ShardlakeError as error:
        if not waiting:
            raise
        nothing = Plan(partition, Extent({}, position, position or {}), {}, anything=False)
        return Planned(nothing, None, tuple(w.window_id for w in waiting), time.perf_counter() - started, error)
    if found.rescan and waiting and not left:
        found = replace(found, anything=False)
    seconds = time.perf_counter() - started
    return Planned(found, left.window_id if left else None, tuple(w.window_id for w in waiting), seconds, first=first)


def pass_over(job: Job, run_id: UUID, planned: Planned) -> bool:
    """Where the window holds nothing, move the position to its end, and that is all. Returns whether it was so. Raises ClaimLost."""
    found = planned.plan
    if planned.unfinished is not None or planned.waiting or found.anything or planned.first or job.warehouse.replaces:
        return False
    extent = found.extent
    with job.ledger.connection() as connection, connection.transaction():
        claims.require(connection, job.feed, found.partition, run_id)
        windows.move_position(connection, job.feed, found.partition, extent.end, extent.shown, extent.complete_to, extent.held_by)
        windows.note_unreachable(connection, job.feed, found.partition, found.unreachable)
    return True


def extract(job: Job, run_id: UUID, planned: Planned) -> Window | None:
    """Read the window into raw; the position moves with it. None where what was planned holds nothing."""
    found = planned.plan
    if planned.error:
        return None
    with job.ledger.connection() as connection:
        window = windows.unfinished(connection, job.feed, found.partition)  # an earlier run's, or of a try before this one
        if window is None and planned.unfinished:
            window = windows.load(connection, planned.unfinished)  # which has been read by a try before this one
        window = window or windows.read_before(connection, run_id, job.feed, found.partition, found.extent)
        if window is None:
            if not found.anything and not planned.first and not job.warehouse.replaces:
                return None  # there is only what waits for the warehouse
            window = windows.open_window(connection, run_id, job.feed, found.partition, found.extent)
    _estimate(job, window)
    window = read_window(job, window, found, run_id)
    with job.ledger.connection() as connection:  # behind the first window there is a position to note it of
        windows.note_unreachable(connection, job.feed, found.partition, found.unreachable)
    return window


def _estimate(job: Job, window: Window) -> None:
    """Tell who watches about how many rows there are to read, where the source can say so. A guess must not break a run."""
    if not window.read and job.watch.counts and isinstance(job.source, Estimates):
        with suppress(ShardlakeError):
            if rows := job.source.estimate(job.view, window.partition, window.extent):
                job.watch.expects(window.partition, rows)


def read_window(job: Job, window: Window, found: Plan, run_id: UUID | None = None) -> Window:
    """Read a window that stands in the ledger into raw, unless that was done; with `run_id` only while that run holds the claim.

    Raises ClaimLost where another run does it, too.
    """
    if window.read and not window.raw_removed:
        return window
    with job.ledger.connection() as connection:
        contract = runs.contract(connection, job.feed)
        attempt = windows.begin_reading(connection, window.window_id)
    failpoint("window.opened")
    started = time.perf_counter()
    reading = _read(job, window, found, attempt, contract)
    failpoint("extract.written")
    raw = reading.seconds.get("raw", 0.0)
    seconds = {"extract": round(time.perf_counter() - started - raw, 4), "raw": round(raw, 4)}
    with job.ledger.connection() as connection:
        done = replace(reading, seconds=seconds)
        windows.record_read(connection, window, attempt, done, found.extent.held_by, _shown(window, reading, found), run_id)
        failpoint("extract.recorded")
        return windows.load(connection, window.window_id)


def _shown(window: Window, reading: Reading, found: Plan) -> str | None:
    """The position behind a window for people: its own end, which is not that of `found` where an earlier run planned it."""
    end = window.extent.to_version or found.extent.shown
    return end if reading.position is None or window.extent.to_version is None else f"scanning to {end}"


def _read(job: Job, window: Window, found: Plan, attempt: int, contract: dict[str, str] | None) -> Reading:
    tally = job.watch.reads(window.partition)
    raw = RawTarget(job.lake, folder_of(job.feed, window.partition, window.load_date), window.window_id, attempt, tally)
    as_null = columns_as_null(job.view, found.schema, contract)
    for smaller in (1, 8, 64):
        try:
            extent = found.extent if window.read else window.extent
            reading = job.source.read(job.view, window.partition, extent, raw, as_null=as_null, smaller=smaller)
            reading.require(f"{job.view.name}, {window.partition}, window {window.window_id}")
            return reading
        except WorkerDied:
            job.cancellation.check()
            if smaller == 64:
                raise
    raise AssertionError


def read_again(job: Job, window: Window) -> Window:
    """Read a window anew whose raw is gone, from where it begins. Raises FileGone where the source cannot."""
    if not isinstance(job.source, Rereads):
        raise FileGone(
            f"{window.partition}: raw of window {window.window_id} is gone, and {job.view.source.connection} cannot read it again",
            hint="Run with --full: it reads all that there is.",
        )
    with _READING_AGAIN:
        with job.ledger.connection() as connection:
            now = windows.load(connection, window.window_id)
            if not now.raw_removed and (window.raw_removed or now.attempt != window.attempt):
                return now  # another sink's thread has read it
            windows.raw_is_gone(connection, window.window_id)
            if job.spool:
                job.spool.drop([window.window_id])
            now = windows.load(connection, window.window_id)
        return read_window(job, now, job.source.again(job.view, now.partition, now.extent))
