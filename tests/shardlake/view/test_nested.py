"""Nested types as a view spells them, and what is said of those that cannot be."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from shardlake.spec_file import explain
from shardlake.view.nested import DEEPEST, List, Struct, parse
from shardlake.view.types import Type
from shardlake.view.view import View
from tests.world import orders_view


def test_a_type_is_read_and_spelt_again() -> None:
    found = parse('array<struct<sku: text, qty : int, "a \\"b": text>>')
    assert found == List(Struct((("sku", Type("text")), ("qty", Type("integer")), ('a "b', Type("text")))))
    assert str(found) == 'array<struct<sku: text, qty: integer, "a \\"b": text>>'
    assert parse(str(found)) == found


@pytest.mark.parametrize(("text", "spelt"), [
    ("ARRAY< Struct<Order Total:decimal(8, 2),at:timestamp with time zone> >", "array<struct<Order Total: numeric(8,2), at: timestamptz>>"),
    ("array<array<array<float>>>", "array<array<array<double precision>>>"),
    ('struct<"é🚚": json, "x,>:": string>', 'struct<"é🚚": jsonb, "x,>:": text>'),
])  # fmt: skip
def test_what_analysts_write_for_types_and_keys_is_understood(text: str, spelt: str) -> None:
    assert str(parse(text)) == spelt


EXAMPLE = "a nested type reads like array<struct<sku: text, qty: integer, price: numeric(8,2)>>"


@pytest.mark.parametrize(("text", "message"), [
    ("text", "`lake: text` is no nested type; write one like array<struct<sku: text, qty: integer, price: numeric(8,2)>>, or leave `lake` out: the lake then has the JSON text"),
    ("struct<>", "`struct<>` has no keys; name one at least, as in struct<sku: text>, or declare jsonb"),
    ("struct<a: int, A: text>", "the keys 'a' and 'A' of a struct are both 'a' in the lake; leave one out"),
    ("struct<a b: int, array: array<int>, a-b: int>", "the keys 'a b' and 'a-b' of a struct are both 'a_b' in the lake; leave one out"),
    ("array<integer[]>", "write array<integer> in place of integer[]"),
    ("array<numeric>", "numeric has no exact type in the lake; give it a precision of 38 at most, as in numeric(12,2), or declare text"),
    ("array<numeric(39,2)>", "numeric(39,2) has no exact type in the lake; give it a precision of 38 at most, as in numeric(12,2), or declare text"),
    ("array<time>", "time has no exact type in the lake; declare text, or one of smallint, integer, bigint, real, double precision, numeric, boolean, text, date, timestamp, timestamptz, bytea, jsonb"),
    ("array<text", f"expected `>` at the end; {EXAMPLE}"),
    ("array<text>>", f"expected nothing more before '>'; {EXAMPLE}"),
    ("struct<a int>", f"expected `:` before '>'; {EXAMPLE}"),
    ("struct<1a: int>", f"expected a key like sku, or one in double quotes like \"odd.key\" before '1a: int>'; {EXAMPLE}"),
    ("array<>", f"expected a type like text, numeric(8,2), array<…> or struct<key: …> before '>'; {EXAMPLE}"),
    ('struct<"": int>', 'the key "" has no name that the lake could give it; leave it out'),
    ('struct<"a\\x": int>', 'the key "a\\x" is not a JSON string; write a quote in it as \\", a backslash as \\\\'),
    ("array<" * (DEEPEST + 1) + "text" + ">" * (DEEPEST + 1), "it is nested more than 16 deep; declare jsonb for what is further inside"),
])  # fmt: skip
def test_what_cannot_be_is_refused_with_what_would_be_right(text: str, message: str) -> None:
    with pytest.raises(ValueError) as error:
        parse(text)
    assert str(error.value) == message


@pytest.mark.parametrize(("column", "message"), [
    ({"type": "text", "lake": "array<text>"}, "columns.items: `lake: array<text>` is for a column of type jsonb, not text; declare `type: jsonb`, or leave `lake` out"),
    ({"type": "jsonb", "lake": "array<>"}, f"columns.items.lake: expected a type like text, numeric(8,2), array<…> or struct<key: …> before '>'; {EXAMPLE}"),
    ({"type": "jsonb", "lake": ["text"]}, 'columns.items.lake: `lake` is a nested type in quotes, as in "array<struct<sku: text, qty: integer, price: numeric(8,2)>>"'),
])  # fmt: skip
def test_check_names_the_column(column: dict[str, object], message: str) -> None:
    view = orders_view()
    view["columns"]["items"] |= column
    with pytest.raises(ValidationError) as error:
        View.model_validate(view)
    assert str(explain(error.value, "view.yaml")) == f"view.yaml: {message}"


def test_a_column_of_the_key_cannot_be_nested() -> None:
    view = orders_view(warehouse={"key": ["id", "items"]})
    view["columns"]["items"]["lake"] = "array<text>"
    with pytest.raises(ValidationError, match=r"columns\.items: a column of the key cannot be nested in the lake; leave `lake` out"):
        View.model_validate(view)
