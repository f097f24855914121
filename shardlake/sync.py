"""A whole run of a view, in one process and without Prefect: the order of the steps, on a few threads.

`flows/sync_view.py` has the same order in Prefect's terms; both end in a `RunReport`.
"""

import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar
from uuid import UUID, uuid4

from shardlake import steps
from shardlake.connection import Connection
from shardlake.errors import Retryable, ShardlakeError, SpecError
from shardlake.extract.plan import drift
from shardlake.extract.worker import warm_up
from shardlake.job import Job, open_job
from shardlake.ledger import runs
from shardlake.ledger.claims import Claims
from shardlake.load import replace
from shardlake.report import RunReport, ShardReport
from shardlake.steps import Planned
from shardlake.view import View

T = TypeVar("T")
CLAIM_WAIT = 60.0
"""Seconds that a run waits for another run of the same view and shard."""


def open_run(job: Job, shards: Iterable[str] | None, run_id: UUID | None = None) -> RunReport:
    """Begin a run's report and write it down. Raises SpecError for a shard that is not there."""
    names = [job.shard(name).name for name in shards] if shards else list(job.shards)
    if job.view.warehouse.write == "replace" and shards:
        raise SpecError(f"{job.view.name} replaces its whole table; it cannot be run for single shards", hint="Leave --shard away.")
    report = RunReport(job.view.name, run_id or uuid4(), {n: ShardReport(n) for n in names})
    with job.warehouse.connection() as connection:
        runs.open_run(connection, report.run_id, job.view.name)
        if job.view.warehouse.write == "replace":
            replace.drop_leftovers(connection, job.view)
    return report


def check_drift(job: Job, report: RunReport, planned: dict[str, Planned]) -> None:
    """Fail the shards whose columns are not like the others', before anything of them moves."""
    kinds = {name: p.plan.kinds for name, p in planned.items()}
    with job.warehouse.connection() as connection:
        contract = runs.contract(connection, job.view.name)
        odd = drift(job.view, kinds, contract)
        if odd and len(odd) == len(kinds) and contract is not None:
            odd = drift(job.view, kinds, None)  # all shards have changed alike: the contract is what is old
        if job.view.source.drift == "null":
            odd = {}
        good = next((found for name, found in kinds.items() if name not in odd), None)
        if good and (contract is None or job.view.source.drift == "stop"):
            runs.record_contract(connection, job.view.name, good)
    for name, error in odd.items():
        report.shards[name].failed(error)


def sync(view: View, connect: Callable[[str], Connection], *, shards: Iterable[str] | None = None, full: bool = False, threads: int = 3) -> RunReport:
    """Run a view: every shard's windows, up to now. A shard that fails does not stop the others.

    Raises ShardlakeError where the run cannot begin: the view, a connection, the warehouse.
    """
    started = time.perf_counter()
    job = open_job(view, connect)
    report = open_run(job, shards)
    with Claims(job.warehouse, view.name) as claims, ThreadPoolExecutor(threads) as pool:
        for name, busy in claims.claim(list(report.shards), CLAIM_WAIT).items():
            report.shards[name].failed(busy)
        free = [n for n, s in report.shards.items() if s.error is None]
        planned = dict(zip(free, pool.map(lambda name: _guarded(report, name, lambda: steps.plan(job, name, full=full)), free), strict=True))
        known = {n: p for n, p in planned.items() if p is not None}
        check_drift(job, report, known)
        todo = [(n, p) for n, p in known.items() if report.shards[n].error is None]
        if any(p.plan.anything or p.unfinished for _, p in todo):
            warm_up()
        list(pool.map(lambda item: _guarded(report, item[0], lambda: _shard(job, report, *item)), todo))
        _guarded_switch(job, report)
    report.seconds = time.perf_counter() - started
    with job.warehouse.connection() as connection:
        runs.close_run(connection, report)
    return report


def _shard(job: Job, report: RunReport, name: str, planned: Planned) -> None:
    """One shard's windows, one after the other."""
    mine = report.shards[name]
    while True:
        mine.planned(planned.plan.window, planned.plan.notes, planned.seconds)
        if steps.pass_over(job, planned):
            return
        window = _persistent(lambda: steps.extract(job, report.run_id, planned))  # noqa: B023 - called at once
        outcome = _persistent(lambda: _load(job, report, name, window.window_id))  # noqa: B023
        mine.merged_window(outcome.raw_rows, outcome.raw_bytes, outcome.merged, outcome.seconds)
        if not outcome.more and planned.unfinished is None:
            return
        planned = steps.plan(job, name, resume=outcome.resume)


def _load(job: Job, report: RunReport, name: str, window_id: int) -> steps.Outcome:
    staged = steps.stage_window(job, name, window_id)
    return steps.merge_window(job, report.run_id, name, staged)


def _persistent(step: Callable[[], T]) -> T:
    """Try a step again where that can help."""
    for pause in (0.5, 2.0, None):
        try:
            return step()
        except Retryable:
            if pause is None:
                raise
            time.sleep(pause)
    raise AssertionError


def _guarded(report: RunReport, name: str, step: Callable[[], T]) -> T | None:
    """Run a shard's step; its failure is the shard's alone."""
    try:
        return step()
    except ShardlakeError as error:
        report.shards[name].failed(error)
    return None


def _guarded_switch(job: Job, report: RunReport) -> None:
    try:
        steps.switch(job, report.run_id, [n for n, s in report.shards.items() if s.error is None])
    except ShardlakeError as error:
        report.error = str(error)
