"""compact-lake: the small files of every view's layouts as large ones, and what may go removed."""

from typing import Any
from uuid import uuid4

from prefect import flow
from prefect.client.schemas.objects import State
from prefect.states import Completed, Failed

from flows.runner import RUNNER
from shardlake.places import views_folder
from shardlake.view_file import view_names
from tasks.keep import compact, sweep


@flow(name="compact-lake", task_runner=RUNNER, persist_result=False)
def compact_lake(views: list[str] | None = None) -> State[Any]:
    """Compact and sweep the lake of views, one after the other.

    Args:
        views: The views' names; all of the folder where it is left out.
    """
    run_id, bad = uuid4(), []
    for view in views or view_names(views_folder()):
        for task in (compact, sweep):
            step: Any = task.submit(view, run_id)
            step.wait()
            if not step.state.is_completed():
                bad.append(f"{view}: {step.state.message}")
    return Failed(message=" | ".join(bad)) if bad else Completed(message="the lake is compacted and swept")
