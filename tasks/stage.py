"""stage: a window's raw rows, shaped, into staging."""

from uuid import UUID

from prefect import task

from shardlake.ledger.windows import OpenWindow
from shardlake.run import steps
from shardlake.sink.postgres.stage import Staged
from tasks.log import say
from tasks.retry import STAGE
from tasks.view_job import step_of


@task(name="stage", task_run_name="stage {view} {shard}", **STAGE)
def stage(view: str, run_id: UUID, shard: str, window: OpenWindow) -> Staged:
    """Shape the window's raw rows and copy them into staging."""
    with step_of(view, run_id) as job:
        staged = steps.stage_window(job, window.window_id, shard)
    if not staged.put_off:
        say("window.staged", view=view, shard=shard, window=window.window_id, run=run_id)
    return staged
