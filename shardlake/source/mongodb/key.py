"""An `_id` as the text that is a row's key: ids that the server tells apart are never spelt alike, and one id in one way alone."""

import math
import re
from decimal import Decimal
from typing import Any, Literal

import orjson
from bson import ObjectId, json_util
from bson.decimal128 import Decimal128
from bson.json_util import JSONMode, JSONOptions

from shardlake.source.mongodb.client import OPTIONS
from shardlake.source.mongodb.decimal128 import decimal_text

Ids = Literal["any", "string"]
_RELAXED = JSONOptions(json_mode=JSONMode.RELAXED, uuid_representation=OPTIONS.uuid_representation)
_MISTAKEN = re.compile(r'["{].*|[0-9a-f]{24}|true|false|null|-?(0|[1-9]\d*)(\.\d+)?(e[+-]?\d+)?', re.DOTALL)
"""A string that reads like an id of another type: it stands in quotes."""
_LONGEST = 1 << 63


def key_text(value: Any, ids: Ids = "any") -> str:
    """An `_id` as text. ObjectIds are 24 hexadecimal digits, numbers decimal, strings as they are unless they read like one of
    those: then they stand in quotes. Other types are in Extended JSON, and so is all but strings where `ids` are strings.

    >>> [key_text(value) for value in (ObjectId("507f1f77bcf86cd799439011"), "A-1", 5, "5", 5.0, {"a": 1}, "507f1f77bcf86cd799439011")]
    ['507f1f77bcf86cd799439011', 'A-1', '5', '"5"', '5', '{"a": 1}', '"507f1f77bcf86cd799439011"']
    >>> [key_text(value, "string") for value in ("5", 5)]
    ['5', '{"$number": "5"}']
    """
    kind = type(value)
    if kind is str:
        return orjson.dumps(value).decode() if value[:1] in ('"', "{") or (ids == "any" and _MISTAKEN.fullmatch(value)) else value
    if kind is ObjectId and ids == "any":
        return str(value)
    number = _number(value)
    if number is not None:
        return number if ids == "any" else f'{{"$number": "{number}"}}'
    text: str = json_util.dumps(_alike(value), json_options=_RELAXED)
    return text if text[:1] == "{" or ids == "any" else f'{{"$json": {text}}}'


def _alike(value: Any) -> Any:
    """A value in which each number that the server takes for an integer is one: {a: 5} and {a: 5.0} are one id."""
    if isinstance(value, dict):
        return {name: _alike(item) for name, item in value.items()}
    if isinstance(value, list):
        return [_alike(item) for item in value]
    number = _number(value)
    if number is None:
        return value
    if number.lstrip("-").isdigit() and abs(int(number)) < _LONGEST:
        return int(number)
    return float(number) if Decimal(float(number)) == Decimal(str(value)) else value


def _number(value: Any) -> str | None:
    """A number by its value, since the server takes 5, 5.0 and a Decimal128 of 5.00 for one id; None for what is no finite one."""
    if isinstance(value, bool):
        return None
    if isinstance(value, int):
        return str(int(value))
    if isinstance(value, float) and math.isfinite(value):
        return str(int(value)) if value.is_integer() and abs(value) < _LONGEST else repr(value)
    if isinstance(value, Decimal128) and (exact := Decimal(decimal_text(value))).is_finite():
        nearest = float(exact)
        if math.isfinite(nearest) and Decimal(nearest) == exact:
            return _number(nearest)
        if abs(exact) < _LONGEST and exact == int(exact):  # an integer that no double holds
            return str(int(exact))
    return None
