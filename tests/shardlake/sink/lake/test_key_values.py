"""Keys are compared as values, whatever their spelling: in every sink two spellings of one value are one row."""

from __future__ import annotations

import itertools
from typing import Any

import pytest

from tests.world import World, WorldMaker, orders_view

LAYOUTS: list[dict[str, Any]] = [
    {"table": "by_delta", "format": "delta"}, {"table": "by_iceberg", "format": "iceberg"},
    {"table": "by_rewrite", "write": "replace", "partition_by": ["n"]}, {"table": "history"},
]  # fmt: skip
TABLES = ("by_delta", "by_iceberg", "by_rewrite", "history_latest")
SPELLINGS = {
    "numeric": ("1.5", "1.50", "2", "2.000", "18446744073709551615"),
    "numeric(20,0)": ("18446744073709551615", "18446744073709551615.0"),
    "timestamp": ("2026-01-01 00:00:00", "2026-01-01T00:00:00.000000", "2026-01-01 00:00:00.5"),
    "timestamptz": ("2026-01-01 00:00:00", "2026-01-01T00:00:00.000000Z", "2026-01-01 02:00:00+02"),
    "date": ("2026-01-01", "2026-01-02"),
    "bytea": (r"\x00ff0a", r"\x00FF0A", r"\x"),
    "uuid": ("a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11", "A0EEBC999C0B4EF8BB6D6BB9BD380A11"),
    "text": ("Ab", "ab", "Ab ", "1", "1.0"),
    "boolean": ("true", "t", "1", "false"),
    "interval": ("24:00:00", "1 day", "1 mon", "30 days", "-01:00:00"),
    "inet": ("10.0.0.1", "10.0.0.1/32", "::1", "0:0:0:0:0:0:0:1"),
    "jsonb": ('{"a": 1, "b": 2}', '{"b":2.0,"a":1.00}', "[1]"),
    "double precision": ("0.5", "5e-1", "1e200"),
}
"""Of each type texts that are read as it, of which some say the same value."""


def keyed(world: WorldMaker) -> World:
    """Shards with an empty table, whose keys are texts."""
    w = world(["shop_00", "shop_01"], source="postgres")
    w.on_all("CREATE TABLE orders (id bigint PRIMARY KEY, k text, n int, updated_at timestamp NOT NULL, deleted_at timestamp)")
    w.on_all("CREATE INDEX by_change ON orders (updated_at)")
    return w


def view_of(w: World, type_: str, layouts: list[dict[str, Any]]) -> None:
    w.view = orders_view(
        name=f"v{next(_numbers)}", source={"connection": "postgres-shards/shop", "lookback": "36500d"},
        columns={"k": type_, "n": "integer", "updated_at": "timestamp", "deleted_at": "timestamp"}, deletes={"column": "deleted_at"},
        lake={"layouts": layouts},
    )  # fmt: skip
    w.view["warehouse"] |= {"table": f"analytics.{w.view['name']}", "key": ["k"]}
    w.view["lake"]["database"] = w.view["name"]


_numbers = itertools.count()


@pytest.mark.parametrize("type_", list(SPELLINGS))
def test_every_spelling_of_a_value_is_one_row_in_every_sink_and_one_that_was_deleted_does_not_come_back(
    world: WorldMaker, type_: str
) -> None:
    w = keyed(world)
    apart = {"interval": ["history"], "jsonb": ["history"]}  # which SQL that Athena and DuckDB share cannot compare
    layouts = [one for one in LAYOUTS if one["table"] not in apart.get(type_, [])]
    tables = [t for t in TABLES if t.removesuffix("_latest") in {one["table"] for one in layouts}]
    view_of(w, type_, layouts)
    spellings = SPELLINGS[type_]
    for id, spelling in enumerate(spellings):  # each is a later version than the one before
        w.on("shop_00", "INSERT INTO orders VALUES (%s, %s, %s, %s, NULL)", id, spelling, id, f"2026-01-{id + 1:02}")
    w.must_sync()
    for id, spelling in enumerate(reversed(spellings)):
        w.on("shop_01", "INSERT INTO orders VALUES (%s, %s, %s, %s, NULL)", id, spelling, 10 + id, f"2026-02-{id + 1:02}")
    w.must_sync()
    expected = w.target("n")
    assert expected
    assert {t: w.query(f"SELECT n FROM {t} ORDER BY 1") for t in tables} == dict.fromkeys(tables, expected)
    w.on("shop_00", "UPDATE orders SET deleted_at = '2026-04-01', updated_at = '2026-04-01' WHERE id = 0")
    w.must_sync()
    left = w.target("n")
    assert len(left) == len(expected) - 1
    w.on("shop_01", "UPDATE orders SET updated_at = '2026-03-01', n = n + 10")  # older than the delete, and spelt otherwise
    w.must_sync(shards=["shop_01"])
    left = [(n + 10,) for (n,) in left]
    assert w.target("n") == left
    assert {t: w.query(f"SELECT n FROM {t} ORDER BY 1") for t in tables} == dict.fromkeys(tables, left)


def test_tombstones_that_earlier_versions_spelt_otherwise_are_found(world: WorldMaker) -> None:
    w = keyed(world)
    for type_, spelling, older in (
        ("numeric", "18446744073709551615", '["18446744073709551615"]'),
        ("timestamp", "2026-01-01 00:00:00", '["2026-01-01 00:00:00"]'),
    ):
        view_of(w, type_, LAYOUTS[:2])
        w.on_all("TRUNCATE orders")
        w.on("shop_00", "INSERT INTO orders VALUES (1, %s, 1, '2026-01-03', NULL)", spelling)
        w.must_sync()
        w.on("shop_00", "UPDATE orders SET deleted_at = '2026-01-05', updated_at = '2026-01-05'")
        w.must_sync()
        w.warehouse("UPDATE shardlake.tombstones SET unit_key = %s::jsonb WHERE view = %s AND sink <> 'warehouse'", older, w.view["name"])
        w.on("shop_01", "INSERT INTO orders VALUES (1, %s, 2, '2026-01-04', NULL)", spelling)
        w.must_sync(shards=["shop_01"])
        assert [w.query(f"SELECT n FROM {w.view['name']}.{t}") for t in ("by_delta", "by_iceberg")] == [[], []] == [[], w.target("n")]
        w.on("shop_01", "UPDATE orders SET updated_at = '2026-01-06'")
        w.must_sync()
        assert [w.query(f"SELECT n FROM {w.view['name']}.{t}") for t in ("by_delta", "by_iceberg")] == [[(2,)], [(2,)]]
        assert w.warehouse("SELECT count(*) FROM shardlake.tombstones WHERE view = %s", w.view["name"]) == [(0,)]


def test_an_instant_that_was_deleted_stays_so_when_the_connections_zone_is_another(world: WorldMaker) -> None:
    w = world(["shop_00", "shop_01"], connection_changes={"timezone": "Europe/Berlin"})
    w.on_all("CREATE TABLE orders (k varchar(40) PRIMARY KEY, n int, updated_at datetime(6) NOT NULL, deleted_at datetime(6))")
    w.on_all("CREATE INDEX by_change ON orders (updated_at)")
    view_of(w, "timestamptz", LAYOUTS[:3])
    w.view["source"] |= {"primary_key": ["k"], "connection": "mysql-shards/shop"}
    w.on("shop_00", "INSERT INTO orders VALUES ('2026-01-01 00:00:00+00', 1, '2026-01-03', NULL)")
    w.must_sync()
    w.on("shop_00", "UPDATE orders SET deleted_at = '2026-01-05', updated_at = '2026-01-05'")
    w.must_sync()
    w.connection_changes = {"timezone": "UTC"}
    w.on("shop_01", "INSERT INTO orders VALUES ('2026-01-01 05:30:00+05:30', 2, '2026-01-04', NULL)")
    w.must_sync(shards=["shop_01"])
    assert w.target("n") == []
    assert {t: w.query(f"SELECT n FROM {t}") for t in TABLES[:3]} == {t: [] for t in TABLES[:3]}
