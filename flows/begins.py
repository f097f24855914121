"""How a run begins: it says which version it is, and is refused where it is not what its deployment is for."""

import os
from typing import Any
from uuid import UUID

from prefect.client.orchestration import get_client
from prefect.context import FlowRunContext
from prefect.logging import get_run_logger

from shardlake.errors import ShardlakeError
from shardlake.settings import views_folder
from shardlake.version import definition_here, running_image, running_version
from tasks.log import say


class RunRefused(ShardlakeError):
    """A run was begun for a view that its deployment is not for, or that is not there in the version that runs."""


def begins(view: str | None, run_id: UUID) -> None:
    """The first line of a run: which view, by which version of which image; `definition=another` where the view is not as published.

    Raises RunRefused.
    """
    here, published = definition_here(view) if view else None, _published().get(view or "")
    another = "another" if here and published and here != published else None
    say("run.begins", view=view, run=run_id, version=running_version(), image=running_image(), definition=another)
    if view is None:
        return
    own = _own()
    if own and view not in own:
        raise RunRefused(
            f"this deployment runs {', '.join(sorted(own))}, and not {view}",
            hint=f"Run the deployment of {view}, or `shardlake run {view}`.",
        )
    if published and here is None:
        raise RunRefused(f"{view} is not in {_where()}", hint="Publish from what runs, or let a version run that holds the view.")
    if another:
        get_run_logger().warning(
            "%s in %s is not the view that was published. Publish from what runs, or let the version run that was published.",
            view,
            _where(),
        )


def _where() -> str:
    image = running_image()
    return f"the image {image} (version {running_version()})" if image else f"{views_folder()} (version {running_version()})"


def _published() -> dict[str, str]:
    """The definitions of this deployment's views as they were published, by name."""
    return dict(item.split("=", 1) for item in os.environ.get("SHARDLAKE_DEFINITIONS", "").split() if "=" in item)


def _own() -> set[str]:
    """The views that this deployment is for, as its parameter schema has them; empty for one that takes any.

    The server holds every run against the schema, but for those that ask it not to.
    """
    context = FlowRunContext.get()
    deployment = context.flow_run.deployment_id if context and context.flow_run else None
    if deployment is None:
        return set()
    try:
        with get_client(sync_client=True) as client:
            schema = client.read_deployment(deployment).parameter_openapi_schema or {}
    except Exception:  # noqa: BLE001 - a server that does not answer is no reason to break a run off; it checked the run when it was made
        return set()
    fields: dict[str, Any] = schema.get("properties", {})
    return set(fields.get("view", {}).get("enum", [])) | set(fields.get("views", {}).get("items", {}).get("enum", []))
