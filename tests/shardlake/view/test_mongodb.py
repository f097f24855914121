"""What a view may say of a collection."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest
from pydantic import ValidationError

from shardlake.view.jsonpath import Path
from shardlake.view.view import View
from tests.collections_world import people


def test_a_path_leads_into_the_document_and_the_key_is_a_column_of_its_own() -> None:
    columns = {
        "_id": "text",
        "name": "text",
        "own": {"type": "text", "from": "document._id"},
        "odd": {"type": "text", "from": ["document", "a.b"]},
    }
    view = View.model_validate(people(columns=columns))
    assert {name: column.path for name, column in view.columns.items()} == {
        "_id": Path("_id"),
        "name": Path("document", ("name",)),
        "own": Path("document", ("_id",)),
        "odd": Path("document", ("a.b",)),
    }
    assert view.key == ("_shard", "_id")


@pytest.mark.parametrize(
    ("source", "why"),
    [
        ({"filter": {"$where": "sleep(1)"}}, "$where runs code on the server"),
        ({"filter": {"born": date(2026, 1, 1)}}, "write dates as {$date:"),
        ({"filter": "[1]"}, "a filter is a mapping"),
        ({"filter": {"a": {"$date": "yesterday"}}}, "source.filter is not MongoDB's Extended JSON"),
        ({"filter": {"a": {"$oid": "x"}}}, "source.filter is not MongoDB's Extended JSON"),
        ({"filter": {"a": {"$numberDecimal": "x"}}}, "source.filter is not MongoDB's Extended JSON"),
        ({"filter": {"a": {"$date": 1, "$x": 2}}}, "source.filter is not MongoDB's Extended JSON"),
        ({"filter": {"a": {"$binary": {"base64": "?"}}}}, "source.filter is not MongoDB's Extended JSON"),
        ({"filter": {"a": {"$uuid": "x"}}}, "source.filter is not MongoDB's Extended JSON"),
        ({"filter": {"a": 1 << 70}}, "source.filter is not MongoDB's Extended JSON"),
        ({"projection": {"a": 1, "b": 0}}, "not both"),
        ({"projection": {"updatedAt": 0}}, "projection: updatedAt is always read"),
        ({"projection": {"a": 2}}, "projection"),
        ({"cursor": "$x"}, "is no field"),
        ({"cursor": "a..b"}, "is no field"),
        ({"collection": "system.users"}, "is no collection"),
        ({"collection": "a\0b"}, "NUL"),
        ({"primary_key": ["name"]}, "_id"),
        ({"table": "orders"}, "Extra inputs are not permitted"),
    ],
)
def test_what_a_collection_cannot_be_is_refused_by_its_key(source: dict[str, Any], why: str) -> None:
    with pytest.raises(ValidationError) as refused:
        View.model_validate(people(source=source))
    assert why in str(refused.value)
