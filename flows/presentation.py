"""What a run shows in Prefect at its end: a table, and a final state that says it all."""

from threading import Event
from typing import Any

from prefect import runtime
from prefect.artifacts import create_table_artifact
from prefect.client.schemas.objects import State
from prefect.futures import PrefectFuture
from prefect.states import Completed

from flows.ending import failed
from flows.outage import await_server
from flows.progress import unharmed
from shardlake.run.report import RunReport

POLL = 0.5
"""Seconds after which a wait looks up: an exception that Prefect sends to the flow's thread, at a timeout, is met then."""


def publish_report(report: RunReport) -> None:
    """The run's table, shard by shard."""
    await_server()
    rows = []
    for shard in report.shards.values():
        rows.append(
            {
                "shard": shard.shard, "state": shard.state, "read": shard.read, "merged": shard.merged,
                "unchanged": shard.unchanged, "superseded": shard.superseded, "rejected": shard.rejected,
                "seconds": round(sum(shard.seconds.values()), 2), "from": shard.lower or "", "to": shard.upper or "",
                "error": shard.error or shard.rejection or "; ".join(shard.notes),
            }
        )  # fmt: skip
    total = report.totals()
    rejected = total.rejected or any(part.alone for part in report.lake.values())
    next_step = f"Look at the rejects with `shardlake rejects {report.view}`." if rejected else ""
    if not report.came_to_its_end:
        next_step += " Mend what stands under error; the next run goes on from where each shard is."
    with unharmed(f"{_key(report.view)}-run"):
        create_table_artifact(rows, key=f"{_key(report.view)}-run", description=f"**{report.headline()}** {next_step}")


def final_state(reports: list[RunReport]) -> State[Any]:
    """Completed where all went well, else Failed with what did not; the reports are its data."""
    await_server()
    data = [report.as_json() for report in reports]
    bad = [f"{r.view}: {r.headline()}" for r in reports if not r.ok]
    if reports and all(r.left_out for r in reports):
        return Completed(name="Skipped", message=reports[0].headline(), data=data)
    message = reports[0].headline() if len(reports) == 1 else " | ".join(bad) or f"all {len(reports)} views merged"
    return failed(message, data) if bad else Completed(message=message, data=data)


def run_name() -> str:
    """What this flow run is called: its views, and the end of their windows."""
    given = runtime.flow_run.parameters
    views = given.get("view") or ", ".join(given.get("views") or ["all views"])
    shards = f" ({', '.join(given['shards'])})" if given.get("shards") else ""
    return f"{views}{shards} {'in full up to' if given.get('full') else 'up to'} {runtime.flow_run.scheduled_start_time:%Y-%m-%d %H:%M}"


def outcome(future: PrefectFuture[Any]) -> tuple[Any, Exception | None]:
    """Wait for a task: what it returned, or why it failed. A run that is timed out or cancelled while it waits ends here."""
    done = Event()
    future.add_done_callback(lambda _: done.set())
    while not done.wait(POLL):
        pass
    try:
        return future.result(), None
    except Exception as error:  # noqa: BLE001 - whatever a task raised is its shard's failure, and no other's
        return None, error


def _key(view: str) -> str:
    return view.replace("_", "-")
