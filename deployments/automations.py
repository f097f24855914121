"""Automations: the order between views, and what becomes of runs that crashed or fell silent. Pure: no server is asked."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Self

from prefect.events.schemas.automations import AutomationCore

from deployments.project import Project
from flows.fleet.project_runs import JUDGED
from shardlake.view.view import View
from shardlake.view.view_set import expected_period

ARRIVED = "shardlake.view.arrived"
"""The event that a run emits when every shard of a view has arrived."""
_ENDS = [f"prefect.flow-run.{n}" for n in ("Completed", "Skipped", "Failed", "TimedOut", "Cancelled", "Crashed", "AwaitingRetry")]
"""A run's ends, by the names of the states that Prefect and Shardlake end them in; one that awaits a retry has left its process."""
_ONCE = timedelta(minutes=30)
"""Within as long a second crash of the same run orders no second look."""
UNBORN = "00000000-0000-0000-0000-000000000000"
"""The id of a deployment that is not there yet: what names it differs from what will be."""


@dataclass(frozen=True, slots=True)
class Automation:
    """An automation: its name, and the rest of it as Prefect's API has it."""

    name: str
    body: dict[str, Any]

    @classmethod
    def of(cls, name: str, description: str, trigger: dict[str, Any], *actions: dict[str, Any]) -> Self:
        """An automation that is wanted."""
        return cls(name, _plain({"name": name, "description": description, "trigger": trigger, "actions": list(actions)}))

    @classmethod
    def found(cls, answer: dict[str, Any]) -> Self:
        """An automation as the server describes it."""
        return cls(answer["name"], _plain(answer))

    @property
    def runs(self) -> str | None:
        """The id of the deployment that it runs; None where it does something else."""
        return next((str(a["deployment_id"]) for a in self.body["actions"] if a["type"] == "run-deployment"), None)

    @property
    def awaits(self) -> list[str]:
        """What it waits for, in words that are alike where that is the same, whatever the time within which all must come."""
        trigger = self.body["trigger"]
        return sorted(str((t["match"], t["match_related"])) for t in trigger.get("triggers") or [trigger])


def _plain(body: dict[str, Any]) -> dict[str, Any]:
    """As Prefect's own model spells it, without ids and what people may change (whether it is enabled)."""
    whole = AutomationCore.model_validate(body).model_dump(mode="json", exclude={"enabled", "tags", "owner_resource"})
    return {**whole, "trigger": _sorted(_without_ids(whole["trigger"]))}


def _without_ids(value: Any) -> Any:
    if isinstance(value, dict):
        return {k: _without_ids(v) for k, v in value.items() if k not in ("id",)}
    return [_without_ids(v) for v in value] if isinstance(value, list) else value


def _sorted(value: Any) -> Any:
    """Sets come as lists in any order."""
    if isinstance(value, dict):
        return {k: sorted(v) if k in ("after", "expect", "for_each") and isinstance(v, list) else _sorted(v) for k, v in value.items()}
    return [_sorted(v) for v in value] if isinstance(value, list) else value


def renamed(wanted: Iterable[Automation], there: Iterable[Automation]) -> dict[str, str]:
    """Of automations that are there under another name, by the name that is wanted, the one that they have: an order is named by what
    it waits for. It stays the same automation, which somebody may have switched off.
    """
    wanted, there = list(wanted), list(there)
    names, present = {a.name for a in wanted}, {a.name for a in there}
    left = {a.runs: a.name for a in there if a.name not in names}
    return {a.name: left.pop(a.runs) for a in wanted if a.name not in present and a.runs and a.runs in left}


def automations(views: Mapping[str, View], project: Project, ids: Mapping[str, str]) -> list[Automation]:
    """Those that the project wants. `ids` are its deployments' by full name."""
    found = [order for name in views if (order := order_of(name, views, project, ids))]
    if "check_freshness" in project.names:
        check = ids.get("check-freshness/check-freshness", UNBORN)
        found += [_silent(project, check), _crashed(project, check), _check_is_gone(project, check)]
    return found


def order_of(name: str, views: Mapping[str, View], project: Project, ids: Mapping[str, str]) -> Automation | None:
    """The automation that runs a view after others; None where it needs none."""
    view = views.get(name)
    return _after(view, views, project, ids) if view and view.after and not view.group else None


def _after(view: View, views: Mapping[str, View], project: Project, ids: Mapping[str, str]) -> Automation:
    """Run the view when all that it runs after have arrived, within its period."""
    period = expected_period(view, views) or timedelta(days=1)
    triggers = [_arrived(name) if name in views else _completed(name, ids) for name in view.after]
    trigger = triggers[0] if len(triggers) == 1 else {
        "type": "compound", "require": "all", "within": period.total_seconds(), "triggers": triggers
    }  # fmt: skip
    return Automation.of(
        f"{project.name}: {view.name} after {', '.join(view.after)}",
        f"Runs {view.name} when {', '.join(view.after)} have arrived.",
        trigger,
        {"type": "run-deployment", "source": "selected", "deployment_id": ids.get(f"sync-view/{view.name}", UNBORN), "parameters": None},
    )


def _arrived(view: str) -> dict[str, Any]:
    return {"type": "event", "posture": "Reactive", "expect": [ARRIVED], "match": {"prefect.resource.id": f"shardlake.view.{view}"}, "threshold": 1, "within": 0}  # fmt: skip


def _completed(name: str, ids: Mapping[str, str]) -> dict[str, Any]:
    """A deployment of prefect.yaml, by its name; any flow run of it that completes."""
    wanted = next((key for full, key in ids.items() if full.split("/")[1].replace("-", "_") == name), UNBORN)
    return {
        "type": "event", "posture": "Reactive", "expect": ["prefect.flow-run.Completed"], "match": {"prefect.resource.id": "prefect.flow-run.*"},
        "match_related": {"prefect.resource.role": "deployment", "prefect.resource.id": f"prefect.deployment.{wanted}"},
        "threshold": 1, "within": 0,
    }  # fmt: skip


def _of_project(project: Project) -> dict[str, Any]:
    return {"prefect.resource.role": "tag", "prefect.resource.id": f"prefect.tag.project:{project.name}"}


def _of_others(project: Project, check: str) -> list[dict[str, Any]]:
    """The project's runs, but those of check-freshness."""
    return [_of_project(project), {"prefect.resource.role": "deployment", "prefect.resource.id": f"!prefect.deployment.{check}"}]


def _look(check: str) -> dict[str, Any]:
    return {"type": "run-deployment", "source": "selected", "deployment_id": check, "parameters": None}


def _silent(project: Project, check: str) -> Automation:
    """The server cannot tell a run that is gone from one that it did not hear, being away itself: it has check-freshness listen."""
    return Automation.of(
        f"{project.name}: runs that fell silent",
        "Has check-freshness look at a run that gives no sign of life any more, as when its container was lost. It decides.",
        {
            "type": "event", "posture": "Proactive", "after": ["prefect.flow-run.heartbeat"], "expect": ["prefect.flow-run.heartbeat", *_ENDS],
            "match": {"prefect.resource.id": "prefect.flow-run.*"}, "match_related": _of_others(project, check),
            "for_each": ["prefect.resource.id"], "threshold": 1, "within": project.silence.total_seconds(),
        },
        _look(check),
    )  # fmt: skip


def _crashed(project: Project, check: str) -> Automation:
    """Once a run: an engine that is ended says Crashed by force, also of a run of which others have said so a second before."""
    return Automation.of(
        f"{project.name}: runs that crashed",
        "Has check-freshness begin a run again that crashed, at once. What check-freshness itself marked as crashed it has seen to.",
        {
            "type": "event", "posture": "Reactive", "expect": ["prefect.flow-run.Crashed"],
            "match": {"prefect.resource.id": "prefect.flow-run.*", "prefect.state-message": f"!{JUDGED}*"},
            "match_related": _of_others(project, check), "for_each": ["prefect.resource.id"],
            "threshold": 1, "within": _ONCE.total_seconds(),
        },
        _look(check),
    )  # fmt: skip


def _check_is_gone(project: Project, check: str) -> Automation:
    """Nobody else judges check-freshness: while it holds its one slot, no other check begins."""
    return Automation.of(
        f"{project.name}: check-freshness that does not begin, or fell silent",
        "A run of check-freshness whose container does not come up, or is lost, is Crashed, so that the next one can begin.",
        {
            "type": "event", "posture": "Proactive", "after": ["prefect.flow-run.Pending", "prefect.flow-run.heartbeat"],
            "expect": ["prefect.flow-run.Running", "prefect.flow-run.heartbeat", *_ENDS], "match": {"prefect.resource.id": "prefect.flow-run.*"},
            "match_related": {"prefect.resource.role": "deployment", "prefect.resource.id": f"prefect.deployment.{check}"},
            "for_each": ["prefect.resource.id"], "threshold": 1, "within": project.pending.total_seconds(),
        },
        {"type": "change-flow-run-state", "state": "CRASHED", "message": f"{JUDGED}it did not begin, or gave no sign of life any more"},
    )  # fmt: skip
