"""The view's cursor: the type of its values, as versions of rows and as bounds of queries. Pure."""

import math
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import ROUND_CEILING, ROUND_FLOOR, Context, Decimal
from typing import Any, Literal

from bson import ObjectId
from bson.decimal128 import Decimal128
from bson.int64 import Int64

from shardlake.errors import SpecError, WatermarkRefused
from shardlake.source.mongodb.decimal128 import decimal_text

By = Literal["date", "number", "objectId"]
"""The type of a cursor's values, by its alias for $type. Values of other types are not told by it."""
TYPES: tuple[By, ...] = ("date", "number", "objectId")
NUMBERS = 1000
"""How far a window reaches back on a cursor of numbers where the view's lookback is a duration."""
FUTURE = timedelta(days=1)
"""A date that is further ahead of the server's clock than this is no time at which a document was written."""
_DIGITS = 1e38
"""Whole doubles below this are versions with every digit; the tables hold no more digits than that."""
_FORMAT = "%Y-%m-%d %H:%M:%S.%f"


def version_kind(by: By) -> str:
    """What versions are, for the envelope; an ObjectId counts as the number that its bytes are."""
    return "instant" if by == "date" else "decimal"


def value_at(document: Any, path: tuple[str, ...]) -> Any:
    """What stands at a path of keys; None where nothing does."""
    for key in path:
        if not isinstance(document, dict):
            return None
        document = document.get(key)
    return document


def version_text(value: Any, by: By) -> str | None:
    """A value as a version; None for one of another type, or that has no place in the order.

    >>> version_text(datetime(2026, 1, 2, 3, 4, 5, 678000), "date"), version_text("2026-01-02", "date")
    ('2026-01-02 03:04:05.678', None)
    >>> version_text(Decimal128("1E+3"), "number"), version_text(float("nan"), "number")
    ('1E+3', None)
    """
    if by == "date":
        return value.isoformat(" ", "milliseconds") if isinstance(value, datetime) else None
    if by == "objectId":
        return str(int.from_bytes(value.binary, "big")) if isinstance(value, ObjectId) else None
    if isinstance(value, bool):
        return None
    if isinstance(value, int):
        return str(int(value))
    if isinstance(value, float):
        if not math.isfinite(value):
            return None
        exact = value.is_integer() and abs(value) < _DIGITS
        return str(int(value)) if exact else repr(value)  # repr has other digits than the double from 2**53 on
    if isinstance(value, Decimal128):
        text = decimal_text(value)
        return text if text[-1].isdigit() else None
    return None


@dataclass(frozen=True, slots=True)
class Bound:
    """An end of a window: a value of the cursor's type as text."""

    by: By
    text: str

    def bson(self, *, highest: bool = True) -> Any:
        """The value as the server compares it. Raises WatermarkRefused.

        A fraction may have been a double or a Decimal128: to the server the double 0.1 is greater than 0.1. It is the `highest` of both, or else the
        lowest, so that no document is left out.
        """
        try:
            if self.by == "date":
                return datetime.fromisoformat(self.text)
            number = Decimal(self.text)
            if self.by == "objectId":
                return ObjectId(int(number).to_bytes(12, "big"))
            whole = number == number.to_integral_value() and abs(number) < 1 << 63
            if whole:
                return Int64(int(number))
            double = float(number)
            if Decimal(double) == number or (Decimal(repr(double)) == number and (Decimal(double) > number) == highest):
                return double
            rounding = ROUND_CEILING if highest else ROUND_FLOOR  # outward: a Decimal128 has 34 digits
            return Decimal128(Context(34, rounding, -6143, 6144, clamp=1, traps=[]).create_decimal(number))
        except (ValueError, ArithmeticError, TypeError):
            raise WatermarkRefused(f"the watermark {self.text[:40]!r} is no {self.by}", hint="Run with --full to begin anew.") from None

    def precedes(self, other: "Bound") -> bool:
        """Whether it lies before another.

        >>> Bound("number", "9").precedes(Bound("number", "10"))
        True
        """
        if self.by == "date":
            return bool(self.bson() < other.bson())
        return Decimal(self.text) < Decimal(other.text)

    def minus(self, lookback: timedelta | int) -> "Bound":
        """The bound at which a window begins, so that what was written late is read again. Raises SpecError.

        >>> Bound("date", "2026-01-01 00:05:00.000000").minus(timedelta(minutes=5)).text
        '2026-01-01 00:00:00.000000'
        """
        if self.by == "number":
            back = lookback if isinstance(lookback, int) else NUMBERS if lookback else 0
            return Bound(self.by, format(Context(prec=100).subtract(Decimal(self.text), Decimal(back)), "f"))
        if isinstance(lookback, int):
            raise SpecError(f"source.lookback: {lookback} is a number, and the cursor is a {self.by}", hint="Write a time, as in 5m.")
        if self.by == "objectId":
            number = int(Decimal(self.text)) - (math.ceil(lookback.total_seconds()) << 64)
            return Bound(self.by, str(max(number, 0)))
        return of_moment(self.by, self.bson() - lookback)


def of_moment(by: By, moment: datetime) -> Bound:
    """The bound at a time of the server's clock (UTC, without a zone): all that was written before it lies at it or before.

    >>> of_moment("date", datetime(2026, 1, 1)).text
    '2026-01-01 00:00:00.000000'
    """
    if by == "objectId":
        return Bound(by, str((int((moment - datetime(1970, 1, 1)).total_seconds()) << 64) - 1))
    return Bound(by, moment.strftime(_FORMAT))
