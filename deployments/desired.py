"""From views to the deployments that they want. Pure: no server is asked."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from deployments.deployed import Deployed, flow_at
from deployments.project import Pool, Project
from deployments.queues import SHARDS
from deployments.release import fixed
from deployments.standing import standing
from shardlake.view.operation import short
from shardlake.view.schedule import Every, Schedule
from shardlake.view.view import View
from shardlake.view.view_set import described, groups

ONE_VIEW, MANY_VIEWS = "flows.sync_view.sync_view", "flows.sync_views.sync_views"


def desired(views: Mapping[str, View], project: Project, pool: Pool) -> list[Deployed]:
    """A deployment for each view and each group, and those that stand in prefect.yaml and have work to do."""
    found = [_view(view, project, pool) for view in views.values()]
    found += [_shards(view, project, pool) for view in views.values() if view.run.fan_out == "deployments"]
    found += [_group(name, [views[v] for v in names], project, pool) for name, names in groups(views).items()]
    return [*(fixed(deployed) for deployed in found), *standing(project, pool, inferred=any(view.inferred for view in views.values()))]


def shards_deployment(view: str) -> str:
    """The deployment that runs some of a view's shards, where it fans out into runs of their own."""
    return f"{view}.shards"


def _view(view: View, project: Project, pool: Pool) -> Deployed:
    own = not view.group and not view.after
    return Deployed.of(
        flow_at(ONE_VIEW), view.name, ONE_VIEW, pool.name,
        description=_description(view), tags=[*project.tags, *_tags(view)], parameters={"view": view.name},
        schedules=_schedules(view.schedule, view.name) if own else [], job_variables=_job(pool, view.name, [view]), limit=_limit(view),
    )  # fmt: skip


def _shards(view: View, project: Project, pool: Pool) -> Deployed:
    name = shards_deployment(view.name)
    return Deployed.of(
        flow_at(ONE_VIEW), name, ONE_VIEW, pool.name,
        description=f"Some of the shards of {view.name}, on behalf of its run.", tags=[*project.tags, *_tags(view)],
        parameters={"view": view.name}, schedules=[], job_variables=_job(pool, name, [view]), limit=None, queue=SHARDS,
    )  # fmt: skip


def _group(name: str, views: list[View], project: Project, pool: Pool) -> Deployed:
    names = [v.name for v in views]
    tags = sorted({tag for v in views for tag in _tags(v)})
    return Deployed.of(
        flow_at(MANY_VIEWS), name, MANY_VIEWS, pool.name,
        description=f"The views {', '.join(names)}, one after the other in one run.", tags=[*project.tags, *tags],
        parameters={"views": names}, schedules=_schedules(views[0].schedule, name), job_variables=_job(pool, name, views),
        limit=_limit(views[0]),
    )  # fmt: skip


def _limit(view: View) -> dict[str, Any]:
    return {"limit": 1, "collision_strategy": "ENQUEUE" if view.late == "queue" else "CANCEL_NEW"}


def _tags(view: View) -> list[str]:
    return [f"view:{view.name}", f"owner:{view.owner}", *([f"group:{view.group}"] if view.group else []), *view.tags]


def _description(view: View) -> str:
    lines = [
        view.description,
        f"Owner: {view.owner}. Runs {described(view)}" + (f", in the group {view.group}" if view.group else "") + ".",
        f"`{view.source.connection}` {view.source.named} to `{view.warehouse.table}`"
        + "".join(f", `{layout.table}`" for layout in view.lake.layouts)
        + ".",
    ]
    if view.freshness:
        lines.append(f"At most {short(view.freshness)} old.")
    return "\n\n".join(line for line in lines if line)


def _schedules(schedules: tuple[Schedule, ...], name: str) -> list[dict[str, Any]]:
    return [{"slug": slug(s), "schedule": _schedule(s, name), "parameters": {}} for s in schedules]


def slug(schedule: Schedule) -> str:
    """A schedule's name on the server: a changed schedule is another one.

    >>> slug(Every(timedelta(minutes=15)))
    'every-15m'
    """
    spelt = {"*": "x", ",": "and", "-": "to"}
    return "-".join("".join(c if c.isalnum() else spelt.get(c, " ") for c in str(schedule)).lower().split())


def _schedule(schedule: Schedule, name: str) -> dict[str, Any]:
    if isinstance(schedule, Every):
        return {"interval": schedule.interval.total_seconds(), "anchor_date": schedule.anchor(name).isoformat(), "timezone": "UTC"}
    return {"cron": schedule.fields(name), "timezone": schedule.timezone}


def _job(pool: Pool, name: str, views: list[View]) -> dict[str, Any]:
    """The job variables: nothing secret is in them, since `prefect deployment inspect` shows them."""
    timeouts = [v.run.timeout for v in views if v.run.timeout]
    env: dict[str, str] = {}
    if len(timeouts) == len(views):
        env["SHARDLAKE_TIMEOUT"] = str(int(sum(timeouts, timedelta()).total_seconds()))
    found: dict[str, Any] = {"env": env} if env else {}
    if pool.is_ecs:
        found["family"] = name.replace(".", "-")  # the pool's template puts the stack's name before it
        cpu, memory = [v.run.cpu for v in views if v.run.cpu], [v.run.memory_mib for v in views if v.run.memory_mib]
        found |= {"cpu": max(cpu)} if cpu else {}
        found |= {"memory": max(memory)} if memory else {}
    return found
