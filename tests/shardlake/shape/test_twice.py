"""Keys that stand twice are found whatever order the keys come in, and without a pattern that grows with the orders."""

import json
import random
from typing import Any

import polars as pl
import pyarrow as pa
import pytest

from shardlake.shape.chunk import shape
from shardlake.shape.twice import in_few_orders
from shardlake.source.sql.read import envelope_of
from shardlake.view.view import View
from tests.world import orders_view

NAMES = [f"field_{n}" for n in range(12)]


def documents(twice: str) -> list[str]:
    """A thousand documents that have some of the names each, in any order; the last has a key twice, as `twice` spells it."""
    choose = random.Random(1)
    found = [json.dumps(dict.fromkeys(choose.sample(NAMES, 8), n)) for n in range(999)]
    return [*found, '{"field_3": 1, "field_4": 5, ' + twice + ": 2}"]


@pytest.mark.parametrize("twice", ['"field_3"', '"field_3" ', '"field_3"\n', r'"\u0066ield_3"'])
@pytest.mark.parametrize("explode", [False, True], ids=["document", "element"])
def test_the_last_of_two_counts_whatever_order_the_keys_of_other_documents_are_in(twice: str, explode: bool) -> None:
    start = "$element" if explode else "payload"
    columns = {"id": "bigint", "updated_at": "timestamp", **{n: {"type": "text", "from": f"{start}.{n}"} for n in NAMES}}
    texts = documents(twice)
    changes: dict[str, Any] = {"columns": columns}
    if explode:
        changes["columns"] |= {"place": {"type": "bigint", "from": "$index"}}
        changes |= {"explode": {"path": "payload.items"}, "warehouse": {"key": ["id", "place"]}}
        texts = [f'{{"items": [{text}]}}' for text in texts]
    view = View.model_validate(orders_view(**changes))
    kinds = {"id": "int", "updated_at": "datetime", "payload": "json"}
    table = pa.table({"id": range(1000), "updated_at": ["2026-01-01"] * 1000, "payload": pa.array(texts, pa.large_string())})
    rows = shape(view, table, kinds, envelope_of(view, kinds)).rows
    last = next(row for row in rows.to_pylist() if row["id"] == "999")
    assert (rows.num_rows, last["field_3"], last["field_4"]) == (1000, "2", "5")


def test_a_pattern_remembers_keys_only_where_they_come_in_few_orders() -> None:
    paths = [(name,) for name in NAMES]
    assert not in_few_orders(pl.Series(documents('"field_3"')), paths)
    assert in_few_orders(pl.Series([json.dumps(dict.fromkeys(NAMES, n)) for n in range(1000)]), paths)
    assert in_few_orders(pl.Series(documents('"field_3"')), paths[:4])
