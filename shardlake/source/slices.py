"""The slices of a backfill: a range of the cursor as people write it, on the cursor's own scale, cut into steps. Pure."""

import re
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal, localcontext
from itertools import pairwise
from typing import Any
from zoneinfo import ZoneInfo

from pydantic import TypeAdapter, ValidationError

from shardlake.errors import SpecError
from shardlake.spec import Duration

MOST = 10_000
"""Slices of one shard."""
_SPANS = tuple(timedelta(**span) for span in ({"hours": 1}, {"hours": 6}, {"days": 1}, {"days": 7}, {"days": 30}, {"days": 365}))
"""Steps that are taken where none is given: the shortest that makes at most a hundred slices."""
_WRITTEN_TWICE = timedelta(minutes=65)
"""How far a bound moves out near a change of the clocks, where an hour of local time is written twice or never."""
_TIME = re.compile(r"\d{4}-\d\d-\d\d([ T]\d\d:\d\d(:\d\d(\.\d{1,6})?)?(Z|[+-]\d\d:?\d\d)?)?", re.ASCII)
_DURATION = TypeAdapter(Duration)


@dataclass(frozen=True, slots=True)
class Range:
    """`(lower, upper]` on the scale of a cursor's kind, and the step that it is cut by, as text."""

    kind: str
    lower: str
    upper: str
    step: str

    def slices(self) -> list[tuple[str, str]]:
        """The range cut into steps, in order. Raises SpecError where they are too many.

        >>> Range("int", "0", "25", "10").slices()
        [('0', '10'), ('10', '20'), ('20', '25')]
        >>> Range("date", "2026-01-30", "2026-02-01", "86400s").slices()
        [('2026-01-30', '2026-01-31'), ('2026-01-31', '2026-02-01')]
        """
        low, high, step = _value(self.kind, self.lower), _value(self.kind, self.upper), _step_of(self.kind, self.step)
        with localcontext(prec=200):
            span = high - low
            count = -(-span // step) if isinstance(span, timedelta) else int((span / step).to_integral_value("ROUND_CEILING"))
        if count > MOST:
            raise SpecError(
                f"--step {self.step} makes {count:,} slices a shard, and {MOST:,} are the most",
                hint="Write a longer step, or a shorter range.",
            )
        with localcontext(prec=200):
            edges = [low + step * n for n in range(count)]
        texts = [*(_text(self.kind, edge) for edge in edges), self.upper]
        return list(pairwise(texts))


def read_range(kind: str, start: str, end: str, step: str | None, zone: str) -> Range:
    """A range as people write it. Raises SpecError that says what to write.

    Times without a zone are in the connection's; a date is its midnight.

    >>> read_range("datetime", "2026-01-01", "2026-01-02T10:00Z", "1d", "Europe/Berlin")
    Range(kind='datetime', lower='2026-01-01 00:00:00.000000', upper='2026-01-02 11:00:00.000000', step='86400s')
    """
    lower, upper = _bound("--from", start, kind, zone), _bound("--to", end, kind, zone)
    if before(kind, upper, lower) or upper == lower:
        raise SpecError(f"--from {start} is not before --to {end}", hint="The rows behind --from, up to and with --to, are read.")
    return Range(kind, lower, upper, _step(kind, lower, upper, step))


def before(kind: str, one: str, other: str) -> bool:
    """Whether one position lies before another.

    >>> before("int", "9", "10")
    True
    """
    return bool(_value(kind, one) < _value(kind, other))


def _value(kind: str, text: str) -> Any:
    if kind in ("int", "decimal"):
        return Decimal(text)
    return date.fromisoformat(text) if kind == "date" else datetime.fromisoformat(text)


def _text(kind: str, value: Any) -> str:
    if kind in ("int", "decimal"):
        return format(value, "f")
    return str(value.isoformat() if kind == "date" else value.isoformat(" ", "microseconds"))


def _bound(option: str, given: str, kind: str, zone: str) -> str:
    if kind in ("int", "decimal"):
        shape, example = (r"-?\d{1,20}", "120000") if kind == "int" else (r"-?\d{1,65}(\.\d{1,38})?", "1200.50")
        if not re.fullmatch(shape, given.strip(), re.ASCII):
            raise SpecError(f"{option}: {given[:40]!r} is no number, and the cursor is one", hint=f"Write {option} {example}.")
        return _text(kind, Decimal(given.strip()))
    try:
        if not _TIME.fullmatch(given.strip()):
            raise ValueError
        if kind == "date":
            return date.fromisoformat(given.strip()).isoformat()
        return _text(kind, _moment(datetime.fromisoformat(given.strip()), kind, ZoneInfo(zone), late=option == "--to"))
    except (ValueError, OverflowError):
        example = "2026-01-31" if kind == "date" else "2026-01-31, '2026-01-31 18:30' or 2026-01-31T18:30:00+01:00"
        raise SpecError(
            f"{option}: {given[:40]!r} is no {'date' if kind == 'date' else 'date or time'}", hint=f"Write {option} {example}."
        ) from None


def _moment(given: datetime, kind: str, zone: ZoneInfo, *, late: bool) -> datetime:
    """A time on the cursor's scale: UTC for instants, else the connection's own clock, and rather too wide than too narrow."""
    if kind == "instant":
        moment = given if given.tzinfo else given.replace(tzinfo=zone, fold=late)
        return moment.astimezone(ZoneInfo("UTC")).replace(tzinfo=None)
    if given.tzinfo is None:
        return given
    local = given.astimezone(zone)
    near = timedelta(hours=2)
    if (given - near).astimezone(zone).utcoffset() != (given + near).astimezone(zone).utcoffset():
        local += _WRITTEN_TWICE if late else -_WRITTEN_TWICE
    return local.replace(tzinfo=None)


def _step(kind: str, lower: str, upper: str, given: str | None) -> str:
    """The step as text, the same for the same command."""
    span = _value(kind, upper) - _value(kind, lower)
    if given is None and kind in ("int", "decimal"):
        return format(max(Decimal(1000), (span / 32).to_integral_value("ROUND_CEILING")), "f")
    if given is None:
        fitting = (s for s in _SPANS if span <= 100 * s and (kind != "date" or s >= timedelta(days=1)))
        return _spelt(next(fitting, _SPANS[-1]))
    if kind in ("int", "decimal"):
        if not re.fullmatch(r"\d{1,30}(\.\d{1,38})?" if kind == "decimal" else r"\d{1,20}", given.strip(), re.ASCII) or not Decimal(given):
            raise SpecError(f"--step: {given[:40]!r} is no number above 0, and the cursor counts", hint="Write --step 100000.")
        return format(Decimal(given.strip()), "f")
    try:
        found = _DURATION.validate_python(given.strip())
    except ValidationError:
        raise SpecError(f"--step: {given[:40]!r} is no duration, and the cursor is a time", hint="Write --step 1h or --step 1d.") from None
    if found <= timedelta() or (kind == "date" and found % timedelta(days=1)):
        raise SpecError(f"--step: {given} is too short for a cursor of dates" if found else "--step: 0 is no step", hint="Write --step 1d.")
    return _spelt(found)


def _step_of(kind: str, text: str) -> Any:
    """A step's value, from the text that `_step` makes."""
    return Decimal(text) if kind in ("int", "decimal") else _DURATION.validate_python(text)


def _spelt(span: timedelta) -> str:
    return f"{span.total_seconds():.6f}".rstrip("0").rstrip(".") + "s"
