"""prefect.yaml: the project's name, its work pools, and the deployments that stand whatever the views are."""

import json
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from deployments.deployed import Deployed, flow_at
from shardlake.errors import SpecError
from shardlake.schedule import EPOCH
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
        """The pool of that name, or the first. One that prefect.yaml does not know has no type yet: the server knows it."""
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
        tuple(_declared(file, content)),
        timedelta(seconds=content["definitions"].get("silence", 180)),
    )


def _declared(file: Path, content: dict[str, Any]) -> list[dict[str, Any]]:
    found = content.get("deployments") or []
    if not isinstance(found, list) or not all(isinstance(item, dict) and item.get("name") for item in found):
        raise SpecError(f"{file}: deployments: is a list of mappings, each with a name")
    return found


def _standing(item: dict[str, Any], project: Project, pool: Pool) -> Deployed:
    name = str(item["name"])
    limit = item.get("concurrency_limit")
    limit = limit if isinstance(limit, dict) or limit is None else {"limit": limit}
    return Deployed.of(
        flow_at(str(item.get("entrypoint"))), name, str(item.get("entrypoint")), pool.name,
        description=item.get("description") or "", tags=[*project.tags, *item.get("tags", [])], parameters=item.get("parameters") or {},
        schedules=[_schedule(name, s) for s in item.get("schedules") or []],
        job_variables=item.get("work_pool", {}).get("job_variables") or {},
        limit={"collision_strategy": "ENQUEUE", **limit} if limit else None,
    )  # fmt: skip


def _schedule(deployment: str, item: dict[str, Any]) -> dict[str, Any]:
    """A schedule as `prefect deploy` reads it; it needs a slug, without which its changes could not be told from another."""
    if not item.get("slug"):
        raise SpecError(f"prefect.yaml: {deployment}: schedules: one has no slug", hint="Give it one, as in `slug: nightly`.")
    given = {k: v for k, v in item.items() if k in ("cron", "interval", "timezone", "day_or", "rrule")}
    if "interval" in item:
        anchor = item.get("anchor_date", EPOCH)
        given["anchor_date"] = anchor.isoformat() if isinstance(anchor, datetime) else str(anchor)
    return {"slug": item["slug"], "schedule": given, "parameters": item.get("parameters") or {}, "active": item.get("active", True)}
