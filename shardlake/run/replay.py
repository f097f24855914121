"""Replay: raw again through shape, stage and merge, after the view was mended. The source is not read."""

from collections.abc import Iterable

from shardlake.errors import ShardlakeError, SpecError
from shardlake.ledger import sinks
from shardlake.run import steps
from shardlake.run.job import Job
from shardlake.run.report import RunReport
from shardlake.run.run import Run


def replay(job: Job, shards: Iterable[str] | None = None) -> RunReport:
    """Merge every merged window of the view again, oldest first. Newest wins, so that what is newer by now stays.

    Raises SpecError for a view that replaces its table: a run does the same there.
    """
    if job.view.warehouse.write == "replace":
        raise SpecError(f"{job.view.name} replaces its table", hint=f"Run `shardlake run {job.view.name}`.")
    with Run(job, shards) as run:
        for shard in run.free:
            try:
                _shard(run, shard)
            except ShardlakeError as error:
                run.failed(shard, error)
    return run.report


def _shard(run: Run, partition: str) -> None:
    job = run.job
    with job.ledger.connection() as connection:
        ids = sinks.held(connection, job.view.name, sinks.WAREHOUSE, job.feed, partition)
    for window_id in ids:
        outcome = steps.apply(job, run.id, window_id, replay=True)
        run.report.shards[partition].merged_window(outcome.raw_rows, outcome.raw_bytes, outcome.applied.counts(), outcome.seconds)
