"""The project's flow runs, as a Prefect server has them: asked for, marked as crashed, begun again."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any, Self
from uuid import UUID

from prefect import runtime
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.filters import DeploymentFilter, FlowRunFilter, LogFilter
from prefect.client.schemas.objects import FlowRun
from prefect.client.schemas.responses import DeploymentResponse, SetStateStatus
from prefect.exceptions import ObjectNotFound
from prefect.settings import PREFECT_API_URL
from prefect.states import Cancelled, Crashed

PAGE = 200
"""As many objects as a server gives at once."""
JUDGED = "check-freshness: "
"""How the message of a run begins that check-freshness marked as crashed: it has seen to it already, and is not called for it."""
SIGNS = ["prefect.flow-run.", "prefect.task-run.", "shardlake."]
"""Events that a run emits, or that are emitted as it goes on."""
BEAT = "prefect.flow-run.heartbeat"


class ProjectRuns:
    """The flow runs of a project's deployments."""

    def __init__(self, client: SyncPrefectClient, tags: list[str]) -> None:
        """`tags` are those that every deployment of the project bears."""
        self._client, self.tags = client, tags

    @classmethod
    @contextmanager
    def around(cls) -> Iterator[Self | None]:
        """Those of the project that this flow run belongs to; None for a run by hand, and where there is no server."""
        project = [tag for tag in runtime.flow_run.tags if tag.startswith("project:")]
        if not PREFECT_API_URL.value() or not project:
            yield None
            return
        with get_client(sync_client=True) as client:
            yield cls(client, ["shardlake", *project])

    def where(self, **filters: Any) -> list[FlowRun]:
        """The runs that match filters of Prefect's API, as in `state={"type": {"any_": ["RUNNING"]}}`."""
        wanted = FlowRunFilter.model_validate({"tags": {"all_": self.tags}, **filters})
        found: list[FlowRun] = []
        while True:
            page = self._client.read_flow_runs(flow_run_filter=wanted, limit=PAGE, offset=len(found))
            found += page
            if len(page) < PAGE:
                return found

    def deployments(self, ids: Iterable[UUID]) -> dict[UUID, DeploymentResponse]:
        """Deployments by id; one that is gone is missing."""
        wanted = sorted(set(ids))
        pages = [wanted[n : n + PAGE] for n in range(0, len(wanted), PAGE)]
        wheres = [DeploymentFilter.model_validate({"id": {"any_": page}}) for page in pages]
        return {d.id: d for where in wheres for d in self._client.read_deployments(deployment_filter=where, limit=PAGE)}

    def heard(self, run: UUID, since: datetime | None = None, *, beats: bool = False) -> bool:
        """Whether a run gave a sign of life since a time: an event or a line of its log. `beats` asks for heartbeats alone."""
        event = {"name": [BEAT]} if beats else {"prefix": SIGNS}
        asked: dict[str, Any] = {"event": event, "any_resource": {"id": [f"prefect.flow-run.{run}"]}}
        if since:
            asked["occurred"] = {"since": since.isoformat()}
        if self._client.request("POST", "/events/filter", json={"filter": asked, "limit": 1}).json()["events"]:
            return True
        logs = {"flow_run_id": {"any_": [run]}, **({"timestamp": {"after_": since}} if since else {})}
        return not beats and bool(self._client.read_logs(log_filter=LogFilter.model_validate(logs), limit=1))

    def crash(self, run: FlowRun, why: str) -> bool:
        """Mark a run as crashed, by check-freshness; False where it has ended meanwhile. The slots that it held are free again."""
        done: Any = self._client.set_flow_run_state(run.id, Crashed(message=JUDGED + why))
        return bool(done.status == SetStateStatus.ACCEPT)

    def leave_out(self, run: FlowRun, why: str) -> bool:
        """Cancel a run that has not begun; False where it has meanwhile, or is gone."""
        try:
            done: Any = self._client.set_flow_run_state(run.id, Cancelled(message=why))
        except ObjectNotFound:  # its deployment has another schedule since
            return False
        return bool(done.status == SetStateStatus.ACCEPT)

    def begin(self, deployment: UUID, parameters: dict[str, Any], *, key: str, tag: str) -> FlowRun:
        """Begin a run of a deployment; with a key that a run of the same flow has already, that run."""
        return self._client.create_flow_run_from_deployment(deployment, parameters=parameters, idempotency_key=key, tags=[tag])
