"""Which rows hold a document or a text that must be rejected, taken apart exactly, or judged: found by patterns, then read one by one."""

from dataclasses import dataclass, field
from json import loads
from typing import Any

import polars as pl
import pyarrow as pa
import pyarrow.compute as pc

from shardlake.envelope import FAULT, UNDECODED
from shardlake.shape.json_limits import (
    HUGE,
    LONG,
    LONG_NUMBER,
    MALFORMED,
    SUSPICIOUS,
    Verdict,
    examine,
    harmless,
    parse_exact,
    why_malformed,
)
from shardlake.shape.query import MISLEADING, JsonColumn
from shardlake.shape.twice import have_twice, in_few_orders, pattern, repeated
from shardlake.view.source import JsonLimits

_FREE = ("text", "json", "array", "bytes")
"""What else comes as text (times, decimals) is the server's own print."""


@dataclass(frozen=True, slots=True)
class Told:
    """What a source says of a row that it could not read: its value, and what tells the row in place of its key."""

    value: str | None
    key: dict[str, str | None] | None = None


@dataclass(slots=True)
class Careful:
    """Rows of a chunk by their place: `bad` ones (column, reason), the documents of those that are taken `exact`ly, by column,
    and those that are `judged` whatever they look like. In the columns `misleading` a string may pass for JSON (see MISLEADING);
    `encoded` counts, by column, documents that are JSON texts inside a JSON string. `told` has the values, and keys of their own,
    of bad rows that their source has told of.
    """

    bad: dict[int, tuple[str, str]] = field(default_factory=dict)
    exact: dict[int, dict[str, Any]] = field(default_factory=dict)
    judged: set[int] = field(default_factory=set)
    misleading: set[str] = field(default_factory=set)
    encoded: dict[str, int] = field(default_factory=dict)
    told: dict[int, Told] = field(default_factory=dict)

    def take_exactly(self, table: pa.Table, documents: tuple[JsonColumn, ...], found: dict[int, dict[str, Any]]) -> None:
        """Rows of which some documents are exact: the others of these rows are, too. One that is no JSON makes its row a bad one."""
        for row, exact in sorted(found.items()):
            for json in documents:
                value = table.column(json.name)[row].as_py()
                if json.name not in exact and value is not None:
                    exact[json.name] = parse_exact(value)
                    if exact[json.name] is MALFORMED:
                        self.bad.setdefault(row, (json.name, why_malformed(value)))
            if row not in self.bad:
                self.exact[row] = exact


def look_at(table: pa.Table, documents: tuple[JsonColumn, ...], kinds: dict[str, str], limits: JsonLimits) -> tuple[pa.Table, Careful]:
    """The chunk, its JSON all of text, and what must be done with some of its rows."""
    table, found = _undecoded(table)
    table = _faulty(table, found)
    table = _decoded(table, documents, found)
    of_json = {j.name: j for j in documents}
    exact: dict[int, dict[str, Any]] = {}
    for column in table.schema:
        if not (pa.types.is_string(column.type) or pa.types.is_large_string(column.type)) or kinds.get(column.name, "text") not in _FREE:
            continue
        values = pl.Series(values=pl.from_arrow(table.column(column.name)))
        if json := of_json.get(column.name):
            for row, verdict in _verdicts(values, json, limits, found).items():
                if verdict.reason:
                    found.bad.setdefault(row, (column.name, verdict.reason))
                    continue
                if verdict.judged:
                    found.judged.add(row)
                if verdict.exact is not None:
                    exact.setdefault(row, {})[column.name] = verdict.exact
        else:
            for row in values.str.contains("\0", literal=True).fill_null(False).arg_true().to_list():
                found.bad.setdefault(row, (column.name, "holds a NUL character, which Postgres cannot store"))
    found.take_exactly(table, documents, {row: of for row, of in exact.items() if row not in found.bad})
    return table, found


def _verdicts(values: pl.Series, json: JsonColumn, limits: JsonLimits, careful: Careful) -> dict[int, Verdict]:
    """Of each document that is not fine as it is. One pattern finds them all, since a pass over the documents is what costs."""
    paths = (*json.texts, *json.documents)
    remembering = in_few_orders(values, paths)
    twice = pattern(paths, remembering=remembering)
    hits = values.str.contains("|".join(filter(None, (SUSPICIOUS, MISLEADING if paths else None, twice)))).fill_null(False)
    rows = set()
    if bool(hits.any()):
        places = hits.arg_true()
        found = values.gather(places)
        suspicious = found.str.contains(SUSPICIOUS)
        rows = set(places.filter(suspicious).to_list())
        if paths and bool((strings := found.str.contains(MISLEADING)).any()):
            careful.misleading.add(json.name)
            if encoded := found.filter(strings).str.contains(r'^\s*"(?:\\[nrt]|\s)*[\[{]').sum():
                careful.encoded[json.name] = int(encoded)
        if twice and len(rest := places.filter(~suspicious & found.str.contains(twice))):
            rows |= set(rest.gather(have_twice(values.gather(rest), paths)).to_list())
    if not remembering and len(rest := repeated(values, paths).arg_true()):
        rows |= set(rest.gather(have_twice(values.gather(rest), paths)).to_list())
    if bool((values.str.len_bytes() > harmless(limits)).any()):
        rows |= set(_may_break(values, limits).fill_null(False).arg_true().to_list())
    verdicts = ((row, examine(values[row], limits, paths)) for row in sorted(rows))
    return {row: verdict for row, verdict in verdicts if verdict}


def _may_break(values: pl.Series, limits: JsonLimits) -> pl.Series:
    """Documents that may break a limit: brackets bound the depth, and colons the keys, without any reading."""
    size = values.str.len_bytes()
    broken = (size > min(limits.bytes, HUGE)) | (values.str.count_matches(r"[\[{]") > limits.depth)
    broken |= values.str.count_matches(":", literal=True) > limits.keys
    return broken | values.str.contains(LONG_NUMBER) if bool((size > LONG).any()) else broken


def _undecoded(table: pa.Table) -> tuple[pa.Table, Careful]:
    """The table without UNDECODED; the rows that it names are bad."""
    if UNDECODED not in table.column_names:
        return table, Careful()
    why = "holds bytes that are not UTF-8; mend them at the source, or bring the column as bytes by extract.sql"
    marks = table.column(UNDECODED).to_pylist()
    return table.drop_columns([UNDECODED]), Careful({row: (loads(mark)[0], why) for row, mark in enumerate(marks) if mark})


def _faulty(table: pa.Table, found: Careful) -> pa.Table:
    """The table without FAULT; the rows that it tells of are bad."""
    if FAULT not in table.column_names:
        return table
    faults = table.column(FAULT)
    for row in pc.indices_nonzero(pc.is_valid(faults)).to_pylist():
        column, value, reason, *key = loads(faults[row].as_py())
        found.bad[row] = (column, reason)
        found.told[row] = Told(value, key[0] if key else None)
    return table.drop_columns([FAULT])


def _decoded(table: pa.Table, documents: tuple[JsonColumn, ...], found: Careful) -> pa.Table:
    """JSON that the source keeps as bytes, as text; rows in which it is no UTF-8 are bad."""
    for json in documents:
        place = table.schema.get_field_index(json.name)
        if not (pa.types.is_binary(table.schema.field(place).type) or pa.types.is_large_binary(table.schema.field(place).type)):
            continue
        try:
            texts = table.column(place).cast(pa.large_string())
        except pa.ArrowInvalid:
            values = [None if v is None else v.decode(errors="replace") for v in table.column(place).to_pylist()]
            again = (v if v is None else v.encode() for v in values)
            for row, (before, after) in enumerate(zip(table.column(place).to_pylist(), again, strict=True)):
                if before != after:
                    found.bad.setdefault(row, (json.name, "is not JSON (its bytes are no UTF-8)"))
            texts = pa.array(values, pa.large_string())
        table = table.set_column(place, json.name, texts)
    return table
