"""The job behind a task: the view's file and its connections, loaded once a run."""

from functools import lru_cache
from uuid import UUID

from blocks.resolve import connect
from shardlake.job import Job, open_job
from shardlake.places import views_folder
from shardlake.view_file import find_view


@lru_cache(maxsize=64)
def view_job(view: str, run_id: UUID) -> Job:  # noqa: ARG001 - a run reads its files once, the next one anew
    """The job of a view for one run. Raises SpecError."""
    return open_job(find_view(views_folder(), view), connect)
