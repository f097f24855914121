"""BSON documents as plain JSON that paths lead into. docs/how-to/read-mongodb.md has the table of types.

The driver's C code decodes and orjson writes; what orjson has no value for comes through `_spelt`. Measured beside others in bench/mongodb.py.
"""

import math
import re
from base64 import b64encode
from datetime import datetime
from typing import Any

import orjson
from bson import ObjectId
from bson.code import Code
from bson.datetime_ms import DatetimeMS
from bson.dbref import DBRef
from bson.decimal128 import Decimal128
from bson.int64 import Int64
from bson.max_key import MaxKey
from bson.min_key import MinKey
from bson.regex import Regex
from bson.timestamp import Timestamp

from shardlake.source.mongodb.decimal128 import decimal_text
from shardlake.source.mongodb.moment import moment_text

_OPTIONS = orjson.OPT_PASSTHROUGH_SUBCLASS | orjson.OPT_PASSTHROUGH_DATETIME
_NO_NUMBER = re.compile(rb"\x01[^\x00]*\x00.{6}[\xf0-\xff][\x7f\xff]", re.DOTALL)
"""A double that is NaN or infinite, in BSON; a match may be something else, and no match is certain."""


def json_text(document: dict[str, Any], bson: bytes) -> bytes:
    """A decoded document as JSON; `bson` is what it was decoded from.

    >>> json_text({"a": Decimal128("1.10"), "b": float("inf")}, b"\\x01b\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\xf0\\x7f")
    b'{"a":1.10,"b":"Infinity"}'
    """
    text = orjson.dumps(document, _spelt, _OPTIONS)
    if b"null" in text and _NO_NUMBER.search(bson):  # orjson writes NaN as null
        text = orjson.dumps(_without_nan(document), _spelt, _OPTIONS)
    return text


def _spelt(value: Any) -> Any:
    kind = type(value)
    if kind is ObjectId:
        return str(value)
    if kind is Int64:
        return int(value)
    if kind is datetime:
        return value.isoformat(timespec="milliseconds") + "Z"
    if kind is Decimal128:
        text = decimal_text(value)
        return orjson.Fragment(text) if text[-1] in "0123456789" else text
    return _rare(value)


def _rare(value: Any) -> Any:
    if isinstance(value, bytes):
        return b64encode(value).decode()
    if isinstance(value, DatetimeMS):
        return moment_text(int(value))
    if isinstance(value, Timestamp):
        return {"t": value.time, "i": value.inc}
    if isinstance(value, Regex):
        flags = "".join(letter for letter, bit in _FLAGS.items() if value.flags & bit)
        return f"/{value.pattern}/{flags}"
    if isinstance(value, Code):
        return str(value) if value.scope is None else {"code": str(value), "scope": dict(_without_nan(value.scope))}
    if isinstance(value, DBRef):
        return dict(_without_nan(value.as_doc()))
    if isinstance(value, MinKey | MaxKey):
        return {"$minKey": 1} if isinstance(value, MinKey) else {"$maxKey": 1}
    if isinstance(value, dict):
        return dict(value)
    raise TypeError(f"BSON of {type(value).__name__}")


_FLAGS = {"i": re.IGNORECASE, "l": re.LOCALE, "m": re.MULTILINE, "s": re.DOTALL, "u": re.UNICODE, "x": re.VERBOSE}


def _without_nan(value: Any) -> Any:
    """The value with NaN and the infinities as text, for which JSON has no numbers."""
    if isinstance(value, dict):
        return {key: _without_nan(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_without_nan(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    return value
