"""BSON documents as plain JSON that paths lead into. docs/how-to/read-mongodb.md has the table of types.

The driver's C code decodes and orjson writes; what those two would change goes through `exact`, and a property test shows that both
spell alike. Measured beside others in bench/MONGODB.md.
"""

import re
from base64 import b64encode
from datetime import datetime
from typing import Any

import orjson
from bson import ObjectId
from bson.code import Code
from bson.datetime_ms import DatetimeMS
from bson.decimal128 import Decimal128
from bson.int64 import Int64
from bson.max_key import MaxKey
from bson.min_key import MinKey
from bson.regex import Regex
from bson.timestamp import Timestamp

from shardlake.source.mongodb.decimal128 import decimal_text
from shardlake.source.mongodb.exact import Walk
from shardlake.source.mongodb.moment import moment_text
from shardlake.source.mongodb.number import with_doubles

_OPTIONS = orjson.OPT_PASSTHROUGH_SUBCLASS | orjson.OPT_PASSTHROUGH_DATETIME
_NO_NUMBER = re.compile(rb"\x00.{6}[\xf0-\xff][\x7f\xff]", re.DOTALL)
"""A double that is NaN or infinite, in BSON, behind its name; a match may be something else, and no match is certain.

It looks at as many bytes wherever it begins: one that began with the element's type took minutes over a megabyte of \\x01.
"""
_WHOLE = re.compile(rb"\.0[,}\]]")
"""A double that is a whole number, in JSON, or a string that reads like it."""
_FLAGS = {"i": re.IGNORECASE, "l": re.LOCALE, "m": re.MULTILINE, "s": re.DOTALL, "u": re.UNICODE, "x": re.VERBOSE}


def json_text(document: dict[str, Any], bson: bytes) -> bytes:
    """A decoded document as JSON; `bson` is what it was decoded from.

    >>> from bson import encode
    >>> found = {"a": Decimal128("1.10"), "b": float("inf"), "c": ObjectId("507f1f77bcf86cd799439011")}
    >>> json_text(found, encode(found))
    b'{"a":1.10,"b":"Infinity","c":"507f1f77bcf86cd799439011"}'
    """
    if b"$ref\0" in bson:  # the driver makes an object of it, and of an odd one an error
        return Walk(bson).json_text()
    try:
        text = orjson.dumps(document, _spelt, _OPTIONS)
    except TypeError:
        return Walk(bson).json_text()
    if _WHOLE.search(text) or (b"null" in text and _NO_NUMBER.search(bson)):  # orjson writes 5.0, and NaN as null
        return orjson.dumps(with_doubles(document), _spelt, _OPTIONS)
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
        return f"/{value.pattern}/{''.join(letter for letter, bit in _FLAGS.items() if value.flags & bit)}"
    if isinstance(value, Code) and value.scope is None:
        return str(value)
    if isinstance(value, MinKey | MaxKey):
        return {"$minKey": 1} if isinstance(value, MinKey) else {"$maxKey": 1}
    raise TypeError(f"BSON of {type(value).__name__}")
