"""NULL lists go through pyiceberg's projection, which is what it writes and reads by, and stay NULL."""

from __future__ import annotations

import pyarrow as pa
from pyiceberg.io.pyarrow import _ConvertToIcebergWithoutIDs, _to_requested_schema, visit_pyarrow
from pyiceberg.schema import assign_fresh_schema_ids

from shardlake.sink.lake.iceberg_arrow import keep_null_lists

INNER = pa.list_(pa.struct([("y", pa.string())]))
SCHEMA = pa.schema(
    [("a", pa.list_(pa.struct([("x", pa.int32()), ("more", INNER)]))), ("lists", pa.list_(INNER)), ("plain", pa.list_(pa.int64()))]
)
ROWS = [
    {"a": None, "lists": None, "plain": None},
    {"a": [], "lists": [], "plain": []},
    {"a": [None, {"x": 1, "more": None}, {"x": None, "more": []}, {"x": 1, "more": [{"y": "q"}, None]}], "lists": [None, [], [{"y": "z"}], [None]], "plain": [1, None]},
    {"a": None, "lists": [[]], "plain": None},
    {"a": [{"x": 9, "more": [{"y": "k"}]}], "lists": [[{"y": "m"}], None], "plain": [5]},
]  # fmt: skip


def test_null_lists_at_any_depth_stay_null_in_whatever_slice_of_a_table() -> None:
    keep_null_lists()
    keep_null_lists()  # a second time is none
    schema = assign_fresh_schema_ids(visit_pyarrow(SCHEMA, _ConvertToIcebergWithoutIDs()))
    table = pa.Table.from_pylist(ROWS, schema=SCHEMA)
    for start in range(len(ROWS)):
        for count in range(1, len(ROWS) - start + 1):
            (batch,) = table.slice(start, count).to_batches()
            found = _to_requested_schema(schema, schema, batch)
            found.validate(full=True)
            assert found.to_pylist() == ROWS[start : start + count]
