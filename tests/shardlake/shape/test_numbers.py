"""Numbers and keys of documents, held against what Postgres makes of the same document."""

from __future__ import annotations

import json

import psycopg
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from embedded.postgres import Postgres
from shardlake.shape.numbers import as_text, fits, printed, rounds
from tests.shardlake.shape.test_chunk import shaped, values, view_of

NUMBERS = st.one_of(
    st.from_regex(r"\A-?(0|[1-9][0-9]{0,20})(\.[0-9]{1,20})?([eE][+-]?[0-9]{1,3})?\Z"),
    st.from_regex(r"\A-?(0|[1-9])(\.[0-9]{1,3})?[eE][+-]?(1310[67][0-9]|1638[0-9]|1[0-9]{5})\Z"),
    st.floats(allow_nan=False, allow_infinity=False).map(repr),
    st.sampled_from(["0e99999", "0e-99999", "1e0000000000001", "1e99999999999999999999", "0e-16384"]),
)


def test_a_number_is_printed_as_jsonb_prints_it_or_does_not_fit(postgres: Postgres) -> None:
    @settings(max_examples=150, deadline=None)
    @given(st.lists(NUMBERS, min_size=1, max_size=30))
    def check(numbers: list[str]) -> None:
        fitting = [n for n in numbers if fits(n)]
        rows = postgres.execute("SELECT (n::jsonb)::text FROM unnest(%s::text[]) WITH ORDINALITY x(n, i) ORDER BY i", fitting)
        assert [row[0] for row in rows] == [printed(n) for n in fitting]
        for n in set(numbers) - set(fitting):
            with pytest.raises(psycopg.errors.NumericValueOutOfRange):
                postgres.execute("SELECT %s::jsonb", n)

    check()


KEYS = st.sampled_from(["a", "b", "\\u0061", "é"])


def as_object(pairs: list[tuple[str, str]]) -> str:
    return "{" + ",".join(f'"{k}" : {v}' for k, v in pairs) + "}"


DOCUMENTS = st.recursive(
    NUMBERS.filter(fits) | st.sampled_from(["null", '"a"', '"\\"a\\": "', "true"]),
    lambda inner: (
        st.lists(st.tuples(KEYS, inner), max_size=4).map(as_object) | st.lists(inner, max_size=2).map(lambda i: f"[{', '.join(i)}]")
    ),
    max_leaves=8,
)
PATHS = {"p": ["a"], "q": ["a", "b"], "r": ["b", "a"], "s": ["a", "a"], "t": ["é", 1, "a"]}


def test_a_path_finds_in_any_document_what_postgres_finds_in_its_jsonb(postgres: Postgres) -> None:
    view = view_of(**{name: {"type": "text", "from": ["payload", *path]} for name, path in PATHS.items()})
    items = ", ".join(
        f"d #>> ARRAY[{', '.join(repr(str(s)) for s in path)}], jsonb_typeof(d #> ARRAY[{', '.join(repr(str(s)) for s in path)}])"
        for path in PATHS.values()
    )

    @settings(max_examples=150, deadline=None)
    @given(st.lists(DOCUMENTS, min_size=1, max_size=12))
    @example(
        [
            '{"a": 1, "a": 2}',
            '{"a": {"b": 1e-400}, "\\u0061": {"b": 3e-324, "b": 123.456e-789}}',
            '{"b": {"a": 0.00001}, "b": 1}',
            '{"a": {"a": 1.10}}',
        ]
    )
    def check(documents: list[str]) -> None:
        found = shaped(view, documents)
        assert not found.rejects
        rows = postgres.execute(
            f"SELECT {items} FROM unnest(%s::text[]) WITH ORDINALITY x(t, i), LATERAL (SELECT t::jsonb AS d) y ORDER BY i", documents
        )
        mine = {int(id_): rest for id_, *rest in values(found, "id", *PATHS)}
        for place, row in enumerate(rows, start=1):
            for text, theirs, kind in zip(mine[place], row[::2], row[1::2], strict=True):
                if kind == "number":
                    assert text == theirs or (not rounds(theirs) and text == as_text(theirs)), documents[place - 1]
                elif kind in ("object", "array"):
                    assert json.loads(text) is not None
                else:
                    assert text == theirs, documents[place - 1]

    check()
