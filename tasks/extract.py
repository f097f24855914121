"""extract: a window of a shard into raw."""

from logging import DEBUG
from uuid import UUID

from prefect import task

from shardlake.ledger.windows import Window
from shardlake.run import steps
from shardlake.run.steps import Planned
from tasks.limits import source_slot
from tasks.log import say
from tasks.retry import STAGE
from tasks.view_job import step_of


@task(name="extract", task_run_name="extract {view} {planned.plan.partition}", **STAGE)
def extract(view: str, run_id: UUID, planned: Planned) -> Window | None:
    """Read the planned window into raw, in a process of its own. Where the source has a limit in Prefect, a slot of it is held."""
    with step_of(view, run_id) as job, source_slot(job.view.source.connection, job.source.max_connections, strict=False):
        window = steps.extract(job, run_id, planned)
    shard = planned.plan.partition
    if window:
        say(
            "window.extracted", level=DEBUG, view=view, shard=shard, window=window.window_id, run=run_id, rows=window.raw_rows,
            bytes=window.raw_bytes,
        )  # fmt: skip
    return window
