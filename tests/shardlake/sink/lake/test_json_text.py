"""JSON as text in the lake: one spelling of a value, whatever the source's, and whatever way a row takes."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import orjson
import pyarrow as pa
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from embedded.postgres import Postgres
from shardlake.shape.json_limits import parse_exact
from shardlake.sink.lake.json_text import spelt, written
from tests.lake import EVERY_FORMAT, readers
from tests.shardlake.shape.test_numbers import DOCUMENTS
from tests.world import WorldMaker, orders_view


def one(document: str) -> str | None:
    """A document's spelling."""
    return spelt(pa.chunked_array([[document]]))[0].as_py()  # type: ignore[no-any-return]


@pytest.mark.parametrize(("document", "spelling"), [
    (' { "b" : [ 1.10 , 1e2, -0.0, 0.00001 ] , "aa":null, "a":true } ', '{"a":true,"aa":null,"b":[1.1,100,0.0,0.00001]}'),
    ('{"a": 1, "b": 2, "a": {"x": 1, "x": 2}}', '{"a":{"x":2},"b":2}'),
    ('"\\u00e9\\/\\u001F\\u007f\\t\\ud83d\\ude9a"', '"é/\\u001f\x7f\\t🚚"'),
    ("12345678901234567890123", "12345678901234567890123"), ("18446744073709551616", "18446744073709551616"), ("1E400", "1" + "0" * 400), ("-0", "0"), (" 1e2", "100"),
    ("0.12345678901234567890", "0.12345678901234567890"), ("null", "null"), ("no JSON", "no JSON"), ("[" * 400 + "]" * 400, "[" * 400 + "]" * 400),
])  # fmt: skip
def test_a_document_has_one_spelling(document: str, spelling: str) -> None:
    assert one(document) == spelling


def test_null_stays_null_and_rows_their_order() -> None:
    assert spelt(pa.chunked_array([["{}", None], [" [1]"]], pa.string())).to_pylist() == ["{}", None, "[1]"]


def numbers(value: Any) -> Any:
    """A document with its numbers as such."""
    return json.loads(value, parse_float=Decimal, parse_int=Decimal)


def test_it_says_what_jsonb_says_and_jsonb_has_the_same_spelling(postgres: Postgres) -> None:
    @settings(max_examples=200, deadline=None)
    @given(st.lists(DOCUMENTS, min_size=1, max_size=12))
    @example(['{"b": 1.10, "a": [1e2, 1e-7]}', '{"a": {"é": "\\u001f", "b": 1, "b": 2}}', "1e300", "-0.0"])
    @example(["0E-2", '{"a": 110e-2}', "100e-4"])
    def check(documents: list[str]) -> None:
        mine = spelt(pa.chunked_array([documents])).to_pylist()
        theirs = [
            row[0]
            for row in postgres.execute("SELECT d::jsonb::text FROM unnest(%s::text[]) WITH ORDINALITY x(d, i) ORDER BY i", documents)
        ]
        assert [numbers(d) for d in mine] == [numbers(d) for d in theirs]
        for document, again in zip(mine, theirs, strict=True):
            # by way of jsonb: the zeros that jsonb keeps at the end of a number of few digits are all that may differ
            assert one(again) == document or numbers(one(again)) == numbers(document)
            assert one(document) == document
            assert document == written(parse_exact(document))

    check()


@settings(max_examples=200, deadline=None, derandomize=True, database=None)
@given(st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63) | st.decimals(-99999, 99999, places=4, allow_nan=False).map(float) | st.text(st.characters(codec="utf-8", exclude_characters="\0")),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=3), inner, max_size=4),
    max_leaves=12,
))  # fmt: skip
def test_the_quick_way_and_the_exact_one_spell_alike(value: Any) -> None:
    for document in (json.dumps(value), orjson.dumps(value, option=orjson.OPT_INDENT_2).decode()):
        assert one(document) == written(parse_exact(document))


@pytest.mark.parametrize("source", ["mysql", "postgres"])
def test_a_column_of_json_has_one_spelling_in_every_layout(world: WorldMaker, source: str) -> None:
    columns = {
        "id": "bigint", "updated_at": "timestamp", "n": {"type": "numeric(8,2)", "from": "payload.n"}, "part": {"type": "jsonb", "from": "payload.part"}, "payload": "jsonb",
    }  # fmt: skip
    view = orders_view(columns=columns, source={"connection": f"{source}-shards/shop"}, lake={"layouts": EVERY_FORMAT})
    w = world(source=source, view=view)
    w.on_all(
        f"CREATE TABLE orders (id bigint PRIMARY KEY, updated_at timestamp NOT NULL, payload {'longtext' if source == 'mysql' else 'json'})"
    )
    part = '{"b": 1.10, "aa": "é", "a": [null, 2]}'
    documents = [
        f'{{"part": {part}, "n": 1}}',  # certain
        f'{{"part": {part}, "n": "1.0000"}}',  # judged, which passes
        f'{{ "part" :{part.replace(" ", "")}, "n": 1.000 }}',
        '{"n": 1e0, "part": {"aa": "\\u00e9", "a": [null, 2.0e0], "b": 11e-1}}',  # taken apart exactly
        f'{{"n": 1, "part": 5, "part": {part}}}',
    ]
    for n, document in enumerate(documents):
        w.on("shop_00", "INSERT INTO orders VALUES (%s, '2026-01-01 00:00:00', %s)", n, document)
    w.must_sync()
    for reader, rows in readers(w).items():
        found = {row["id"]: (row["part"], row["payload"]) for row in rows}
        assert {found[n][0] for n in (0, 1, 2, 4)} == {'{"a":[null,2],"aa":"é","b":1.1}'}, reader
        assert found[3][0] == '{"a":[null,2.0],"aa":"é","b":1.1}', reader  # 2.0e0 has another scale than 2, in jsonb, too
        assert {found[n][1] for n in (0, 4)} == {'{"n":1,"part":{"a":[null,2],"aa":"é","b":1.1}}'}, reader
    assert w.rejects() == w.lake_rejects() == []
