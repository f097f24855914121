"""A window: the part of one shard's rows that one pass reads, and the position that it leaves behind.

A shard's first window is a scan in key order of all that is older than its upper bound, or has no cursor at all: half
the cost of a scan in cursor order, and sorted as the target's key wants it. Later windows go along the cursor. Either
may be closed early at a whole chunk; the next window then starts behind the last row's place.
"""

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Context, Decimal
from typing import Literal
from zoneinfo import ZoneInfo

from shardlake.errors import SpecError, WatermarkRefused
from shardlake.source.sql.dialect import Clock, Kind

NUMBERS = 1000
"""How far a window reaches back on a cursor of numbers where the view's lookback is a duration."""

Order = Literal["key", "cursor"]
Position = tuple[str, ...]
"""A row's place as text: its key in key order; its cursor and key in cursor order."""


@dataclass(frozen=True, slots=True)
class Watermark:
    """How far a shard has been committed. `upper` with `after` is a scan that goes on; `cursor` a finished one."""

    kind: Kind
    cursor: str | None = None
    upper: str | None = None
    order: Order = "key"
    after: Position | None = None
    lower: str | None = None
    complete_to: str | None = None

    @property
    def in_scan(self) -> bool:
        """Whether a window was closed early and its rest is still to be read."""
        return self.after is not None


@dataclass(frozen=True, slots=True)
class Window:
    """`(lower, upper]` of the cursor, read in `order` from behind `after`. Bounds are None where there are none.

    A `ranged` window leaves out the rows that have no cursor; of the others in cursor order those with `nulls` take them in.
    `complete_to` is the source's time up to which every row has been read when the window, or the scan that it is of, ends.
    One that was closed early and is read again ends at `until`, the last row's place, and is not closed before.
    """

    kind: Kind | None
    lower: str | None
    upper: str | None
    order: Order
    after: Position | None = None
    ranged: bool = False
    nulls: bool = True
    complete_to: str | None = None
    until: Position | None = None

    @property
    def is_snapshot(self) -> bool:
        """Whether it is of a reading of all that there is."""
        return self.order == "key" and self.lower is None


def next_window(kind: Kind, mark: Watermark | None, upper: str, lookback: timedelta | int, zone: str) -> Window:
    """The window after `mark`, up to `upper`. Raises WatermarkRefused where the mark cannot be right.

    >>> next_window("int", Watermark("int", "90"), "120", 5, "UTC")
    Window(kind='int', lower='85', upper='120', order='cursor', after=None, ranged=False, nulls=True, complete_to=None, until=None)
    """
    if isinstance(lookback, int) and kind not in ("int", "decimal"):
        raise SpecError(f"source.lookback: {lookback} is a number, and the cursor is a {kind}", hint="Write a time, as in 5m.")
    if mark is None:
        return Window(kind, None, upper, "key")
    if mark.kind != kind:
        raise WatermarkRefused(
            f"the watermark is on a cursor of kind {mark.kind}, the view's cursor is of kind {kind}", hint="Run with --full to begin anew."
        )
    if mark.in_scan:
        return Window(kind, mark.lower, mark.upper, mark.order, mark.after, complete_to=mark.complete_to)
    assert mark.cursor is not None
    _refuse_future(kind, mark.cursor, upper)
    lower = _minus(kind, mark.cursor, lookback, zone)
    return Window(kind, lower, max(upper, mark.cursor, key=lambda text: _value(kind, text)), "cursor")


def upper_bound(kind: Kind, clock: Clock, lag: timedelta, zone: str) -> str:
    """The upper bound of a cursor of times: the shard's clock less the lag, at most what its transactions allow."""
    instant = min(clock.now - lag, clock.bound)
    if kind == "instant":
        return instant.strftime("%Y-%m-%d %H:%M:%S.%f")
    local = instant.astimezone(ZoneInfo(zone))
    return local.strftime("%Y-%m-%d") if kind == "date" else local.strftime("%Y-%m-%d %H:%M:%S.%f")


def _value(kind: Kind, text: str) -> datetime | date | float | int:
    try:
        if kind == "date":
            return date.fromisoformat(text)
        if kind in ("datetime", "instant"):
            return datetime.fromisoformat(text).replace(tzinfo=None)
        return int(text) if kind == "int" else float(text)
    except ValueError:
        raise WatermarkRefused(f"the watermark {text[:40]!r} is not of kind {kind}", hint="Run with --full to begin anew.") from None


def _refuse_future(kind: Kind, mark: str, upper: str) -> None:
    """A mark far past the shard's own clock would hide rows for as long as the clock needs to reach it."""
    found, bound = _value(kind, mark), _value(kind, upper)
    if isinstance(found, datetime) and isinstance(bound, datetime):
        ahead = found - bound > timedelta(days=1)
    elif isinstance(found, date) and isinstance(bound, date):
        ahead = found - bound > timedelta(days=2)
    else:
        ahead = False
    if ahead:
        raise WatermarkRefused(
            f"the watermark {mark} is ahead of the shard's clock ({upper})",
            hint="Check the clock and the ledger; `--full` reads everything anew.",
        )


def _minus(kind: Kind, mark: str, lookback: timedelta | int, zone: str) -> str:
    value = _value(kind, mark)
    span = lookback if isinstance(lookback, timedelta) else timedelta()
    if kind == "datetime" and isinstance(value, datetime):
        if ZoneInfo(zone).utcoffset(datetime(2026, 1, 1)) != ZoneInfo(zone).utcoffset(datetime(2026, 7, 1)):
            span = max(span, timedelta(minutes=65))  # in autumn an hour of local time is written twice
        return (value - span).strftime("%Y-%m-%d %H:%M:%S.%f")
    if isinstance(value, datetime):
        return (value - span).strftime("%Y-%m-%d %H:%M:%S.%f")
    if isinstance(value, date):
        # a day is written until it is over, and the lookback may begin on the day before the watermark's
        return (value - timedelta(days=1 + -(-span // timedelta(days=1)))).isoformat()
    back = lookback if isinstance(lookback, int) else NUMBERS if lookback else 0
    return format(Context(prec=200).subtract(Decimal(mark), Decimal(back)), "f")
