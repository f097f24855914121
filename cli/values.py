"""A query's values as text, as CSV and as JSON: every digit of a number, every byte, whatever is nested in what."""

import json
from collections.abc import Iterator
from decimal import Decimal
from math import isfinite
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

_ODD = {"nan": "NaN", "inf": "Infinity", "-inf": "-Infinity"}


def texts(column: pa.ChunkedArray) -> list[str | None]:
    """Each value as a person reads it: JSON where it is nested; None where it is NULL."""
    type_ = column.type
    return [None if v is None else v if isinstance(v, str) else _plain(v, type_) for v in _listed(column)]


def in_json(column: pa.ChunkedArray) -> list[str]:
    """Each value as JSON. Numbers have all their digits; what JSON has no form for is text, as `texts` has it."""
    return [_json(v, column.type) for v in _listed(column)]


def for_csv(rows: pa.Table) -> pa.Table:
    """Rows whose columns a writer of CSV takes: those that it would refuse, or spell with a loss, are text."""
    found = rows
    for n, column in enumerate(rows.columns):
        if not _kept_by_csv(column):
            found = found.set_column(n, rows.field(n).name, pa.chunked_array([pa.array(texts(column), pa.string())]))
    return found


def rows_in_json(rows: pa.Table) -> Iterator[str]:
    """Each row as a JSON object. Of columns with one name the second is `name_1`."""
    names: list[str] = []
    for name in rows.column_names:
        count = next(n for n in range(len(names) + 1) if (f"{name}_{n}" if n else name) not in names)
        names.append(f"{name}_{count}" if count else name)
    columns = [in_json(column) for column in rows.columns]
    for values in zip(*columns, strict=True):
        yield "{" + ", ".join(f"{_text(n)}: {v}" for n, v in zip(names, values, strict=True)) + "}"


def _kept_by_csv(column: pa.ChunkedArray) -> bool:
    of = column.type
    if pa.types.is_floating(of):
        return bool(pc.all(pc.is_finite(column), min_count=0).as_py())
    exact = (pa.types.is_integer, pa.types.is_boolean, pa.types.is_decimal, pa.types.is_date, pa.types.is_string, pa.types.is_large_string)
    return any(check(of) for check in exact) or (pa.types.is_timestamp(of) and of.unit != "ns")


def _listed(column: pa.ChunkedArray) -> list[Any]:
    """Values of Python's, or texts where Python has none as exact."""
    of = column.type
    if (pa.types.is_timestamp(of) or pa.types.is_time(of)) and of.unit == "ns":
        return list(pc.cast(column, pa.string()).to_pylist())
    if pa.types.is_float32(of):  # Python's floats have more digits
        return [_ODD[v] if v in _ODD else None if v is None else Decimal(v) for v in pc.cast(column, pa.string()).to_pylist()]
    return list(column.to_pylist())


def _plain(value: Any, of: pa.DataType) -> str:
    if isinstance(value, bytes):
        return "\\x" + value.hex()
    if isinstance(value, float):
        return _ODD.get(repr(value), repr(value))
    if isinstance(value, bool | int | Decimal | list | dict):
        return _json(value, of)
    if isinstance(value, tuple):  # an interval: months, days and nanoseconds
        months, days, rest = value
        return f"{months} mons {days} days {Decimal(rest).scaleb(-9).normalize():f} secs"
    return str(value)


def _json(value: Any, of: pa.DataType) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Decimal):
        return f"{value:f}"
    if isinstance(value, int) or (isinstance(value, float) and isfinite(value)):
        return str(_short(value, of))
    if pa.types.is_map(of):
        pairs = (f"{_text(k if isinstance(k, str) else _plain(k, of.key_type))}: {_json(v, of.item_type)}" for k, v in value)
        return "{" + ", ".join(pairs) + "}"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{_text(f.name)}: {_json(value[f.name], f.type)}" for f in of) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(_json(v, of.value_type) for v in value) + "]"
    return _text(value if isinstance(value, str) else _plain(value, of))


def _short(value: float, of: pa.DataType) -> float | str:
    """A number within something nested; of 32 bits with no more digits than it has."""
    if pa.types.is_float32(of):
        return str(pa.scalar(value, of).cast(pa.string()).as_py())
    return repr(value)


def _text(value: str) -> str:
    return json.dumps(value, ensure_ascii=False)
