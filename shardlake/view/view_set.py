"""The views of a folder together: what runs in which order, what shares a run, and what contradicts."""

from collections.abc import Iterable, Mapping
from datetime import timedelta
from graphlib import CycleError, TopologicalSorter
from typing import Any

from shardlake.view.operation import short
from shardlake.view.view import View


def groups(views: Mapping[str, View]) -> dict[str, list[str]]:
    """The groups that share a run, each with its views in the order in which they run."""
    members: dict[str, list[str]] = {}
    for view in in_order(views):
        if group := views[view].group:
            members.setdefault(group, []).append(view)
    return members


def in_order(views: Mapping[str, View]) -> list[str]:
    """The views, each behind those that it runs after. Raises CycleError."""
    graph = {name: sorted(set(view.after) & set(views)) for name, view in sorted(views.items())}
    return list(TopologicalSorter(graph).static_order())


def run_of(view: View) -> str:
    """The name of the run that the view shares with those of its group, or has alone; starts are spread by it."""
    return view.group or view.name


def contradictions(views: Mapping[str, View], others: Iterable[str] = ()) -> dict[str, str]:
    """What is wrong between views, by the view to mend. `others` are deployments that a view may run after."""
    found: dict[str, str] = {}
    known = {*views, *others}
    for name, view in sorted(views.items()):
        if unknown := [a for a in view.after if a not in known]:
            found[name] = f"after: there is no view and no deployment {unknown[0]!r}; there are: {', '.join(sorted(known - {name}))}"
        elif view.group:
            mates = {other: v for other, v in views.items() if v.group == view.group}
            if outside := [a for a in view.after if a not in mates]:
                found[name] = (
                    f"after: {outside[0]!r} is not in the group {view.group}; only views of the same group can be waited for there"
                )
            elif odd := [o for o, v in sorted(mates.items()) if (v.schedule, v.late) != (view.schedule, view.late)]:
                found[name] = f"group: {odd[0]} has another `schedule` or `late`; views of one group have the same, since they share a run"
            if view.group in views:
                found[name] = f"group: {view.group!r} is a view's name; choose another"
    try:
        for name in in_order(views):
            if views[name].after and promised(views[name], views) is None:
                found.setdefault(
                    name, "after: nothing says how often those before run; give `freshness` or `schedule`, or its silence is no alarm"
                )
    except CycleError as error:
        cycle: list[str] = error.args[1]
        for name in cycle:
            found.setdefault(name, f"after: a circle, {' after '.join(cycle)}; take one of them away")
    return found


def shared_readings(views: Mapping[str, View]) -> dict[str, str]:
    """What is wrong with views that one reading of a source is to feed, by the later one of each two: they must say alike how it is read.
    A view that replaces its target reads for itself.
    """
    found: dict[str, str] = {}
    first: dict[str, tuple[str, dict[str, Any]]] = {}
    for name, view in sorted(views.items()):
        if view.source.shared is None or view.warehouse.write == "replace":
            continue
        what, alike = view.source.shared
        other, theirs = first.setdefault(what, (name, alike))
        if odd := [key for key in alike if alike[key] != theirs[key]]:
            found[name] = (
                f"source.{odd[0]}: {alike[odd[0]]} here and {theirs[odd[0]]} in the view {other}, and one reading of {view.source.named} is to"
                " feed both; say the same in each"
            )
    return found


def shared_targets(views: Mapping[str, View], places: Mapping[str, str]) -> dict[str, str]:
    """What is wrong with views that have one table as their target, by the later one of each two. A table is one where warehouse
    and name are the same; `places` are what connections lead to, where it is known: two may lead to one database.
    """
    found: dict[str, str] = {}
    owners: dict[tuple[str, str], str] = {}
    for name, view in views.items():
        target = view.warehouse
        owner = owners.setdefault((places.get(target.connection, target.connection), target.table.lower()), name)
        if owner != name:
            other = views[owner].warehouse.connection
            through = f", by {other}, which leads to the same database" if other != target.connection else ""
            found[name] = f"warehouse.table: {target.table} is the table of the view {owner} already{through}"
    return found


def promised(view: View, views: Mapping[str, View]) -> timedelta | None:
    """How old the view's data may become: its `freshness`, or twice its period; None where it promises nothing."""
    period = expected_period(view, views)
    return view.freshness or (None if period is None else 2 * period)


def expected_period(view: View, views: Mapping[str, View]) -> timedelta | None:
    """The time from one run to the next: the view's own, or the longest of those that it runs after."""
    if view.period or not view.after:
        return view.period
    before = [expected_period(views[a], views) for a in view.after if a in views]
    return max((p for p in before if p), default=None)


def described(view: View) -> str:
    """When the view runs, in words."""
    if view.after and not view.group:
        within = f", within {short(view.period)}" if view.period else ""
        return f"after {', '.join(view.after)}{within}"
    return ", ".join(str(s) for s in view.schedule) or "on demand"
