"""The job behind a task: the view's file and its connections, loaded once a run."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from uuid import UUID

from shardlake.run.job import Job, open_job
from shardlake.settings import views_folder
from shardlake.view.view import View
from shardlake.view.view_file import find_view, readable_views
from tasks.connect import connect


@lru_cache(maxsize=2)
def all_views(run_id: UUID) -> tuple[dict[str, View], dict[str, str]]:  # noqa: ARG001 - read once a run
    """The views that can be read, by name, and why others cannot."""
    return readable_views(views_folder())


@lru_cache(maxsize=64)
def view_job(view: str, run_id: UUID) -> Job:  # noqa: ARG001 - a run reads its files once, the next one anew
    """The job of a view for one run. Raises SpecError."""
    return open_job(find_view(views_folder(), view), connect)


@lru_cache(maxsize=64)
def known_job(view: str, run_id: UUID) -> Job:  # noqa: ARG001 - as above
    """The job of a view for who asks what is known of it, and infers no columns. Raises SpecError, ContractError where they are not known."""
    return open_job(find_view(views_folder(), view), connect, infers=False)


@contextmanager
def step_of(view: str, run_id: UUID) -> Iterator[Job]:
    """The job of a view for one step of a run. Raises RunEnded where the run has ended in this process, before and in the step."""
    job = view_job(view, run_id)
    with job.cancellation.working():
        yield job
