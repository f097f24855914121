"""Rows of a file as raw has them: its columns, and beside them file, line, version, operation, and the faults."""

import json
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from shardlake.envelope import FAULT, Envelope
from shardlake.source.files.order import KIND, Order, micros, versions
from shardlake.view.files import Files

RECORD = "(record)"
"""The column that a reject names where a record as a whole cannot be read."""
CHANGE = "_shardlake_change"
"""The column of raw that tells changes, of formats that know them from states."""


@dataclass(frozen=True, slots=True)
class Bad:
    """A record that is a reject: its line, the column, the value and why."""

    line: int
    column: str
    value: str | None
    reason: str


@dataclass(frozen=True, slots=True)
class Part:
    """Some consecutive records of a file: the rows by column, the line of each (int64), those that are rejects, and how many there are by a
    count of its own. A format that knows them gives the `times` of the rows (int64, microseconds) and which are `gone` (`d`).
    """

    table: pa.Table
    lines: Any
    bad: list[Bad]
    records: int
    op: str | None = None
    kinds: dict[str, str] = field(default_factory=dict)
    times: Any = None
    gone: Any = None


@dataclass(frozen=True, slots=True)
class InFile:
    """A file's name and order, and the columns that its folders hold. The times of rows of a full load (`loaded`) are those of their
    transfer, and say nothing.
    """

    name: str
    order: Order
    folders: dict[str, str | None]
    loaded: bool = False


def envelope(source: Files) -> Envelope:
    """How raw rows of files are told apart."""
    return Envelope(source.primary_key, "_version", KIND, "_op", CHANGE if source.of_export else None)


def raw_rows(part: Part, file: InFile, source: Files, zone: str, lacking: tuple[str, ...]) -> pa.Table:
    """The raw rows of a part, as many as it has records: its own, and one for each fault."""
    table, wrong = part.table, list(part.bad)
    times, unread = pa.nulls(table.num_rows, pa.int64()) if part.times is None else part.times, None
    if source.timestamp and source.timestamp in table.column_names and not file.loaded:
        instant = part.kinds.get(source.timestamp) == "instant"  # which is printed in UTC
        times, unread = micros(_texts(table.column(source.timestamp)), "UTC" if instant else zone)
    op, odd = _operations(part, table) if part.gone is None else (part.gone, None)
    keep = None
    for found, column, why in (
        (odd, part.op, "is no operation of DMS: I, U or D"),
        (unread, source.timestamp, "is no timestamp, which tells the newer of two rows"),
    ):
        if found is not None and column and pc.any(found).as_py():
            found = found if keep is None else pc.and_(found, keep)  # one reject a row
            places = pc.indices_nonzero(found).to_pylist()
            wrong += [Bad(part.lines[p].as_py(), column, str(table.column(column)[p].as_py()), why) for p in places]
            keep = pc.invert(found) if keep is None else pc.and_(keep, pc.invert(found))
    columns = {name: table.column(name) for name in table.column_names}
    rows = table.num_rows
    columns |= {n: _constant(v, rows) for n, v in file.folders.items() if n not in columns}
    columns |= {n: pa.nulls(rows, pa.large_string()) for n in lacking if n not in columns}
    columns |= {
        "_file": _constant(file.name, rows), "_line": part.lines, "_version": versions(times, file.order, part.lines), "_op": op,
    }  # fmt: skip
    found = pa.table(columns)
    if keep is not None:
        found = found.filter(keep)
    return _with_faults(found, wrong, file.name) if wrong else found


def _operations(part: Part, table: pa.Table) -> tuple[Any, Any]:
    """`d` for rows that are gone; and which rows have an operation that is none."""
    if part.op is None:
        return pa.nulls(table.num_rows, pa.string()), None
    said = pc.fill_null(_texts(table.column(part.op)), "")
    gone = pc.if_else(pc.equal(said, "D"), pa.scalar("d"), pa.scalar(None, pa.string()))
    return gone, pc.invert(pc.is_in(said, pa.array(["I", "U", "D", ""], said.type)))


def _with_faults(rows: pa.Table, wrong: list[Bad], name: str) -> pa.Table:
    """The rows, and behind them those that are rejects."""
    told = [json.dumps([b.column, b.value, b.reason, {"_file": name, "_line": str(b.line)}]) for b in wrong]
    own = {"_file": [name] * len(wrong), "_line": [b.line for b in wrong]}
    filled = {
        f.name: pa.array(own[f.name], f.type) if f.name in own else pa.nulls(len(wrong), f.type) for f in rows.schema if f.name != FAULT
    }
    good = rows.append_column(FAULT, pa.nulls(rows.num_rows, pa.large_string()))
    return pa.concat_tables([good, pa.table({**filled, FAULT: pa.array(told, pa.large_string())})])


def _texts(column: Any) -> Any:
    return column if pa.types.is_large_string(column.type) or pa.types.is_string(column.type) else pc.cast(column, pa.large_string())


def _constant(value: str | None, rows: int) -> Any:
    return pa.nulls(rows, pa.large_string()) if value is None else pa.repeat(pa.scalar(value, pa.large_string()), rows)
