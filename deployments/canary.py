"""One view alone: which deployments a wish is about, which it leaves as they are, and that a fleet stays on its pool."""

from collections.abc import Iterable, Mapping
from typing import Any

from deployments.automations import Automation, order_of
from deployments.deployed import Deployed
from deployments.project import Pool, Project
from deployments.release import CANARY, Wish, image_of_pool
from deployments.server import PublishRefused
from shardlake.errors import SpecError
from shardlake.view.view import View
from shardlake.view.view_set import described, groups

There = Mapping[str, tuple[str, Deployed]]
"""A project's deployments on the server by full name, with their ids."""


def about(wish: Wish, views: Mapping[str, View], there: There) -> set[str] | None:
    """The deployments that a wish is about, by full name; None for all. Raises SpecError for a view that nobody knows."""
    name = wish.view
    if name is None:
        return None
    if name in groups(views):
        return {f"sync-views/{name}", *(f"sync-view/{member}" for member in groups(views)[name])}
    if name in views and (group := views[name].group):
        raise SpecError(f"{name} runs in the group {group}, with its other views", hint=f"Say --view {group}.")
    found = {f"sync-view/{name}", f"sync-view/{name}.shards"}
    if (dissolved := f"sync-views/{name}") in there and CANARY in there[dissolved][1].fields["tags"]:
        found.add(dissolved)
    if name not in views and not found & there.keys():
        raise SpecError(f"there is no view {name!r}", hint="Check --view, and --views.")
    return found


def views_about(wish: Wish, views: Mapping[str, View], left_alone: set[str]) -> list[str]:
    """The views that an image must hold for a wish."""
    if wish.view:
        return groups(views).get(wish.view) or [name for name in (wish.view,) if name in views]
    gone = {name.partition("/")[2] for name in left_alone if name.startswith("sync-view/")}
    return [name for name in views if name not in gone]


def left_alone(wish: Wish, there: There, names: set[str] | None) -> set[str]:
    """The deployments that a wish leaves as they are: all but those it is about, and canaries where it names neither them nor an image."""
    if names is not None:
        return set(there) - names
    return set() if wish.ends_canaries else {name for name, (_, deployed) in there.items() if CANARY in deployed.fields["tags"]}


def stays(there: There, pool: Pool, wish: Wish, alone: set[str]) -> None:
    """Raise PublishRefused where deployments would move to another pool, and nobody has named it on the command line."""
    others: dict[str, list[str]] = {}
    for name, (_, deployed) in sorted(there.items()):
        on = deployed.fields["work_pool_name"]
        if name not in alone and on != pool.name:
            others.setdefault(str(on), []).append(name)
    if others and not wish.pool_named:
        was = max(others, key=lambda on: len(others[on]))
        raise PublishRefused(
            f"this would move {sum(map(len, others.values()))} deployments ({', '.join(others[was][:3])}, …) from the work pool {was} to {pool.name}",
            hint=f"Say --pool {was} to leave them there, or --pool {pool.name} to move them; SHARDLAKE_POOL moves nothing.",
        )


def order_stays(
    names: set[str], views: Mapping[str, View], project: Project, there: There, present: Iterable[Automation]
) -> None:  # fmt: skip
    """Raise PublishRefused where a view of these deployments would run after others than now: its automation is published with all."""
    ids = {name: key for name, (key, _) in there.items()}
    by_target = {automation.runs: automation for automation in present if automation.runs}
    for full_name in sorted(name for name in names if name.startswith("sync-view/")):
        view = full_name.partition("/")[2]
        wanted, was = order_of(view, views, project, ids), by_target.get(ids.get(full_name, ""))
        if (wanted and wanted.awaits) != (was and was.awaits):
            what = f"is to run {described(views[view])}" if view in views else "is to go"
            raise PublishRefused(
                f"{view}: its order changes: it {what}, and the server has it otherwise; the order of views is published with all of them",
                hint="Publish all views, without --view.",
            )


def moves_pool(pool: Pool, template: Mapping[str, Any], image: str) -> bool:
    """Whether a pool is to give its runs another image than it does. Raises PublishRefused where it may not."""
    if image_of_pool(template) == image:
        return False
    if not pool.declared:
        raise PublishRefused(
            f"the work pool {pool.name} is not declared in prefect.yaml, and keeps the image that it gives its runs",
            hint="Declare it under definitions.work_pools; or say --view for one view alone.",
        )
    if pool.file is not None:
        raise PublishRefused(
            f"the work pool {pool.name} is kept to {pool.file}, which names another image",
            hint="Change it there and publish without --image; or say --view for one view alone.",
        )
    return True
