"""refresh-users: a table of users from an HTTP provider; an example of a flow that is no view, and that views wait for."""

from typing import Any

from prefect import flow
from prefect.artifacts import create_table_artifact
from prefect.client.schemas.objects import State
from prefect.states import Completed, Failed

from examples.refresh_users.refresh import read_refresh
from examples.refresh_users.task import refresh
from shardlake.errors import ShardlakeError

SHOWN = 1000
"""Users that failed, in the artifact."""


@flow(name="refresh-users", persist_result=False)
def refresh_users(
    users: str,
    provider: str,
    token: str = "${PROVIDER_TOKEN}",  # noqa: S107 - a reference, not a secret
    table: str = "analytics.users",
    warehouse: str = "postgres-warehouse/main",
    fresh_for: str = "1d",
    per_second: float = 10.0,
    at_once: int = 8,
    timeout: str = "10s",
    tolerated: float = 0.01,
) -> State[Any]:
    """Ask a provider for every user who is not fresh, and keep its answers in a table of the warehouse.

    A view whose rows want them says `after: [refresh_users]`. Users that failed are named with the reason, and are asked
    for again by the next run; the run ends Failed where they are more than `tolerated`.

    Args:
        users: Where the ids are: `schema.table` (its column user_id), or a SELECT of one column, on the warehouse.
        provider: The URL of one user, with `{id}` in it: `https://provider.example/users/{id}`.
        token: A reference to the provider's token, as in connections.yaml; never the token itself.
        table: Where the answers go: user_id, document, refreshed_at. It is made where it is not there.
        warehouse: The connection of the warehouse.
        fresh_for: How long an answer is fresh; a fresh user is not asked for.
        per_second: Requests a second at most, with those that are tried again.
        at_once: Requests under way at once.
        timeout: How long an answer is waited for.
        tolerated: The share of users that may fail, 0 to 1.
    """
    try:
        spec = read_refresh(
            users=users, provider=provider, token=token, table=table, warehouse=warehouse, fresh_for=fresh_for,
            per_second=per_second, at_once=at_once, timeout=timeout, tolerated=tolerated,
        )  # fmt: skip
        found = refresh(spec)
    except ShardlakeError as error:
        return Failed(message=str(error))
    rows = [{"user": id, "reason": reason} for id, reason in list(found.failed.items())[:SHOWN]]
    create_table_artifact(rows, key="refresh-users-failed", description=f"**{found.headline()}**")
    return (Completed if found.ok(tolerated) else Failed)(message=found.headline())
