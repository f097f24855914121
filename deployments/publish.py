"""publish: make what a Prefect server has of the project match the views, and say what differs."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from deployments.automations import automations
from deployments.desired import desired
from deployments.limits import source_limits
from deployments.project import Pool, Project
from deployments.server import PublishRefused, Server
from shardlake.errors import SpecError
from shardlake.view.view import View
from shardlake.view.view_set import contradictions


@dataclass(slots=True)
class Change:
    """One thing that is or was to be done: `create`, `change` or `remove`; of `fields`, the names of those that differ."""

    action: str
    kind: str
    name: str
    fields: tuple[str, ...] = ()

    def as_json(self) -> dict[str, Any]:
        """As a program reads it."""
        return {"action": self.action, "kind": self.kind, "name": self.name, "fields": list(self.fields)}


@dataclass(slots=True)
class Published:
    """What was found, and done. `same` counts what needed no change; `calls` are those of Prefect's API."""

    changes: list[Change] = field(default_factory=list)
    same: int = 0
    calls: int = 0


def publish(views: Mapping[str, View], project: Project, pool: Pool, *, write: bool = True) -> Published:
    """Make deployments, automations, the work pool and the sources' limits as the views want them; without `write`, only look.

    Raises SpecError where views contradict each other, PublishRefused where the server does not answer, or a deployment of
    somebody else bears a name of ours.
    """
    if wrong := contradictions(views, project.names):
        name, why = next(iter(wrong.items()))
        raise SpecError(f"{name}: {why}")
    done = Published()
    with Server.reached(project.tags) as server:
        pool = _pool(server, pool, done, write)
        _limits(server, source_limits(views.values()), done, write)
        ids = _deployments(server, views, project, pool, done, write)
        _automations(server, views, project, ids, done, write)
        done.calls = server.calls
    return done


def _pool(server: Server, pool: Pool, done: Published, write: bool) -> Pool:
    """The work pool, made or kept to its template; its type is the server's where there is one."""
    found = server.pool(pool.name)
    if found is None and not pool.type:
        raise PublishRefused(f"there is no work pool {pool.name!r}", hint="Create it, or declare it in prefect.yaml.")
    if found is None and pool.is_ecs and pool.file is None:
        raise PublishRefused(
            f"there is no work pool {pool.name!r} yet", hint="Make it from the stack's outputs, as docs/how-to/run-on-ecs.md says."
        )
    differs = found is not None and pool.template is not None and found["base_job_template"] != pool.template
    if found is not None and not differs:
        done.same += 1
        return replace(pool, type=found["type"])
    done.changes.append(Change("change" if found else "create", "work pool", pool.name, ("base_job_template",) if found else ()))
    if write:
        server.write_pool(pool, new=found is None)
    return pool


def _limits(server: Server, limits: Mapping[str, int], done: Published, write: bool) -> None:
    found = server.limits(limits)
    for name, limit in limits.items():
        if found.get(name) == limit:
            done.same += 1
            continue
        done.changes.append(Change("change" if name in found else "create", "limit", name, ("limit",) if name in found else ()))
        if write:
            server.write_limit(name, limit, new=name not in found)


def _deployments(
    server: Server, views: Mapping[str, View], project: Project, pool: Pool, done: Published, write: bool
) -> dict[str, str]:  # fmt: skip
    """The deployments; returns their ids by full name, as far as they are there."""
    there = server.deployments()
    wanted = {d.full_name: d for d in desired(views, project, pool)}
    if taken := server.strangers(d for name, d in wanted.items() if name not in there):
        raise PublishRefused(
            f"there is a deployment {taken[0]} already, which is not of the project {project.name}",
            hint=f"Remove it, or give it the tags {' and '.join(project.tags)} if it is.",
        )
    ids = {name: key for name, (key, _) in there.items() if name in wanted}
    for name, deployed in sorted(wanted.items()):
        was = there[name][1] if name in there else None
        fields = deployed.differs(was) if was else []
        if was and not fields:
            done.same += 1
            continue
        done.changes.append(Change("change" if was else "create", "deployment", name, tuple(fields)))
        if write:
            ids[name] = server.write(deployed, was)
    for name in sorted(set(there) - set(wanted)):
        done.changes.append(Change("remove", "deployment", name))
        if write:
            server.remove(there[name][0])
    return ids


def _automations(
    server: Server, views: Mapping[str, View], project: Project, ids: Mapping[str, str], done: Published, write: bool
) -> None:  # fmt: skip
    there = server.automations()
    wanted = {a.name: a for a in automations(views, project, ids)}
    for name, automation in sorted(wanted.items()):
        key, was = there.get(name, (None, None))
        if was == automation:
            done.same += 1
            continue
        fields = tuple(f for f, value in automation.body.items() if was and was.body[f] != value)
        done.changes.append(Change("change" if was else "create", "automation", name, fields))
        if write:
            server.write_automation(automation, key)
    for name in sorted(set(there) - set(wanted)):
        done.changes.append(Change("remove", "automation", name))
        if write:
            server.remove_automation(there[name][0])
