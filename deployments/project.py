"""prefect.yaml: the project's name, its work pools, and the deployments that stand whatever the views are."""

import json
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

from deployments.deployed import Deployed, flow_at
from shardlake.errors import SpecError
from shardlake.view_file import read_yaml


@dataclass(frozen=True, slots=True)
class Pool:
    """A work pool, and the file of its base job template; None for its type's own."""

    name: str
    type: str
    file: Path | None = None

    @property
    def template(self) -> dict[str, Any] | None:
        """The base job template. Raises SpecError where its file cannot be read."""
        if self.file is None:
            return None
        try:
            found: dict[str, Any] = json.loads(self.file.read_text("utf-8"))
        except (OSError, ValueError) as error:
            raise SpecError(f"{self.file}: {error}", hint="It is a work pool's base job template, as JSON.") from None
        return found

    @property
    def is_ecs(self) -> bool:
        """Whether its runs are ECS tasks, with CPU, memory and a family of task definitions."""
        return self.type.startswith("ecs")


@dataclass(frozen=True, slots=True)
class Project:
    """What prefect.yaml says. A run that gave no sign of life for `silence` has crashed."""

    name: str
    pools: tuple[Pool, ...]
    standing: tuple[dict[str, Any], ...]
    silence: timedelta = timedelta(minutes=3)

    @property
    def tags(self) -> list[str]:
        """What every deployment of the project bears, and no other."""
        return ["shardlake", f"project:{self.name}"]

    @property
    def names(self) -> list[str]:
        """The standing deployments' names, as `after` in a view has them."""
        return [str(item["name"]).replace("-", "_") for item in self.standing]

    def pool(self, name: str | None) -> Pool:
        """The pool of that name, or the first. One that prefect.yaml does not know is taken as it is on the server."""
        return next((p for p in self.pools if name in (None, p.name)), Pool(str(name), ""))

    def deployed(self, pool: Pool) -> list[Deployed]:
        """The standing deployments, on that pool."""
        return [_standing(item, self, pool) for item in self.standing]


def read_project(file: Path) -> Project:
    """Read prefect.yaml. Raises SpecError."""
    content = read_yaml(file)
    if not isinstance(content, dict) or not isinstance(content.get("name"), str):
        raise SpecError(f"{file}: name: is missing; it tells this project's deployments from others'")
    pools = content.get("definitions", {}).get("work_pools", [])
    if not pools:
        raise SpecError(f"{file}: definitions.work_pools: is missing; name one pool at least")
    return Project(
        content["name"],
        tuple(Pool(p["name"], p["type"], file.parent / p["base_job_template"] if "base_job_template" in p else None) for p in pools),
        tuple(content.get("deployments", [])),
        timedelta(seconds=content["definitions"].get("silence", 180)),
    )


def _standing(item: dict[str, Any], project: Project, pool: Pool) -> Deployed:
    flow = flow_at(item["entrypoint"])
    limit = item.get("concurrency_limit")
    limit = limit if isinstance(limit, dict) or limit is None else {"limit": limit, "collision_strategy": "ENQUEUE"}
    own = item.get("work_pool", {}).get("job_variables", {})
    return Deployed.of(
        flow, item["name"], item["entrypoint"], pool.name,
        description=item.get("description", ""), tags=[*project.tags, *item.get("tags", [])], parameters=item.get("parameters", {}),
        schedules=[_schedule(s) for s in item.get("schedules", [])], job_variables=own, limit=limit,
    )  # fmt: skip


def _schedule(item: dict[str, Any]) -> dict[str, Any]:
    given = {k: v for k, v in item.items() if k in ("cron", "interval", "anchor_date", "timezone", "day_or", "rrule")}
    return {"slug": item["slug"], "schedule": given, "parameters": item.get("parameters", {})}
