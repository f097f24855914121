"""JSON as text in the lake: one spelling of a value, whatever the source's, the row's way here, and who has judged it.

Without blanks, keys sorted and each once (the last counts), numbers without exponents, and without the zeros at their
fraction's end unless they have more digits than a double: those have every digit, as jsonb prints them. It is what orjson writes, at 1 µs a
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
    risky = values.str.contains(_RISKY)
    loads, dumps, in_order = orjson.loads, orjson.dumps, orjson.OPT_SORT_KEYS  # here, since a call of our own for each takes 5% more
    found: list[str | None] = []
    for text, careful in zip(values.to_list(), risky.to_list(), strict=True):
        if text is None or careful:
            found.append(text and _exactly(text))
            continue
        try:
            found.append(dumps(loads(text), None, in_order).decode())
        except (orjson.JSONDecodeError, orjson.JSONEncodeError):  # deeper than orjson writes, or no JSON
            found.append(_exactly(text))
    return pa.array(found, pa.string())


def _exactly(text: str) -> str:
    parsed = parse_exact(text)
    return text if parsed is MALFORMED else written(parsed)


def written(value: Any) -> str:
    """A document, or a part of one, as `parse_exact` gives it.

    >>> written(parse_exact('{"b": [1.10, 1e2], "a": 1, "a": 3e-7}'))
    '{"a":0.0000003,"b":[1.1,100]}'
    """
    if isinstance(value, Number):
        return as_text(as_text(value.text))  # 110e-2 is 1.10 once written out, and 1.10 is 1.1
    if isinstance(value, Members):
        return "{" + ",".join([f"{written(key)}:{written(value[key])}" for key in sorted(value)]) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(written, value)) + "]"
    return orjson.dumps(value).decode()
