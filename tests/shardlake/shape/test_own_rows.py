"""Which items are a view's: what `item` says, compared with what the items hold to the last digit."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pytest

from shardlake.envelope import FAULT, Envelope
from shardlake.shape.own_rows import own_rows
from shardlake.source.item.plain import document
from shardlake.view.view import View
from tests.dynamodb_world import view


def taken(item: str, *values: dict[str, Any], key: str = "FIN#1") -> list[bool]:
    """Of items that hold these at `x`, which ones a view with that condition takes; the others are counted to be the rest."""
    found = View.model_validate(view(source={"item": item, "deletes": None}))
    names = [str(n) for n in range(len(values))]
    texts = [document({"pk": {"S": n}, "sk": {"S": key}, "x": value}) for n, value in zip(names, values, strict=True)]
    versions = ["3"] * len(names)
    own = own_rows(found, pa.table({"pk": names, "sk": [key] * len(names), "_version": versions, "document": texts}))
    mine = own.table.column("pk").to_pylist()
    assert (own.others, own.untaken) == (len(names) - len(mine),) * 2
    return [n in mine for n in names]


@pytest.mark.parametrize("item", ["_version = '3'", "_version exists", "document exists"])
def test_a_column_of_raws_own_is_no_attribute(item: str) -> None:
    assert taken(item, {"S": "a"}) == [False]


@pytest.mark.parametrize(
    ("literal", "same", "other"),
    [
        ("1.0", ["1", "1.0", "1e0", "10E-1"], ["1.00000000000000000001", "10", "-1"]),
        ("07", ["7", "7.000"], ["70"]),
        ("0.0000001", ["0.0000001", "1e-7", "1E-7"], ["0.00000010000000000000001"]),
        ("1e-7", ["0.0000001"], ["0"]),
        ("12345678901234567.89", ["12345678901234567.89"], ["12345678901234567.88", "12345678901234568"]),
        ("12345678901234567890123456789012345678", ["12345678901234567890123456789012345678"], ["12345678901234567890123456789012345679"]),
        ("9007199254740993", ["9007199254740993", "9007199254740993.0"], ["9007199254740992", "9007199254740992.0"]),
        ("0", ["0", "0.0", "-0"], ["1e-130"]),
        ("-0", ["0"], ["1"]),
        ("1e125", ["1e125", "1" + "0" * 125], ["1e124"]),
    ],
)
def test_numbers_are_compared_to_the_last_digit_whatever_their_spelling(literal: str, same: list[str], other: list[str]) -> None:
    values = [*({"N": n} for n in (*same, *other)), {"S": literal}, {"BOOL": True}, {"NULL": True}]
    assert taken(f"x = {literal}", *values) == [True] * len(same) + [False] * (len(other) + 3)


def test_a_number_inside_lists_and_maps_with_odd_names_is_found() -> None:
    inside = {"M": {"a/b~c": {"L": [{"N": "1"}, {"N": "0.50"}]}}}
    assert taken('x."a/b~c"[1] = 0.5', inside, {"N": "0.5"}) == [True, False]


@pytest.mark.parametrize(
    ("key", "mine"), [("7", True), ("7.0", True), ("70E-1", True), ("7.00000000000000000001", False), ("FIN#7", False)]
)
def test_a_number_of_the_key_is_compared_as_a_number(key: str, mine: bool) -> None:
    assert taken("sk = 7", {"S": key}, key=key) == [mine]


def changed(item: str, *rows: tuple[str, str | None, str | None, str | None]) -> tuple[list[tuple[str, str | None]], int]:
    """Of changes (sort key, x, operation, fault) to items those that are the view's, with their operation; and how many are not."""
    found = View.model_validate(view(source={"item": item, "deletes": None}))
    keys, values, ops, faults = zip(*rows, strict=True)
    texts = [
        None if x is None else document({"pk": {"S": "a"}, "sk": {"S": sk}, "x": {"S": x}}) for sk, x in zip(keys, values, strict=True)
    ]
    columns = {
        "pk": pa.array([None if f else "a" for f in faults], pa.large_string()), "sk": pa.array([None if f else k for k, f in zip(keys, faults, strict=True)], pa.large_string()),
        "document": pa.array(texts, pa.large_string()), "_op": pa.array(ops, pa.string()), "change": ["1"] * len(rows),
        FAULT: pa.array(faults, pa.large_string()), "name": list(keys),
    }  # fmt: skip
    own = own_rows(found, pa.table(columns), (), Envelope(("pk", "sk"), op="_op", change="change"))
    assert [text for text, op in zip(own.table["document"].to_pylist(), own.table["_op"].to_pylist(), strict=True) if op and text] == []
    return list(zip(own.table["name"].to_pylist(), own.table["_op"].to_pylist(), strict=True)), own.others


def test_a_change_to_what_is_not_the_views_is_a_delete_where_its_key_may_be() -> None:
    rows = [
        ("F1", "paid", None, None),
        ("F2", "open", None, None),
        ("P3", "paid", None, None),
        ("F4", None, "d", None),
        ("P5", None, "d", None),
    ]
    assert changed("sk begins_with 'F' and x = 'paid'", *rows) == ([("F1", None), ("F2", "d"), ("F4", "d")], 2)
    assert changed("sk begins_with 'F'", *rows) == ([("F1", None), ("F2", None), ("F4", "d")], 2)
    assert changed("x = 'paid'", *rows) == ([("F1", None), ("F2", "d"), ("P3", None), ("F4", "d"), ("P5", "d")], 0)


def test_a_row_that_could_not_be_read_is_the_views_unless_its_key_is_another_views() -> None:
    assert changed("sk exists and sk begins_with 'F' and x = 'paid'", ("?", None, None, "why")) == ([("?", None)], 0)
