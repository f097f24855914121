"""One line an event, with the view, shard, window and run as fields: readable as text, and as JSON in containers."""

from typing import Any

from prefect.events import emit_event
from prefect.logging import get_run_logger


def say(event: str, **fields: Any) -> None:
    """Log an event, as in `window.merged view=orders shard=shop_01 window=7`; in JSON each field has a key of its own."""
    given = {name: str(value) if not isinstance(value, int | float) else value for name, value in fields.items() if value is not None}
    get_run_logger().info(" ".join([event, *(f"{name}={value}" for name, value in given.items())]), extra={"event": event, **given})


def announce(event: str, resource: str, **fields: Any) -> None:
    """Log an event and emit it to Prefect as `shardlake.<event>`, for automations to hang on. `resource` is what it happened to."""
    say(event, **fields)
    payload = {name: value if isinstance(value, int | float) else str(value) for name, value in fields.items() if value is not None}
    emit_event(
        f"shardlake.{event}", resource={"prefect.resource.id": f"shardlake.{resource}", "prefect.resource.name": resource}, payload=payload
    )
