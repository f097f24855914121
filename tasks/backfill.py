"""backfill: one window of a slice, read again and merged."""

from uuid import UUID

from prefect import task

from shardlake.run.backfill_slice import BackfillSlice, merge_slice_window, read_slice_window
from tasks.limits import source_slot
from tasks.retry import STAGE
from tasks.view_job import step_of


@task(name="backfill", task_run_name="backfill {view} {part.shard} from {part.slice.lower}", **STAGE)
def backfill_part(view: str, run_id: UUID, part: BackfillSlice) -> bool:
    """Read the part's next window and merge it; the source's slot is held for the reading. Returns whether there is more."""
    with step_of(view, run_id) as job:
        with source_slot(job.view.source.connection, job.source.max_connections, strict=True):
            window = read_slice_window(job, part)
        return window is not None and merge_slice_window(job, part, window)
