"""One line an event, with the view, shard, window and run as fields: readable as text, and as JSON in containers.

A run says few words: at INFO what it did and how it ended, at DEBUG how it went about it. What comes with each of many windows is
said once a minute at most.
"""

import logging
import time
from collections.abc import Hashable
from typing import Any

from prefect.events import emit_event
from prefect.logging import get_run_logger

PAUSE = 60.0
"""Seconds between two lines of what comes again and again."""
_said: dict[Hashable, float] = {}


class _GoodEnds(logging.Filter):
    """Takes Prefect's line out that a task has ended well, unless DEBUG is asked for: the events and the pages say so too."""

    def filter(self, record: logging.LogRecord) -> bool:
        return record.getMessage() != "Finished in state Completed()" or logging.getLogger(record.name).isEnabledFor(logging.DEBUG)


logging.getLogger("prefect.task_runs").addFilter(_GoodEnds())


def say(event: str, *, level: int = logging.INFO, **fields: Any) -> None:
    """Log an event, as in `window.merged view=orders shard=shop_01 window=7`; in JSON each field has a key of its own."""
    given = {name: str(value) if not isinstance(value, int | float) else value for name, value in fields.items() if value is not None}
    line = " ".join([event, *(f"{name}={value}" for name, value in given.items())])
    get_run_logger().log(level, line, extra={"event": event, **given})


def announce(event: str, resource: str, *, seldom: Hashable = None, **fields: Any) -> None:
    """Log an event and emit it to Prefect as `shardlake.<event>`, for automations to hang on. `resource` is what it happened to.

    Where something is `seldom` to be told of, what comes within a minute of the last is in the log at DEBUG alone.
    """
    if seldom is not None and not _due(seldom):
        say(event, level=logging.DEBUG, **fields)
        return
    say(event, **fields)
    payload = {name: value if isinstance(value, int | float) else str(value) for name, value in fields.items() if value is not None}
    emit_event(
        f"shardlake.{event}", resource={"prefect.resource.id": f"shardlake.{resource}", "prefect.resource.name": resource}, payload=payload
    )


def _due(key: Hashable) -> bool:
    """Whether a minute has passed since it was last said."""
    now = time.monotonic()
    if key in _said and now - _said[key] < PAUSE:
        return False
    if len(_said) > 10_000:
        _said.clear()
    _said[key] = now
    return True
