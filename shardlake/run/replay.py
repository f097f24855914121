"""Replay: raw again into every sink, after the view was mended. The source is not read."""

from collections.abc import Iterable

from shardlake.errors import ShardlakeError, SpecError
from shardlake.ledger import sinks
from shardlake.run import deliver
from shardlake.run.job import Job
from shardlake.run.report import LayoutReport, RunReport
from shardlake.run.run import Run


def replay(job: Job, shards: Iterable[str] | None = None) -> RunReport:
    """Apply every window that a sink holds, and of which raw is there, again, oldest first: to the warehouse and to each layout of the
    lake. Newest wins, so that what is newer by now stays. A partition's notes say how many windows were passed over.

    Raises SpecError for a view that replaces its table: a run does the same there.
    """
    if job.warehouse.replaces:
        raise SpecError(f"{job.view.name} replaces its table", hint=f"Run `shardlake run {job.view.name}`.")
    with Run(job, shards) as run:
        for partition in run.free:
            try:
                _partition(run, partition)
                run.ended(partition)
            except ShardlakeError as error:
                run.failed(partition, error)
        for layout in job.view.lake.layouts:
            run.report.lake[layout.table] = LayoutReport(layout.table)
            try:
                run.wrote(layout.table, deliver.replay(job, run.id, layout.table, run.free))
            except ShardlakeError as error:
                run.not_written(layout.table, error)
    return run.report


def _partition(run: Run, partition: str) -> None:
    job, shard = run.job, run.report.shards[partition]
    with job.ledger.connection() as connection:
        found = sinks.held(connection, job.view.name, sinks.WAREHOUSE, job.feed, [partition])
    job.watch.merges(partition)
    for window in found:
        if not window.removed:
            outcome = deliver.bring(job, run.id, window.window_id, again=True)
            shard.merged_window(outcome.raw_rows, outcome.raw_bytes, outcome.applied.counts(), outcome.seconds, outcome.notes)
            job.watch.merged(partition, shard)
    with job.ledger.connection() as connection:
        everywhere = [sinks.held(connection, job.view.name, sink, job.feed, [partition]) for sink in job.sinks]
    if gone := {window.window_id for held in everywhere for window in held if window.removed}:
        shard.notes = (f"{len(gone)} windows are not replayed, whose raw is gone: `shardlake backfill` reads their range again",)
