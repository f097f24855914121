"""Poison: what a JSON document may hold, why one is rejected, and numbers that stay as they were written."""

from __future__ import annotations

import json
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shardlake.shape.json_limits import FINE, MALFORMED, SUSPICIOUS, examine, extract_exact, harmless, parse_exact, why_malformed
from shardlake.view.source import JsonLimits

LIMITS = JsonLimits()


def reason(document: str, limits: JsonLimits = LIMITS) -> str | None:
    verdict = examine(document, limits)
    return verdict.reason if verdict else None


@pytest.mark.parametrize(("document", "why"), [
    ("", "is not JSON"),
    ('{"a": 1', "is not JSON"),
    ('{"a": 1}}', "is not JSON"),
    ('{"a": 1,}', "is not JSON"),
    ("{'a': 1}", "is not JSON"),
    ('{"a": NaN}', "is not JSON"),
    ('{"a": -Infinity}', "is not JSON"),
    ('{"a": 01}', "is not JSON"),
    ('{"a": "\\ud83d"}', "holds half of a surrogate pair"),
    ('{"a": "\\ude00"}', "holds half of a surrogate pair"),
    ('{"\\ud83d": 1}', "holds half of a surrogate pair"),
    ('{"a": "x\\u0000"}', "holds a NUL character (\\u0000), which Postgres cannot store"),
    ('{"\\u0000": 1}', "holds a NUL character (\\u0000), which Postgres cannot store"),
    ('{"a": "x\0"}', "holds a NUL character (\\u0000), which Postgres cannot store"),
    ('{"a": "\\\\\\u0000"}', "holds a NUL character (\\u0000), which Postgres cannot store"),
    ("[" * 20_000 + "]" * 20_000, "is nested 20000 deep, past the limit of 256"),
    ('{"a":' * 20_000 + "1" + "}" * 20_000, "is nested 20000 deep, past the limit of 256"),
    ("[" * 20_000, "is nested 20000 deep, past the limit of 256"),
    (json.dumps({str(n): n for n in range(50_000)}), "has 50000 keys, past the limit of 10000"),
    (json.dumps([{"a": n} for n in range(50_000)]), "has 50000 keys, past the limit of 10000"),
])  # fmt: skip
def test_a_document_that_cannot_be_taken_has_its_reason(document: str, why: str) -> None:
    assert str(reason(document)).startswith(why)


@pytest.mark.parametrize("document", [
    "{}", "[]", "null", '""', '"\\\\u0000"', '{"a": "\\\\\\\\u0000"}', '{"a": "\\ud83d\\ude00"}', '{"a": "NaN, Infinity,"}', '{"nan": "inf"}', '{"a": "[[[[[["}', '{"a": "x\\"[[["}',
    "[" * 256 + "]" * 256, '{"a": 12345678901234567890123456789012345}', '{"a": 1.5, "b": 100000, "c": 0.1}', '{"a": "1e5-0"}', '{"on": "2026-01-01"}',
])  # fmt: skip
def test_a_document_that_only_looks_like_trouble_is_left_as_it_is(document: str) -> None:
    assert examine(document, LIMITS) is None


def test_the_limits_are_the_views_own() -> None:
    limits = JsonLimits.model_validate({"depth": 2, "keys": 3, "bytes": 40})
    assert reason("[[[]]]", limits) == "is nested 3 deep, past the limit of 2"
    assert reason('{"a":1,"b":1,"c":1,"d":1}', limits) == "has 4 keys, past the limit of 3"
    assert reason(json.dumps("x" * 40), limits) == "is larger than 40 bytes"
    assert reason(json.dumps("é" * 20, ensure_ascii=False), limits) == "is larger than 40 bytes"
    assert reason('{"a":{"b":1,"c":1}}', limits) is None


def test_the_deepest_document_that_a_view_may_allow_is_taken_apart_exactly() -> None:
    limits = JsonLimits.model_validate({"depth": 400})
    document = "[" * 399 + '{"a":1.2345678901234567890}' + "]" * 399
    verdict = examine(document, limits)
    assert verdict is not None
    assert verdict.reason is None
    assert extract_exact(verdict.exact, (0,) * 399, as_json=True) == '{"a":1.2345678901234567890}'
    assert extract_exact(verdict.exact, (), as_json=True) == document


def test_the_shortest_documents_that_break_a_limit_are_looked_at() -> None:
    for limits in (
        JsonLimits(depth=5, keys=4, bytes=100),
        JsonLimits(depth=100, keys=4, bytes=100),
        JsonLimits(depth=100, keys=100, bytes=50),
    ):
        deep = "[" * (limits.depth + 1) + "]" * (limits.depth + 1)
        wide = "{" + ",".join(['"":0'] * (limits.keys + 1)) + "}"
        assert min(len(deep), len(wide), limits.bytes + 1) > harmless(limits)


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=8)
    | st.sampled_from(["\0", "\ud800", "NaN", "1.1234567890123456789"]),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4), inner, max_size=4),
    max_leaves=12,
)


@settings(max_examples=300, deadline=None, derandomize=True, database=None)
@given(JSON | st.text(max_size=30))
def test_what_the_cheap_pattern_lets_through_needs_no_second_look(value: object) -> None:
    document = json.dumps(value)
    if re.search(SUSPICIOUS, document) is None and len(document) <= harmless(LIMITS):
        verdict = examine(document, LIMITS)
        assert verdict is None


@pytest.mark.parametrize(("number", "text"), [
    ("123456789012345678901234567890", None), ("-123456789012345678901234567890.1", None), ("0.1234567890123456789012345678901", None), ("1.10", "1.1"), ("100.0", None),
    ("100.00", "100.0"), ("1e5", "100000"), ("1E-7", "0.0000001"), ("-0.0", "0.0"), ("0.10000000000000000000", None), ("12345678.12345678", None),
])  # fmt: skip
def test_numbers_stay_as_they_were_written_and_become_text_as_jsonb_prints_them(number: str, text: str | None) -> None:
    document = parse_exact(f'{{"a": {number}, "b": [{number}], "c": {{"d": {number}}}}}')
    assert extract_exact(document, ("a",), as_json=False) == (text or number)
    assert extract_exact(document, ("a",), as_json=True) == number
    assert extract_exact(document, ("b",), as_json=True) == f"[{number}]"
    assert extract_exact(document, ("c",), as_json=False) == f'{{"d":{number}}}'
    assert extract_exact(document, (), as_json=True) == f'{{"a":{number},"b":[{number}],"c":{{"d":{number}}}}}'


@pytest.mark.parametrize(("steps", "text", "as_json"), [
    (("s",), 'x"é\n🚚', '"x\\"é\\n🚚"'),
    (("t",), "true", "true"),
    (("n",), None, None),
    (("gone",), None, None),
    (("s", "deeper"), None, None),
    (("l", 1), "two", '"two"'),
    (("l", 9), None, None),
    (("l", "key"), None, None),
    (("l", "1"), "two", '"two"'),
    (("0",), "zero", '"zero"'),
    ((0,), "zero", '"zero"'),
    (("",), "empty", '"empty"'),
    (("a.b", "c/d~e"), "odd", '"odd"'),
    (("*",), "star", '"star"'),
    (("twice",), "2", "2"),
])  # fmt: skip
def test_a_path_finds_what_the_bulk_extraction_would_find(steps: tuple[str | int, ...], text: str | None, as_json: str | None) -> None:
    document = parse_exact(
        '{"s": "x\\"\\u00e9\\n🚚", "t": true, "n": null, "l": ["one", "two"], "0": "zero", "": "empty", "a.b": {"c/d~e": "odd"}, "*": "star", "twice": 1, "twice": 2}'
    )
    assert extract_exact(document, steps, as_json=False) == text
    assert extract_exact(document, steps, as_json=True) == as_json


def test_of_members_with_one_key_the_last_is_printed() -> None:
    assert extract_exact(parse_exact('{"a": 1.0, "a": 2.0}'), (), as_json=True) == '{"a":2.0}'


def test_text_that_is_no_json_is_malformed_and_not_null() -> None:
    assert parse_exact("{") is MALFORMED
    assert parse_exact("null") is None


@pytest.mark.parametrize(("document", "why"), [
    ("", "is not JSON (it is empty)"), (" \n", "is not JSON (it is empty)"), ("{", "is not JSON (unexpected end of data at 1)"), ("{}", FINE),
])  # fmt: skip
def test_the_reason_of_a_malformed_document_says_where(document: str, why: str) -> None:
    assert why_malformed(document) == why
