"""What a window is to read, and what reading it came to: passed between a source, the engine and the ledger."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from shardlake.errors import AccountingError

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class RawFile:
    """A file of raw rows: its key under the lake's URL, rows and bytes."""

    key: str
    rows: int
    bytes: int


@dataclass(frozen=True, slots=True)
class Item:
    """Something at a source that is read once, such as a file: its name, a mark that changes with its content, and its bytes."""

    name: str
    mark: str
    bytes: int


@dataclass(frozen=True, slots=True)
class Extent:
    """What a window reads, as its source planned it.

    `plan` says it to the source; `start` and `end` are the partition's positions before and after it, `start` None where
    nothing comes before. Versions of its rows are of `version_kind` and lie behind `from_version`, up to and with
    `to_version`. A `snapshot` is a reading of all that there is. `complete_to` is the source's time up to which every row
    is in raw when the window is, and `held_by` what holds it back; `shown` is the position at its end, for people.
    """

    plan: Json
    start: Json | None
    end: Json
    version_kind: str | None = None
    from_version: str | None = None
    to_version: str | None = None
    snapshot: bool = False
    complete_to: datetime | None = None
    held_by: str | None = None
    shown: str | None = None


@dataclass(frozen=True, slots=True)
class Reading:
    """What reading a window came to: its files in order, how many rows the source gave, counted as they came, and the position reached
    where that is not the window's end.

    `more` says that there is more to be read now; `ends_snapshot` that all there is has been read. `items` are those that were
    read, of a source that reads each once, and `gone` those of earlier windows that are not there any more.
    """

    files: tuple[RawFile, ...]
    rows: int
    position: Json | None = None
    more: bool = False
    ends_snapshot: bool = False
    seconds: Mapping[str, float] = field(default_factory=dict)
    items: tuple[Item, ...] = ()
    gone: tuple[Item, ...] = ()

    def require(self, place: str) -> None:
        """That the files hold what came. Raises AccountingError with the `place` and the figures."""
        held = sum(file.rows for file in self.files)
        if held != self.rows:
            raise AccountingError(
                f"{place}: {self.rows} rows were read, and its {len(self.files)} files hold {held}",
                hint="Nothing of it counts; please report it.",
            )
