"""merge: a staged window into the target."""

from uuid import UUID

from prefect import task

from shardlake import steps
from shardlake.load.stage import Staged
from shardlake.steps import Outcome
from tasks.retry import STAGE
from tasks.view_job import view_job


@task(name="merge", task_run_name="merge {view} {shard}", **STAGE)
def merge(view: str, run_id: UUID, shard: str, staged: Staged) -> Outcome:
    """Merge the staged window, with its rejects and its watermark, in one transaction."""
    return steps.merge_staged(view_job(view, run_id), run_id, shard, staged)
