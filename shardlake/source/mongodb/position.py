"""Where a partition stands, and what a window is to read, as the JSON that the ledger keeps and as what the reader works with.

Behind a first load, or a later window, a position is `{"by", "cursor", "ids"}`; behind a later window that was closed early it has the
`upper` that the windows up to there go on to, too. In a first load it is `{"by", "upper", "left", "ids"}`: the ranges of `_id` that are still to be read. Ids are in canonical Extended JSON, so that none loses its type.
"""

from dataclasses import dataclass
from typing import Any

from bson import json_util
from bson.binary import UuidRepresentation
from bson.json_util import JSONMode, JSONOptions

from shardlake.errors import WatermarkRefused
from shardlake.ledger.extent import Json
from shardlake.source.mongodb.client import OPTIONS
from shardlake.source.mongodb.cursor import Bound, By
from shardlake.source.mongodb.key import Ids

_WRITTEN = JSONOptions(json_mode=JSONMode.CANONICAL, uuid_representation=OPTIONS.uuid_representation)
_READ = JSONOptions(
    json_mode=JSONMode.CANONICAL,
    uuid_representation=UuidRepresentation.UNSPECIFIED,  # else UUIDs of the old subtype came back as new ones
    datetime_conversion=OPTIONS.datetime_conversion,
    tz_aware=False,
)
BEGINNING, END = "", ""
"""Where an interval has no bound."""


@dataclass(frozen=True, slots=True)
class Interval:
    """A range of `_id`, from `lower` up to `upper` and without it. Where it goes `on`, what is at `lower` has been read.

    One that is read again ends with `until`, too. Bounds are Extended JSON; an empty one bounds nothing.
    """

    lower: str = BEGINNING
    upper: str = END
    on: bool = False
    until: str = END


def spelt_id(value: Any) -> str:
    """An `_id` as a bound."""
    text: str = json_util.dumps(value, json_options=_WRITTEN)
    return text


def id_of(text: str) -> Any:
    """The `_id` that a bound is."""
    return json_util.loads(text, json_options=_READ)


@dataclass(frozen=True, slots=True)
class Position:
    """How far a partition was read: `cursor`, or `left` of a first load up to `upper`. `by` is None where there is no cursor.

    With `cursor` and `upper` a later window was closed early: from `cursor` up to `upper` nothing has been read yet.
    """

    by: By | None
    ids: Ids
    cursor: str | None = None
    upper: str | None = None
    left: tuple[Interval, ...] = ()
    complete_to: str | None = None

    def json(self) -> Json:
        """It, as the ledger keeps it."""
        if not self.left:
            under_way = {"upper": self.upper, "complete_to": self.complete_to} if self.upper else {}
            return {"by": self.by, "cursor": self.cursor, "ids": self.ids, **under_way}
        left = [[i.lower, i.upper, i.on, i.until] for i in self.left]
        return {"by": self.by, "upper": self.upper, "left": left, "ids": self.ids, "complete_to": self.complete_to}


def position_of(found: Json | None, ids: Ids) -> Position | None:
    """What the ledger keeps, as a position; None where a partition is read from the beginning. Raises WatermarkRefused."""
    if found is None:
        return None
    try:
        left = tuple(Interval(*interval) for interval in found.get("left", ()))
        position = Position(found["by"], found["ids"], found.get("cursor"), found.get("upper"), left, found.get("complete_to"))
    except (KeyError, TypeError):
        raise WatermarkRefused("the ledger's position is not one of a collection", hint="Run with --full to begin anew.") from None
    if position.ids != ids:
        raise WatermarkRefused(
            f"source.ids was {position.ids} and is {ids} now, by which ids are spelt in another way",
            hint="Change it back, or choose a new table and run with --full.",
        )
    return None if position.by is None and not position.left else position


@dataclass(frozen=True, slots=True)
class Window:
    """What is read: ranges of `_id` (a first load), or the cursor from behind `lower` up to `upper` (`intervals` is empty then).

    With `ordered` it is read along the cursor, by its index, and may be closed early. `whole` windows are not closed early.
    """

    by: By | None
    ids: Ids
    lower: str | None = None
    upper: str | None = None
    intervals: tuple[Interval, ...] = ()
    ordered: bool = False
    whole: bool = False
    complete_to: str | None = None

    @property
    def goes_on(self) -> bool:
        """Whether it goes on with a first load that an earlier window began."""
        return any(interval.on for interval in self.intervals) or (bool(self.intervals) and self.intervals[0].lower != BEGINNING)

    def bound(self, text: str) -> Bound:
        """One of its bounds."""
        assert self.by is not None
        return Bound(self.by, text)

    def json(self) -> Json:
        """It, as the ledger keeps it."""
        return {
            "by": self.by, "ids": self.ids, "lower": self.lower, "upper": self.upper, "ordered": self.ordered, "whole": self.whole,
            "intervals": [[i.lower, i.upper, i.on, i.until] for i in self.intervals], "complete_to": self.complete_to,
        }  # fmt: skip


def window_of(plan: Json) -> Window:
    """A window that the ledger has kept."""
    intervals = tuple(Interval(*interval) for interval in plan["intervals"])
    return Window(
        plan["by"], plan["ids"], plan["lower"], plan["upper"], intervals, plan["ordered"], plan.get("whole", False), plan.get("complete_to")
    )


def behind(window: Window, left: tuple[Interval, ...] = (), reached: str | None = None) -> Position:
    """The position behind a window: at its end, with intervals `left`, or closed early where the cursor had `reached`."""
    if left:
        return Position(window.by, window.ids, upper=window.upper, left=left, complete_to=window.complete_to)
    if reached:
        return Position(window.by, window.ids, reached, window.upper, complete_to=window.complete_to)
    return Position(window.by, window.ids, window.upper)


def read_of(window: Window, left: tuple[Interval, ...]) -> tuple[Interval, ...]:
    """The intervals of a window that were read when these were left: those that it would read again."""
    by_end = {interval.upper: interval for interval in left}
    found = []
    for interval in window.intervals:
        rest = by_end.get(interval.upper)
        if rest is None:
            found.append(interval)
        elif rest != interval:
            found.append(Interval(interval.lower, interval.upper, interval.on, rest.lower))
    return tuple(found)
