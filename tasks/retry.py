"""What may be retried, and how: the engine's own word decides, never a guess from a message."""

from typing import Any

from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import State, TaskRun
from prefect.tasks import Task, exponential_backoff

from shardlake.errors import Retryable


def is_retryable(_task: Task[..., Any], _task_run: TaskRun, state: State[Any]) -> bool:
    """Whether a failed task may pass when it is tried again."""
    return isinstance(state.result(raise_on_failure=False), Retryable)


STAGE: dict[str, Any] = {
    "retries": 3,
    "retry_delay_seconds": exponential_backoff(backoff_factor=1),
    "retry_jitter_factor": 0.5,
    "retry_condition_fn": is_retryable,
    "cache_policy": NO_CACHE,
    "persist_result": False,
}
"""How every stage's task is set up; results are names and counts, and stay in the process."""
