"""How a flow run ends: with the words of what failed, in time where it is stopped, and not for ever again."""

import logging
import os
from collections.abc import Callable
from functools import wraps
from typing import Any, ParamSpec

from prefect import runtime
from prefect.client.schemas.objects import State
from prefect.context import FlowRunContext
from prefect.exceptions import FailedRun
from prefect.logging import get_logger
from prefect.states import Failed

from shardlake.ending import LAST_RESORT, end_within, heed_signals
from shardlake.errors import ShardlakeError

P = ParamSpec("P")
MOST_BEGINNINGS = 5
"""How often one run is begun at most. A task of ECS's that is stopped has its run scheduled again, whatever stops it and how often."""


class ViewsFailed(ShardlakeError):
    """Of a run's views one or several did not arrive; `reports` says of each what became of it."""

    reports: list[dict[str, Any]]


def failed(message: str, reports: list[dict[str, Any]] | None = None) -> State[Any]:
    """The state of a run that failed, with the reports for whoever called the flow. Its data is an exception: any other Prefect would
    fail to raise, with a traceback of its own.
    """
    error = ViewsFailed(message)
    error.reports = reports or []
    return Failed(message=message, data=error)


def ends(function: Callable[P, State[Any]]) -> Callable[P, State[Any]]:
    """A flow's function that, where it has the process to itself, breaks its runs off as soon as it is told to end, and is gone soon after
    that, or after its timeout, whatever hangs.
    """

    @wraps(function)
    def begun(*args: P.args, **kwargs: P.kwargs) -> State[Any]:
        if (count := runtime.flow_run.run_count or 0) > MOST_BEGINNINGS:
            return failed(f"it was stopped {count - 1} times, whatever stops it, and is not begun again")
        if os.environ.get("PREFECT__FLOW_RUN_ID") == str(runtime.flow_run.id):
            heed_signals()
            context = FlowRunContext.get()
            if context and context.flow and context.flow.timeout_seconds:
                end_within(context.flow.timeout_seconds + LAST_RESORT)
        return function(*args, **kwargs)

    return begun


def _no_traceback(record: logging.LogRecord) -> bool:
    """Prefect's engine logs what a Failed state raises with forty lines of its own code. The run's state has said it by then."""
    return not (record.exc_info and isinstance(record.exc_info[1], ViewsFailed | FailedRun))


get_logger("prefect.flow_runs").addFilter(_no_traceback)
