"""Who is told when something is wrong: what prefect.yaml says of it. Blocks are named here; their addresses stay in Prefect."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from shardlake.errors import SpecError

NOBODY = "none"
_BLOCK = re.compile(r"[a-z0-9-]+/[a-z0-9-]+")


@dataclass(frozen=True, slots=True)
class Telling:
    """The notification blocks that hear of alarms, and the webhook block that hears that the watcher lives."""

    notify: tuple[str, ...] = ()
    heartbeat: str | None = None

    @property
    def blocks(self) -> list[str]:
        """All blocks that are named."""
        return [*self.notify, *([self.heartbeat] if self.heartbeat else [])]

    @property
    def parameters(self) -> dict[str, Any]:
        """What `check-freshness` is given of it."""
        notify: dict[str, Any] = {"notify": list(self.notify)} if self.notify else {}
        return notify | ({"heartbeat": self.heartbeat} if self.heartbeat else {})


def read_telling(file: Path, definitions: dict[str, Any]) -> Telling:
    """What `notify` and `heartbeat` say. Raises SpecError, also where nobody is named and nothing says that this is meant."""
    notify, heartbeat = definitions.get("notify"), definitions.get("heartbeat")
    if not notify:
        raise SpecError(
            f"{file}: definitions.notify: is missing: nobody would be told of what is late",
            hint=f"Name Prefect notification blocks, as in `notify: [slack-webhook/data-team]`, or say `notify: {NOBODY}`.",
        )
    names = [] if notify == NOBODY else notify
    if not isinstance(names, list) or not all(_is_block(name) for name in names):
        raise SpecError(
            f"{file}: definitions.notify: is a list of notification blocks, or {NOBODY}",
            hint="A block is named by its type and its name, as in `notify: [slack-webhook/data-team]`.",
        )
    if heartbeat is not None and not (_is_block(heartbeat) and heartbeat.startswith("webhook/")):
        raise SpecError(
            f"{file}: definitions.heartbeat: is no webhook block",
            hint="The address is a secret and stays in Prefect: make a Webhook block, and name it as in `heartbeat: webhook/healthchecks`.",
        )
    return Telling(tuple(dict.fromkeys(names)), heartbeat)


def _is_block(name: object) -> bool:
    return isinstance(name, str) and _BLOCK.fullmatch(name) is not None
