"""Items as DynamoDB spells them, `{"S": "text"}`, made plain: JSON documents whose numbers keep every digit, and keys as text."""

import base64
import re
from decimal import Decimal
from typing import Any

import orjson

_NUMBER = re.compile(r"-?(0|[1-9]\d*)(\.\d+)?([eE][+-]?\d{1,6})?")
"""What JSON takes for one; Decimal refuses exponents of 19 digits."""


def document(item: dict[str, Any]) -> str:
    """An item as plain JSON. Raises ValueError for what is no value of DynamoDB's.

    >>> document({"n": {"N": "1.10"}, "s": {"SS": ["b", "a"]}, "m": {"M": {"x": {"NULL": True}}}, "b": {"B": "AQI="}})
    '{"n":1.10,"s":["a","b"],"m":{"x":null},"b":"AQI="}'
    """
    return orjson.dumps({name: _plain(value) for name, value in item.items()}).decode()


def key_value(value: dict[str, Any]) -> str | bytes:
    """An attribute of a key: text and numbers as they are spelt, binary as bytes."""
    ((kind, inner),) = value.items()
    return base64.b64decode(inner) if kind == "B" else str(inner)


def _plain(value: dict[str, Any]) -> Any:
    ((kind, inner),) = value.items()
    if kind == "S" or kind == "B":
        if not isinstance(inner, str):
            raise ValueError(f"{str(inner)[:60]!r} is no text, as {kind} says")
        return inner
    if kind == "N":
        return _number(inner)
    if kind == "M":
        return {name: _plain(found) for name, found in inner.items()}
    if kind == "L":
        return [_plain(found) for found in inner]
    if kind == "NULL":
        return None
    if kind == "BOOL":
        return inner
    if kind in ("SS", "BS"):
        return sorted(inner)
    if kind == "NS":
        return [_number(text) for text in sorted(inner, key=_value)]
    raise ValueError(f"{kind} is no type of DynamoDB's")


def _number(text: str) -> orjson.Fragment:
    if not isinstance(text, str) or not _NUMBER.fullmatch(text):
        raise ValueError(f"{str(text)[:60]!r} is no number")
    return orjson.Fragment(text)


def _value(text: str) -> Decimal:
    """A number, to be compared. Raises ValueError for a text that is none, of which Decimal raises what is no ValueError."""
    _number(text)
    return Decimal(text)
