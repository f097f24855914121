"""compact-lake: the small files of every view's layouts as large ones, and what may go removed."""

from typing import Any
from uuid import uuid4

from prefect import flow
from prefect.client.schemas.objects import State
from prefect.states import Completed, Failed

from flows.begins import begins
from flows.ending import ends
from flows.outage import await_server
from flows.presentation import outcome
from flows.runner import RUNNER
from shardlake.errors import ShardlakeError
from shardlake.settings import views_folder
from shardlake.view.view_file import view_names
from tasks.maintenance import compact, sweep


@flow(name="compact-lake", task_runner=RUNNER, persist_result=False)
@ends
def compact_lake(views: list[str] | None = None) -> State[Any]:
    """Compact and sweep the lake of views, one after the other.

    Args:
        views: The views' names; all of the folder where it is left out.
    """
    run_id, bad = uuid4(), []
    begins(None, run_id)
    for view in views or view_names(views_folder()):
        for task in (compact, sweep):
            _, error = outcome(task.submit(view, run_id))
            if error:
                bad.append(f"{view}: {error if isinstance(error, ShardlakeError) else type(error).__name__}")
    await_server()
    return Failed(message=" | ".join(bad)) if bad else Completed(message="the lake is compacted and swept")
