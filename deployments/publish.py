"""publish: make what a Prefect server has of the project match the views, and say what differs."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from deployments.automations import Automation, automations, renamed
from deployments.canary import There, about, left_alone, moves_pool, order_stays, stays, views_about
from deployments.deployed import Deployed
from deployments.desired import desired
from deployments.fargate import must_fit
from deployments.limits import source_limits
from deployments.project import Pool, Project
from deployments.release import ALL, Release, Wish, release, with_image
from deployments.server import PublishRefused, Server
from deployments.watchdogs import told_blocks, watchdogs
from shardlake.errors import SpecError
from shardlake.view.view import View
from shardlake.view.view_set import contradictions, shared_readings


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
    kept: list[str] = field(default_factory=list)
    release: Release | None = None


def publish(views: Mapping[str, View], project: Project, pool: Pool, *, write: bool = True, wish: Wish = ALL) -> Published:
    """Make deployments, automations, the work pool, its queues and the sources' limits as the views want them; without `write`, only look.

    A wish for one view is about its deployments alone. Raises SpecError where views contradict each other or ask for a size that
    Fargate lacks, PublishRefused where the server does not answer, a deployment of somebody else bears a name of ours, deployments
    would move to a pool that nobody named, a block that is to be told is not there, the order of the one view changes, the pool may
    not be given the image, or the image is not one of these views. Nothing has been changed then, but where the server broke off.
    """
    if wrong := contradictions(views, project.names) | shared_readings(views):
        name, why = next(iter(wrong.items()))
        raise SpecError(f"{name}: {why}")
    done = Published()
    with Server.reached(project.tags) as server:
        blocks = told_blocks(server, project) if wish.view is None else {}
        there, found = server.deployments(), server.pool(pool.name)
        names = about(wish, views, there)
        alone = left_alone(wish, there, names)
        stays(there, pool, wish, alone)
        _must_be_there(pool, found, wish)
        template = pool.template or (found or {}).get("base_job_template")
        done.release = release(pool.name, template, wish, views_about(wish, views, alone))
        pool = replace(pool, type=found["type"]) if found else pool
        whole = {d.full_name: done.release.of(d) for d in desired(views, project, pool) if names is None or d.full_name in names}
        wanted = {name: deployed for name, deployed in whole.items() if name not in alone}
        if pool.is_ecs:
            must_fit(wanted.values(), template)
        _not_taken(server, project, wanted, there)
        present = server.automations()
        if names is not None:
            order_stays(names, views, project, there, (automation for _, automation in present.values()))
        limits = source_limits(views.values()) if names is None else {}
        image = str(done.release.image)
        moved = with_image(template, image) if wish.ends_canaries and template and moves_pool(pool, template, image) else None

        # From here on it is written: whatever is refused has been refused.
        if names is None:
            done.kept = sorted(alone)
            _pool(pool, found, server, done, write)
            if moved:
                _move_pool(server, pool, moved, done, write)
            _queues(server, pool, found is not None or write, done, write)
            _limits(server, limits, done, write)
        ids = _deployments(server, wanted, there, alone, done, write)
        if names is None:
            _automations(server, present, [*automations(views, project, ids), *watchdogs(project, pool, ids, blocks)], done, write)
        done.calls = server.calls
    return done


def _must_be_there(pool: Pool, found: dict[str, Any] | None, wish: Wish) -> None:
    """Raise PublishRefused for a work pool that is not on the server and cannot be made, or is needed as it is."""
    if found is None and (wish.view or not pool.type):
        raise PublishRefused(f"there is no work pool {pool.name!r}", hint="Create it, or declare it in prefect.yaml.")
    if found is None and pool.is_ecs and pool.file is None:
        raise PublishRefused(
            f"there is no work pool {pool.name!r} yet", hint="Make it from the stack's outputs, as docs/how-to/run-on-ecs.md says."
        )


def _not_taken(server: Server, project: Project, wanted: Mapping[str, Deployed], there: There) -> None:
    """Raise PublishRefused for a name of ours that a deployment of somebody else bears."""
    if taken := server.strangers(deployed for name, deployed in wanted.items() if name not in there):
        raise PublishRefused(
            f"there is a deployment {taken[0]} already, which is not of the project {project.name}",
            hint=f"Remove it, or give it the tags {' and '.join(project.tags)} if it is.",
        )


def _pool(pool: Pool, found: dict[str, Any] | None, server: Server, done: Published, write: bool) -> None:
    """The work pool, made or kept to its template."""
    wanted = {"base_job_template": pool.template, "concurrency_limit": None}
    differs = tuple(
        key for key, value in wanted.items() if found and found[key] != value and (value is not None or key == "concurrency_limit")
    )
    if found is not None and not (differs and pool.declared):
        done.same += 1
        return
    done.changes.append(Change("change" if found else "create", "work pool", pool.name, differs))
    if write:
        server.write_pool(pool, new=found is None)


def _move_pool(server: Server, pool: Pool, template: dict[str, Any], done: Published, write: bool) -> None:
    """Have the pool give its runs another image."""
    done.changes.append(Change("change", "work pool", pool.name, ("image",)))
    if write:
        server.write_template(pool.name, template)


def _queues(server: Server, pool: Pool, there: bool, done: Published, write: bool) -> None:
    """The pool's queues. A priority that is given to one may move others, so that all are written, the first of them first."""
    found = server.queues(pool.name) if there else {}
    moved = any(queue.name not in found or found[queue.name].priority != queue.priority for queue in pool.queues)
    for queue in pool.queues:
        was = found.get(queue.name)
        if was == queue:
            done.same += 1
        else:
            fields = tuple(f for f in ("priority", "concurrency_limit") if was and getattr(was, f) != getattr(queue, f))
            done.changes.append(Change("change" if was else "create", "work queue", f"{pool.name}/{queue.name}", fields))
        if write and (moved or was != queue):
            server.write_queue(pool.name, queue, new=was is None)


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
    server: Server, wanted: Mapping[str, Deployed], there: There, alone: set[str], done: Published, write: bool
) -> dict[str, str]:  # fmt: skip
    """The deployments, but those that are left alone; returns their ids by full name, as far as they are there."""
    ids = {name: key for name, (key, _) in there.items() if name in wanted or name in alone}
    for name, deployed in sorted(wanted.items()):
        was = there[name][1] if name in there else None
        fields = deployed.differs(was) if was else []
        if was and not fields:
            done.same += 1
            continue
        done.changes.append(Change("change" if was else "create", "deployment", name, tuple(fields)))
        if write:
            ids[name] = server.write(deployed, was)
    for name in sorted(set(there) - set(wanted) - alone):
        done.changes.append(Change("remove", "deployment", name))
        if write:
            server.remove(there[name][0])
    return ids


def _automations(
    server: Server, there: Mapping[str, tuple[str, Automation]], automations: Iterable[Automation], done: Published, write: bool
) -> None:  # fmt: skip
    """The automations. One whose name changes is changed as well, and so stays off where somebody switched it off."""
    wanted = {a.name: a for a in automations}
    before = renamed(wanted.values(), (automation for _, automation in there.values()))
    for name, automation in sorted(wanted.items()):
        key, was = there.get(before.get(name, name), (None, None))
        if was == automation:
            done.same += 1
            continue
        fields = tuple(f for f, value in automation.body.items() if was and was.body[f] != value)
        done.changes.append(Change("change" if was else "create", "automation", name, fields))
        if write:
            server.write_automation(automation, key)
    for name in sorted(set(there) - set(wanted) - set(before.values())):
        done.changes.append(Change("remove", "automation", name))
        if write:
            server.remove_automation(there[name][0])
