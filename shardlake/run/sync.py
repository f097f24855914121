"""A whole run of a view in one process, on a few threads and without Prefect: for the bench, tests and notebooks."""

from collections.abc import Callable, Iterable

from shardlake.connection.kinds import Connection
from shardlake.run.job import open_job
from shardlake.run.loop import run_stages
from shardlake.run.report import RunReport
from shardlake.run.run import Run
from shardlake.run.threads import Threads
from shardlake.view.view import View


def sync(
    view: View,
    connect: Callable[[str], Connection],
    *,
    shards: Iterable[str] | None = None,
    full: bool = False,
    threads: int | None = None,
) -> RunReport:
    """Run a view: every shard's windows, up to now. A shard that fails does not stop the others.

    `threads` are as many as the machine and the view's `run` allow where nothing is said. Raises ShardlakeError where the run
    cannot begin: the view, a connection, the warehouse.
    """
    run = Run(open_job(view, connect), shards)
    with run, Threads(run.job, run.id, threads or run.job.parallelism.chains) as executor:
        run_stages(run, executor, full=full)
    return run.report
