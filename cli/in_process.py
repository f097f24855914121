"""Runs and backfills by the engine in this process, at once and without Prefect: what the command does where no server is named."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from types import FrameType
from uuid import uuid4

from cli.connect import connect
from shardlake.errors import ShardlakeError
from shardlake.run.backfill import Backfill
from shardlake.run.job import open_job
from shardlake.run.loop import run_slices, run_stages
from shardlake.run.report import RunReport
from shardlake.run.run import Run
from shardlake.run.threads import Threads
from shardlake.view.view import View


class Ended(BaseException):
    """SIGTERM: whoever started this process wants it to end. It is no Exception, so that nothing takes it for a step's failure."""


def run_view(view: View, shards: list[str] | None, full: bool) -> RunReport:
    """Bring a view up to now. Where it cannot begin, or is broken off by a failure, its report says so."""
    report = RunReport(view.name, uuid4(), {})
    try:
        run = Run(open_job(view, connect), shards, report.run_id)
        report = run.report
        with run, Threads(run.job, run.id, run.job.parallelism.chains, raises=False) as executor:
            run_stages(run, executor, full=full, left=partial(run.job.watch.left, total=len(report.shards)))
    except ShardlakeError as error:
        report.error = str(error)
    return report


def run_backfill(view: View, start: str, end: str, shards: list[str] | None, step: str | None, parallel: int) -> RunReport:
    """Read a range of a view again, in slices. Where it cannot begin, or is broken off by a failure, its report says so."""
    report = RunReport(view.name, uuid4(), {})
    try:
        run = Backfill(open_job(view, connect), start, end, shards=shards, step=step, parallel=parallel)
        report = run.report
        with run, Threads(run.job, run.id, run.parallel, raises=False) as executor:
            run_slices(run, executor, left=partial(run.job.watch.left, total=len(run.parts)))
    except ShardlakeError as error:
        report.error = str(error)
    return report


@contextmanager
def ended_by_sigterm() -> Iterator[None]:
    """Within, SIGTERM raises `Ended` as Ctrl-C raises KeyboardInterrupt: the run gives its claims back and ends its readers."""

    def end(_number: int, _frame: FrameType | None) -> None:
        raise Ended

    before = signal.signal(signal.SIGTERM, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
