"""plan: a shard's next window."""

from logging import DEBUG
from uuid import UUID

from prefect import task

from shardlake.run import steps
from shardlake.run.steps import Planned
from tasks.log import say
from tasks.retry import STAGE
from tasks.view_job import step_of


@task(name="plan", task_run_name="plan {view} {shard}", **{**STAGE, "retries": 1})
def plan(view: str, run_id: UUID, shard: str, full: bool = False) -> Planned:
    """Plan the shard's next window. Reads no data."""
    with step_of(view, run_id) as job:
        found = steps.plan(job, shard, full=full)
    planned(view, run_id, shard, found)
    return found


def planned(view: str, run_id: UUID, shard: str, found: Planned) -> None:
    """Say what was planned."""
    extent, anything = found.plan.extent, found.plan.anything
    say(
        "window.planned", level=DEBUG, view=view, shard=shard, run=run_id, lower=extent.from_version, upper=extent.to_version,
        anything=anything,
    )  # fmt: skip
