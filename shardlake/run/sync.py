"""A whole run of a view in one process, on a few threads and without Prefect: for the bench, tests and notebooks."""

import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Protocol, TypeVar
from uuid import UUID

from shardlake.connection.kinds import Connection
from shardlake.errors import Retryable, ShardlakeError
from shardlake.run import steps
from shardlake.run.job import Job, open_job
from shardlake.run.report import RunReport
from shardlake.run.run import Run
from shardlake.run.steps import Planned
from shardlake.sink.lake.commit import Written
from shardlake.view.view import View

T = TypeVar("T")
PAUSES = (0.5, 2.0)
"""Seconds before a step is tried again."""


class Writing(Protocol):
    """A run or a backfill that has come to its lake tables."""

    job: Job

    @property
    def id(self) -> UUID:
        """Its id in the ledger."""
        ...

    def wrote(self, table: str, written: list[Written]) -> None:
        """A lake table's commits were published."""
        ...

    def not_written(self, table: str, error: BaseException) -> None:
        """A lake table failed."""
        ...


def sync(
    view: View, connect: Callable[[str], Connection], *, shards: Iterable[str] | None = None, full: bool = False, threads: int = 3
) -> RunReport:
    """Run a view: every shard's windows, up to now. A shard that fails does not stop the others.

    Raises ShardlakeError where the run cannot begin: the view, a connection, the warehouse.
    """
    run = Run(open_job(view, connect), shards)
    with run, ThreadPoolExecutor(threads) as pool:
        plans = pool.map(lambda name: _guarded(run, name, lambda: steps.plan(run.job, name, full=full or run.replaces)), run.free)
        planned = {p.plan.partition: p for p in plans if p is not None}
        list(pool.map(lambda p: _guarded(run, p.plan.partition, lambda: _shard(run, p)), run.begin(planned)))
        run.finish()
        list(pool.map(lambda table: write_layout(run, table), run.layouts()))
    return run.report


def write_layout(run: Writing, table: str) -> None:
    """One lake table's commits."""
    try:
        run.wrote(table, persistent(lambda: steps.write(run.job, run.id, table)))
    except ShardlakeError as error:
        run.not_written(table, error)


def _due(run: Run) -> None:
    """Between windows: lake tables for which a whole commit waits. What fails here is tried again at the end."""
    for table in run.due():
        try:
            run.wrote(table, steps.write(run.job, run.id, table, full=True))
        except ShardlakeError:
            run.put_off(table)


def _shard(run: Run, planned: Planned) -> None:
    """One partition's windows, one after the other."""
    partition = planned.plan.partition
    while True:
        window = persistent(lambda p=planned: steps.extract(run.job, run.id, p))  # type: ignore[misc]  # mypy infers no type of a lambda's default
        outcomes = persistent(lambda p=planned, w=window: steps.deliver(run.job, run.id, p, w))  # type: ignore[misc]  # mypy infers no type of a lambda's default
        if not run.delivered(planned, outcomes):
            return
        _due(run)
        planned = steps.plan(run.job, partition)
        if not run.goes_on(planned):
            return


def persistent(step: Callable[[], T]) -> T:
    """Try a step again where that can help."""
    for pause in PAUSES:
        try:
            return step()
        except Retryable:
            time.sleep(pause)
    return step()


def _guarded(run: Run, shard: str, step: Callable[[], T]) -> T | None:
    """Run a shard's step; its failure is the shard's alone."""
    try:
        return step()
    except ShardlakeError as error:
        run.failed(shard, error)
    return None
