"""look: the next windows of all shards at once, so that a run which finds nothing new is one task, however many there are."""

from concurrent.futures import ThreadPoolExecutor
from uuid import UUID

from prefect import task

from shardlake.errors import ShardlakeError
from shardlake.run import steps
from shardlake.run.readers import prepare
from shardlake.run.steps import Planned
from tasks.plan import planned
from tasks.retry import STAGE
from tasks.view_job import step_of, view_job


@task(name="plan", task_run_name="plan {view}", **{**STAGE, "retries": 0})
def look(view: str, run_id: UUID, shards: list[str], full: bool = False) -> dict[str, Planned]:
    """Plan each shard's next window. Those that cannot be planned are left out: each is then planned by a task of its own, which has
    the retries, the state and the log of what is wrong with it.
    """

    def one(shard: str) -> Planned | None:
        try:
            with step_of(view, run_id) as job:
                found = steps.plan(job, shard, full=full)
        except ShardlakeError:
            return None
        if found.plan.anything or found.first:
            prepare(job)  # readers start while other shards are still asked
        return found

    with ThreadPoolExecutor(max(1, min(len(shards), view_job(view, run_id).parallelism.chains))) as pool:
        found = {shard: plan for shard, plan in zip(shards, pool.map(one, shards), strict=True) if plan}
    for shard, plan in found.items():
        planned(view, run_id, shard, plan)
    return found
