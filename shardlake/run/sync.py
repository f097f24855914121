"""A whole run of a view in one process, on a few threads and without Prefect: for the bench, tests and notebooks."""

from collections.abc import Callable, Iterable
from dataclasses import replace

from shardlake.connection.kinds import Connection
from shardlake.parallelism import Parallelism
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
    readers: int | None = None,
    ledger: str | None = None,
) -> RunReport:
    """Run a view: every shard's windows, up to now. A shard that fails does not stop the others.

    There are as many `threads` and `readers` as the machine and the view's `run` allow where nothing is said; `ledger` names
    the connection of a ledger that lives apart from the warehouse. Raises ShardlakeError where the run cannot begin.
    """
    job = open_job(view, connect, ledger)
    chosen = Parallelism(threads or job.parallelism.chains, readers or job.parallelism.readers)
    run = Run(replace(job, parallelism=chosen), shards)
    with run, Threads(run.job, run.id, chosen.chains) as executor:
        run_stages(run, executor, full=full)
    return run.report
