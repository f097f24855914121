"""A sign of life to an address outside Prefect: whoever waits for it there tells people when it stays away."""

from typing import Any

import httpx
from prefect.blocks.core import Block
from prefect.blocks.webhook import Webhook
from prefect.utilities.asyncutils import run_coro_as_sync

TRIES = 2


def beat(block: str | None) -> list[str]:
    """Call a Webhook block, if one is named. Returns why it could not be called, without its address, which is a secret."""
    if not block:
        return []
    why = ""
    for _ in range(TRIES):
        try:
            webhook: Any = Block.load(block)
            if not isinstance(webhook, Webhook):
                return [f"{block} is no webhook block: no sign of life was given"]
            answer: httpx.Response | None = run_coro_as_sync(webhook.call())
            if answer is not None and answer.is_success:
                return []
            why = f"HTTP {answer.status_code if answer is not None else '?'}"
        except Exception as error:  # noqa: BLE001 - its words may hold the address
            why = type(error).__name__
    return [f"{block} took no sign of life ({why})"]
