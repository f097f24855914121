"""What check-freshness asks of a Prefect server, of runs that it does not have any more; the server is a real one."""

from __future__ import annotations

from prefect import flow
from prefect.client.orchestration import get_client
from prefect.client.schemas.objects import FlowRun
from prefect.settings import PREFECT_API_URL, temporary_settings
from prefect.states import Pending, Scheduled

from flows.fleet.project_runs import ProjectRuns
from tests.prefect_api import PrefectApi


@flow(name="left-out")
def nothing() -> None:
    """It is never begun."""


def test_a_run_is_left_out_that_waits_and_one_that_is_gone_keeps_nobody(prefect_api: PrefectApi) -> None:
    with temporary_settings({PREFECT_API_URL: prefect_api.server.api_url}), get_client(sync_client=True) as client:
        runs = ProjectRuns(client, ["left-out"])
        waits, gone, begun = (client.create_flow_run(nothing, state=state()) for state in (Scheduled, Scheduled, Pending))
        client.delete_flow_run(gone.id)
        assert [runs.leave_out(run, "another was due already") for run in (gone, waits)] == [False, True]

    def state(run: FlowRun) -> tuple[str, str | None]:
        found = prefect_api.get(f"flow_runs/{run.id}")["state"]
        return found["type"], found["message"]

    assert (state(waits), state(begun)) == (("CANCELLED", "another was due already"), ("PENDING", None))
