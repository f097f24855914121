"""compact and sweep: keeping a view's lake."""

from uuid import UUID

from prefect import task

from shardlake.sink.lake import compact as lake_compact
from shardlake.sink.lake import sweep as lake_sweep
from shardlake.sink.lake.compact import Compacted
from shardlake.sink.lake.sweep import Swept
from tasks.retry import STAGE
from tasks.view_job import step_of


@task(name="compact", task_run_name="compact {view}", **STAGE)
def compact(view: str, run_id: UUID) -> list[Compacted]:
    """Compact the closed partitions of every layout."""
    with step_of(view, run_id) as job:
        return [lake_compact.compact(job.supply, layout) for layout in job.view.lake.layouts]


@task(name="sweep", task_run_name="sweep {view}", **STAGE)
def sweep(view: str, run_id: UUID) -> Swept:
    """Remove what may go."""
    with step_of(view, run_id) as job:
        return lake_sweep.sweep(job.supply)
