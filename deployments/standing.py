"""The deployments that stand in prefect.yaml, whatever the views are, in the words of Prefect's API."""

from datetime import datetime
from typing import Any

from deployments.deployed import Deployed, flow_at
from deployments.project import Pool, Project
from deployments.queues import CHECK, INFER
from deployments.release import CANARY, pinned
from shardlake.errors import SpecError
from shardlake.view.schedule import EPOCH


def standing(project: Project, pool: Pool, *, inferred: bool) -> list[Deployed]:
    """The deployments that stand in prefect.yaml, on that pool; the one that renews schemas where columns are `inferred`. Raises SpecError."""
    return [_deployed(item, project, pool) for item in project.standing if inferred or item.get("entrypoint") != INFER]


def _deployed(item: dict[str, Any], project: Project, pool: Pool) -> Deployed:
    name = str(item["name"])
    limit = item.get("concurrency_limit")
    limit = limit if isinstance(limit, dict) or limit is None else {"limit": limit}
    entrypoint, work_pool = str(item.get("entrypoint")), item.get("work_pool", {})
    of_check = {**project.telling.parameters, **project.patience} if entrypoint == CHECK else {}
    if CANARY in item.get("tags", []):
        raise SpecError(f"prefect.yaml: {name}: tags: {CANARY} is publish's own", hint="Take it away.")
    found = Deployed.of(
        flow_at(entrypoint), name, entrypoint, pool.name,
        description=item.get("description") or "", tags=[*project.tags, *item.get("tags", [])],
        parameters={**(item.get("parameters") or {}), **of_check},
        schedules=[_schedule(name, s) for s in item.get("schedules") or []],
        job_variables=({"family": name} if pool.is_ecs else {}) | (work_pool.get("job_variables") or {}),
        limit={"collision_strategy": "ENQUEUE", **limit} if limit else None, queue=work_pool.get("work_queue_name"),
    )  # fmt: skip
    return pinned(found) if entrypoint == CHECK else found


def _schedule(deployment: str, item: dict[str, Any]) -> dict[str, Any]:
    """A schedule as `prefect deploy` reads it; it needs a slug, without which its changes could not be told from another."""
    if not item.get("slug"):
        raise SpecError(f"prefect.yaml: {deployment}: schedules: one has no slug", hint="Give it one, as in `slug: nightly`.")
    given = {k: v for k, v in item.items() if k in ("cron", "interval", "timezone", "day_or", "rrule")}
    if "interval" in item:
        anchor = item.get("anchor_date", EPOCH)
        given["anchor_date"] = anchor.isoformat() if isinstance(anchor, datetime) else str(anchor)
    return {"slug": item["slug"], "schedule": given, "parameters": item.get("parameters") or {}, "active": item.get("active", True)}
