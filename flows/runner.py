"""What runs a flow's tasks: threads of its own process, or a Dask cluster where one is named."""

import os
from typing import Any

from prefect.task_runners import ThreadPoolTaskRunner


def task_runner() -> Any:
    """Threads; or the Dask cluster at SHARDLAKE_DASK, as in tcp://scheduler:8786, whose workers have this project installed
    (with its extra `dask`), its views and its connections, and are no daemons (DASK_DISTRIBUTED__WORKER__DAEMON=false): they
    start processes that read.
    """
    address = os.environ.get("SHARDLAKE_DASK")
    if not address:
        return ThreadPoolTaskRunner(max_workers=9)  # a chain of three tasks holds three threads, two of them waiting: three chains
    from prefect_dask.task_runners import DaskTaskRunner

    return DaskTaskRunner(address=address)


RUNNER = task_runner()
TIMEOUT = float(os.environ.get("SHARDLAKE_TIMEOUT") or 0) or None
"""Seconds that a run may take, as its deployment says; what it has not done by then is the next run's."""
