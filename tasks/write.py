"""write: a view's rows into one table of the lake."""

from uuid import UUID

from prefect import task

from shardlake.run import deliver
from shardlake.sink.door import Committed
from tasks.log import announce
from tasks.retry import STAGE
from tasks.view_job import step_of


@task(name="write", task_run_name="write {view} {table}", **STAGE)
def write(view: str, run_id: UUID, table: str, full: bool = False) -> list[Committed]:
    """Write what the table does not hold yet, and register it; with `full` only as long as a whole commit's worth waits."""
    with step_of(view, run_id) as job:
        done = deliver.catch_up(job, run_id, table, full=full)
    for one in done:
        total = one.total
        announce(
            "layout.written", f"view.{view}", seldom=(run_id, table), view=view, layout=table, run=run_id, windows=len(one.windows), rows=total.merged,
            rejected=total.rejected, files=one.files, bytes=one.bytes,
        )  # fmt: skip
    return done
