"""Keys as values: two spellings of one number, instant or document are one key, as they are to Postgres.

Most of the lake's types have one form a value. Text has several where it stands for a numeric without a size, an interval or a
document, and so have lists of such texts and floats, of which there are two zeros.
"""

import re
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import orjson
import polars as pl

from shardlake.view.types import Type

_INTERVAL = re.compile(
    r"(?:(-?\d+) years?)? ?(?:([-+]?\d+) mons?)? ?(?:([-+]?\d+) days?)? ?(?:([-+]?)(\d+):(\d\d):(\d\d)(?:\.(\d{1,6}))?)?"
)


def is_odd(type_: Type, column: pl.Series) -> bool:
    """Whether the lake has more than one form for a value of a key's column."""
    if isinstance(column.dtype, pl.List):
        return True
    return type_.name in ("real", "double precision", "interval", "jsonb", "inet") or (
        type_.name == "numeric" and column.dtype == pl.String
    )


def values(type_: Type, column: pl.Series) -> pl.Series:
    """An odd column's values, one form each: equal where, and only where, Postgres finds them equal.

    >>> values(Type("numeric"), pl.Series(["1.50", "100", "-0.0"])).to_list()
    ['1.5', '100', '0']
    """
    if isinstance(column.dtype, pl.List):
        return _each(column, lambda v: _list(type_, v))
    if type_.name == "numeric":
        return _numbers(column)
    if type_.name == "interval":
        return _each(column, lambda v: format(_seconds(v), "f"))
    if type_.name == "jsonb":
        return _each(column, _document)
    if type_.name == "inet":  # the mask of a whole address is written or not
        return column.str.replace(r"^([^:]*)/32$", "${1}").str.replace(r"/128$", "")
    return column + 0.0  # of the two zeros the positive one


def bounds(type_: Type | None, column: pl.Series) -> tuple[Any, Any] | None:
    """Between which every form of the column's values lies, as the lake orders them; None where nothing is known of that."""
    low, high = column.min(), column.max()
    if low is None or (type_ is not None and (type_.array or type_.name in ("real", "double precision", "interval", "jsonb"))):
        return None
    if type_ is not None and column.dtype == pl.String and type_.name in ("numeric", "inet"):
        return low, f"{high!s}:"  # other forms go on with a point and zeros, or with a mask, which sort before it
    return low, high


def json_text(type_: Type | None, column: pl.Series) -> list[str]:
    """Each value as Postgres writes it into jsonb, whatever a session's settings: numbers, texts, times in UTC."""
    if column.dtype == pl.Float32:
        column = column.cast(pl.String).replace({"inf": "Infinity", "-inf": "-Infinity"})
    name = type_.name if type_ else ""
    verbatim = name in ("jsonb", "interval") or isinstance(column.dtype, pl.List) or (type_ is not None and type_.array)
    number = name in ("numeric", "real", "double precision")
    return [_json(v, verbatim=verbatim, number=number) for v in column.to_list()]


def old_json_text(column: pl.Series) -> list[str]:
    """Each value as earlier versions wrote it down."""
    return [_old_json(v) for v in column.to_list()]


def _json(value: Any, *, verbatim: bool, number: bool) -> str:
    if value is None:
        return "null"
    if verbatim:
        return str(value)
    if isinstance(value, Decimal):
        return f"{value:f}"
    if isinstance(value, float):
        value, number = repr(value).replace("inf", "Infinity").replace("nan", "NaN"), True
    if number and value not in ("NaN", "Infinity", "-Infinity"):
        return str(value)
    if isinstance(value, datetime):
        zone = "+00:00" if value.tzinfo else ""
        plain = (value.astimezone(UTC) if zone else value).replace(tzinfo=None).isoformat()
        value = (plain.rstrip("0") if "." in plain else plain) + zone
    if isinstance(value, bytes):
        value = "\\x" + value.hex()
    return orjson.dumps(value if isinstance(value, str | int) else str(value)).decode()


def _old_json(value: Any) -> str:
    if isinstance(value, Decimal):
        return f"{value:f}"
    if isinstance(value, bytes):
        value = "\\x" + value.hex()
    plain = isinstance(value, str | int | float) or value is None
    return orjson.dumps(value if plain else str(value)).decode()


def _each(column: pl.Series, form: Callable[[Any], str]) -> pl.Series:
    return pl.Series(column.name, [None if v is None else form(v) for v in column.to_list()], dtype=pl.String)


def _numbers(column: pl.Series) -> pl.Series:
    own = pl.col(column.name)
    whole = own.str.strip_chars_end("0").str.strip_chars_end(".")
    found = pl.when(own.str.contains(".", literal=True)).then(whole).otherwise(own)
    return column.to_frame().select(found.replace("-0", "0")).to_series()


def _number(text: str) -> str:
    return str(_numbers(pl.Series("n", [text]))[0])


def _seconds(text: str) -> Decimal:
    """An interval as Postgres compares it: months of 30 days, days of 24 hours.

    >>> _seconds("1 mon") == _seconds("30 days") == _seconds("29 days 24:00:00"), _seconds("-1 days +00:00:00.5")
    (True, Decimal('-86399.5'))
    """
    found = _INTERVAL.fullmatch(text)
    assert found is not None, text
    years, months, days, sign, hours, minutes, seconds, part = found.groups()
    whole = (int(years or 0) * 12 + int(months or 0)) * 30 + int(days or 0)
    time = int(hours or 0) * 3600 + int(minutes or 0) * 60 + Decimal(f"{seconds or 0}.{part or 0}")
    return whole * 86400 + (-time if sign == "-" else time)


def _document(text: str) -> str:
    import json

    def form(value: Any) -> str:
        if isinstance(value, dict):
            return "{" + ",".join(f"{json.dumps(k)}:{form(v)}" for k, v in sorted(value.items())) + "}"
        if isinstance(value, list):
            return "[" + ",".join(map(form, value)) + "]"
        return _number(f"{value:f}") if isinstance(value, Decimal) else json.dumps(value)

    return form(json.loads(text, parse_float=Decimal, parse_int=Decimal))


def _list(type_: Type, elements: Sequence[Any]) -> str:
    element = Type(type_.name, type_.sizes)
    texts = json_text(element, pl.Series("e", list(elements)))
    plain = type_.name in ("numeric", "real", "double precision")
    return "[" + ",".join(_number(t) if plain and t[:1] not in '"n' else t for t in texts) + "]"
