"""Values that the warehouse holds: the lake holds them as well, or rejects them with the reason, in every layout alike."""

from __future__ import annotations

import datetime

import pytest

from tests.lake import EVERY_FORMAT, readers
from tests.shardlake.sink.lake.test_nested import nested, put
from tests.shardlake.source.sql.test_postgres_source import insert, typed
from tests.world import WorldMaker, orders_view

LAYOUTS = tuple(layout["table"] for layout in EVERY_FORMAT)
SHAPE = (
    "has several dimensions, or bounds of its own, which no list of the lake has; declare text, or jsonb with to_jsonb(col) in extract.sql"
)
HELD_BY_POSTGRES = [
    # column, the literal, as the warehouse prints it, the lake's reason where it cannot
    ("words", "'{{a,b},{c,NULL}}'", "{{a,b},{c,NULL}}", SHAPE),
    ("words", "'[0:1]={a,b}'", "[0:1]={a,b}", SHAPE),
    ("words", "'{a,NULL,\"NULL\",\"{b}\",\"[c]\"}'", '{a,NULL,"NULL","{b}",[c]}', None),
    ("words", "'{}'", "{}", None),
    ("amounts", "'{{1.50,2},{3,NULL}}'", "{{1.50,2},{3,NULL}}", SHAPE),
    ("amounts", "'{1.50,NULL}'", "{1.50,NULL}", None),
    ("whole", "'[0:1]={7,8}'", "[0:1]={7,8}", SHAPE),
    ("whole", "'[-1:0][2:3]={{7,8},{9,10}}'", "[-1:0][2:3]={{7,8},{9,10}}", SHAPE),
    ("whole", "'[1:2]={7,8}'", "{7,8}", None),
    ("cents", "'{NaN}'", "{NaN}", "no list<element: decimal128(12, 2)> of the lake holds it"),
    ("day", "'5874897-12-31'", "5874897-12-31", "no date32[day] of the lake holds it"),
    ("day", "'10000-01-01'", "10000-01-01", "no date32[day] of the lake holds it"),
    ("day", "'0001-01-01'", "0001-01-01", None),
    ("day", "'9999-12-31'", "9999-12-31", None),
    ("day", "'4713-01-01 BC'", "4713-01-01 BC", "no date32[day] of the lake holds it"),
    ("hour", "'24:00:00'", "24:00:00", None),
]  # fmt: skip
TYPES = {"words": "text[]", "amounts": "numeric[]", "whole": "bigint[]", "cents": "numeric(12,2)[]", "day": "date", "hour": "time"}
IN_THE_LAKE = {
    2: ["a", None, "NULL", "{b}", "[c]"], 3: [], 5: ["1.50", None], 8: [7, 8], 12: datetime.date(1, 1, 1), 13: datetime.date(9999, 12, 31), 15: "24:00:00",
}  # fmt: skip


def test_arrays_of_any_shape_and_days_of_any_year_arrive_in_the_warehouse_and_in_the_lake_or_are_its_rejects(world: WorldMaker) -> None:
    w = typed(world, {name: (type_, type_) for name, type_ in TYPES.items()})
    for row, (column, literal, _, _) in enumerate(HELD_BY_POSTGRES):
        insert(w, row, **{column: literal})
    for _ in ("a first load", "a later window"):
        w.must_sync()
        assert w.rejects() == []
        found = {row[0]: row[1:] for row in w.target(", ".join(["id", *(f"{name}::text" for name in TYPES)]))}
        assert {n: found[n][list(TYPES).index(column)] for n, (column, *_) in enumerate(HELD_BY_POSTGRES)} == {
            n: printed for n, (_, _, printed, _) in enumerate(HELD_BY_POSTGRES)
        }
        for rows in readers(w).values():
            mine = {row["id"]: row for row in rows}
            assert {n: mine[n][HELD_BY_POSTGRES[n][0]] for n in mine} == IN_THE_LAKE
        for layout in LAYOUTS:
            assert {(int(key["id"]), column, value, reason) for name, key, column, value, reason in w.lake_rejects() if name == layout} == {
                (n, column, '["NaN"]' if printed == "{NaN}" else printed, reason)
                for n, (column, _, printed, reason) in enumerate(HELD_BY_POSTGRES)
                if reason
            }
        w.on("shop_00", "UPDATE orders SET updated_at = clock_timestamp()")


def test_what_the_reject_of_such_an_array_says_has_it_in_the_lake(world: WorldMaker) -> None:
    columns = {"id": "bigint", "updated_at": "timestamp", "as_text": "text", "as_json": "jsonb"}
    view = orders_view(
        columns=columns, source={"connection": "postgres-shards/shop", "table": None, "sql": "extract.sql"}, lake={"layouts": EVERY_FORMAT}
    )
    w = world(
        source="postgres", view=view | {"sql_text": "SELECT id, updated_at, words AS as_text, to_jsonb(words) AS as_json FROM orders"}
    )
    w.on_all("CREATE TABLE orders (id bigint PRIMARY KEY, updated_at timestamp NOT NULL, words text[])")
    w.on("shop_00", "INSERT INTO orders VALUES (1, '2026-01-01', '{{a,b},{c,NULL}}'), (2, '2026-01-01', '[0:1]={a,b}')")
    w.must_sync()
    expected = {1: ("{{a,b},{c,NULL}}", '[["a","b"],["c",null]]'), 2: ("[0:1]={a,b}", '["a","b"]')}
    for rows in readers(w).values():
        assert {row["id"]: (row["as_text"], row["as_json"]) for row in rows} == expected
    assert w.target("as_text, as_json::text") == [("[0:1]={a,b}", '["a", "b"]'), ("{{a,b},{c,NULL}}", '[["a", "b"], ["c", null]]')]


NOT_HELD = [
    "[1e200000]",
    '{"a": 1e131072}',
    "[1e-16384]",
    '{"a": {"b": 1e99999999999}}',
    "[0." + "1" * 16384 + "]",
    "[" + "1" * 131073 + "]",
]
HELD = ["[1e131071]", '{"a": 1e-16383}', "[0e200000]", "[1e-400]"]


def test_a_document_that_jsonb_does_not_hold_has_one_verdict_in_every_sink(world: WorldMaker) -> None:
    w = nested(world)
    w.view["columns"]["items"] = {"type": "jsonb", "from": "payload.items"}
    for n, document in enumerate([*NOT_HELD, *HELD]):
        put(w, n, document)
    w.must_sync()
    held = set(range(len(NOT_HELD), len(NOT_HELD) + len(HELD)))
    assert {id_ for (id_,) in w.target("id")} == held
    for reader, rows in readers(w).items():
        assert {row["id"] for row in rows} == held, reader
    reason = "is not jsonb: a number in it has more digits than numeric's 131072 before and 16383 behind the point"
    assert sorted((int(key["id"]), column, why) for _, key, column, _, why in w.rejects()) == [
        (n, "items", reason) for n in range(len(NOT_HELD))
    ]
    assert w.lake_rejects() == []


DOUBLED = '{"a": 1, "\\u0061": 2, "o": {"k": 1, "k": 2}, "items": [{"sku": 1, "sku": "x", "z": {"y": 1, "y": [3]}}, {"sku": "y"}], "n": 123.456e-10, "n": 1e-400}'
"""Keys twice, at each depth and in another spelling; numbers that a double would change."""


@pytest.mark.parametrize("source", ["mysql", "postgres"])
def test_of_keys_that_stand_twice_the_last_is_in_every_column_of_every_sink(world: WorldMaker, source: str) -> None:
    columns = {
        "id": "bigint", "updated_at": "timestamp", "a": {"type": "integer", "from": "payload.a"}, "k": {"type": "text", "from": "payload.o.k"},
        "n": {"type": "numeric", "from": "payload.n"}, "t": {"type": "text", "from": "payload.n"}, "items": {"type": "jsonb", "from": "payload.items"},
        "list": {"type": "jsonb", "from": "payload.items", "lake": "array<struct<sku: text, z: struct<y: array<integer>>>>"}, "payload": "jsonb",
    }  # fmt: skip
    view = orders_view(columns=columns, source={"connection": f"{source}-shards/shop"}, lake={"layouts": EVERY_FORMAT})
    w = world(source=source, view=view)
    kind = "longtext" if source == "mysql" else "json"
    w.on_all(f"CREATE TABLE orders (id bigint PRIMARY KEY, updated_at timestamp NOT NULL, payload {kind})")
    w.on("shop_00", "INSERT INTO orders VALUES (1, '2026-01-01 00:00:00', %s)", DOUBLED)
    w.on(
        "shop_00", "INSERT INTO orders VALUES (2, '2026-01-01 00:00:00', %s)", '{"a": 1, "a": 2, "o": {"k": 1, "k": 2}}'
    )  # nothing else of note
    w.must_sync()
    assert w.target("a, k", "id") == [(2, "2"), (2, "2")]
    tiny = "0." + "0" * 399 + "1"
    items = '[{"sku":"x","z":{"y":[3]}},{"sku":"y"}]'
    whole = f'{{"a":2,"items":{items},"n":{tiny},"o":{{"k":2}}}}'
    assert w.target("a, k, n::text, t, items::text, payload ->> 'a', payload ->> 'n'", "id")[0] == (
        2, "2", tiny, tiny, '[{"z": {"y": [3]}, "sku": "x"}, {"sku": "y"}]', "2", tiny,
    )  # fmt: skip
    for reader, rows in readers(w).items():
        row, plain = sorted(rows, key=lambda r: r["id"])
        assert [plain[c] for c in ("a", "k", "payload")] == [2, "2", '{"a":2,"o":{"k":2}}'], reader
        assert [row[c] for c in ("a", "k", "n", "t", "items", "payload")] == [2, "2", tiny, tiny, items, whole], reader
        assert row["list"] == [{"sku": "x", "z": {"y": [3]}}, {"sku": "y", "z": None}], reader
    assert w.rejects() == w.lake_rejects() == []
