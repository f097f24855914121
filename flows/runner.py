"""What runs a flow's tasks: threads of its own process, or a Dask cluster where one is named."""

import os
from typing import Any

from prefect.task_runners import ThreadPoolTaskRunner

from shardlake.parallelism import of_machine


def on_threads() -> bool:
    """Whether tasks run in the flow's own process."""
    return not os.environ.get("SHARDLAKE_DASK")


def task_runner() -> Any:
    """Threads; or the Dask cluster at SHARDLAKE_DASK, as in tcp://scheduler:8786, whose workers have this project installed
    (with its extra `dask`), its views and its connections, and are no daemons (DASK_DISTRIBUTED__WORKER__DAEMON=false): they
    start processes that read.
    """
    if on_threads():
        return ThreadPoolTaskRunner(max_workers=3 * of_machine().chains)  # a chain of three tasks holds three threads, two of them waiting
    from prefect_dask.task_runners import DaskTaskRunner

    return DaskTaskRunner(address=os.environ["SHARDLAKE_DASK"])


RUNNER = task_runner()
TIMEOUT = float(os.environ.get("SHARDLAKE_TIMEOUT") or 0) or None
"""Seconds that a run may take, as its deployment says; what it has not done by then is the next run's."""
