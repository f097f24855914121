"""Objects that have a key twice. jsonb takes the last of them, DuckDB's paths the first, so that these documents are taken apart exactly.

A pattern finds documents in which a key of a path stands twice, at whatever depth; of these DuckDB tells the objects on the path
that have a key twice. Both are needed: the pattern is quick, and the ids and names of nested objects are often called alike.
"""

import json
from collections.abc import Sequence

import polars as pl
import pyarrow as pa

from shardlake.shape.duck import duck
from shardlake.shape.json_limits import Steps
from shardlake.shape.query import pointers

_ESCAPED = r'\\(?s:.)[^"\\]*"\s*:'
"""A key that is spelt with an escape, and so in another way than the path spells it."""
_COLON = r"[ \t\r\n]*:"


_SPACED = r'"[ \t\r\n]+:'
_FEW_KEYS, _FEW_ORDERS, _SAMPLE = 4, 8, 100
"""A pattern that remembers which of its keys it has seen has states for each set of them: with many keys that come in many orders it
is a hundred times slower than with few."""


def pattern(paths: Sequence[Steps], *, remembering: bool = True) -> str | None:
    r"""What a document must match that has a key of these paths twice; None where no path has a key.

    Without `remembering` it tells only what `repeated` does not see.

    >>> pattern([("a", 'b"')])
    '\\\\(?s:.)[^"\\\\]*"\\s*:|"a"[ \\t\\r\\n]*:[^\\x00]*"a"[ \\t\\r\\n]*:'
    """
    if not any(paths):
        return None
    if not remembering:
        return f"{_ESCAPED}|{_SPACED}"
    return "|".join([_ESCAPED, *(rf'"{key}"{_COLON}[^\x00]*"{key}"{_COLON}' for key in _plain(paths))])


def _plain(paths: Sequence[Steps]) -> list[str]:
    """The keys of paths that can stand in a document as they are, as patterns."""
    keys = dict.fromkeys(str(step) for steps in paths for step in steps)
    return [pl.escape_regex(key) for key in keys if json.dumps(key, ensure_ascii=False) == f'"{key}"']


def in_few_orders(documents: pl.Series, paths: Sequence[Steps]) -> bool:
    """Whether the documents have these paths' keys in few orders, by a sample: a pattern may then remember them."""
    keys = _plain(paths)
    if len(keys) <= _FEW_KEYS:
        return True
    sample = documents.gather_every(max(1, len(documents) // _SAMPLE))
    return sample.str.extract_all(_any(keys)).list.join("").n_unique() <= _FEW_ORDERS


def repeated(documents: pl.Series, paths: Sequence[Steps]) -> pl.Series:
    """Whether a key of these paths stands in each document twice, in one spelling."""
    found = documents.str.extract_all(_any(_plain(paths)))
    return (found.list.len() > found.list.n_unique()).fill_null(False)


def _any(keys: Sequence[str]) -> str:
    return f'"(?:{"|".join(keys)})":'


def have_twice(documents: pl.Series, paths: Sequence[Steps]) -> list[int]:
    """The places of documents in which an object on one of the paths has a key twice."""
    parents = list(dict.fromkeys(steps[:n] for steps in paths for n in range(len(steps))))
    connection = duck()
    connection.register("documents", pa.table({"document": documents.to_arrow()}))
    try:
        keys = f"SELECT try(json_keys(document, {pointers(parents)})) AS found FROM documents"
        twice = " OR ".join(f"coalesce(len(found[{n}]) > len(list_distinct(found[{n}])), false)" for n in range(1, len(parents) + 1))
        found = connection.sql(f"SELECT {twice} AS twice FROM ({keys})").to_arrow_table().column("twice")
    finally:
        connection.unregister("documents")
    return pl.Series(values=pl.from_arrow(found)).arg_true().to_list()
