"""Rows with a value that is not certainly of its type: Postgres judges them, and no others."""

from functools import reduce

import pyarrow as pa
import pyarrow.compute as pc

from shardlake.view.types import Type
from shardlake.view.view import Column, View

INDEXABLE_BYTES = 2000
"""Of a value in a B-tree: Postgres refuses entries of more than 2,704, all their columns together."""


def uncertain(view: View, rows: pa.Table, raw: pa.Schema) -> pa.ChunkedArray:
    """Whether a view row (as `shape_query` gives it, of raw columns like `raw`) holds what Postgres must judge by itself."""
    indexed = {c for group in (view.key, *view.warehouse.indexes) for c in group}
    live = rows.column("_op").is_null()
    found = [rows.column(k).is_null() for k in view.unit_key if k != "_shard"]
    found += [pc.and_(live, rows.column(k).is_null()) for k in view.key if k not in (*view.unit_key, "_shard")]
    for name, column in view.columns.items():
        if column.type.certain is not None and not _is_number(column, raw):
            found.append(pc.invert(certain(column.type, rows.column(name))))
        if name in indexed and column.type.name in ("text", "varchar", "jsonb", "bytea"):
            found.append(pc.greater(pc.binary_length(rows.column(name)), INDEXABLE_BYTES).fill_null(fill_value=False))
    return reduce(pc.or_, found, pc.and_(live, pa.scalar(value=False)))


def certain(kind: Type, texts: pa.ChunkedArray) -> pa.ChunkedArray:
    """Which texts surely cast to a type with a pattern, exactly; NULL does."""
    return pc.match_substring_regex(texts, rf"\A(?:{kind.certain})\z").fill_null(fill_value=True)


def _is_number(column: Column, raw: pa.Schema) -> bool:
    """Whether a column's texts were made of integers that its type holds."""
    plain = not column.path.steps and column.path.column in raw.names
    return plain and column.type.name == "bigint" and pa.types.is_signed_integer(raw.field(column.path.column).type)
