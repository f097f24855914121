"""sync-view: one view, every shard, up to now."""

from typing import Any
from uuid import uuid4

from prefect import flow, runtime
from prefect.client.schemas.objects import State
from prefect.futures import PrefectFuture, as_completed
from prefect.task_runners import ThreadPoolTaskRunner

from flows.shown import Progress, arrived, final_state, publish_report
from shardlake.report import RunReport
from shardlake.run import Run
from shardlake.steps import Outcome, Planned
from tasks.extract import extract
from tasks.merge import merge
from tasks.plan import plan
from tasks.stage import stage
from tasks.view_job import view_job


def _name() -> str:
    given = runtime.flow_run.parameters
    return f"{given['view']} {'full' if given.get('full') else 'up to'} {runtime.flow_run.scheduled_start_time:%Y-%m-%d %H:%M}"


# a chain of three tasks holds three threads, two of them waiting: nine make three chains at once
@flow(name="sync-view", flow_run_name=_name, task_runner=ThreadPoolTaskRunner(max_workers=9), persist_result=False)
def sync_view(view: str, shards: list[str] | None = None, full: bool = False) -> State[Any]:
    """Bring a view up to now: every shard's new rows, extracted, shaped, staged and merged.

    Args:
        view: The view's name, as its folder is called.
        shards: Only these shards; all where it is left out.
        full: Read everything anew, not only what has changed.
    """
    return final_state([run_view(view, shards, full)])


def run_view(view: str, shards: list[str] | None, full: bool) -> RunReport:
    """The stages of one view, within a flow."""
    run_id = uuid4()
    with Run(view_job(view, run_id), shards, run_id) as run, Progress(run) as progress:
        plans = {shard: plan.submit(view, run_id, shard, full) for shard in run.free}
        planned = {shard: future.result() for shard, future in plans.items() if arrived(run, shard, future)}
        chains = dict(_chain(view, run, p) for p in run.begin(planned))
        while chains:
            merged = next(as_completed(list(chains)))
            done, *stages = chains.pop(merged)
            shard = done.plan.shard
            if arrived(run, shard, *stages, merged) and run.merged(done, outcome := merged.result()):
                again = plan.submit(view, run_id, shard, resume=outcome.resume)
                if arrived(run, shard, again) and run.goes_on(again.result()):
                    chains.update([_chain(view, run, again.result())])
            progress.update()
        run.finish()
    publish_report(run.report)
    return run.report


def _chain(view: str, run: Run, planned: Planned) -> tuple[PrefectFuture[Outcome], tuple[Any, ...]]:
    window = extract.submit(view, run.id, planned)
    staged = stage.submit(view, run.id, planned.plan.shard, window)
    return merge.submit(view, run.id, planned.plan.shard, staged), (planned, window, staged)
