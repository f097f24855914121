"""Columns of odd names in every format, as they are read back; and names that the lake cannot tell apart, refused when the view is read."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from pydantic import ValidationError

from shardlake.sink.lake.compact import compact
from shardlake.view.view import View
from tests.world import WorldMaker, orders_view

ODD = ["2fa", "0", "select", "Straße", "with space", 'qu"ote', "a.b", "UPPER", "it's", "1 ;--", "x" * 63]
FOLDED = ["2fa", "0", "select", "stra_e", "with_space", "qu_ote", "a_b", "upper", "it_s", "1____", "x" * 63]
LAYOUTS: list[dict[str, Any]] = [
    {"table": "history"}, {"table": "by_2fa", "partition_by": ["2fa"]}, {"table": "current", "write": "replace", "partition_by": ["0", "day(at)"]},
    {"table": "in_delta", "format": "delta"}, {"table": "delta_by_0", "format": "delta", "partition_by": ["0"]},
    {"table": "in_iceberg", "format": "iceberg"}, {"table": "iceberg_by_2fa", "format": "iceberg", "partition_by": ["2fa", "bucket(2, 0)"]},
]  # fmt: skip
TABLES = ["history_latest", "by_2fa_latest", *(one["table"] for one in LAYOUTS[2:])]


def test_columns_of_odd_names_are_read_back_from_every_format(world: WorldMaker) -> None:
    nested = {"type": "jsonb", "from": "doc", "lake": 'struct<"2x": integer, "of": array<struct<"1": text>>>'}
    view = orders_view(
        source={"primary_key": ["2fa"], "cursor": "at", "lookback": "36500d"}, columns={**dict.fromkeys(ODD, "text"), "at": "timestamp", "3d": nested},
        warehouse={"key": ["2fa"]}, lake={"layouts": LAYOUTS},
    )  # fmt: skip
    w = world(view=view)
    quoted = [f"`{name}` varchar(80)" for name in ODD]
    w.on_all(f"CREATE TABLE orders ({', '.join(quoted)}, at datetime(6) NOT NULL, doc json, PRIMARY KEY (`2fa`), KEY (at))")
    insert = f"REPLACE INTO orders VALUES ({', '.join(['%s'] * (len(ODD) + 2))})"
    for turn in range(3):
        for key in ("k1", f"n{turn}"):
            w.on("shop_00", insert, key, *(f"{name}{turn}" for name in FOLDED[1:]), f"2026-01-0{turn + 1}", '{"2x": 5, "of": [{"1": "q"}]}')
        w.must_sync()
    expected = [(key, *(f"{name}{turn}" for name in FOLDED[1:])) for key, turn in (("k1", 2), ("n0", 0), ("n1", 1), ("n2", 2))]
    names = ", ".join(f'"{name}"' for name in FOLDED)
    asked = [f"SELECT {names} FROM {{}} ORDER BY 1", 'SELECT "2fa", "0" FROM {} WHERE "2fa" = \'k1\'']
    for compacted in (False, True):
        for table in TABLES:
            assert w.query(asked[0].format(table)) == expected, table
            assert w.query(asked[1].format(table)) == [("k1", "02")], table
            assert w.query(f'SELECT DISTINCT "3d" FROM {table}') == [({"2x": 5, "of": [{"1": "q"}]},)], table
            assert len(w.query(f"SELECT * FROM {table}")) == 4, table
        if not compacted:
            job = w.job()
            for layout in job.view.lake.layouts:
                compact(job.supply, layout, closed=timedelta(0))


def refused(layout: dict[str, Any], **columns: Any) -> str:
    columns = {"id": "bigint", "updated_at": "timestamp", **columns}
    with pytest.raises(ValidationError) as found:
        View.model_validate(orders_view(columns=columns, lake={"layouts": [layout]}))
    return str(found.value.errors()[0]["msg"]).removeprefix("Value error, ")


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"名": "text", "前": "text"}, "columns: '名' and '前' are both '_' to Athena; rename one"),
        ({"a.b": "text", "a b": "text"}, "columns: 'a.b' and 'a b' are both 'a_b' to Athena; rename one"),
        ({"_window": "bigint"}, "columns: '_window' is '_window' to Athena, which is a column of the lake's own; rename it"),
        ({"-seq": "bigint"}, "columns: '-seq' is '_seq' to Athena, which is a column of the lake's own; rename it"),
        ({"_2fa": "text", "2fa": "text"}, "columns: '_2fa' and '2fa' are both '_2fa' in Iceberg's files; rename one"),
    ],
)  # fmt: skip
def test_names_that_the_lake_cannot_tell_apart_are_refused_with_what_to_do(columns: dict[str, str], message: str) -> None:
    assert refused({"table": "t", "format": "iceberg"}, **columns) == message
