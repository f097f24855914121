"""Shaping a chunk: JSON to columns, arrays to rows, bad rows set apart with reasons, and every raw row accounted for."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shardlake.errors import ContractError
from shardlake.shape import chunk as module
from shardlake.shape import documents as documents_module
from shardlake.shape.chunk import Reject, Shaped
from shardlake.source.sql.read import envelope_of
from shardlake.view.view import View
from tests.world import orders_view

AT = "2026-01-01 00:00:00"


def view_of(**columns: Any) -> View:
    """A view of `id`, `updated_at` and these columns."""
    return View.model_validate(orders_view(columns={"id": "bigint", "updated_at": "timestamp", **columns}))


def exploded(path: str = "payload.items", **columns: Any) -> View:
    full = {"id": "bigint", "updated_at": "timestamp", "place": {"type": "integer", "from": "$index"}, **columns}
    return View.model_validate(orders_view(columns=full, explode={"path": path}, warehouse={"key": ["id", "place"]}))


def chunk(documents: list[Any], column: str = "payload", type_: pa.DataType | None = None, **others: Any) -> pa.Table:
    arrow = type_ or pa.string()
    return pa.table(
        {
            "id": pa.array(range(1, len(documents) + 1), pa.int64()),
            "updated_at": [AT] * len(documents),
            column: pa.array(documents, arrow),
            **others,
        }
    )


KINDS = {"id": "int", "updated_at": "datetime", "payload": "json"}


def shape(view: View, table: pa.Table, kinds: dict[str, str]) -> Shaped:
    """As a source of SQL servers gives its rows."""
    return module.shape(view, table, kinds, envelope_of(view, kinds))


def shaped(view: View, documents: list[Any], **others: Any) -> Shaped:
    return shape(view, chunk(documents, **others), KINDS)


def values(found: Shaped, *names: str) -> list[tuple[Any, ...]]:
    return [tuple(row[n] for n in names) for row in found.rows.to_pylist()]


def one(document: Any, path: Any, type_: str = "text") -> str | None:
    """What a path finds in a single document, which must not be rejected."""
    found = shaped(view_of(x={"type": type_, "from": path}), [document])
    assert found.rejects == []
    return values(found, "x")[0][0]


# --- paths to columns ------------------------------------------------------------------------------------------------
def test_rows_come_out_as_text_in_the_order_of_the_view_with_what_staging_needs() -> None:
    found = shape(
        view_of(name={"type": "text", "from": "payload.name"}, amount="numeric(12,2)"),
        chunk(['{"name": "Ünal 🚚"}'], amount=["1.10"]),
        KINDS,
    )
    assert found.rows.to_pylist() == [
        {"id": "1", "updated_at": AT, "name": "Ünal 🚚", "amount": "1.10", "_op": None, "_uncertain": None},
    ]  # fmt: skip
    assert (found.shaped, found.rejects) == (1, [])


def test_null_missing_empty_and_a_json_null_are_told_apart_where_they_differ() -> None:
    view = view_of(x={"type": "text", "from": "payload.x"}, j={"type": "jsonb", "from": "payload.x"}, payload="jsonb")
    found = shaped(
        view, [None, "null", "{}", '{"x": null}', '{"x": ""}', '{"x": "null"}', '{"x": {}}', '{"x": []}', '{"x": 0}', '{"x": false}']
    )
    assert found.rejects == []
    assert values(found, "x", "j", "payload") == [
        (None, None, None),
        (None, None, "null"),
        (None, None, "{}"),
        (None, None, '{"x": null}'),
        ("", '""', '{"x": ""}'),
        ("null", '"null"', '{"x": "null"}'),
        ("{}", "{}", '{"x": {}}'),
        ("[]", "[]", '{"x": []}'),
        ("0", "0", '{"x": 0}'),
        ("false", "false", '{"x": false}'),
    ]


ODD_KEYS = (
    "a.b",
    "a b",
    " ",
    "",
    "ünïcödé",
    "🚚",
    "*",
    "?",
    "a/b",
    "/",
    "~",
    "~1",
    "~0",
    'a"b',
    "'",
    "\\",
    "$",
    "$.x",
    "[0]",
    "0",
    "-1",
    "#",
    "@",
    "%s",
    "{x}",
    "a\nb",
    "\t",
    "NULL",
    "x" * 300,
)


@pytest.mark.parametrize("key", ODD_KEYS, ids=ascii)
@pytest.mark.parametrize("document", ["plain", "exact"])
def test_any_key_is_found_and_no_other(key: str, document: str) -> None:
    decoys = {k: "decoy" for k in ODD_KEYS if k != key} | {"a": {"b": "decoy"}, "x": "decoy"}
    whole = {**decoys, key: {key: "found"}} | ({"long": 0.5} if document == "exact" else {})
    text = json.dumps(whole).replace("0.5", "0.12345678901234567890")
    assert one(text, ["payload", key, key]) == "found"
    assert one(text, ["payload", key], "jsonb") == json.dumps({key: "found"}, ensure_ascii=False, separators=(",", ":"))


def test_array_places_and_nested_paths_are_found_at_any_depth() -> None:
    document = '{"items": [{"sku": "A", "tags": ["x", ["y", "z"]]}, {"sku": "B"}]}'
    assert one(document, "payload.items[0].sku") == "A"
    assert one(document, "payload.items[1].sku") == "B"
    assert one(document, "payload.items[2].sku") is None
    assert one(document, "payload.items[0].tags[1][1]") == "z"
    assert one(document, "payload.items.sku") is None
    assert one("[[1, 2], [3]]", "payload[1][0]") == "3"
    assert one('"alone"', "payload.x") is None


@pytest.mark.parametrize("number", ["1", "-1", "123456789012345678901234567890", "-99999999999999999999999999999999999999", "18446744073709551615", "12345678901234567890.123456789", "0.1234567890123456789012345", "1.000000000000000000001", "9007199254740993", "1234567.12345678"])  # fmt: skip
def test_long_numbers_arrive_digit_by_digit(number: str) -> None:
    document = f'{{"x": {number}, "l": [{number}, {{"y": {number}}}]}}'
    assert one(document, "payload.x", "numeric") == number
    assert one(document, "payload.x", "text") == number
    assert one(document, "payload.l[1].y", "numeric") == number
    assert one(document, "payload.l", "jsonb") == f'[{number},{{"y":{number}}}]'
    assert one(document, "payload", "jsonb") == document


@pytest.mark.parametrize(
    ("number", "same"),
    [("1.10", 1.10), ("100.0", 100.0), ("1e5", 1e5), ("1E-7", 1e-7), ("-0.0", 0.0), ("0.30000000000000004", 0.30000000000000004)],
)
def test_short_numbers_keep_their_value(number: str, same: float) -> None:
    assert float(str(one(f'{{"x": {number}}}', "payload.x", "numeric"))) == same


@pytest.mark.parametrize(("written", "printed"), [
    ("123.456e-789", "0." + "0" * 786 + "123456"), ("1e-400", "0." + "0" * 399 + "1"), ("3e-324", "0." + "0" * 323 + "3"), ("1e400", "1" + "0" * 400),
    ("1e2", "100"), ("1.50E1", "15.0"), ("-0", "0"), ("-0.0", "0.0"), ("0.0000001", "0.0000001"), ("1e200000", "1e200000"), ("1e-20000", "1e-20000"),
])  # fmt: skip
def test_a_number_with_an_exponent_has_every_digit_as_jsonb_prints_it(written: str, printed: str) -> None:
    document = f'{{"x": {written}, "l": [{written}, {{"y": {written}}}]}}'
    assert one(document, "payload.x", "text") == one(document, "payload.x", "numeric") == one(document, "payload.l[1].y") == printed
    assert one(document, "payload.l", "jsonb") in (f'[{written},{{"y":{written}}}]', f'[{printed},{{"y":{printed}}}]')
    apart = shaped(
        exploded(n={"type": "numeric", "from": "$element.n"}, t={"type": "text", "from": "$element"}),
        [f'{{"items": [{{"n": {written}}}, {written}]}}'],
    )
    assert values(apart, "n", "t") == [(printed, f'{{"n":{printed}}}'), (None, printed)]


def test_a_number_that_no_numeric_holds_is_left_to_postgres_to_judge_wherever_it_stands() -> None:
    view = view_of(x={"type": "text", "from": "payload.x"}, j={"type": "jsonb", "from": "payload.j"}, payload="jsonb")
    documents = [
        '{"j": [1e200000]}',
        '{"x": 1}',
        '{"x": 1e5}',
        '{"y": 0.' + "1" * 16384 + "}",
        '{"y": ' + "1" * 131073 + "}",
        "1e131072",
        '{"j": [1e131071]}',
    ]
    assert sorted(values(shaped(view, documents), "id", "_uncertain")) == [
        ("1", "1"), ("2", None), ("3", None), ("4", "1"), ("5", "1"), ("6", "1"), ("7", None),
    ]  # fmt: skip


def test_a_document_whose_numbers_are_a_bomb_is_a_reject() -> None:
    found = shaped(view_of(payload="jsonb"), ["[" + "1e131071," * 999 + "1]", "[1e131071]"])
    assert [r.reason for r in found.rejects] == ["is larger than 67108864 bytes once its numbers are written out"]


TWICE = '{"x": 1, "o": {"y": 1, "y": 2}, "x": 2, "o": {"y": 3, "y": 4, "z": [{"k": 5, "k": 6}]}'


@pytest.mark.parametrize("tail", ["", ', "long": 0.12345678901234567890'])
@pytest.mark.parametrize(
    "spelt", [TWICE, TWICE.replace('"x": 2', '"\\u0078": 2').replace('"y": 4', '"\\u0079" : 4'), TWICE.replace(":", " : ")]
)
def test_of_members_with_one_key_the_last_counts(spelt: str, tail: str) -> None:
    document = spelt + tail + "}"
    assert one(document, "payload.x") == "2"
    assert one(document, "payload.o.y") == "4"
    assert one(document, "payload.o.z[0].k") == "6"
    assert one(document, "payload.o", "jsonb") == '{"y":4,"z":[{"k":6}]}'
    assert one(document, "payload", "jsonb") == document


def test_of_members_with_one_key_the_last_counts_in_exploded_arrays() -> None:
    view = exploded(
        sku={"type": "text", "from": "$element.sku"},
        id_={"type": "text", "from": "$element.product.id"},
        whole={"type": "jsonb", "from": "$element"},
    )
    documents = [
        '{"items": [{"sku": 1, "sku": 2}, {"sku": 3}]}',
        '{"items": [1], "items": [{"sku": 4}]}',
        '{"items": [{"sku": 5, "product": {"id": 6, "id": 7}}, {"sku": 8}]}',
        '{"items": [{"sku": 9, "product": {"sku": 1, "id": 2}}]}',
    ]
    assert sorted(values(shaped(view, documents), "id", "place", "sku", "id_")) == [
        ("1", "0", "2", None), ("1", "1", "3", None), ("2", "0", "4", None), ("3", "0", "5", "7"), ("3", "1", "8", None), ("4", "0", "9", "2"),
    ]  # fmt: skip


def test_a_key_that_stands_in_several_objects_is_not_twice_in_one(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[str] = []
    monkeypatch.setattr(documents_module, "examine", lambda document, *_: seen.append(document))
    documents = [
        '{"id": 1, "o": {"id": 2}, "l": [{"id": 3}, {"id": 4}]}',
        '{"id": 5, "o": {"id": 6, "id": 7}}',
        '{"note": "a\\n\\"id\\": ", "id": 1}',
    ]
    view = view_of(
        x={"type": "text", "from": "payload.id"}, y={"type": "text", "from": "payload.o.id"}, z={"type": "text", "from": "payload.l[1].id"}
    )
    shaped(view, documents)
    assert seen == [documents[1]]


def test_documents_that_are_json_inside_a_json_string_are_counted() -> None:
    view = view_of(x={"type": "text", "from": "payload.a"})
    documents = ['"{\\"a\\": 1}"', '"[1]"', '{"a": "{}"}', '"text"', None, '{"a": 1}', '"\\n {\\"a\\": 1}"']
    assert shaped(view, documents).encoded == {"payload": 2}
    assert shaped(view_of(payload="jsonb"), documents).encoded == {}


def test_escapes_become_the_characters_they_stand_for() -> None:
    assert one('{"x": "\\u00e9\\n\\t\\"\\\\\\/\\ud83d\\ude9a\\\\u0000"}', "payload.x") == 'é\n\t"\\/🚚\\u0000'


def test_json_kept_as_bytes_is_read_as_text_and_rejected_where_it_is_no_utf8() -> None:
    view = view_of(name={"type": "text", "from": "payload.name"}, whole={"type": "bytea", "from": "payload"})
    documents = ['{"name": "Ünal 🚚 \\\\ \\""}'.encode(), b'{"name": "\xff"}', None, b'{"name": "x\\u0000"}']
    found = shape(view, chunk(documents, type_=pa.large_binary()), {**KINDS, "payload": "bytes"})
    assert values(found, "id", "name", "whole") == [("1", 'Ünal 🚚 \\ "', "\\x" + documents[0].hex()), ("3", None, None)]
    assert found.rejects == [
        Reject({"id": "2"}, "payload", "\\x" + documents[1].hex(), "is not JSON (its bytes are no UTF-8)"),
        Reject({"id": "4"}, "payload", "\\x" + documents[3].hex(), "holds a NUL character (\\u0000), which Postgres cannot store"),
    ]


def test_two_json_columns_are_read_side_by_side_also_when_one_needs_care() -> None:
    view = view_of(
        x={"type": "text", "from": "payload.x"}, y={"type": "text", "from": "extra.y"}, z={"type": "jsonb", "from": "extra.z"}, more="jsonb"
    )
    table = chunk(['{"x": 0.12345678901234567890}', '{"x": 1}', "{}", '{"x": 0.12345678901234567890}', '{"x": 0.12345678901234567890}'],
                  extra=['{"y": 2, "z": [3]}', '{"y": 0.98765432109876543210}', None, "null", "{"], more=["null", "[1]", None, "{}", "{}"])  # fmt: skip
    found = shape(view, table, {**KINDS, "extra": "json", "more": "json"})
    assert sorted(values(found, "id", "x", "y", "z", "more")) == [
        ("1", "0.12345678901234567890", "2", "[3]", "null"),
        ("2", "1", "0.98765432109876543210", None, "[1]"),
        ("3", None, None, None, None),
        ("4", "0.12345678901234567890", None, None, "{}"),
    ]
    assert found.rejects == [Reject({"id": "5"}, "extra", "{", "is not JSON (unexpected end of data at 1)")]


def test_source_columns_may_have_any_name_that_the_query_uses_itself() -> None:
    names = ("items", "e_value", "e_index", "t_payload", "d_payload", "raw", "exact", "extracted", "_op", "_uncertain")
    view = exploded(
        "items.list",
        sku={"type": "text", "from": "$element.sku"},
        **{f"c{n}": {"type": "text", "from": [name]} for n, name in enumerate(names[1:])},
    )
    table = chunk(['{"list": [{"sku": "A"}, {"sku": 0.12345678901234567890}]}'], "items", **{name: [f"of {name}"] for name in names[1:]})
    found = shape(view, table, {**KINDS, "items": "json"})
    rest = tuple(f"of {name}" for name in names[1:])
    assert values(found, "place", "sku", *(f"c{n}" for n in range(len(rest)))) == [
        ("0", "A", *rest),
        ("1", "0.12345678901234567890", *rest),
    ]


# --- rejects ---------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(("document", "reason"), [
    ("", "is not JSON (it is empty)"),
    ("   ", "is not JSON (it is empty)"),
    ("{", "is not JSON (unexpected end of data at 1)"),
    ('{"x": 1', "is not JSON (unexpected end of data at 7)"),
    ("not json", None),
    ('{"x": 1}}', None),
    ('{"x": 1,}', None),
    ("[1,]", None),
    ("{'x': 1}", None),
    ('{"x": undefined}', None),
    ('{"x": NaN}', None),
    ('{"x": nan}', None),
    ('{"x":-Infinity }', None),
    ('[inf]', None),
    ('{"x": 01}', None),
    ('{"x": "raw\ttab"}', None),
    ('\ufeff{"x": 1}', None),
    ('{"x": 1} // why', None),
    ('{"x": "\\ud83d"}', "holds half of a surrogate pair"),
    ('{"x": "\\ud83d\\ud83d"}', "holds half of a surrogate pair"),
    ('{"x": "\\u0000"}', "holds a NUL character (\\u0000), which Postgres cannot store"),
    ('{"\\u0000": 1}', "holds a NUL character (\\u0000), which Postgres cannot store"),
    ('{"x": "\0"}', "holds a NUL character (\\u0000), which Postgres cannot store"),
    ("[" * 20_000 + "]" * 20_000, "is nested 20000 deep, past the limit of 256"),
    (json.dumps({f"k{n}": n for n in range(50_000)}), "has 50000 keys, past the limit of 10000"),
])  # fmt: skip
@pytest.mark.parametrize("whole", [False, True], ids=["a path", "the whole"])
def test_a_document_that_is_no_json_rejects_its_row_alone(document: str, reason: str | None, whole: bool) -> None:
    view = view_of(payload="jsonb") if whole else view_of(x={"type": "text", "from": "payload.x"})
    found = shaped(view, ['{"x": 1}', document, '{"x": 2}'])
    assert values(found, "id") == [("1",), ("3",)]
    (reject,) = found.rejects
    assert (reject.key, reject.column, reject.value) == ({"id": "2"}, "payload", document[:500].replace("\0", "␀"))
    assert reject.reason == reason if reason else reject.reason.startswith("is not JSON (")
    assert found.shaped == 2


def test_a_nul_in_any_text_rejects_its_row() -> None:
    table = chunk(["{}", "{}", "{}"], note=["fine", "a\0b", None])
    found = shape(view_of(note="text", x={"type": "text", "from": "payload.x"}), table, {**KINDS, "note": "text"})
    assert values(found, "id", "note") == [("1", "fine"), ("3", None)]
    assert found.rejects == [Reject({"id": "2"}, "note", "a␀b", "holds a NUL character, which Postgres cannot store")]


def test_a_rejects_key_holds_every_part_of_it_bytes_as_hexadecimal() -> None:
    view = View.model_validate(
        orders_view(
            source={"primary_key": ["id", "code"]},
            columns={"id": "bigint", "code": "bytea", "updated_at": "timestamp", "x": {"type": "text", "from": "payload.x"}},
            warehouse={"key": ["id", "code"]},
        )
    )
    found = shape(view, chunk(["{"], code=pa.array([b"\x00\xff"], pa.large_binary())), {**KINDS, "code": "bytes"})
    assert found.rejects == [Reject({"id": "1", "code": "\\x00ff"}, "payload", "{", "is not JSON (unexpected end of data at 1)")]


def test_a_reject_keeps_the_first_500_characters_of_its_value() -> None:
    assert [len(str(r.value)) for r in shaped(view_of(payload="jsonb"), ["x" * 9_000]).rejects] == [500]


# --- arrays to rows --------------------------------------------------------------------------------------------------
SKU = {"type": "text", "from": "$element.sku"}


def test_an_array_becomes_one_row_an_element_in_order() -> None:
    found = shaped(exploded(sku=SKU, n={"type": "numeric", "from": "$element.n"}, whole={"type": "jsonb", "from": "$element"}), [
        '{"items": [{"sku": "A", "n": 1}, {"sku": "B"}, {}, null, 5, "text", ["list"]]}', '{"items": [{"sku": "C", "n": 0.12345678901234567890}]}',
    ])  # fmt: skip
    assert values(found, "id", "place", "sku", "n", "whole", "_op") == [
        ("1", "0", "A", "1", '{"sku":"A","n":1}', None),
        ("1", "1", "B", None, '{"sku":"B"}', None),
        ("1", "2", None, None, "{}", None),
        ("1", "3", None, None, None, None),
        ("1", "4", None, None, "5", None),
        ("1", "5", None, None, '"text"', None),
        ("1", "6", None, None, '["list"]', None),
        ("2", "0", "C", "0.12345678901234567890", '{"sku":"C","n":0.12345678901234567890}', None),
    ]
    assert (found.shaped, found.rejects) == (2, [])


@pytest.mark.parametrize("document", [None, "null", "{}", '{"items": null}', '{"items": []}', "[]", '"text"', "5"], ids=str)
def test_a_parent_without_elements_is_marked_as_gone_with_its_key_and_version(document: str | None) -> None:
    found = shaped(exploded(sku=SKU, name={"type": "text", "from": "payload.name"}), [document])
    assert found.rows.to_pylist() == [
        {"id": "1", "updated_at": AT, "place": None, "sku": None, "name": None, "_op": "d", "_uncertain": None}
    ]
    assert (found.shaped, found.rejects) == (1, [])


@pytest.mark.parametrize(
    "document", ['{"items": {"0": "A"}}', '{"items": "A"}', '{"items": 5}', '{"items": false}', '{"items": {"n": 0.12345678901234567890}}']
)
def test_what_is_no_array_rejects_its_row_and_does_not_pass_for_an_empty_one(document: str) -> None:
    found = shaped(exploded(sku=SKU), ['{"items": [{"sku": "A"}]}', document])
    assert values(found, "id", "sku") == [("1", "A")]
    assert found.rejects == [
        Reject({"id": "2"}, "payload", document, "has something else than an array at payload.items, which is to be exploded")
    ]


def test_a_whole_column_can_be_exploded_and_its_parent_columns_go_along() -> None:
    view = exploded("payload", x={"type": "text", "from": "$element"}, first={"type": "text", "from": "payload[0]"})
    found = shaped(view, ['["a", 1.10, null, "1.10"]', '[0.12345678901234567890, {"n": 0.12345678901234567890}, "s"]'])
    assert values(found, "id", "place", "x", "first")[:4] == [
        ("1", "0", "a", "a"),
        ("1", "1", values(found, "x")[1][0], "a"),
        ("1", "2", None, "a"),
        ("1", "3", "1.10", "a"),
    ]
    assert float(values(found, "x")[1][0]) == 1.1
    assert values(found, "id", "x", "first")[4:] == [
        ("2", "0.12345678901234567890", "0.12345678901234567890"), ("2", '{"n":0.12345678901234567890}', "0.12345678901234567890"), ("2", "s", "0.12345678901234567890"),
    ]  # fmt: skip


@pytest.mark.parametrize("number", ["123456789012345678901234567890", "1234567890.123456789", "-0.1234567890123456789012345"])
def test_long_numbers_arrive_digit_by_digit_from_exploded_arrays(number: str) -> None:
    view = exploded(n={"type": "numeric", "from": "$element.n"}, whole={"type": "jsonb", "from": "$element"}, text={"type": "text", "from": "$element"}, part={"type": "jsonb", "from": "$element.l"},
                    list={"type": "numeric[]", "from": "$element.l"})  # fmt: skip
    found = shaped(view, [f'{{"items": [{{"n": {number}, "l": [{number}]}}, {{"n": "{number}", "l": []}}]}}'])
    assert values(found, "n", "whole", "text", "part", "list") == [
        (number, f'{{"n":{number},"l":[{number}]}}', f'{{"n":{number},"l":[{number}]}}', f"[{number}]", f"[{number}]"),
        (number, f'{{"n":"{number}","l":[]}}', f'{{"n":"{number}","l":[]}}', "[]", "[]"),
    ]


# --- plain source columns --------------------------------------------------------------------------------------------
@pytest.mark.parametrize(("arrow", "value", "kind", "target", "text"), [
    (pa.int64(), -5, "int", "bigint", "-5"),
    (pa.uint64(), 2**64 - 1, "int", "numeric(20,0)", "18446744073709551615"),
    (pa.float64(), 0.1 + 0.2, "float", "double precision", "0.30000000000000004"),
    (pa.float64(), 1.7976931348623157e308, "float", "double precision", "1.7976931348623157e+308"),
    (pa.string(), "99999999999999999999999999999999999.999999999999999999999999999999", "decimal", "numeric", "99999999999999999999999999999999999.999999999999999999999999999999"),
    (pa.bool_(), True, "bool", "boolean", "true"),
    (pa.large_binary(), b"\x00\xff'\\", "bytes", "bytea", "\\x00ff275c"),
    (pa.large_binary(), bytes(range(16)), "bytes", "uuid", "000102030405060708090a0b0c0d0e0f"),
    (pa.string(), "é\0"[:1], "text", "bytea", "\\xc3a9"),
    (pa.string(), "2026-01-01 12:00:00.000001", "instant", "timestamptz", "2026-01-01 12:00:00.000001+00"),
    (pa.string(), "2026-01-01 12:00:00+00", "instant", "timestamptz", "2026-01-01 12:00:00+00"),
    (pa.string(), "infinity", "instant", "timestamptz", "infinity"),
    (pa.string(), "-infinity", "instant", "timestamptz", "-infinity"),
    (pa.string(), "0044-03-15 12:00:00+00 BC", "instant", "timestamptz", "0044-03-15 12:00:00+00 BC"),
    (pa.string(), "2026-01-01 12:00:00", "instant", "timestamp", "2026-01-01 12:00:00"),
    (pa.string(), "2026-01-01 12:00:00", "datetime", "timestamptz", "2026-01-01 12:00:00"),
    (pa.string(), None, "text", "text", None),
    (pa.null(), None, "text", "numeric", None),
    (pa.string(), "\\N", "text", "text", "\\N"),
    (pa.string(), "", "text", "text", ""),
])  # fmt: skip
def test_each_kind_of_source_column_becomes_the_text_that_its_target_reads(
    arrow: pa.DataType, value: Any, kind: str, target: str, text: str | None
) -> None:
    found = shape(view_of(x=target), chunk([None], x=pa.array([value], arrow)), {**KINDS, "x": kind})
    assert values(found, "x") == [(text,)]


@pytest.mark.parametrize("target", ["text", "bigint", "jsonb", "varchar(9)"])
def test_bytes_do_not_pass_for_text(target: str) -> None:
    table = chunk(["{}"], x=pa.array([b"\x00\xff"], pa.large_binary()))
    if target == "jsonb":
        assert shape(view_of(x=target), table, {**KINDS, "x": "bytes"}).rejects[0].reason == "is not JSON (its bytes are no UTF-8)"
        return
    with pytest.raises(
        ContractError,
        match=r"the source column 'x' holds bytes, which .* does not. Declare bytea \(or uuid for 16 bytes\), or convert it in extract.sql.",
    ):
        shape(view_of(x=target), table, {**KINDS, "x": "bytes"})


def test_values_that_are_not_certain_are_marked_for_postgres_to_judge() -> None:
    view = View.model_validate(
        orders_view(columns={"id": "bigint", "updated_at": "timestamp", "n": "numeric(12,2)", "k": "text"}, warehouse={"indexes": [["k"]]})
    )
    table = chunk(["{}"] * 6, n=["1.23", "1.239", None, "N/A", "1", "1"], k=["a", "a", None, "a", "x" * 2000, "é" * 1001])
    found = shape(view, table, {**KINDS, "n": "decimal", "k": "text"})
    assert values(found, "id", "_uncertain") == [("1", None), ("2", "1"), ("3", None), ("4", "1"), ("5", None), ("6", "1")]


def test_an_empty_chunk_has_no_rows() -> None:
    found = shaped(view_of(x={"type": "text", "from": "payload.x"}, payload="jsonb"), [])
    assert (found.rows.num_rows, found.shaped, found.rejects) == (0, 0, [])


# --- accounting ------------------------------------------------------------------------------------------------------
GARBAGE = st.text(max_size=20) | st.sampled_from(
    [
        "",
        "{",
        "[[",
        '{"x":NaN}',
        '"\\ud800"',
        '{"\\u0000":1}',
        "\0",
        "[" * 300 + "]" * 300,
        "null",
        '{"items":{}}',
        "1e999999",
        '{"x":1,}',
        "\\N",
        "\\.",
    ]
)
ELEMENT = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=True)
    | st.text(max_size=10)
    | st.decimals(allow_nan=False, allow_infinity=False).map(str)
)
VALUE = st.recursive(
    ELEMENT,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["x", "items", "a.b", "", "n"]) | st.text(max_size=3), inner, max_size=3)
    ),
    max_leaves=8,
)
DOCUMENT = (
    st.none()
    | GARBAGE
    | VALUE.map(json.dumps)
    | VALUE.map(lambda v: json.dumps({"x": v, "items": [v, {"n": v}]}, ensure_ascii=False).encode("utf-8", "replace").decode())
)


@settings(max_examples=40, deadline=None, derandomize=True, database=None)
@given(st.lists(DOCUMENT.filter(lambda d: d is None or not any("\ud800" <= c <= "\udfff" for c in d)), max_size=12))
def test_every_raw_row_is_a_view_row_or_a_reject_whatever_its_document_holds(documents: list[str | None]) -> None:
    plain = view_of(
        x={"type": "text", "from": "payload.x"},
        n={"type": "numeric", "from": "payload.items[1].n"},
        j={"type": "jsonb", "from": "payload.items"},
        payload="jsonb",
    )
    found = shaped(plain, documents)
    assert sorted([int(r["id"]) for r in found.rows.to_pylist()] + [int(str(r.key["id"])) for r in found.rejects]) == list(
        range(1, len(documents) + 1)
    )
    assert found.shaped + len(found.rejects) == len(documents)
    assert not any("\0" in v for row in found.rows.to_pylist() for v in row.values() if v)
    for row in found.rows.to_pylist():
        document = documents[int(row["id"]) - 1]
        assert row["payload"] == document
        if row["j"] is not None:
            assert json.loads(row["j"]) == json.loads(str(document))["items"]
    apart = shaped(exploded(x={"type": "text", "from": "$element.x"}, n={"type": "jsonb", "from": "$element.n"}), documents)
    assert apart.shaped + len(apart.rejects) == len(documents)
    assert {int(r["id"]) for r in apart.rows.to_pylist()} | {int(str(r.key["id"])) for r in apart.rejects} == set(
        range(1, len(documents) + 1)
    )
    assert len({(r["id"], r["place"]) for r in apart.rows.to_pylist()}) == apart.rows.num_rows


@settings(max_examples=40, deadline=None, derandomize=True, database=None)
@given(
    st.lists(
        st.integers(-(10**40), 10**40) | st.decimals(allow_nan=False, allow_infinity=False, min_value=-(10**20), max_value=10**20),
        min_size=1,
        max_size=8,
    )
)
def test_any_number_arrives_with_its_value_alone_and_in_an_array(numbers: list[Any]) -> None:
    texts = [format(Decimal(n), "f") for n in numbers]
    found = shaped(view_of(x={"type": "numeric", "from": "payload.x"}), [f'{{"x": {t}}}' for t in texts])
    assert [Decimal(x) for _, x in sorted(values(found, "id", "x"))] == [Decimal(t) for t in texts]
    apart = shaped(
        exploded(x={"type": "numeric", "from": "$element.x"}), [f'{{"items": [{", ".join(f"""{{"x": {t}}}""" for t in texts)}]}}']
    )
    assert [Decimal(x) for (x,) in values(apart, "x")] == [Decimal(t) for t in texts]


# --- one look at a document, or two ----------------------------------------------------------------------------------
TRAPS = ["[1]", "{}", "[", "{x", "5", "true", "null", "x", "\u005b", '"', "\\", "", '["a"]', "\\u005b1]", "1e5"]
TRAPPED = (
    st.sampled_from(TRAPS) | st.lists(st.sampled_from(TRAPS), max_size=3) | st.fixed_dictionaries({"n": st.sampled_from(TRAPS)}) | VALUE
)


def looked_at_twice(view: View, documents: list[str]) -> Shaped:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "can_be_one_pass", lambda _: False)
        return shaped(view, documents)


@settings(max_examples=60, deadline=None, derandomize=True, database=None)
@given(st.lists(TRAPPED, min_size=1, max_size=8), st.booleans())
def test_one_look_at_a_document_finds_what_two_find(found: list[Any], unusual: bool) -> None:
    view = view_of(
        x={"type": "text", "from": "payload.x"}, j={"type": "jsonb", "from": "payload.j"}, n={"type": "jsonb", "from": "payload.j.n"},
        a={"type": "bigint[]", "from": "payload.a"},
    )  # fmt: skip
    documents = [json.dumps({"x": v, "j": v, "a": v}) for v in found]
    if unusual:
        documents = [d.replace('"[', '"\\u005b').replace('"{', '"\\u007B') for d in documents]
    one_pass, careful = shaped(view, documents), looked_at_twice(view, documents)
    assert values(one_pass, "id", "x", "j", "n", "a", "_uncertain") == values(careful, "id", "x", "j", "n", "a", "_uncertain")
    assert one_pass.rejects == careful.rejects


@pytest.mark.parametrize(("document", "once"), [
    ('{"x": "a", "j": [1, "b"]}', True),
    ('{"x": null}', True),
    ('{"x": "a", "j": "b"}', False),
    ('{"x": "a", "j": "[1]"}', False),
    ('{"x": "a", "j": "\\u005b1]"}', False),
    ('{"x": "a", "j": 5}', False),
    ('{"x": "a", "j": [1', False),
])  # fmt: skip
def test_a_document_is_looked_at_twice_only_where_it_may_mislead(document: str, once: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[bool] = []
    queried = module._queried
    monkeypatch.setattr(module, "_queried", lambda *given, one_pass: (seen.append(one_pass), queried(*given, one_pass=one_pass))[1])
    shaped(view_of(x={"type": "text", "from": "payload.x"}, j={"type": "jsonb", "from": "payload.j"}), [document])
    assert seen[-1] is once


@pytest.mark.parametrize("type_", [pa.int64(), pa.null()])
def test_a_path_into_a_column_that_is_no_text_finds_what_its_text_holds(type_: pa.DataType) -> None:
    view = view_of(x={"type": "text", "from": "payload.x"}, j={"type": "jsonb", "from": "payload.j"})
    documents = [None, None] if type_ == pa.null() else [1, None]
    found = shape(view, chunk(documents, type_=type_), {**KINDS, "payload": "int"})
    assert (values(found, "x", "j"), found.rejects) == ([(None, None)] * 2, [])
