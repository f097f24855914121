"""Telling people: Prefect notification blocks, each by its own name; one that fails does not keep the others from being told."""

from collections.abc import Set
from typing import Any

import prefect.blocks.notifications  # noqa: F401 - makes the block types known to Block.load
from prefect.blocks.abstract import NotificationBlock
from prefect.blocks.core import Block
from prefect.client.schemas.objects import FlowRun, State
from prefect.events import emit_event

from shardlake.errors import ShardlakeError
from shardlake.ledger.alarms import Alarm
from tasks.freshness import Told


def tell(ledgers: Told, alarms: list[Alarm], others: set[str], blocks: list[str], *, whole: bool, unknown: Set[str]) -> list[str]:
    """Write down what is wrong now, and tell what people do not know yet. Returns what could not be told, and why.

    What one of the blocks could not be told is told all of them by the next check; without blocks nobody has been told.
    `others` are views that could not be judged, and deployments; with `whole` these and the judged ones are all that there are.
    Alarms of `unknown` kinds stay as they are, since nobody knows whether they are over.
    """
    now = ledgers.record(alarms, sorted(others), whole=whole, unknown=unknown)
    for alarm in now.raised:
        _emit("shardlake.alarm.raised", alarm)
    for alarm in now.ended:
        _emit("shardlake.alarm.ended", alarm)
    untold = alert(blocks, now.fresh, now.over)
    if blocks and not untold:
        ledgers.told(now.fresh, now.over)
    return untold


def _emit(event: str, alarm: Alarm) -> None:
    emit_event(
        event, resource={"prefect.resource.id": f"shardlake.view.{alarm.view}", "prefect.resource.name": alarm.view},
        payload={"shard": alarm.shard, "kind": alarm.kind, "message": alarm.message},
    )  # fmt: skip


def alert(blocks: list[str], fresh: list[Alarm], ended: list[Alarm]) -> list[str]:
    """Tell each block what is new and what is over, if anything is. Returns what could not be told, and why."""
    if not fresh and not ended:
        return []
    lines = [f"- {a.view}: {a.message}" for a in fresh] + [f"- {a.view}: over: {a.message}" for a in ended]
    subject = f"Shardlake: {len(fresh)} new alarms" if fresh else f"Shardlake: {len(ended)} alarms are over"
    return [problem for name in blocks if (problem := _tell(name, subject, "\n".join(lines)))]


def alert_of_failure(flow: Any, flow_run: FlowRun, state: State[Any]) -> None:  # noqa: ARG001 - a hook is given these by name
    """Tell that a check broke off by an error, before it could tell anything. A hook of the flow's."""
    error = getattr(state.data, "result", state.data)
    if not isinstance(error, BaseException):  # what is late has been told, and stands in the state's message
        return
    why = str(error) if isinstance(error, ShardlakeError) else type(error).__name__
    for name in flow_run.parameters.get("notify") or []:
        _tell(name, "Shardlake: the check of freshness broke off", f"{flow_run.name}: {why}. Nobody knows whether views are late.")


def _tell(name: str, subject: str, body: str) -> str | None:
    try:
        block: Any = Block.load(name)
        if not isinstance(block, NotificationBlock):
            return f"{name} is no notification block"
        with block.raise_on_failure():  # without it most kinds only log that they were refused
            block.notify(body, subject)  # type: ignore[unused-coroutine]  # it is none without an event loop
    except Exception as error:  # noqa: BLE001 - a webhook's URL is a secret, and its errors hold it
        return f"{name} could not be told ({type(error).__name__})"
    return None
