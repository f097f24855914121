"""How far a run is: a progress artifact in Prefect, and a word to whoever watches in this process."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Self
from uuid import UUID

from prefect.artifacts import create_progress_artifact, update_progress_artifact
from prefect.logging import get_logger

from shardlake.run.watch import watching

_PAUSE = 1.0
"""Seconds between two updates of the artifact at least: a call of the API for each of thousands of slices is too many."""


@contextmanager
def unharmed(artifact: str) -> Iterator[None]:
    """Within, what Prefect's API does not take is logged: an artifact shows a run, and must not break it."""
    try:
        yield
    except Exception as error:  # noqa: BLE001 - the API fails in many ways, and the rows are where they should be in all of them
        get_logger("shardlake").warning("The artifact %s could not be written (%s); the run goes on.", artifact, type(error).__name__)


def page_key(view: str, what: str) -> str:
    """The key of an artifact of a view.

    >>> page_key("order_lines", "run")
    'order-lines-run'
    """
    return f"{view.replace('_', '-')}-{what}"


class Progress:
    """A progress artifact `<view>-progress`: how many of `total` have come to their end, in percent. It is made when the first step
    begins that takes time, so that a run which finds nothing new makes none.
    """

    def __init__(self, view: str, total: int, description: str, what: str = "progress") -> None:
        """`description` says what is counted; `what` is the end of the artifact's key."""
        self._key, self._total, self._description = page_key(view, what), total, description
        self._artifact: UUID | None = None
        self._told = 0.0

    def __enter__(self) -> Self:
        return self

    def _begin(self) -> None:
        self._told = time.monotonic()
        with unharmed(self._key):
            made = create_progress_artifact(0.0, key=self._key, description=self._description)
            self._artifact = made if isinstance(made, UUID) else None  # a coroutine only where an event loop runs

    def left(self, count: int) -> None:
        """That many are still on their way."""
        watching.get().left(count, self._total)
        if count and not self._told:
            self._begin()
        if self._artifact and (count == 0 or time.monotonic() - self._told > _PAUSE):
            self._told = time.monotonic()
            with unharmed(self._key):
                update_progress_artifact(self._artifact, round(100.0 * (self._total - count) / self._total, 1) if self._total else 100.0)

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if error is None:
            self.left(0)
