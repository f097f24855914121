"""A Prefect deployment as plain values: what is wanted, in the words of Prefect's API, to be compared with what is there."""

from dataclasses import dataclass
from datetime import datetime
from functools import cache
from importlib import import_module
from typing import Any, Self

from prefect import Flow
from prefect.utilities.callables import parameter_schema

from deployments.queues import queue_of
from shardlake.errors import SpecError

ENVIRONMENT = {"PREFECT_FLOWS_HEARTBEAT_FREQUENCY": "30", "PREFECT_FLOW_RUN_EXECUTE_SIGTERM_BEHAVIOR": "reschedule"}
"""Of every run: seconds between its signs of life, by which automations notice the runs that give none any more; and that a task which ECS
stops has its run scheduled again. A process worker does not read the latter: what it stops is a crash.
"""


@cache
def flow_at(entrypoint: str) -> Flow[..., Any]:
    """The flow behind `flows.sync_view.sync_view`. Raises SpecError."""
    module, _, name = entrypoint.rpartition(".")
    try:
        found = getattr(import_module(module), name)
    except (ImportError, AttributeError, ValueError):
        found = None
    if not isinstance(found, Flow):
        raise SpecError(f"prefect.yaml: entrypoint {entrypoint!r} is no flow", hint="It reads like flows.sync_views.sync_views.")
    return found


@cache
def _schema(entrypoint: str) -> dict[str, Any]:
    found: dict[str, Any] = parameter_schema(flow_at(entrypoint)).model_dump(mode="json", exclude_unset=True)
    return found


@dataclass(frozen=True, slots=True)
class Deployed:
    """One deployment: its flow, its name, its fields as the API has them, and its schedules that do not run: paused by somebody, or declared so."""

    flow: str
    name: str
    fields: dict[str, Any]
    paused: frozenset[str] = frozenset()

    @property
    def full_name(self) -> str:
        """As `prefect deployment run` is given it."""
        return f"{self.flow}/{self.name}"

    @classmethod
    def of(
        cls, flow: Flow[..., Any], name: str, entrypoint: str, pool: str, *, description: str, tags: list[str],
        parameters: dict[str, Any], schedules: list[dict[str, Any]], job_variables: dict[str, Any], limit: dict[str, Any] | None,
        queue: str | None = None,
    ) -> Self:  # fmt: skip
        """A deployment that is wanted. `limit` holds `limit` and `collision_strategy`; without a `queue` it is the entrypoint's."""
        env = {**ENVIRONMENT, **job_variables.get("env", {})}
        strategy = {"collision_strategy": limit["collision_strategy"]} if limit else None
        return cls(
            flow.name,
            name,
            {
                "entrypoint": entrypoint,
                "description": description,
                "tags": sorted(set(tags)),
                "parameters": parameters,
                "schedules": sorted((_plain(s) for s in schedules), key=lambda s: str(s["slug"])),
                "work_pool_name": pool,
                "work_queue_name": queue or queue_of(entrypoint),
                "job_variables": {**job_variables, "env": env},
                "concurrency_limit": limit["limit"] if limit else None,
                "concurrency_options": strategy,
                "parameter_openapi_schema": _schema(entrypoint),
                "enforce_parameter_schema": True,
                "version": None,
            },
            frozenset(s["slug"] for s in schedules if not s.get("active", True)),
        )

    @classmethod
    def found(cls, flow: str, answer: dict[str, Any]) -> Self:
        """A deployment as the server describes it."""
        limit = answer.get("global_concurrency_limit")
        options = answer.get("concurrency_options")
        return cls(
            flow,
            answer["name"],
            {
                "entrypoint": answer["entrypoint"],
                "description": answer["description"] or "",
                "tags": sorted(answer["tags"]),
                "parameters": answer["parameters"],
                "schedules": sorted((_plain(s) for s in answer["schedules"]), key=lambda s: str(s["slug"])),
                "work_pool_name": answer["work_pool_name"],
                "work_queue_name": answer["work_queue_name"],
                "job_variables": answer["job_variables"],
                "concurrency_limit": limit["limit"] if limit else None,
                "concurrency_options": {"collision_strategy": options["collision_strategy"]} if options and limit else None,
                "parameter_openapi_schema": answer["parameter_openapi_schema"],
                "enforce_parameter_schema": answer["enforce_parameter_schema"],
                "version": answer["version"],
            },
            frozenset(s["slug"] for s in answer["schedules"] if not s["active"]),
        )

    def differs(self, other: "Deployed") -> list[str]:
        """The fields in which another is not like this one."""
        return [name for name, value in self.fields.items() if other.fields[name] != value]


def _plain(schedule: dict[str, Any]) -> dict[str, Any]:
    """A schedule without what the server adds; times as instants, so that two spellings of one are equal."""
    given = schedule["schedule"]
    kept = {k: given[k] for k in ("cron", "rrule") if given.get(k) is not None}
    kept["timezone"] = given.get("timezone") or "UTC"
    if given.get("day_or") is False:
        kept["day_or"] = False
    if given.get("interval") is not None:
        kept["interval"] = float(given["interval"])
        kept["anchor_date"] = datetime.fromisoformat(given["anchor_date"]).astimezone().timestamp()
    return {"slug": schedule["slug"], "schedule": kept, "parameters": schedule.get("parameters") or {}}
