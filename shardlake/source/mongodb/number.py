"""Numbers of BSON as JSON: a double that is a whole number reads as one, since a field of numbers often has both kinds."""

import math
from typing import Any

import orjson

_EXPONENT = 1e16
"""From here on JSON has a double as digits and an exponent, and no point that an integer has not."""
_MINUS_ZERO = orjson.Fragment(b"-0")


def double(value: float) -> Any:
    """A double as what orjson writes. NaN and the infinities are text, for which JSON has no numbers.

    >>> double(5.0), double(0.5), double(float("-inf"))
    (5, 0.5, '-Infinity')
    """
    if not math.isfinite(value):
        return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    if not value.is_integer() or abs(value) >= _EXPONENT:
        return value
    return int(value) if value or math.copysign(1, value) > 0 else _MINUS_ZERO


def with_doubles(value: Any) -> Any:
    """A decoded value with each double in it as `double` has it."""
    if isinstance(value, float):
        return double(value)
    if isinstance(value, dict):
        return {key: with_doubles(item) for key, item in value.items()}
    if isinstance(value, list):
        return [with_doubles(item) for item in value]
    return value
