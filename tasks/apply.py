"""apply: what was read of a partition into the warehouse."""

from uuid import UUID

from prefect import task

from shardlake.ledger.windows import Window
from shardlake.run import deliver
from shardlake.run.deliver import Outcome
from shardlake.run.steps import Planned
from tasks.log import announce
from tasks.retry import STAGE
from tasks.view_job import step_of


@task(name="apply", task_run_name="apply {view} {planned.plan.partition}", **STAGE)
def apply(view: str, run_id: UUID, planned: Planned, window: Window | None) -> list[Outcome]:
    """Bring the window, and before it what an earlier run left, into the warehouse; each with its rejects in one transaction."""
    with step_of(view, run_id) as job:
        done = deliver.into_warehouse(job, run_id, planned, window)
    for window_id, outcome in zip(planned.windows(window), done, strict=True):
        counts = outcome.applied
        announce(
            "window.merged", f"view.{view}", seldom=(run_id, planned.plan.partition), view=view, shard=planned.plan.partition, window=window_id, run=run_id, read=outcome.raw_rows,
            merged=counts.merged, unchanged=counts.unchanged, superseded=counts.superseded, rejected=counts.rejected + counts.shape_rejected,
        )  # fmt: skip
    return done
