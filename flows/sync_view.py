"""sync-view: one view, every shard, up to now."""

from typing import Any
from uuid import uuid4

from prefect import flow, runtime
from prefect.client.schemas.objects import State

from flows.begins import begins
from flows.ending import ends
from flows.fan_out import fan_out
from flows.fleet.late import superfluous
from flows.outage import await_server
from flows.pages.progress import Progress
from flows.pages.run_page import ended, publish_report
from flows.presentation import final_state, run_name
from flows.runner import RUNNER, TIMEOUT
from flows.steps import Tasks
from shardlake.errors import ShardlakeError
from shardlake.run.loop import run_stages
from shardlake.run.report import RunReport
from shardlake.run.run import Run
from tasks.log import announce
from tasks.view_job import view_job


@flow(name="sync-view", flow_run_name=run_name, task_runner=RUNNER, persist_result=False, timeout_seconds=TIMEOUT)
@ends
def sync_view(view: str, shards: list[str] | None = None, full: bool = False) -> State[Any]:
    """Bring a view up to now: every shard's new rows, extracted, shaped, merged, and written to the lake.

    Args:
        view: The view's name, as its folder is called.
        shards: Only these shards; all where it is left out.
        full: Read everything anew, not only what has changed.
    """
    return final_state([run_view(view, shards, full)])


def run_view(view: str, shards: list[str] | None, full: bool) -> RunReport:
    """The stages of one view, within a flow. A view that cannot begin, or is broken off, says so in its report."""
    report, logs = RunReport(view, uuid4(), {}), dict[str, str]()
    try:
        begins(view, report.run_id)
        job = view_job(view, report.run_id)
        report.held = job.held
        if not shards and superfluous(job):
            report.left_out = True
        elif not shards and job.view.run.fan_out == "deployments" and runtime.deployment.id:
            fan_out(job, full, report, logs)
        else:
            run = Run(job, shards, report.run_id)
            report = run.report
            _stages(view, run, full, logs)
    except ShardlakeError as error:
        report.error = str(error)
    if report.ok and not shards and not report.left_out:  # at once: views wait for it, and an event is not sent twice
        await_server()
        announce("view.arrived", f"view.{view}", view=view, run=report.run_id)
    if not report.left_out:
        publish_report(report, logs, some=bool(shards))
    ended(report)
    return report


def _stages(view: str, run: Run, full: bool, logs: dict[str, str]) -> None:
    """The stages of all shards, in this flow run."""
    with run, Progress(view, len(run.report.shards), f"Shards of {view} that have come to their end") as progress:
        run_stages(run, Tasks(run.job, run.id, logs), full=full, left=progress.left)
