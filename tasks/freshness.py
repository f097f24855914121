"""check and record: a view against its promises, and the alarms in the ledger."""

from uuid import UUID

from prefect import task

from shardlake import freshness
from shardlake.ledger import alarms as ledger
from shardlake.ledger.alarms import Alarm
from shardlake.ledger.status import ShardStatus
from shardlake.warehouse import Warehouse
from tasks.retry import STAGE
from tasks.view_job import all_views, view_job


@task(name="check", task_run_name="check {name}", **{**STAGE, "retries": 1})
def check(name: str, run_id: UUID) -> tuple[list[ShardStatus], list[Alarm]]:
    """One view's shards, and what is wrong with them."""
    return freshness.alarms(view_job(name, run_id), all_views(run_id)[0])


def record(views: list[str], run_id: UUID, alarms: list[Alarm]) -> tuple[list[Alarm], list[Alarm]]:
    """Write the alarms into the ledgers of the views' warehouses. Returns what is new, and what has ended.

    Alarms of views that could not be asked stand in the first of them; where there is none, all are new each time.
    """
    jobs: dict[int, tuple[Warehouse, list[str]]] = {}
    for name in views:
        job = view_job(name, run_id)
        jobs.setdefault(id(job.warehouse), (job.warehouse, []))[1].append(name)
    fresh: list[Alarm] = [] if jobs else list(alarms)
    ended: list[Alarm] = []
    others = {a.view for a in alarms} - set(views)
    for warehouse, names in jobs.values():
        names, others = [*names, *others], set()
        with warehouse.connection() as connection:
            new, over = ledger.record(connection, names, [a for a in alarms if a.view in names])
        fresh, ended = fresh + new, ended + over
    return fresh, ended
