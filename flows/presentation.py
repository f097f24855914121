"""What a run is called, and its final state, which says it all."""

from threading import Event
from typing import Any

from prefect import runtime
from prefect.client.schemas.objects import State
from prefect.futures import PrefectFuture
from prefect.states import Completed

from flows.ending import failed
from flows.outage import await_server
from shardlake.run.report import RunReport

POLL = 0.5
"""Seconds after which a wait looks up: an exception that Prefect sends to the flow's thread, at a timeout, is met then."""


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
