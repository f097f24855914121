"""The steps of a window, each a function of a job and a few names: what the Prefect tasks call.

plan ─▶ extract ─▶ stage (shapes as it goes) ─▶ merge, and for a run's windows together, layout by layout, write. Between steps go names and counts; rows go through raw files and
staging tables. Each step can run again: it finds in the ledger what was done already.
"""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any
from uuid import UUID

import psycopg

from shardlake.errors import ContractError, StagingLost, WorkerDied
from shardlake.failpoints import failpoint
from shardlake.ledger import runs, windows
from shardlake.ledger.windows import OpenWindow
from shardlake.raw import files as raw
from shardlake.raw.store import open_store
from shardlake.run.job import Job
from shardlake.shape.chunk import Shaped, shape
from shardlake.sink.lake import commit as lake
from shardlake.sink.lake.commit import Written
from shardlake.sink.lake.rows import keeper
from shardlake.sink.postgres import replace
from shardlake.sink.postgres.merge import Merged, merge
from shardlake.sink.postgres.merge_sql import MergeSql
from shardlake.sink.postgres.names import target
from shardlake.sink.postgres.stage import DirectCopy, NoDirectCopy, Staged, can_copy_directly, drop_orphans, stage
from shardlake.sink.postgres.target import ensure_target
from shardlake.source.sql.plan import ShardPlan, columns_as_null, plan_window
from shardlake.source.sql.read import Extracted, Request
from shardlake.source.sql.window import Position
from shardlake.source.sql.worker import extract_in_worker
from shardlake.view.columns import TargetColumn, target_columns, version_type

Connection = psycopg.Connection[Any]


@dataclass(frozen=True, slots=True)
class Planned:
    """A shard's plan, and the window that an earlier run left unfinished, which goes first."""

    plan: ShardPlan
    unfinished: int | None
    seconds: float


@dataclass(frozen=True, slots=True)
class Outcome:
    """A merged window: verdicts, what was read, the seconds of each stage, and whether the shard has more.

    `resume` is where a scan without a cursor goes on.
    """

    merged: Merged
    raw_rows: int
    raw_bytes: int
    seconds: dict[str, float]
    more: bool
    resume: Position | None


def plan(job: Job, shard: str, *, full: bool = False, resume: Position | None = None) -> Planned:
    """Plan the shard's next window. With `full`, from the beginning. Reads no data."""
    started = time.perf_counter()
    replaces = job.view.warehouse.write == "replace"
    with job.warehouse.connection() as connection:
        if full or (replaces and resume is None):
            windows.forget(connection, job.view.name, shard)
            drop_orphans(connection, job.view, [shard])
        mark = windows.watermark(connection, job.view.name, shard)
        left = windows.unfinished(connection, job.view.name, shard)
    with job.reading():
        found = plan_window(job.view, job.shard(shard), mark, resume=resume)
    return Planned(found, left.window_id if left else None, time.perf_counter() - started)


def pass_over(job: Job, planned: Planned) -> bool:
    """Where the window holds nothing, move the watermark to its end, and that is all. Returns whether it was so."""
    window = planned.plan.window
    if planned.unfinished is not None or planned.plan.anything or job.view.warehouse.write == "replace":
        return False
    mark = window.next_watermark()
    assert mark is not None
    with job.warehouse.connection() as connection:
        windows.move_watermark(connection, job.view.name, planned.plan.shard, mark)
    return True


def extract(job: Job, run_id: UUID, planned: Planned) -> OpenWindow:
    """Read the window into raw, unless an earlier run has; the manifest is written last."""
    shard = planned.plan.shard
    with job.warehouse.connection() as connection:
        found = windows.unfinished(connection, job.view.name, shard)  # an earlier run's, or of a try before this one
        if found is None:
            found = windows.open_window(connection, run_id, job.view.name, shard, planned.plan.window)
    return read_window(job, found, planned.plan)


def read_window(job: Job, found: OpenWindow, plan_: ShardPlan) -> OpenWindow:
    """Read a window that stands in the ledger into raw, unless that was done."""
    if found.extracted:
        return found
    with job.warehouse.connection() as connection:
        contract = runs.contract(connection, job.view.name)
    failpoint("window.opened")
    started = time.perf_counter()
    result = _extract(job, found, plan_, contract)
    failpoint("extract.written")
    seconds = {"extract": round(time.perf_counter() - started - result.write_seconds, 4), "raw": round(result.write_seconds, 4)}
    with job.warehouse.connection() as connection:
        windows.record_extracted(connection, found.window_id, result.until, tuple(result.files), seconds)
        failpoint("extract.recorded")
        return windows.load(connection, found.window_id)


def _extract(job: Job, found: OpenWindow, plan_: ShardPlan, contract: dict[str, str] | None) -> Extracted:
    folder = raw.folder_of(job.view.name, plan_.shard, found.load_date)
    as_null = columns_as_null(job.view, plan_.kinds, contract)
    chunk = job.view.source.chunk
    for smaller in (1, 8, 64):
        request = Request(
            job.view, job.shard(plan_.shard), job.lake, found.window, found.window_id, folder, as_null, max(chunk // smaller, 64 << 10)
        )
        try:
            with job.reading():
                return extract_in_worker(request)
        except WorkerDied:
            if smaller == 64:
                raise
    raise AssertionError


def stage_window(job: Job, window_id: int, shard: str = "") -> Staged:
    """Shape the window's raw files and COPY them into staging, one chunk in memory at a time.

    A shard's first window is put off: its merge takes it direct into the target.
    """
    with job.warehouse.connection() as connection:
        found = windows.load(connection, window_id)
        if shard and can_copy_directly(job.view) and _is_first(connection, job, shard, found):
            return Staged(window_id, put_off=True)
        return stage(connection, job.view, window_id, _shaped(job, found))


def _is_first(connection: Connection, job: Job, shard: str, found: OpenWindow) -> bool:
    window = found.window
    fresh = job.view.warehouse.write == "replace" or windows.watermark(connection, job.view.name, shard) is None
    return fresh and window.order == "key" and window.lower is None


def _shaped(job: Job, found: OpenWindow) -> Iterator[Shaped]:
    """The window's chunks, shaped. Where the view has layouts, they are kept for `write` as they pass."""
    chunks = _chunks(job, found)
    return job.spool.keep(found.window_id, chunks, keeper(job, found)) if job.spool else chunks


def _chunks(job: Job, found: OpenWindow) -> Iterator[Shaped]:
    store = open_store(job.lake)
    for file in found.files:
        table = raw.read_chunk(store, file)
        if unread := [c for c in job.view.source_columns if c not in table.column_names]:
            raise ContractError(
                f"the raw files of window {found.window_id} do not hold the column {unread[0]!r}",
                hint="Run with --full: the view did not read it then.",
            )
        yield shape(job.view, table, raw.kinds_of(table))


def merge_staged(job: Job, run_id: UUID, shard: str, staged: Staged) -> Outcome:
    """Merge a staged window. Where it cannot go direct, or a crash has emptied its staging, it is staged first."""
    try:
        return merge_window(job, run_id, shard, staged)
    except (StagingLost, NoDirectCopy):
        return merge_window(job, run_id, shard, stage_window(job, staged.window_id))


def merge_window(job: Job, run_id: UUID, shard: str, staged: Staged, *, replay: bool = False) -> Outcome:
    """Merge a staged window. `replay` merges raw again; neither it nor a backfill's window moves the watermark.

    Raises NoDirectCopy where a window that was put off must be staged after all.
    """
    with job.warehouse.connection() as connection:
        found = windows.load(connection, staged.window_id)
    columns = target_columns(job.view, version_type(found.window.kind or ""))
    into = _prepare_target(job, run_id, columns)
    sql = MergeSql(job.view, staged.window_id, shard, columns, into, job.source.timezone)
    mark = None if replay or found.backfill else found.window.next_watermark()
    given = (
        partial(_direct, job, found, DirectCopy(into, {c.name: c.type for c in columns}, job.source.timezone, shard))
        if staged.put_off
        else staged
    )
    merged = merge(job.warehouse, sql, given, mark, first_load=staged.put_off, again=replay)
    until = found.window.until
    return Outcome(
        merged,
        found.raw_rows,
        found.raw_bytes,
        {**found.seconds, **merged.seconds},
        until is not None,
        until if found.window.kind is None else None,
    )


def _direct(job: Job, found: OpenWindow, direct: DirectCopy, connection: Connection) -> Staged:
    try:
        return stage(connection, job.view, found.window_id, _shaped(job, found), direct)
    except (psycopg.errors.UniqueViolation, psycopg.errors.DataError, psycopg.errors.NotNullViolation, psycopg.errors.ProgramLimitExceeded):
        raise NoDirectCopy from None


def _prepare_target(job: Job, run_id: UUID, columns: tuple[TargetColumn, ...]) -> str:
    """The table to merge into, made ready. A replace fills a new one."""
    with job.warehouse.connection() as connection:
        ensure_target(connection, job.view, columns)
        if job.view.warehouse.write != "replace":
            return target(job.view)
        replace.ensure_new_table(connection, job.view, run_id)
        return replace.new_table(job.view, run_id)


def switch(job: Job, run_id: UUID, arrived: list[str]) -> None:
    """The end of a replace: the new table in the old one's place, where any shard arrived."""
    if job.view.warehouse.write != "replace" or not arrived:
        return
    columns = target_columns(job.view, version_type(""))
    _prepare_target(job, run_id, columns)
    with job.warehouse.connection() as connection:
        replace.swap(connection, job.view, run_id, columns, [s for s in job.shards if s not in arrived])


def write(job: Job, run_id: UUID, table: str, *, full: bool = False) -> list[Written]:
    """Write every window that a layout does not hold yet, whoever read it, commit by commit; with `full` only as long as a
    whole commit's worth of them waits, as a run does that has more to read. Raises ShardlakeError.
    """
    found: list[Written] = []
    layout = job.view.lake.layout(table)
    while not full or lake.due(job, layout):
        written = lake.write(job, run_id, layout)
        if written:
            found.append(written)
        if not written or not written.more:
            break
    return found
