"""refresh-users: a table of users from an HTTP provider; an example of a flow that is no view, and that views wait for."""

from typing import Any

from prefect import flow
from prefect.artifacts import create_table_artifact
from prefect.client.schemas.objects import State
from prefect.states import Completed, Failed

from examples.refresh_users.refresh import read_refresh
from examples.refresh_users.task import refresh
from shardlake.errors import ShardlakeError
from shardlake.settings import project_file

SHOWN = 1000
"""Users that failed, in the artifact."""


@flow(name="refresh-users", persist_result=False)
def refresh_users() -> State[Any]:
    """Ask a provider for every user who is not fresh, and keep its answers in a table of the warehouse.

    What it asks, where, and by which token stands in `refresh_users.yaml` beside prefect.yaml. It takes no parameters: whoever may
    start a run could otherwise have a secret sent to an address, or SQL run, of their own choice. A view whose rows want the
    users says `after: [refresh_users]`. Users that failed are named with the reason, and are asked for again by the next run.
    """
    try:
        spec = read_refresh(project_file().with_name("refresh_users.yaml"))
        found = refresh(spec)
    except ShardlakeError as error:
        return Failed(message=str(error))
    rows = [{"user": id, "reason": reason} for id, reason in list(found.failed.items())[:SHOWN]]
    create_table_artifact(rows, key="refresh-users-failed", description=f"**{found.headline()}**")
    return (Completed if found.ok(spec.tolerated) else Failed)(message=found.headline())
