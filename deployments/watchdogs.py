"""The watcher is watched: what the Prefect server tells by itself, where no run could. Automations that send notifications."""

from collections.abc import Iterable, Mapping
from datetime import timedelta
from typing import Any

from deployments.automations import UNBORN, Automation
from deployments.project import Pool, Project
from deployments.queues import CHECK
from deployments.server import Block, PublishRefused, Server
from shardlake.view.schedule import Cron

MISSED = 3
"""As many periods of check-freshness may pass without one that ended, before somebody is told."""
_SHORTEST = timedelta(seconds=10)
"""Prefect takes no shorter time to wait for what does not come."""
_ENDED = ["prefect.flow-run.Completed", "prefect.flow-run.Failed"]
"""How a check that could look ends: all is well, or something is late, of which it has told."""
_BROKEN = ["prefect.flow-run.Crashed", "prefect.flow-run.TimedOut"]


def told_blocks(server: Server, project: Project) -> dict[str, str]:
    """The ids of the notification blocks that are to be told, by name. Raises PublishRefused for a block that is not there or not of that kind."""
    telling, there = project.telling, server.blocks(project.telling.blocks)
    for name in telling.blocks:
        key = "notify" if name in telling.notify else "heartbeat"
        if name not in there:
            raise PublishRefused(
                f"prefect.yaml: definitions.{key}: there is no block {name} on the server, so that nobody would be told",
                hint="Make it on the page Blocks of Prefect's UI, or correct the name; `prefect block ls` shows those that there are.",
            )
        if key == "notify" and not _notifies(there[name]):
            raise PublishRefused(
                f"prefect.yaml: definitions.notify: {name} is no notification block",
                hint="Name one that notifies, such as slack-webhook, email or custom-webhook.",
            )
    return {name: there[name].key for name in telling.notify}


def _notifies(block: Block) -> bool:
    return "notify" in block.capabilities


def watchdogs(project: Project, pool: Pool, ids: Mapping[str, str], blocks: Mapping[str, str]) -> list[Automation]:
    """What tells of a pool without workers, and of a check-freshness that breaks off or does not run. `blocks` are ids by name."""
    if not blocks:
        return []
    found = [_no_worker(project, pool, blocks.values())]
    for item in project.standing:
        if item.get("entrypoint") == CHECK:
            name = str(item["name"])
            watched = _of_deployment(ids.get(f"check-freshness/{name}", UNBORN))
            found.append(_broken(project, name, watched, blocks.values()))
            if period := _period(item.get("schedules") or []):
                found.append(_absent(project, name, watched, period, blocks.values()))
    return found


def _no_worker(project: Project, pool: Pool, blocks: Iterable[str]) -> Automation:
    return Automation.of(
        f"{project.name}: {pool.name} has no worker",
        "Tells when no worker of the pool gives signs of life any more: nothing runs then, check-freshness neither.",
        {
            "type": "event", "posture": "Reactive", "expect": ["prefect.work-pool.not-ready"],
            "match": {"prefect.resource.id": "prefect.work-pool.*", "prefect.resource.name": pool.name}, "threshold": 1, "within": 0,
        },
        *_tell(
            blocks, f"Shardlake: no worker for {pool.name}",
            f"The work pool {pool.name} has no worker any more: no run of {project.name} begins until one is back. Look at the worker's process or service and its log.",
        ),
    )  # fmt: skip


def _broken(project: Project, name: str, watched: dict[str, Any], blocks: Iterable[str]) -> Automation:
    return Automation.of(
        f"{project.name}: {name} broke off",
        "Tells when a check crashed, and so may have told nobody.",
        {
            "type": "event", "posture": "Reactive", "expect": _BROKEN, "match": {"prefect.resource.id": "prefect.flow-run.*"},
            "match_related": watched, "threshold": 1, "within": 0,
        },
        *_tell(
            blocks, f"Shardlake: {name} broke off",
            f"A run of {name} of {project.name} crashed, so that what is late may not have been told. Look at the run {{{{ flow_run.name }}}} in Prefect.",
        ),
    )  # fmt: skip


def _absent(project: Project, name: str, watched: dict[str, Any], period: timedelta, blocks: Iterable[str]) -> Automation:
    within = max(MISSED * period, _SHORTEST)
    return Automation.of(
        f"{project.name}: {name} does not run",
        f"Tells when no check has ended for {MISSED} of its periods, and again as often while none does.",
        {
            "type": "event", "posture": "Proactive", "expect": _ENDED, "match": {"prefect.resource.id": "prefect.flow-run.*"},
            "match_related": watched, "threshold": 1, "within": within.total_seconds(),
        },
        *_tell(
            blocks, f"Shardlake: {name} does not run",
            f"No run of {name} of {project.name} has ended for {_short(within)}: nobody looks whether views are late. Look at its runs and at the pool's workers in Prefect.",
        ),
    )  # fmt: skip


def _tell(blocks: Iterable[str], subject: str, body: str) -> list[dict[str, Any]]:
    return [{"type": "send-notification", "block_document_id": block, "subject": subject, "body": body} for block in blocks]


def _of_deployment(deployment: str) -> dict[str, Any]:
    return {"prefect.resource.role": "deployment", "prefect.resource.id": f"prefect.deployment.{deployment}"}


def _period(schedules: list[dict[str, Any]]) -> timedelta | None:
    """The shortest time from one run to the next by the schedules that are not switched off; None where there is none."""
    on = [s for s in schedules if s.get("active", True)]
    periods = [timedelta(seconds=s["interval"]) for s in on if "interval" in s]
    periods += [Cron(str(s["cron"]), str(s.get("timezone", "UTC"))).period for s in on if "cron" in s]
    return min(periods, default=None)


def _short(time: timedelta) -> str:
    minutes = time.total_seconds() / 60
    return f"{minutes:g} minutes" if minutes < 120 else f"{minutes / 60:g} hours"
