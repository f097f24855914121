"""Rows of a plain driver as raw rows: what connectorx cannot read, text that is not UTF-8 among it.

Such text stands in its column in hexadecimal, as in `\\xeda080`, and UNDECODED of the row names the column: the bytes are
kept, every row is there, and shape rejects those rows alone.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any

import pyarrow as pa

from shardlake.envelope import UNDECODED
from shardlake.source.sql.dialect import Dialect, Kind


def as_table(rows: Sequence[Sequence[Any]], kinds: Mapping[str, Kind], dialect: Dialect) -> pa.Table:
    """The rows, with columns of these kinds in order. UNDECODED is a column only where a row has such text."""
    undecoded: list[list[str]] = [[] for _ in rows]
    columns: dict[str, pa.Array] = {}
    for place, (name, kind) in enumerate(kinds.items()):
        wanted = dialect.arrow_type(kind)
        values = []
        for row, marks in zip(rows, undecoded, strict=True):
            value = _convert(row[place], wanted)
            if isinstance(value, bytes) and not pa.types.is_large_binary(wanted):
                value = "\\x" + value.hex()
                marks.append(name)
            values.append(value)
        wide = wanted == pa.int64() and any(v is not None and v > 2**63 - 1 for v in values)
        columns[name] = pa.array(values, pa.uint64() if wide else wanted)
    if any(undecoded):
        columns[UNDECODED] = pa.array([json.dumps(marks) if marks else None for marks in undecoded], pa.large_string())
    return pa.table(columns)


def _convert(value: Any, wanted: pa.DataType) -> Any:
    """A driver's value as Arrow wants it; text that is not UTF-8 stays bytes."""
    if value is None:
        return None
    if pa.types.is_integer(wanted):
        return int(value)
    if pa.types.is_floating(wanted):
        return float(value)
    if pa.types.is_large_binary(wanted):
        return value if isinstance(value, bytes) else str(value).encode()
    if not isinstance(value, bytes):
        return str(value)
    try:
        return value.decode()
    except UnicodeDecodeError:
        return value
