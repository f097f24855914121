"""Nested columns: every reader sees arrays and structs, whatever the documents hold; what does not fit is a reject by its path."""

from __future__ import annotations

import datetime
import json
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from shardlake.run.preview import preview
from shardlake.sink.lake.compact import compact
from tests.lake import EVERY_FORMAT, readers
from tests.shardlake.sink.lake.test_append import COLUMNS, files, shop
from tests.shardlake.sink.lake.test_glue import database, glue, glue_shop
from tests.world import World, WorldMaker

__all__ = ["glue"]
ITEMS = "array<struct<sku: text, qty: integer, price: numeric(8,2)>>"
EVERY = (
    "struct<small: smallint, whole: integer, big: bigint, single: real, twice: double precision, amount: numeric(30,10), truth: boolean,"
    ' words: text, day: date, stamp: timestamp, zoned: timestamptz, some: bytea, doc: jsonb, "odd.Key": text, grid: array<array<integer>>,'
    " inner: struct<a: text, more: array<struct<b: smallint>>>>"
)


def nested(world: WorldMaker, layouts: list[dict[str, Any]] | None = None, type_: str = ITEMS, **view: Any) -> World:
    """A shop whose column `items` is nested in the lake."""
    columns = {
        "id": "bigint", "status": "text", "updated_at": "timestamp", "city": {"type": "text", "from": "payload.city"},
        "items": {"type": "jsonb", "from": "payload.items", "lake": type_},
    }  # fmt: skip
    return shop(world, None, layouts or EVERY_FORMAT, **{"columns": columns, **view})


def put(w: World, id: int, items: str, day: int | None = 1, city: str = "Rome", status: str = "new", shard: str = "shop_00") -> None:
    """An order with items of that JSON; as of now where no day of January is given."""
    at = f"2026-01-{day:02} 10:00:00" if day else w.on(shard, "SELECT UTC_TIMESTAMP(6)")[0][0]
    w.on(
        shard, "REPLACE INTO orders (id, status, amount, updated_at, payload) VALUES (%s, %s, 1, %s, %s)",
        id, status, at, f'{{"city": {json.dumps(city)}, "items": {items}}}',
    )  # fmt: skip


def seen(w: World, column: str = "items") -> dict[int, Any]:
    """A column by id: what every reader of EVERY_FORMAT sees, and all of them the same."""
    found = {reader: {row["id"]: row[column] for row in rows} for reader, rows in readers(w).items()}
    first = found.pop("parquet by pyarrow")
    assert found == dict.fromkeys(found, first)
    return dict(sorted(first.items()))


def test_every_reader_sees_arrays_of_structs(world: WorldMaker) -> None:
    w = nested(world)
    put(w, 1, '[{"sku": "é🚚", "qty": 2, "price": 1.50, "more": [1]}, {"sku": "b", "price": "7"}]')
    put(w, 2, "[]")
    put(w, 3, "null")
    put(w, 4, '[null, {}, {"sku": null, "sku": "second", "qty": 1}]')
    put(w, 5, '[{"sku": "[{\\"sku\\": 1}]"}, {"sku": {"a": [1.50]}}, {"sku": 1.10}, {"sku": true}]')
    put(w, 6, '[{"price": 123456.7800000000000000000000000}]')
    w.must_sync()
    nothing = {"sku": None, "qty": None, "price": None}
    assert seen(w) == {
        1: [{"sku": "é🚚", "qty": 2, "price": Decimal("1.50")}, {"sku": "b", "qty": None, "price": Decimal("7.00")}],
        2: [],
        3: None,
        4: [None, nothing, {"sku": "second", "qty": 1, "price": None}],
        5: [{**nothing, "sku": sku} for sku in ('[{"sku": 1}]', '{"a":[1.5]}', "1.1", "true")],
        6: [{**nothing, "price": Decimal("123456.78")}],
    }
    assert w.lake_rejects() == w.rejects() == []
    assert w.target("items", "id")[0] == ([{"sku": "é🚚", "qty": 2, "price": 1.5, "more": [1]}, {"sku": "b", "price": "7"}],)
    assert str(pq.read_schema(files(w, "lake_parquet")[0]).field("items").type) == (
        "list<element: struct<sku: string, qty: int32, price: decimal128(8, 2)>>"
    )
    assert w.query("SELECT id, items[1].sku, items[1].price FROM lake_iceberg WHERE len(items) > 0 ORDER BY id")[:2] == [
        (1, "é🚚", Decimal("1.50")), (4, None, None),
    ]  # fmt: skip
    assert w.query("SELECT id FROM lake_iceberg WHERE items IS NULL") == [(3,)]  # the files say so, too, and not pyiceberg alone
    assert w.query("SELECT items[2].sku FROM lake_parquet_latest WHERE id = 1") == [("b",)]


UNFIT = {
    '{"sku": "a"}': 'items: {"sku":"a"} is not an array',
    '"[]"': 'items: "[]" is not an array',
    '["{\\"sku\\": 1}"]': 'items[0]: "{\\"sku\\": 1}" is not an object',
    "[{}, []]": "items[1]: [] is not an object",
    '[{"qty": "x"}]': "items[0].qty: 'x' is not integer",
    '[{"qty": 1}, {"qty": 1.5}]': "items[1].qty: '1.5' is not integer",
    '[{"qty": 2147483648}]': "items[0].qty: '2147483648' is not integer",
    '[{"qty": true}]': "items[0].qty: 'true' is not integer",
    '[{"qty": ""}]': "items[0].qty: '' is not integer",
    '[{"qty": [1]}]': "items[0].qty: '[1]' is not integer",
    '[{"price": 1.005}]': "items[0].price: '1.005' would be rounded to fit numeric(8,2)",
    '[{"price": 0.123456789012345678901234567890}]': "items[0].price: '0.123456789012345678901234567890' would be rounded to fit numeric(8,2)",
    '[{"price": 1234567}]': "items[0].price: '1234567' is not numeric(8,2)",
    '[{"price": "NaN"}]': "items[0].price: no decimal128(8, 2) of the lake holds 'NaN'",
}


def test_what_does_not_fit_is_a_reject_of_the_lake_that_names_its_path_and_the_warehouse_keeps_the_row(world: WorldMaker) -> None:
    w = nested(world)
    for n, document in enumerate(UNFIT):
        put(w, n, document)
    put(w, 100, '[{"sku": "fits"}]')
    w.must_sync()
    assert seen(w) == {100: [{"sku": "fits", "qty": None, "price": None}]}
    assert [id for (id,) in w.target("id")] == [*range(len(UNFIT)), 100]
    for layout in ("lake_parquet", "lake_delta", "lake_iceberg"):
        found = [row[1:] for row in w.lake_rejects() if row[0] == layout]
        assert [({"id": str(n)}, "items", reason) for n, reason in enumerate(UNFIT.values())] == [
            (key, c, reason) for key, c, _, reason in found
        ]
        assert [json.loads(value) for _, _, value, _ in found][:13] == [json.loads(d) for d in UNFIT][:13]


UTC = datetime.UTC
FULL = (
    '{"small": -32768, "whole": 2147483647, "big": 9223372036854775807, "single": 0.1, "twice": 0.30000000000000004,'
    ' "amount": 12345678901234567890.0123456789, "truth": true, "words": 1e2, "day": "2024-02-29", "stamp": "2024-02-29T12:34:56.000001",'
    ' "zoned": "2024-02-29T12:34:56+02:00", "some": "\\\\x00ff", "doc": {"b": ["é", null]}, "odd.Key": "x", "grid": [[1], [], null, [null, 2]],'
    ' "inner": {"a": "", "more": [{"b": 1}, null]}}'
)
"""It has a number of 30 digits, and goes the exact way; PLAIN has none."""
PLAIN = FULL.replace("12345678901234567890.0123456789", "1.5").replace("0.30000000000000004", "0.3")
VALUES = {
    "small": -32768, "whole": 2147483647, "big": 9223372036854775807, "single": pytest.approx(0.1, abs=1e-8), "twice": 0.3, "amount": Decimal("1.5000000000"),
    "truth": True, "words": "100", "day": datetime.date(2024, 2, 29), "stamp": datetime.datetime(2024, 2, 29, 12, 34, 56, 1),
    "zoned": datetime.datetime(2024, 2, 29, 10, 34, 56, tzinfo=UTC), "some": b"\x00\xff", "doc": '{"b":["é",null]}', "odd_key": "x",
    "grid": [[1], [], None, [None, 2]], "inner": {"a": "", "more": [{"b": 1}, None]},
}  # fmt: skip


def test_every_type_that_a_leaf_may_have_at_any_depth(world: WorldMaker) -> None:
    w = nested(world, type_=EVERY, source={"lookback": "36500d"})
    put(w, 1, PLAIN)
    put(w, 2, FULL)
    put(w, 3, '{"inner": {}, "grid": [null]}')
    put(w, 4, '{"zoned": "2024-02-29 12:00:00", "day": "infinity"}')
    put(w, 5, '{"zoned": "2024-02-29 12:00:00", "stamp": "2024-02-29 12:00:00+01"}')
    put(w, 6, '{"zoned": "2024-02-29 12:00:00", "words": "", "doc": "text", "truth": "t"}')
    put(w, 7, '{"inner": {"more": [{"b": 1}, {"b": 32768}]}}')
    w.must_sync()
    found = seen(w)
    assert found[1] == VALUES
    assert found[2] == VALUES | {"twice": 0.30000000000000004, "amount": Decimal("12345678901234567890.0123456789")}
    nothing = dict.fromkeys(VALUES)
    assert found[3] == nothing | {"inner": {"a": None, "more": None}, "grid": [None]}
    zoned = datetime.datetime(2024, 2, 29, 12, tzinfo=UTC)
    assert found[6] == nothing | {"zoned": zoned, "words": "", "doc": '"text"', "truth": True}
    assert {row[4] for row in w.lake_rejects()} == {
        "items.day: no date32[day] of the lake holds 'infinity'",
        "items.stamp: '2024-02-29 12:00:00+01' has a time zone that timestamp would drop; declare timestamptz",
        "items.inner.more[1].b: '32768' is not smallint",
    }
    assert w.rejects() == []
    assert w.query('SELECT items."odd_key", items.grid[4][2] FROM lake_delta WHERE id = 1') == [("x", 2)]
    again = w.must_sync().lake  # all of it is read again
    assert {table: again[table].rows for table in ("lake_delta", "lake_iceberg")} == {"lake_delta": 0, "lake_iceberg": 0}


@pytest.mark.parametrize("late", [False, True], ids=["certain rows", "rows that Postgres judges"])
def test_times_without_an_offset_are_in_the_connections_zone(world: WorldMaker, late: bool) -> None:
    w = nested(world, type_="struct<at: timestamptz>")
    w.connection_changes = {"timezone": "Europe/Berlin"}
    put(w, 1, '{"at": "2026-07-01 12:00:00"}')
    put(w, 2, '{"at": "2026-07-01T12:00:00Z"}')
    if late:
        put(w, 3, '{"at": "July 1, 2026 12:00"}')
    w.must_sync()
    local, instant = datetime.datetime(2026, 7, 1, 10, tzinfo=UTC), datetime.datetime(2026, 7, 1, 12, tzinfo=UTC)
    assert seen(w) == {1: {"at": local}, 2: {"at": instant}, **({3: {"at": local}} if late else {})}


def test_a_row_that_is_read_again_has_not_changed_whichever_way_it_goes(world: WorldMaker) -> None:
    w = nested(world, EVERY_FORMAT, "struct<t: array<text>, j: jsonb, n: array<numeric(30,10)>>", source={"lookback": "36500d"})
    w.view["columns"]["city"] = {"type": "timestamptz", "from": "payload.city"}
    for n, number in enumerate(
        ["1.10", "1e2", "-0", "1E-7", "0.00001", "1e300", "100", "0.12345678901234567", "123456789012345678901234567890"]
    ):
        put(
            w,
            n,
            f'{{"t": [{number}, {{"b": {number}, "a": "\\u001f/é"}}], "j": [{number}, "\\u007f"], "n": [1.50, null]}}',
            city="2026-01-01 10:00",
        )
    w.must_sync()
    before = seen(w)
    assert w.must_sync().lake["lake_delta"].rows == 0
    w.on("shop_00", "UPDATE orders SET payload = json_set(payload, '$.x', 1)")
    report = w.must_sync()
    assert (report.lake["lake_delta"].rows, report.lake["lake_iceberg"].rows) == (0, 0)
    w.on(
        "shop_00", "UPDATE orders SET payload = replace(payload, '2026-01-01 10:00', '2026-01-01 10:00:00Z')"
    )  # not certain before, and now it is
    report = w.must_sync()
    assert seen(w) == before
    assert (report.lake["lake_delta"].rows, report.lake["lake_iceberg"].rows) == (0, 0)
    assert before[0] == {"t": ["1.1", '{"a":"\\u001f/é","b":1.1}'], "j": '[1.1,"\x7f"]', "n": [Decimal("1.5000000000"), None]}


@pytest.mark.parametrize("format_", ["delta", "iceberg", "rewrite"])
def test_what_changes_inside_is_written_and_nothing_else(world: WorldMaker, format_: str) -> None:
    layout = {"table": "orders", "partition_by": ["city"], **({"write": "replace"} if format_ == "rewrite" else {"format": format_})}
    w = nested(world, [layout], source={"lookback": "36500d"})
    documents = ['[{"sku": "a"}]', "[null]", "[]", "null", '[{"sku": "a"}, null]', '[{"qty": 1}]', '[{"price": 1.5}]']
    for n, document in enumerate(documents):
        put(w, n, document)
    assert w.must_sync().lake["orders"].rows == len(documents)
    assert w.must_sync().lake["orders"].rows == 0
    for n in range(len(documents)):
        put(w, n, documents[n - 1], None)
        assert w.must_sync().lake["orders"].rows == 1
        w.on("shop_00", "UPDATE orders SET updated_at = '2026-01-01 10:00:00' WHERE id = %s", n)  # so that only the document can differ
        assert w.query(f"SELECT len(items), items[1].sku, items[1].price FROM orders WHERE id = {n}") == [
            {0: (1, None, Decimal("1.50")), 1: (1, "a", None), 2: (1, None, None), 3: (0, None, None), 4: (None, None, None), 5: (2, "a", None), 6: (1, None, None)}[n]
        ]  # fmt: skip


def test_an_empty_table_and_a_column_that_came_later_are_read(world: WorldMaker) -> None:
    layouts = [*EVERY_FORMAT, {"table": "by_city", "partition_by": ["city"], "write": "replace"}]
    w = nested(world, layouts)
    w.view["columns"] = {n: c for n, c in w.view["columns"].items() if n != "items"}
    put(w, 1, '[{"sku": "early"}]')
    w.must_sync()
    w.view["columns"] |= {"items": {"type": "jsonb", "from": "payload.items", "lake": ITEMS}}
    put(w, 2, '[{"sku": "late"}]', None)
    w.must_sync()
    for table in ("lake_parquet_latest", "lake_delta", "lake_iceberg", "by_city"):
        assert w.query(f"SELECT id, items[1].sku FROM {table} ORDER BY id") == [(1, None), (2, "late")]


@pytest.mark.parametrize("format_", ["parquet", "delta", "iceberg"])
def test_a_table_without_files_has_the_columns_types(world: WorldMaker, format_: str) -> None:
    w = nested(world, [{"table": "orders", "format": format_}])
    put(w, 1, '[{"qty": "x"}]')
    assert [part.all_rejected for part in w.sync().lake.values()] == [True]
    assert w.query("SELECT items[1].sku, items[1].price FROM orders") == []


def test_another_nested_type_is_refused_as_another_type_is(world: WorldMaker) -> None:
    w = nested(world, [{"table": "orders"}])
    put(w, 1, '[{"sku": "a"}]')
    w.must_sync()
    w.view["columns"]["items"]["lake"] = "array<struct<sku: text, qty: bigint>>"
    put(w, 2, '[{"sku": "a"}]', None)
    assert (
        "the lake table analytics.orders: items is array<struct<sku:string,qty:int,price:decimal(8,2)>>,"
        " the view says array<struct<sku:string,qty:bigint>>, which its files do not hold. Give the layout another table name"
    ) in w.sync().headline()


@pytest.mark.parametrize("format_", ["parquet", "delta", "iceberg"])
def test_compaction_keeps_what_is_nested(world: WorldMaker, format_: str) -> None:
    w = nested(world, [{"table": "orders", "format": format_, "partition_by": ["city"]}])
    items = w.view["columns"].pop("items")
    put(w, 9, "[]", None)
    w.must_sync()  # a file without the column
    w.view["columns"]["items"] = items
    documents = ['[{"sku": "a", "qty": 1, "price": 1.5}, null]', "[]", "null"]
    for n, document in enumerate(documents):
        put(w, n, document, None)
        w.must_sync()
    job = w.job()
    assert compact(job.supply, job.view.lake.layouts[0], closed=timedelta(0)).after == 1
    assert w.query("SELECT id, items FROM orders ORDER BY id") == [
        (0, [{"sku": "a", "qty": 1, "price": Decimal("1.50")}, None]), (1, []), (2, None), (9, None),
    ]  # fmt: skip


def test_rows_of_one_parent_are_each_there_once_where_some_are_doubtful(world: WorldMaker) -> None:
    w = world(view=nested(world).view)
    w.view |= {"name": "lines", "explode": {"path": "payload.items"}, "lake": {"layouts": EVERY_FORMAT}}
    w.view["columns"] = {
        "id": "bigint", "n": {"type": "integer", "from": "$index"}, "updated_at": "timestamp", "at": {"type": "timestamptz", "from": "$element.at"},
        "tags": {"type": "jsonb", "from": "$element.tags", "lake": "array<text>"},
    }  # fmt: skip
    w.view["warehouse"] |= {"key": ["id", "n"]}
    w.connection_changes = {"timezone": "Europe/Berlin"}
    w.on_all("CREATE TABLE orders (id bigint PRIMARY KEY, status text, amount int, updated_at datetime(6) NOT NULL, payload longtext)")
    twice = '"at": "2026-10-25 02:30:00"'  # an hour that the zone has twice
    put(
        w,
        1,
        f'[{{{twice}, "tags": ["a"]}}, {{"tags": [1.10, 0.12345678901234567]}}, {{{twice}, "tags": [0.12345678901234567]}}, {{"tags": "x"}}]',
    )
    w.must_sync()
    for table in ("lake_parquet", "lake_delta", "lake_iceberg"):
        found = w.query(f"SELECT n, tags FROM {table} ORDER BY n")
        assert found == [(0, ["a"]), (1, ["1.1", "0.12345678901234567"]), (2, ["0.12345678901234567"])]
    assert [row[4] for row in w.lake_rejects()] == ['tags: "x" is not an array'] * 3


def test_plan_shows_what_a_column_is_in_the_lake(world: WorldMaker) -> None:
    w = nested(world)
    put(w, 1, "[]")
    found = {line["column"]: line["target"] for line in preview(w.job()).types}
    assert found["items"] == "jsonb; in the lake array<struct<sku: text, qty: integer, price: numeric(8,2)>>"
    assert w.command("plan", "orders").returncode == 0


def test_glue_knows_nested_types(world: WorldMaker, s3_emulator: str, tmp_path: Path, glue: Any) -> None:
    w = glue_shop(world, s3_emulator, tmp_path, EVERY_FORMAT)
    w.view["columns"] = {**COLUMNS, "items": {"type": "jsonb", "from": "payload.items", "lake": ITEMS}}
    put(w, 1, '[{"sku": "a", "price": 1.5}]')
    w.must_sync()
    for table in ("lake_parquet", "lake_parquet_latest", "lake_delta", "lake_iceberg"):
        columns = glue.get_table(DatabaseName=database(w), Name=table)["Table"]["StorageDescriptor"]["Columns"]
        assert {c["Name"]: c["Type"] for c in columns}["items"].replace(" ", "") == "array<struct<sku:string,qty:int,price:decimal(8,2)>>"
        assert w.query(f"SELECT items[1].sku, items[1].price FROM {table}") == [("a", Decimal("1.50"))]
