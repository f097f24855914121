"""Nested values by the fast way and by the exact one: whatever the documents, what is certain is the same to the letter."""

from __future__ import annotations

import json
from collections.abc import Iterator

import psycopg
import pyarrow as pa
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from embedded.postgres import Postgres
from shardlake.ledger.migrate import migrate
from shardlake.shape.json_limits import examine
from shardlake.sink.lake.json_text import spelt
from shardlake.sink.lake.nested import nested_values
from shardlake.sink.lake.nested_exact import exact_values
from shardlake.view.nested import List, Nested, Part, Struct, parse
from shardlake.view.source import JsonLimits
from shardlake.view.types import Type
from shardlake.view.types import parse as parse_type

KEYS = ["a", "b c", "é🚚", 'q"\\x']
LEAVES = [
    "smallint", "integer", "bigint", "real", "double precision", "numeric(8,2)", "numeric(38,20)", "boolean", "text", "date", "timestamp",
    "timestamptz", "bytea", "jsonb",
]  # fmt: skip
strings = st.one_of(
    st.sampled_from([
        "", "x", "1", "-1.5", "1e-05", "true", "t", "null", "[1]", '{"a": 1}', "2024-02-29", "2023-02-29", "2024-02-29 12:34:56", "infinity",
        "2024-02-29T12:34:56.123456+02:00", "0001-01-01 00:00:00", "2026-10-25 02:30:00", "2026-03-29 02:30:00", "2100-07-01 12:00:00", "2026-07-01 12:00:00", "\\x00ff", "\\xZZ", "99999999999", "123456.78", "0.10", "NaN", "now",
    ]),
    st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=5),
)  # fmt: skip
numbers = st.one_of(
    st.integers(-(10**20), 10**20).map(str),
    st.integers(-200, 200).map(str),
    st.floats(allow_nan=False, allow_infinity=False).map(repr),
    st.from_regex(r"\A-?(0|[1-9][0-9]{0,4})(\.[0-9]{1,4})?([eE][+-]?[0-9]{1,2})?\Z"),
    st.from_regex(r"\A-?(0|[1-9][0-9]{0,25})\.[0-9]{1,25}\Z"),
)
scalars = st.one_of(
    st.just("null"),
    st.sampled_from(["true", "false"]),
    numbers,
    strings.map(json.dumps),
    strings.map(lambda s: json.dumps(s, ensure_ascii=False)),
)


def as_object(pairs: list[tuple[str, str]]) -> str:
    return "{" + ", ".join(f"{json.dumps(k)}: {v}" for k, v in pairs) + "}"


def as_array(items: list[str]) -> str:
    return " [" + ",".join(items) + "]"


anything = st.recursive(
    scalars,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3).map(as_array), st.lists(st.tuples(st.sampled_from(KEYS), inner), max_size=3).map(as_object)
    ),
    max_leaves=5,
)
parts = st.recursive(
    st.sampled_from(LEAVES).map(parse_type),
    lambda inner: st.one_of(
        inner.map(List), st.dictionaries(st.sampled_from(KEYS), inner, min_size=1, max_size=3).map(lambda f: Struct(tuple(f.items())))
    ),
    max_leaves=5,
)
LIKELY = {
    "smallint": "-12", "integer": "12345", "bigint": "-123456789012345678", "real": "1.5", "double precision": "0.1", "numeric": "12.50",
    "boolean": "true", "text": '"é"', "date": '"2024-02-29"', "timestamp": '"2024-02-29 12:34:56"', "timestamptz": '"2024-02-29T12:34:56Z"',
    "bytea": '"\\\\x00ff"', "jsonb": '{"a": [1.50]}',
}  # fmt: skip


@st.composite
def document_of(draw: st.DrawFn, part: Part) -> str:
    """JSON that mostly has the shape of a type."""
    chance = draw(st.integers(0, 11))
    if chance == 0:
        return draw(anything)
    if chance == 1:
        return "null"
    if isinstance(part, List):
        return as_array(draw(st.lists(document_of(part.element), max_size=3)))
    if isinstance(part, Struct):
        pairs = [(key, draw(document_of(inner))) for key, inner in part.fields if draw(st.integers(0, 5))]
        pairs += draw(st.lists(st.tuples(st.sampled_from([*KEYS, "other"]), anything), max_size=1))
        return as_object(pairs)
    return draw(scalars) if chance < 4 else LIKELY[part.name]


@st.composite
def cases(draw: st.DrawFn) -> tuple[Nested, list[str | None]]:
    part = draw(parts.filter(lambda p: not isinstance(p, Type)))
    documents = draw(st.lists(st.one_of(st.none(), document_of(part), document_of(part), document_of(part)), max_size=8))
    return part, [d for d in documents if d is None or (found := examine(d, JsonLimits())) is None or found.reason is None]


DOUBLES = [
    "1.00000000000000001", "1.0000000000000001", "1.0000000000000000", "1.00000000000000000", "0.10000000000000000555", "0.1000000000000000055511151231257827",
    "-0.000000000000000000123456789012345678", "1234567.12345678901", "12345678.1234567890", "123456789012345678e-17", "123456789012345678.0",
    "5.00000000000000000e-1", "0.00000000000000000", "9007199254740993.0", "1.50000000000000000000",
]  # fmt: skip
LONG: tuple[Nested, list[str | None]] = (List(Struct((("a", parse_type("double precision")),))), [f'[{{"a": {n}}}]' for n in DOUBLES])
"""Fractions around the 17 digits that a double has: the fast way knows the nearest double and not how it was written."""


@pytest.fixture(scope="module")
def ledger(postgres: Postgres) -> Iterator[psycopg.Connection]:
    """A warehouse with Shardlake's own functions."""
    postgres.execute("CREATE DATABASE nested")
    with psycopg.connect(postgres.url(database="nested"), autocommit=True) as connection:
        migrate(connection)
        yield connection


@pytest.mark.parametrize("zone", ["UTC", "Europe/Berlin"])
def test_what_is_certain_is_to_the_letter_what_the_exact_way_makes_of_it(ledger: psycopg.Connection, zone: str) -> None:
    ledger.execute("SELECT set_config('TimeZone', %s, false)", (zone,))
    certain = 0

    @settings(max_examples=300, deadline=None)
    @given(cases())
    @example(LONG)
    def check(case: tuple[Nested, list[str | None]]) -> None:
        nonlocal certain
        part, documents = case
        assert parse(str(part)) == part
        fast, unresolved = nested_values(part, pa.chunked_array([spelt(pa.chunked_array([pa.array(documents, pa.string())]))]), zone)
        fast.validate(full=True)
        exact, reasons = exact_values(ledger, "items", part, documents)
        assert fast.type == exact.type
        for n, (document, mine, doubt, theirs) in enumerate(zip(documents, fast, unresolved.to_pylist(), exact, strict=True)):
            certain += not doubt
            assert doubt or (n not in reasons and repr(mine) == repr(theirs)), document

    check()
    assert certain > 100  # of 2,000 or so: the test is about something


def test_a_long_fraction_sends_a_document_the_exact_way_only_where_it_is_declared_and_would_be_rounded() -> None:
    documents = [
        '{"at": 1.5, "id": 1, "lat": 52.520008123456789}',
        '{"at": 52.520008123456789, "id": 2}',
        '{"at": 1.5, "id": 3, "note": "1.234567890123456789"}',
        '{"at": 1.5, "id": 4, "price": 1.234567890123456789}',
    ]
    part = parse("struct<at: double precision, id: integer, price: numeric(38,20)>")
    assert isinstance(part, Struct)
    fast, unresolved = nested_values(part, pa.chunked_array([pa.array(documents)]), "UTC")
    assert unresolved.to_pylist() == [False, False, False, True]
    assert [row["at"] for row in fast.to_pylist()[:3]] == [1.5, 52.520008123456789, 1.5]
