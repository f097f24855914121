"""What a Prefect server has of the project, and how it is changed. Every call is counted."""

import asyncio
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Self, cast

import httpx
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.settings import PREFECT_API_URL
from prefect.workers.utilities import get_default_base_job_template_for_infrastructure_type

from deployments.automations import Automation
from deployments.deployed import Deployed
from deployments.project import Pool
from deployments.queues import Queue
from shardlake.errors import ShardlakeError

PAGE = 200
"""As many objects as a server gives at once."""


class PublishRefused(ShardlakeError):
    """The Prefect server cannot be reached, refused a change, or has what is somebody else's under a name of ours."""


@dataclass(frozen=True, slots=True)
class Block:
    """A block document: its id, and what its type can do, such as `notify`."""

    key: str
    capabilities: tuple[str, ...]


class Server:
    """A Prefect server or Prefect Cloud, as PREFECT_API_URL names it."""

    def __init__(self, client: SyncPrefectClient, tags: list[str]) -> None:
        self._client, self.tags, self.calls = client, tags, 0
        self._flows: dict[str, str] = {}

    @classmethod
    @contextmanager
    def reached(cls, tags: list[str]) -> Iterator[Self]:
        """The server, for a while. Raises PublishRefused."""
        if not PREFECT_API_URL.value():
            raise PublishRefused(
                "PREFECT_API_URL is not set", hint="Name the server: prefect config set PREFECT_API_URL=http://HOST:4200/api."
            )
        try:
            with get_client(sync_client=True) as client:
                yield cls(client, tags)
        except httpx.HTTPStatusError as error:
            said = error.response.text[:500]
            raise PublishRefused(f"Prefect refused {error.request.method} {error.request.url.path}: {said}") from None
        except httpx.HTTPError as error:
            raise PublishRefused(
                f"the Prefect server did not answer ({type(error).__name__})", hint="Check PREFECT_API_URL, and that it runs."
            ) from None

    def deployments(self) -> dict[str, tuple[str, Deployed]]:
        """The project's deployments by full name, with their ids."""
        answers = list(self._pages("/deployments/filter", deployments={"tags": {"all_": self.tags}}))
        self._learn_flows({answer["flow_id"] for answer in answers})
        names = {flow_id: name for name, flow_id in self._flows.items()}
        found = ((answer["id"], Deployed.found(names[answer["flow_id"]], answer)) for answer in answers)
        return {deployed.full_name: (key, deployed) for key, deployed in found}

    def strangers(self, wanted: Iterable[Deployed]) -> list[str]:
        """Names of ours that deployments of others bear already."""
        wanted = list(wanted)
        if not wanted:
            return []
        names = {"name": {"any_": [d.name for d in wanted]}}
        answers = list(self._pages("/deployments/filter", deployments=names))
        self._learn_flows({answer["flow_id"] for answer in answers})
        flows = {flow_id: name for name, flow_id in self._flows.items()}
        there = {f"{flows[a['flow_id']]}/{a['name']}" for a in answers if not set(self.tags) <= set(a["tags"])}
        return sorted(there & {d.full_name for d in wanted})

    def write(self, deployed: Deployed, was: Deployed | None) -> str:
        """Create or change a deployment; returns its id. A schedule that somebody paused stays paused."""
        flow_id = self._flows.get(deployed.flow) or self._call("POST", "/flows/", json={"name": deployed.flow})["id"]
        self._flows[deployed.flow] = flow_id
        schedules = [
            {**s, "schedule": _spelt(s["schedule"]), "active": self._active(s["slug"], deployed, was)} for s in deployed.fields["schedules"]
        ]
        body = {**deployed.fields, "name": deployed.name, "flow_id": flow_id, "schedules": schedules, "path": None, "pull_steps": None}
        return str(self._call("POST", "/deployments/", json=body)["id"])

    @staticmethod
    def _active(slug: str, deployed: Deployed, was: Deployed | None) -> bool:
        """Whether a schedule is to run: not one that somebody paused, nor what takes the place of those where all were paused."""
        before = {s["slug"] for s in was.fields["schedules"]} if was else set()
        if was is None or not before or (slug not in before and was.paused != before):
            return slug not in deployed.paused
        return slug in before and slug not in was.paused

    def remove(self, deployment_id: str) -> None:
        """Remove a deployment."""
        self._call("DELETE", f"/deployments/{deployment_id}")

    def automations(self) -> dict[str, tuple[str, Automation]]:
        """The project's automations by name, with their ids."""
        answers = self._pages("/automations/filter", automations={"tags": {"all_": self.tags}})
        return {a["name"]: (a["id"], Automation.found(a)) for a in answers}

    def write_automation(self, automation: Automation, was: str | None) -> None:
        """Create or change an automation."""
        enabled = self._call("GET", f"/automations/{was}")["enabled"] if was else True  # what somebody switched off stays off
        self._call("PUT" if was else "POST", f"/automations/{was or ''}", json={**automation.body, "tags": self.tags, "enabled": enabled})

    def remove_automation(self, automation_id: str) -> None:
        """Remove an automation."""
        self._call("DELETE", f"/automations/{automation_id}")

    def pool(self, name: str) -> dict[str, Any] | None:
        """A work pool, if it is there."""
        found = list(self._pages("/work_pools/filter", work_pools={"name": {"any_": [name]}}))
        return found[0] if found else None

    def write_pool(self, pool: Pool, *, new: bool) -> None:
        """Create a work pool, or give it its template; limits are its queues'."""
        if new:
            template = pool.template or asyncio.run(get_default_base_job_template_for_infrastructure_type(pool.type)) or {}
            self._call("POST", "/work_pools/", json={"name": pool.name, "type": pool.type, "base_job_template": template})
        else:
            template = {"base_job_template": pool.template} if pool.template is not None else {}
            self._call("PATCH", f"/work_pools/{pool.name}", json={"concurrency_limit": None, **template})

    def write_template(self, pool: str, template: dict[str, Any]) -> None:
        """Give a work pool another template."""
        self._call("PATCH", f"/work_pools/{pool}", json={"base_job_template": template})

    def queues(self, pool: str) -> dict[str, Queue]:
        """A work pool's queues by name."""
        return {
            a["name"]: Queue(a["name"], a["priority"], a["concurrency_limit"]) for a in self._pages(f"/work_pools/{pool}/queues/filter")
        }

    def write_queue(self, pool: str, queue: Queue, *, new: bool) -> None:
        """Create or change a work queue. One that somebody paused stays paused."""
        body = {"priority": queue.priority, "concurrency_limit": queue.concurrency_limit}
        if new:
            self._call("POST", f"/work_pools/{pool}/queues", json={"name": queue.name, **body})
        else:
            self._call("PATCH", f"/work_pools/{pool}/queues/{queue.name}", json=body)

    def blocks(self, names: Iterable[str]) -> dict[str, Block]:
        """Of the blocks that are named as in slack-webhook/data-team those that are there. What is secret in them is not asked for."""
        wanted = set(names)
        if not wanted:
            return {}
        types, called = {name.split("/")[0] for name in wanted}, {name.split("/")[1] for name in wanted}
        answers = self._pages(
            "/block_documents/filter", block_types={"slug": {"any_": sorted(types)}}, block_documents={"name": {"any_": sorted(called)}}
        )
        there = {f"{a['block_type']['slug']}/{a['name']}": Block(a["id"], tuple(a["block_schema"]["capabilities"])) for a in answers}
        return {name: block for name, block in there.items() if name in wanted}

    def limits(self, names: Iterable[str]) -> dict[str, int]:
        """Global concurrency limits by name."""
        wanted = set(names)
        return {a["name"]: a["limit"] for a in self._pages("/v2/concurrency_limits/filter") if a["name"] in wanted} if wanted else {}

    def write_limit(self, name: str, limit: int, *, new: bool) -> None:
        """Create or change a global concurrency limit."""
        if new:
            self._call("POST", "/v2/concurrency_limits/", json={"name": name, "limit": limit, "active": True})
        else:
            self._call("PATCH", f"/v2/concurrency_limits/{name}", json={"limit": limit, "active": True})

    def _learn_flows(self, ids: set[str]) -> None:
        if unknown := ids - set(self._flows.values()):
            for answer in self._pages("/flows/filter", flows={"id": {"any_": sorted(unknown)}}):
                self._flows[answer["name"]] = answer["id"]

    def _pages(self, path: str, **filters: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
        offset = 0
        while True:
            answer = self._call("POST", path, json={**filters, "limit": PAGE, "offset": offset})
            yield from answer
            offset += PAGE
            if len(answer) < PAGE:
                return

    def _call(self, method: str, path: str, json: Any = None) -> Any:
        self.calls += 1
        answer = self._client.request(cast(Any, method), cast(Any, path), json=json)
        return answer.json() if answer.content else None


def _spelt(schedule: dict[str, Any]) -> dict[str, Any]:
    """A schedule as the API takes it: times as text."""
    if "anchor_date" not in schedule:
        return schedule
    return {**schedule, "anchor_date": datetime.fromtimestamp(schedule["anchor_date"], UTC).isoformat()}
