"""infer-schemas: the next schema of every view whose columns are inferred."""

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
from shardlake.run.renew import inferred_views
from shardlake.settings import views_folder
from tasks.infer import infer


@flow(name="infer-schemas", task_runner=RUNNER, persist_result=False)
@ends
def infer_schemas(views: list[str] | None = None) -> State[Any]:
    """Renew the schemas of views, one after the other; one that fails does not stop the others.

    Args:
        views: The views' names; all that say `columns: inferred` where it is left out.
    """
    run_id, said = uuid4(), []
    begins(None, run_id)
    found, wrong = inferred_views(views_folder(), views)
    for view in found:
        renewal, error = outcome(infer.submit(view, run_id))
        if error:
            wrong[view] = str(error) if isinstance(error, ShardlakeError) else type(error).__name__
        elif renewal.new:
            said.append(renewal.headline())
    await_server()
    if wrong:
        return Failed(message=" | ".join(f"{view}: {why.removeprefix(f'{view}: ')}" for view, why in wrong.items()))
    return Completed(message="; ".join(said) or "every schema is what it was")
