"""Keys that are odd values, or not unique: every row arrives once, chunk by chunk, and whatever cannot order rows is refused by name."""

from __future__ import annotations

from typing import Any

import pytest

from shardlake.errors import ShardlakeError
from tests.world import World, WorldMaker, orders_view

ODD = [
    "-infinity",
    "0044-03-15 12:00:00+00 BC",
    "0044-03-15 12:00:00.000001+00 BC",
    "2024-01-01 00:00:00+00",
    "294276-12-31 23:59:59.999999+00",
    "infinity",
]


def prices(world: WorldMaker, **source: Any) -> World:
    """300 prices of one product in order of their validity, of which the first and last are at odd times; chunks of a hundred."""
    w = world(
        source="postgres",
        view=orders_view(
            source={"connection": "postgres-shards/shop", "primary_key": ["product", "valid_from"], "chunk": 1, **source},
            columns={"product": "text", "valid_from": "timestamptz", "updated_at": "timestamp", "pad": "text"},
            warehouse={"key": ["product", "valid_from"]},
        ),
    )
    w.on(
        "shop_00",
        "CREATE TABLE orders (product text, valid_from timestamptz, updated_at timestamp NOT NULL, pad text, PRIMARY KEY (product, valid_from))",
    )
    return w


@pytest.mark.parametrize("late", [False, True], ids=["in key order", "in cursor order"])
def test_a_key_of_odd_times_loads_chunk_by_chunk_and_goes_on_where_it_was_killed(world: WorldMaker, late: bool) -> None:
    w = prices(world, window=1)
    if late:
        w.on("shop_00", "INSERT INTO orders VALUES ('first', '2024-01-01', '2025-01-01')")
        w.must_sync()
        w.set_back("2025-06-01 00:00:00")
    # a hundred rows a chunk: that each odd time ends one, 99 others stand before it
    for place, odd in enumerate(ODD):
        w.on(
            "shop_00",
            "INSERT INTO orders SELECT %s || lpad(n::text, 3, '0'), '2024-01-01', '2026-01-01' FROM generate_series(1, 99) n",
            f"p{place}",
        )
        w.on("shop_00", "INSERT INTO orders VALUES (%s, %s, '2026-01-01')", f"p{place}z", odd)
    w.on("shop_00", "ANALYZE orders")
    if not late:
        assert w.engine_process(SHARDLAKE_FAILPOINT="merge.before_commit=kill@3").returncode == -9
    w.must_sync()
    assert w.target("count(*), count(DISTINCT (product, valid_from))") == [(600 + late, 600 + late)]
    ends = [found for (found,) in w.windows("until ->> -1", "raw_rows = 100")]
    assert ends[: len(ODD) - 1] == ODD[:-1]
    assert w.warehouse("SELECT valid_from::text FROM analytics.orders WHERE product LIKE '%z' ORDER BY product") == [(odd,) for odd in ODD]


def test_a_truth_is_a_part_of_a_key(world: WorldMaker) -> None:
    w = prices(world)
    w.view["columns"] = {"product": "boolean", "valid_from": "timestamptz", "updated_at": "timestamp"}
    w.on("shop_00", "ALTER TABLE orders ALTER product TYPE boolean USING product::boolean")
    w.on(
        "shop_00",
        "INSERT INTO orders SELECT n > 100, '2024-01-01'::timestamptz + n * interval '1 s', '2026-01-01' FROM generate_series(1, 250) n",
    )
    w.on("shop_00", "ANALYZE orders")
    w.must_sync()
    assert w.warehouse("SELECT rows FROM shardlake.files ORDER BY key") == [(100,), (150,)]
    assert w.warehouse("SELECT product, count(DISTINCT valid_from) FROM analytics.orders GROUP BY 1 ORDER BY 1") == [
        (False, 100),
        (True, 150),
    ]


def test_a_cursor_that_is_no_number_is_counted_and_the_others_go_on(world: WorldMaker) -> None:
    w = world(
        source="postgres",
        view=orders_view(
            source={"connection": "postgres-shards/shop", "cursor": "revision", "lookback": 0},
            columns={"id": "bigint", "revision": "numeric"},
        ),
    )
    w.on("shop_00", "CREATE TABLE orders (id bigint PRIMARY KEY, revision numeric)")
    w.on("shop_00", "INSERT INTO orders VALUES (1, 0.0000001), (2, 'NaN'), (3, 'Infinity')")
    report = w.must_sync()
    assert report.shards["shop_00"].notes == ("2 rows have a cursor that is no number (revision): no window takes them",)
    assert w.watermarks() == {"shop_00": "0.0000001"}
    w.on("shop_00", "UPDATE orders SET revision = 2.5 WHERE id = 2")
    w.must_sync()
    assert w.target("id, revision::text") == [(1, "0.0000001"), (2, "2.5")]


def test_zero_dates_are_a_key_of_mariadb(world: WorldMaker) -> None:
    w = world(
        view=orders_view(
            source={"primary_key": ["day", "id"], "chunk": 1, "window": 1},
            columns={"day": "text", "id": "bigint", "updated_at": "timestamp"},
            warehouse={"key": ["day", "id"]},
        )
    )
    w.on("shop_00", "CREATE TABLE orders (day date, id bigint, updated_at datetime(6) NOT NULL, PRIMARY KEY (day, id))")
    for day in ("0000-00-00", "2024-00-00", "2024-02-00", "2024-02-01"):
        w.on("shop_00", f"INSERT INTO orders SELECT '{day}', seq, '2026-01-01' FROM seq_1_to_100")
    w.must_sync()
    days = [("0000-00-00",), ("2024-00-00",), ("2024-02-00",), ("2024-02-01",)]
    assert w.windows("until ->> 0", "raw_rows = 100") == days
    assert w.warehouse("SELECT day FROM analytics.orders GROUP BY 1 HAVING count(*) = 100 ORDER BY 1") == days


@pytest.mark.parametrize("declared", ["double precision", "json", "text[]", "point", "xid8"])
def test_a_key_that_cannot_order_rows_is_refused_as_the_run_is_planned(world: WorldMaker, declared: str) -> None:
    w = world(
        source="postgres",
        view=orders_view(
            source={"connection": "postgres-shards/shop", "primary_key": ["k"]},
            columns={"k": "text", "updated_at": "timestamp"},
            warehouse={"key": ["k"]},
        ),
    )
    w.on("shop_00", f"CREATE TABLE orders (k {declared}, updated_at timestamp)")
    with pytest.raises(
        ShardlakeError, match=r"shop_00, k: (a column of type \S+ cannot order rows as a key|the type \S+ cannot be read exactly)"
    ):
        w.job().source.plan(w.model(), "shop_00", None)
