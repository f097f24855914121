"""Nested columns of a chunk: JSON text to lists and structs of typed values, all rows at once; what is not certain is left.

DuckDB takes the documents apart in one parse, every leaf as text, and Arrow types the leaves. `from_json` forgives another
shape than it is told, by NULLs: so wherever it gives NULL, or a struct of nothing else, the JSON itself is looked at.
"""

import json
import re
from dataclasses import dataclass, field
from functools import partial, reduce
from typing import Any

import polars as pl
import pyarrow as pa
import pyarrow.compute as pc

from shardlake.quoting import ansi_text
from shardlake.shape.duck import duck
from shardlake.shape.json_limits import SUSPICIOUS, Members, any_rounds, parse_exact
from shardlake.shape.numbers import Number, may_round
from shardlake.shape.uncertain import certain
from shardlake.shape.values import Unread, has_offset, in_zone, values
from shardlake.sink.lake.columns import part_type
from shardlake.view.nested import List, Nested, Part, Struct
from shardlake.view.types import Type

Steps = tuple[str | int, ...]
"""The way to a part of a document: keys, and 0 for the elements of an array."""
_OPENING = {List: "[", Struct: "{"}
_SPELT_ELSE = r"\A-?[0-9](?:\.[0-9]+)?e[+-][0-9]+\z|\\u00[01][A-F]"
"""What `from_json` spells in another way than the lake's JSON: `1e-05` for 0.00001, `\\u001F` for `\\u001f`."""
_BLANKS = " \t\n\r"
_DOUBLE = 17
"""Digits that tell every double from its neighbours: `shardlake.cast_error` takes the nearest one up to so many."""


def nested_values(part: Nested, texts: pa.ChunkedArray, zone: str) -> tuple[pa.Array, pa.Array]:
    """The values of a column whose documents are `spelt`, and which rows are unresolved: they are NULL, or have a NULL somewhere, that need not be one."""
    documents = texts.combine_chunks().cast(pa.string())
    reading = _Reading(documents, zone)
    found = reading.take_apart(part)
    rows = pl.int_range(len(documents), eager=True).to_arrow()
    typed = reading.typed(part, found, rows, ())
    return typed, pc.is_in(rows, pa.concat_arrays(reading.unresolved))


@dataclass(slots=True)
class _Reading:
    """The reading of a column's documents. `unresolved` are numbers of rows."""

    documents: pa.Array
    zone: str
    unresolved: list[pa.Array] = field(default_factory=list)

    def take_apart(self, part: Nested) -> pa.Array:
        """Lists and structs of texts. Documents with numbers that DuckDB would round, where they are declared, are unresolved at once."""
        texts = pl.Series(values=pl.from_arrow(self.documents))
        suspicious = texts.str.contains(SUSPICIOUS).fill_null(False).arg_true().to_list()
        odd = [n for n in suspicious if may_round(texts[n]) and _rounds(part, parse_exact(texts[n]))]
        found = _from_json(self.documents, _structure(part))
        lost = pc.and_(found.is_null(), pc.not_equal(pc.utf8_trim(self.documents, _BLANKS), "null").fill_null(False))
        self.unresolved += [pa.array(odd, pa.int64()), pc.indices_nonzero(lost).cast(pa.int64())]
        return found

    def typed(self, part: Part, found: pa.Array, rows: pa.Array, way: Steps) -> pa.Array:
        """What was found, typed. `rows` are the numbers of the rows that it is of; NULL where what it stands in is NULL."""
        if isinstance(part, Type):
            return self._leaf(part, found, rows)
        if isinstance(part, List):
            missing = found.is_null()
            self._look(part, rows.filter(missing), way)
            elements = self.typed(part.element, found.flatten(), rows.take(pc.list_parent_indices(found)), (*way, 0))
            return pa.ListArray.from_arrays(_offsets(found), elements, type=part_type(part), mask=missing)
        fields = found.flatten()
        self._look(part, rows.filter(reduce(pc.and_, [f.is_null() for f in fields])), way)
        inside = pc.if_else(found.is_valid(), rows, pa.scalar(None, pa.int64()))
        children = [self.typed(inner, f, inside, (*way, key)) for (key, inner), f in zip(part.fields, fields, strict=True)]
        return pa.StructArray.from_arrays(children, fields=list(part_type(part)), mask=found.is_null())

    def _leaf(self, kind: Type, texts: pa.Array, rows: pa.Array) -> pa.Array:
        if kind.certain is None:
            self.unresolved.append(rows.filter(pc.match_substring_regex(texts, _SPELT_ELSE).fill_null(False)))
            return texts.cast(part_type(kind))
        sure = certain(kind, texts)
        read = self._instants if kind.name == "timestamptz" and self.zone != "UTC" else partial(values, kind)
        try:
            typed = read(pc.if_else(sure, texts, pa.scalar(None, pa.string()))).cast(part_type(kind))
        except Unread:
            typed = pa.nulls(len(texts), part_type(kind))
        self.unresolved.append(rows.filter(pc.and_(typed.is_null(), texts.is_valid())))
        return typed

    def _instants(self, texts: pa.Array) -> pa.Array:
        """Times as instants, in the zone where they name no offset."""
        offset, nothing = has_offset(texts), pa.scalar(None, pa.string())
        instants = values(Type("timestamptz"), pc.if_else(offset, texts, nothing))
        naive = values(Type("timestamp"), pc.if_else(offset, nothing, texts))
        return pc.coalesce(instants, in_zone(naive, self.zone))

    def _look(self, part: Nested, rows: pa.Array, way: Steps) -> None:
        """Rows in which nothing was found at `way`: they are unresolved where something is there that is no array, or no object."""
        rows = rows.drop_null().unique()
        if not len(rows):
            return
        texts = self.documents.take(rows)
        if way:
            texts, rows = _down(_from_json(texts, _along(way)), rows, way)
        else:
            texts = pc.utf8_trim(texts, _BLANKS)
            texts = pc.if_else(pc.equal(texts, "null"), pa.scalar(None, pa.string()), texts)
        self.unresolved.append(rows.filter(pc.invert(pc.starts_with(texts, _OPENING[type(part)])).fill_null(False)))


def _rounds(part: Part, value: Any) -> bool:
    """Whether a leaf has a number that DuckDB would round. A double is what it reads a fraction as, so that one of as many digits as
    a double can need suffers nothing; one of more is for `cast_error` to accept or to refuse.
    """
    if isinstance(part, List):
        return isinstance(value, list) and any(_rounds(part.element, v) for v in value)
    if isinstance(part, Struct):
        return isinstance(value, Members) and any(_rounds(inner, value.get(key)) for key, inner in part.fields)
    if part.name == "double precision":
        return isinstance(value, Number) and len(re.sub(r"[eE].*|\D", "", value.text).lstrip("0")) > _DOUBLE
    return any_rounds(value)


def _from_json(documents: pa.Array, structure: Any) -> pa.Array:
    connection = duck()
    connection.register("documents", pa.table({"document": documents}))
    try:
        found = connection.sql(
            f"SELECT try(from_json(document, {ansi_text(json.dumps(structure, ensure_ascii=False))})) AS found FROM documents"
        )
        return found.to_arrow_table().column("found").combine_chunks()
    finally:
        connection.unregister("documents")


def _structure(part: Part) -> Any:
    """A nested type as `from_json` wants it, with texts as leaves."""
    if isinstance(part, List):
        return [_structure(part.element)]
    if isinstance(part, Struct):
        return {key: _structure(inner) for key, inner in part.fields}
    return "JSON" if part.name == "jsonb" else "VARCHAR"


def _along(way: Steps) -> Any:
    """The structure of what lies on a way, with JSON at its end."""
    return reduce(lambda inner, step: [inner] if step == 0 else {step: inner}, reversed(way), "JSON")  # type: ignore[arg-type, return-value]


def _down(found: pa.Array, rows: pa.Array, way: Steps) -> tuple[pa.Array, pa.Array]:
    """What stands at the end of a way, and the row of each."""
    for step in way:
        if step == 0:
            rows, found = rows.take(pc.list_parent_indices(found)), found.flatten()
        else:
            found = found.flatten()[0]
    return found, rows


def _offsets(lists: pa.Array) -> pa.Array:
    lengths = pc.list_value_length(lists).fill_null(0)
    return pa.concat_arrays([pa.array([0], pa.int32()), pc.cumulative_sum(lengths).cast(pa.int32())])
