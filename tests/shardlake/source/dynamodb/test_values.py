"""Values of DynamoDB arrive exact in Postgres and in the lake, whatever they are and whatever attributes are called."""

from __future__ import annotations

import base64
import json
from typing import Any, cast

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shardlake.envelope import FAULT
from shardlake.source.dynamodb.scan import _Rows
from tests.dynamodb_world import TablesMaker, view

DIGITS = "12345678901234567890123456789012345678"
HOSTILE = ["a.b", 'quo"te', "it's", "sp ace", "select", "--", "Ünï", "a/b~c", "$x", "[0]", "_shard"]


def one(**changes: Any) -> dict[str, Any]:
    source = {"segments": 1, "item": None, "deletes": None, "primary_key": ["id"], **changes.pop("source", {})}
    return view(source=source, warehouse={"table": "analytics.items"}, **changes)


def test_every_type_of_value_is_exact_in_postgres_and_in_the_lake(tables: TablesMaker) -> None:
    columns = {
        "id": "text", "n": "numeric", "small": {"type": "numeric", "from": "small"}, "big": "numeric", "empty": "text", "nothing": "text",
        "yes": "boolean", "names": "text[]", "numbers": "numeric[]", "bytes": "text", "second": {"type": "text", "from": "list[1].deep"},
        "item": {"type": "jsonb", "from": "document"},
    }  # fmt: skip
    w = tables(one(columns=columns, lake={"connection": "athena-lake/main", "layouts": [{"table": "items_lake", "format": "parquet"}]}))
    w.create(key={"id": "S"})
    item = {
        "id": {"S": "1"}, "n": {"N": DIGITS}, "small": {"N": "-1E-128"}, "big": {"N": "1E+100"}, "empty": {"S": ""}, "nothing": {"NULL": True},
        "yes": {"BOOL": True}, "names": {"SS": ["b", "a"]}, "numbers": {"NS": ["10", "9.50"]}, "bytes": {"B": "AQL/"}, "blobs": {"BS": ["/w==", "AQ=="]},
        "list": {"L": [{"N": "1.10"}, {"M": {"deep": {"S": "🚚"}, "none": {"NULL": True}}}, {"L": []}]}, "map": {"M": {}},
    }  # fmt: skip
    w.put(item)
    w.must_sync()
    got = w.warehouse(
        "SELECT id, n::text, small::text, big::text, empty, nothing, yes, names, numbers::text, bytes, second FROM analytics.items"
    )
    small = "-0." + "0" * 127 + "1"
    assert got == [("1", DIGITS, small, "1" + "0" * 100, "", None, True, ["a", "b"], "{9.5,10}", "AQL/", "🚚")]
    document = w.warehouse("SELECT item::text FROM analytics.items")[0][0]
    assert said(document) == {
        "id": "1", "n": DIGITS, "small": small, "big": "1" + "0" * 100, "empty": "", "nothing": None, "yes": True, "names": ["a", "b"],
        "numbers": ["9.5", "10"], "bytes": "AQL/", "blobs": ["/w==", "AQ=="],
        "list": ["1.1", {"deep": "🚚", "none": None}, []], "map": {},
    }  # fmt: skip
    assert (
        w.query("SELECT id, big::text, empty, nothing, yes, second FROM analytics.items_lake_latest")[0][2:] == ("", None, True, "🚚")
        or w.lake_rejects()
    )


def test_keys_of_numbers_and_bytes_are_as_the_server_spells_them(tables: TablesMaker) -> None:
    columns = {"account": "numeric", "blob": "bytea", "v": "bigint"}
    w = tables(view(source={"segments": 2, "item": "account = 5.0", "primary_key": ["account", "blob"]}, columns=columns))
    w.create(key={"account": "N", "blob": "B"})
    w.put(*({"account": {"N": a}, "blob": {"B": "AP8="}, "v": {"N": "7"}} for a in ("5", "6.50")))
    w.must_sync()
    assert w.target("account::text, encode(blob, 'hex'), v") == [("5", "00ff", 7)]
    assert w.counts()[:4] == (2, 1, 0, 1)
    w.server.call("DeleteItem", {"TableName": w.name("platform"), "Key": {"account": {"N": "5"}, "blob": {"B": "AP8="}}})
    w.must_sync()
    assert w.target() == []


def test_attributes_may_be_called_anything(tables: TablesMaker) -> None:
    columns = {"id": "text"} | {f"c{n}": {"type": "text", "from": ["document", name]} for n, name in enumerate(HOSTILE)}
    w = tables(one(columns=columns, source={"item": '"quo""te" = \'x\'\'); DROP TABLE\' and "it\'s" exists'}))
    w.create(key={"id": "S"})
    w.put({"id": {"S": "1"}} | {name: {"S": "x'); DROP TABLE"} for name in HOSTILE}, {"id": {"S": "2"}})
    w.must_sync()
    assert w.target() == [("1", *["x'); DROP TABLE"] * len(HOSTILE), "0-of-1", w.target("_cursor")[0][0])]


def test_an_item_with_a_set_that_holds_no_number_is_a_fault_of_its_row() -> None:
    rows = _Rows(cast(Any, None), (("id", "S"),), "7", 1)
    for number in ("x", "1e" + "9" * 20, ""):
        row = rows._row({"id": {"S": "1"}, "v": {"NS": ["1", number]}})
        assert json.loads(row[FAULT]) == ["document", None, f"cannot be read as JSON: {number!r} is no number"]


text = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=8)
name = text.filter(bool)
number = st.one_of(
    st.integers(-(10**37), 10**37).map(str),
    st.decimals(allow_nan=False, allow_infinity=False, min_value=-(10**20), max_value=10**20, places=10).map(lambda d: f"{d:f}"),
)
scalar = st.one_of(
    text.map(lambda s: {"S": s}), number.map(lambda n: {"N": n}), st.booleans().map(lambda b: {"BOOL": b}), st.just({"NULL": True}),
    st.binary(max_size=6).map(lambda b: {"B": base64.b64encode(b).decode()}),
)  # fmt: skip
value = st.recursive(
    scalar,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3).map(lambda found: {"L": found}), st.dictionaries(name, inner, max_size=3).map(lambda found: {"M": found})
    ),
    max_leaves=6,
)  # fmt: skip


def model(value: dict[str, Any]) -> Any:
    """What a value is to be as JSON, by a way of its own: numbers as the shortest text that says them."""
    ((kind, inner),) = value.items()
    if kind == "N":
        return shortest(inner)
    if kind in ("M", "L"):
        return {k: model(v) for k, v in inner.items()} if kind == "M" else [model(v) for v in inner]
    return None if kind == "NULL" else inner


def shortest(digits: str) -> str:
    sign, digits = ("-", digits[1:]) if digits.startswith("-") else ("", digits)
    whole, _, fraction = digits.partition(".")
    found = (whole.lstrip("0") or "0") + ("." + fraction.rstrip("0") if fraction.rstrip("0") else "")
    return found if found == "0" else sign + found


@settings(max_examples=2, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(st.tuples(value, st.sampled_from(["a", "b"])), min_size=30, max_size=40))
def test_random_items_are_in_postgres_and_in_the_lake_as_a_model_says(tables: TablesMaker, found: list[tuple[dict[str, Any], str]]) -> None:
    layout = {"table": "random_lake", "format": "delta"}
    columns = {"id": "text", "v": {"type": "jsonb", "from": "v"}}
    w = tables(
        one(columns=columns, source={"segments": 3, "item": "kind = 'a'"}, lake={"connection": "athena-lake/main", "layouts": [layout]}),
        lake={"url": ""},
    )
    w.lake = {"url": str(w.folder / w.prefix)}
    w.create(key={"id": "S"})
    w.put(*({"id": {"S": str(n)}, "v": v, "kind": {"S": kind}} for n, (v, kind) in enumerate(found)))
    w.must_sync()
    want = {str(n): model(v) for n, (v, kind) in enumerate(found) if kind == "a"}
    rows = w.warehouse("SELECT id, v::text FROM analytics.items")
    assert {key: said(text) for key, text in rows} == want
    assert {key: said(text) for key, text in w.query("SELECT id, v::text FROM analytics.random_lake")} == want


def said(text: str | None) -> Any:
    return None if text is None else json.loads(text, parse_int=shortest, parse_float=shortest)
