"""backfill: a range of a view's cursor, read again beside the regular runs."""

from typing import Any
from uuid import UUID, uuid4

from prefect import flow, runtime
from prefect.client.schemas.objects import State
from prefect.futures import as_completed
from prefect.task_runners import ThreadPoolTaskRunner

from flows.layouts import write_all
from flows.presentation import final_state, outcome, publish_report
from flows.progress import Progress
from shardlake.errors import ShardlakeError
from shardlake.run.backfill import MOST_PARALLEL, PARALLEL, Backfill
from shardlake.run.backfill_slice import BackfillSlice
from shardlake.run.report import RunReport
from tasks.backfill import backfill_part
from tasks.view_job import view_job

SLICES: Any = ThreadPoolTaskRunner(max_workers=MOST_PARALLEL)


def _run_name() -> str:
    given = runtime.flow_run.parameters
    shards = f" ({', '.join(given['shards'])})" if given.get("shards") else ""
    return f"{given['view']}{shards} from {given['start']} to {given['end']}"


@flow(name="backfill", flow_run_name=_run_name, task_runner=SLICES, persist_result=False)
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
    report, run_id = RunReport(view, uuid4(), {}), uuid4()
    try:
        with Backfill(view_job(view, run_id), start, end, shards=shards, step=step, parallel=parallel) as run:
            report = run.report
            with Progress(view, len(run.parts), f"Slices of the backfill of {view} that have come to their end") as progress:
                _parts(view, run_id, run, progress)
            write_all(view, run_id, run)
    except ShardlakeError as error:
        report.error = str(error)
    publish_report(report)
    return final_state([report])


def _parts(view: str, run_id: UUID, run: Backfill, progress: Progress) -> None:
    """Every part, `run.parallel` of them at once; a part with several windows has a task for each, one after the other."""
    waiting, under_way = list(reversed(run.parts)), dict[Any, BackfillSlice]()
    while waiting or under_way:
        while waiting and len(under_way) < run.parallel:
            part = waiting.pop()
            if not run.out(part):
                under_way[backfill_part.submit(view, run_id, part)] = part
        progress.left(len(waiting) + len(under_way))
        if not under_way:
            break
        future = next(as_completed(list(under_way)))
        part = under_way.pop(future)
        more, error = outcome(future)
        if error:
            run.failed(part, error)
        elif more:
            waiting.append(part)
        else:
            run.merged(part)
