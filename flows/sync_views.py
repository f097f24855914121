"""sync-views: several views, one run each, views × shards."""

from typing import Any

from prefect import flow
from prefect.client.schemas.objects import State

from flows.ending import ends
from flows.presentation import final_state, run_name
from flows.runner import RUNNER, TIMEOUT
from flows.sync_view import run_view
from shardlake.settings import views_folder
from shardlake.view.view_file import view_names


@flow(name="sync-views", flow_run_name=run_name, task_runner=RUNNER, persist_result=False, timeout_seconds=TIMEOUT)
@ends
def sync_views(views: list[str] | None = None, shards: list[str] | None = None, full: bool = False) -> State[Any]:
    """Bring several views up to now, one after the other, each with all its shards at once.

    Args:
        views: The views' names; all of the folder where it is left out.
        shards: Only these shards.
        full: Read everything anew.
    """
    reports = [run_view(view, shards, full) for view in views or view_names(views_folder())]
    return final_state(reports)
