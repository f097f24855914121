"""merge: a staged window into the target."""

from uuid import UUID

from prefect import task

from shardlake.run import steps
from shardlake.run.steps import Outcome
from shardlake.sink.postgres.stage import Staged
from tasks.log import announce
from tasks.retry import STAGE
from tasks.view_job import step_of


@task(name="merge", task_run_name="merge {view} {shard}", **STAGE)
def merge(view: str, run_id: UUID, shard: str, staged: Staged) -> Outcome:
    """Merge the staged window, with its rejects and its watermark, in one transaction."""
    with step_of(view, run_id) as job:
        done = steps.merge_staged(job, run_id, shard, staged)
    counts = done.merged
    announce(
        "window.merged", f"view.{view}", view=view, shard=shard, window=staged.window_id, run=run_id, read=done.raw_rows, merged=counts.merged,
        unchanged=counts.unchanged, superseded=counts.superseded, rejected=counts.rejected + counts.shape_rejected,
    )  # fmt: skip
    return done
