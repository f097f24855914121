"""backfill: a range of a view's cursor, read again beside the regular runs."""

from typing import Any
from uuid import uuid4

from prefect import flow, runtime
from prefect.client.schemas.objects import State
from prefect.task_runners import ThreadPoolTaskRunner

from flows.begins import begins
from flows.ending import ends
from flows.pages.progress import Progress
from flows.pages.run_page import ended, publish_report
from flows.presentation import final_state
from flows.steps import Tasks
from shardlake.errors import ShardlakeError
from shardlake.run.backfill import MOST_PARALLEL, PARALLEL, Backfill
from shardlake.run.loop import run_slices
from shardlake.run.report import BackfillReport
from tasks.view_job import view_job

SLICES: Any = ThreadPoolTaskRunner(max_workers=MOST_PARALLEL)


def _run_name() -> str:
    given = runtime.flow_run.parameters
    shards = f" ({', '.join(given['shards'])})" if given.get("shards") else ""
    return f"{given['view']}{shards} from {given['start']} to {given['end']}"


@flow(name="backfill", flow_run_name=_run_name, task_runner=SLICES, persist_result=False)
@ends
def backfill(
    view: str, start: str, end: str, shards: list[str] | None = None, step: str | None = None, parallel: int = PARALLEL
) -> State[Any]:
    """Read the rows whose cursor lies behind `start`, up to and with `end`, again, and merge them; newest wins.

    No watermark moves, and the view's regular runs go on meanwhile. The same parameters again go on with a backfill that
    was left unfinished: what it has merged is not read again.

    Args:
        view: The view's name, as its folder is called.
        start: Where the range begins: a date, a time (in the connection's zone where it names none), or a number as text.
        end: Where it ends, in the same form; not in the future.
        shards: Only these shards; all where it is left out.
        step: How long a slice is: `6h`, `1d`, or a number as text; what makes a hundred slices at most where it is left out.
        parallel: How many slices are under way at once; always one less than the source's max_connections.
    """
    report, run_id, logs = BackfillReport(view, uuid4(), {}), uuid4(), dict[str, str]()
    try:
        begins(view, run_id)
        with Backfill(view_job(view, run_id), start, end, shards=shards, step=step, parallel=parallel) as run:
            report = run.report
            with Progress(
                view, len(run.parts), f"Slices of the backfill of {view} that have come to their end", "backfill-progress"
            ) as progress:
                run_slices(run, Tasks(run.job, run_id, logs), left=progress.left)
    except ShardlakeError as error:
        report.error = str(error)
    publish_report(report, logs)
    ended(report)
    return final_state([report])
