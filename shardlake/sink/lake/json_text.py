"""JSON as text in the lake: one spelling of a value, whatever the source's, the row's way here, and who has judged it.

Without blanks, keys sorted and each once (the last counts), numbers without the zeros at their fraction's end, unless they have
more digits than a double or an exponent: those have every digit, as jsonb prints them. It is what orjson writes, at 1 µs a
document of 100 bytes; Postgres's own spelling, with blanks and with keys by length, takes five times as long.
"""

from typing import Any

import orjson
import polars as pl
import pyarrow as pa

from shardlake.shape.json_limits import MALFORMED, SUSPICIOUS, Members, parse_exact
from shardlake.shape.numbers import Number, as_text

_RISKY = rf"{SUSPICIOUS}|[0-9]{{19}}|^\s*-?(?:[0-9.]+[eE]|0)"
"""A document without a match has no number that orjson would change or spell in another way."""


def spelt(texts: pa.ChunkedArray) -> pa.Array:
    """Documents in the lake's spelling. What is no JSON stays as it is."""
    values = pl.Series(values=pl.from_arrow(texts))
    risky = values.str.contains(_RISKY).fill_null(False)
    pairs = zip(values.to_list(), risky.to_list(), strict=True)
    return pa.array([None if text is None else _exactly(text) if careful else _quickly(text) for text, careful in pairs], pa.string())


def _quickly(text: str) -> str:
    try:
        return orjson.dumps(orjson.loads(text), option=orjson.OPT_SORT_KEYS).decode()
    except (orjson.JSONDecodeError, orjson.JSONEncodeError):  # deeper than orjson writes, or no JSON
        return _exactly(text)


def _exactly(text: str) -> str:
    parsed = parse_exact(text)
    return text if parsed is MALFORMED else written(parsed)


def written(value: Any) -> str:
    """A document, or a part of one, as `parse_exact` gives it.

    >>> written(parse_exact('{"b": [1.10, 1e2], "a": 1, "a": 3e-7}'))
    '{"a":0.0000003,"b":[1.1,100]}'
    """
    if isinstance(value, Number):
        return as_text(value.text)
    if isinstance(value, Members):
        return "{" + ",".join([f"{written(key)}:{written(value[key])}" for key in sorted(value)]) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(written, value)) + "]"
    return orjson.dumps(value).decode()
