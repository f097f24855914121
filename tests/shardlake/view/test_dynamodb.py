"""What a view may say of a table of DynamoDB, and what views on one table must say alike."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from shardlake.view.item import parse
from shardlake.view.view import View
from shardlake.view.view_set import shared_readings
from tests.dynamodb_world import view


@pytest.mark.parametrize(
    ("item", "said"),
    [
        ("sk begins_with FIN#", "sk begins_with FIN#: the value is a text in single quotes"),
        ("sk = FIN", "sk = FIN: the value is a text in single quotes, a number, true or false"),
        ("sk like 'x'", "'like' is none of =, begins_with and exists"),
        ("sk", "a comparison begins with an attribute"),
        ("", "a comparison begins with an attribute"),
        ("'x' = sk", "a comparison begins with an attribute"),
        ("sk exists or pk exists", "comparisons are joined by `and`"),
        ("sk exists and", "a comparison begins with an attribute"),
        ("sk =", "sk =: a value is missing"),
        ("sk = 'x", 'cannot be read at "\'x"'),
        ("a = 1e126", "1e126: a number of DynamoDB's has 38 digits at most, and lies between 1e-130 and 1e126"),
        ("a..b exists", "cannot read the path 'a..b' at position 1"),
    ],
)
def test_a_condition_that_cannot_be_read_says_what_would_be_right(item: str, said: str) -> None:
    with pytest.raises(ValueError) as refused:
        parse(item)
    assert said in str(refused.value)


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ({"table": None}, "give `table`, the table's name in DynamoDB"),
        ({"read_units": 5, "capacity": 0.5}, "give either `read_units`, or `capacity` as a share of the table's own"),
        ({"primary_key": ["a", "b", "c"]}, "primary_key: a table's key has one attribute or two"),
        ({"primary_key": ["document"]}, "primary_key: an attribute 'document' cannot be read, since raw has a column of that name"),
        ({"item": "status = 'x'"}, "deletes: an item whose status changes would leave the view unseen; with `deletes: absent` let `item` speak of pk and sk alone"),
        ({"item": "pk.a = 'x'"}, "item: pk.a leads into pk, which is of the key and holds a text, a number or binary"),
        ({"segments": 0}, "greater than or equal to 1"),
        ({"cursor": "x"}, "Extra inputs are not permitted"),
    ],
)  # fmt: skip
def test_a_source_that_contradicts_itself_is_refused(source: dict[str, Any], said: str) -> None:
    with pytest.raises(ValidationError) as refused:
        View.model_validate(view(source=source))
    assert said in str(refused.value)


def test_a_view_that_replaces_its_target_tells_no_deletes() -> None:
    with pytest.raises(ValidationError, match="`replace` loads whole tables; take away `scan` and `deletes`, or use `merge`"):
        View.model_validate(view(warehouse={"write": "replace"}))


def test_items_that_every_scan_brings_again_are_not_appended() -> None:
    with pytest.raises(
        ValidationError, match="each scan brings every row again, and `append` would add it each time; use `merge` or `replace`"
    ):
        View.model_validate(view(source={"deletes": None}, warehouse={"write": "append"}))


def test_the_key_of_a_target_is_the_tables_own() -> None:
    assert View.model_validate(view()).key == ("pk", "sk")


def test_views_on_one_table_say_alike_how_it_is_scanned() -> None:
    views = {
        n: View.model_validate(view(name=n, source=source))
        for n, source in (("a", {}), ("b", {"segments": 8}), ("c", {"table": "other", "segments": 9}))
    }
    views["d"] = View.model_validate(view(name="d", source={"segments": 3, "deletes": None}, warehouse={"write": "replace"}))
    assert shared_readings(views) == {
        "b": "source.segments: 8 here and 2 in the view a, and one reading of platform is to feed both; say the same in each"
    }
