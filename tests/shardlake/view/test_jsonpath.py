"""Paths into JSON: every key can be named, nothing is read as syntax by mistake, and what is no path says where."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shardlake.view.jsonpath import Path, parse


@pytest.mark.parametrize(("text", "column", "steps"), [
    ("id", "id", ()),
    ("payload.customer.name", "payload", ("customer", "name")),
    ("payload.items[0].sku", "payload", ("items", 0, "sku")),
    ("payload[0][12]", "payload", (0, 12)),
    ('payload."a.b"', "payload", ("a.b",)),
    ('payload."a ""quoted"" key"', "payload", ('a "quoted" key',)),
    ('payload."0"', "payload", ("0",)),
    ("payload.0", "payload", ("0",)),
    ('payload.""', "payload", ("",)),
    ("payload.a b", "payload", ("a b",)),
    ("payload.naïve.🚚", "payload", ("naïve", "🚚")),
    ("payload.*.a/b.~1.$x", "payload", ("*", "a/b", "~1", "$x")),
    ('"odd.column"."[0]"', "odd.column", ("[0]",)),
    ("$element.sku", "$element", ("sku",)),
    ("$index", "$index", ()),
])  # fmt: skip
def test_a_path_is_a_source_column_and_the_steps_below_it(text: str, column: str, steps: tuple[str | int, ...]) -> None:
    assert parse(text) == Path(column, steps)


def test_a_list_says_the_same_without_any_quoting() -> None:
    assert parse(["payload", "a.b", 'c"d', 0, "0", ""]) == Path("payload", ("a.b", 'c"d', 0, "0", ""))


def test_a_key_that_is_a_number_is_not_a_place_in_an_array() -> None:
    assert parse('payload."1"').steps == ("1",)
    assert parse("payload[1]").steps == (1,)


@given(st.text(min_size=1).filter(lambda t: "\0" not in t), st.lists(st.text().filter(lambda t: "\0" not in t) | st.integers(0, 10**6)))
def test_any_path_reads_back_from_how_it_is_shown(column: str, steps: list[str | int]) -> None:
    path = Path(column, tuple(steps))
    assert parse(str(path)) == path
    assert parse([column, *steps]) == path


@pytest.mark.parametrize(("text", "message"), [
    ("", "a path starts with a source column, '' does not"),
    ("[0].a", "a path starts with a source column, '[0].a' does not"),
    ('""', "a path starts with a source column, '\"\"' does not"),
    (".a", "cannot read the path '.a' at position 0; quote odd keys: payload.\"odd.key\""),
    ("a.", "cannot read the path 'a.' at position 1; quote odd keys: payload.\"odd.key\""),
    ("a..b", "cannot read the path 'a..b' at position 1; quote odd keys: payload.\"odd.key\""),
    ("a[b]", "cannot read the path 'a[b]' at position 1; quote odd keys: payload.\"odd.key\""),
    ("a[-1]", "cannot read the path 'a[-1]' at position 1; quote odd keys: payload.\"odd.key\""),
    ("a[0", "cannot read the path 'a[0' at position 1; quote odd keys: payload.\"odd.key\""),
    ('a."b', "cannot read the path 'a.\"b' at position 1; quote odd keys: payload.\"odd.key\""),
    ('a."b"c', "cannot read the path 'a.\"b\"c' at position 5; quote odd keys: payload.\"odd.key\""),
    ('a."b\0"', "a path cannot hold a NUL character"),
    ([], "a path starts with a source column, [] does not"),
    ([0, "a"], "a path starts with a source column, [0, 'a'] does not"),
    (["a", "\0"], "a path cannot hold a NUL character"),
    (["a", -1], "a path's steps are keys and numbers from 0; -1 is neither, put it in quotes"),
    (["a", True], "a path's steps are keys and numbers from 0; True is neither, put it in quotes"),
    (["a", None], "a path's steps are keys and numbers from 0; None is neither, put it in quotes"),
    (["a", ["b"]], "a path's steps are keys and numbers from 0; ['b'] is neither, put it in quotes"),
    (None, "None is not a path; it reads like payload.customer.name, or [payload, customer, name]"),
    ({"a": "b"}, "{'a': 'b'} is not a path; it reads like payload.customer.name, or [payload, customer, name]"),
])  # fmt: skip
def test_what_is_no_path_is_refused_with_where_and_why(text: object, message: str) -> None:
    with pytest.raises(ValueError) as refusal:
        parse(text)
    assert str(refusal.value) == message
