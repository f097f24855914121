"""Keys that are odd values, or not unique: every row arrives once, chunk by chunk, and whatever cannot order rows is refused by name."""

from __future__ import annotations

from typing import Any

import connectorx
import pyarrow as pa
import pytest

from shardlake.errors import ShardlakeError, SourceFailed
from shardlake.raw.files import RawTarget
from shardlake.source.sql.position import window_of
from shardlake.source.sql.read import Request, extract
from shardlake.source.sql.source import SqlSource
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


@pytest.mark.parametrize("declared", ["double precision", "json", "text[]", "point", "xml"])
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


# --- keys that are not unique ----------------------------------------------------------------------------------------
BOTH = pytest.mark.parametrize("source", ["mysql", "postgres"])
NOT_UNIQUE = "no unique index of orders holds that k (primary_key) is unique and never NULL: one row of a key stays"


def tied(world: WorldMaker, server: str, declared: str, **source: Any) -> World:
    """A table of `k`, `n` and `updated_at`, read in chunks of a hundred rows by the key that a view declares: `k`."""
    w = world(
        source=server,
        view=orders_view(
            source={"connection": f"{server}-shards/shop", "primary_key": ["k"], "chunk": 1, **source},
            columns={"k": "text", "n": "bigint", "updated_at": "timestamp"},
            warehouse={"key": ["n"]},
            lake={"layouts": [{"table": "orders"}]},
        ),
    )
    w.on("shop_00", f"CREATE TABLE orders (k {declared}, n bigint, updated_at {'datetime(6)' if w.on_mysql else 'timestamp'} NOT NULL)")
    return w


def numbers(w: World, first: int, last: int) -> str:
    """Those numbers as a relation of `n`."""
    return f"(SELECT seq AS n FROM seq_{first}_to_{last}) s" if w.on_mysql else f"generate_series({first}, {last}) AS s(n)"


@BOTH
def test_two_rows_with_one_declared_key_at_a_chunks_border_are_both_read(world: WorldMaker, source: str) -> None:
    w = tied(world, source, "bigint")
    w.on("shop_00", f"INSERT INTO orders SELECT CASE WHEN n % 100 = 1 THEN n - 1 ELSE n END, n, '2026-01-01' FROM {numbers(w, 1, 1000)}")
    w.on("shop_00", "ANALYZE TABLE orders" if w.on_mysql else "ANALYZE orders")
    report = w.must_sync()
    assert (report.shards["shop_00"].read, report.shards["shop_00"].notes) == (1000, (NOT_UNIQUE,))
    assert w.target("count(*), count(DISTINCT n)") == [(1000, 1000)]
    assert w.query("SELECT count(*), count(DISTINCT n) FROM orders") == [(1000, 1000)]
    w.set_back("2025-01-01")
    assert w.must_sync().shards["shop_00"].unchanged == 1000


@BOTH
def test_a_key_with_more_rows_than_a_chunk_is_read_in_one_and_windows_end_between_keys(world: WorldMaker, source: str) -> None:
    w = tied(world, source, "varchar(20)", window=1)
    texts = ("a", "A", "a", "b") if source == "mysql" else ("a", "a", "a", "b")  # one key to MariaDB
    for place, k in enumerate(texts):
        w.on("shop_00", f"INSERT INTO orders SELECT '{k}', n, '2026-01-01' FROM {numbers(w, place * 70 + 1, place * 70 + 70)}")
    w.on("shop_00", "ANALYZE TABLE orders" if w.on_mysql else "ANALYZE orders")
    assert w.must_sync().shards["shop_00"].read == 280
    assert w.windows("raw_rows") == [(210,), (70,)]
    assert w.target("count(*), count(DISTINCT n)") == [(280, 280)]


def test_a_key_with_more_rows_than_the_memory_is_to_hold_is_refused_by_its_name(world: WorldMaker) -> None:
    w = tied(world, "mysql", "bigint")
    w.on("shop_00", "ALTER TABLE orders ADD pad longtext")
    w.view["columns"]["pad"] = "text"
    w.on("shop_00", "INSERT INTO orders SELECT 7, seq, '2026-01-01', repeat('x', 400000) FROM seq_1_to_200")
    w.on("shop_00", "ANALYZE TABLE orders")
    assert w.sync().shards["shop_00"].error == (
        "shop_00, orders: 200 rows have one k (primary_key), 7, and more than 64 MB. Choose a primary_key that is unique."
    )


@BOTH
def test_what_the_server_cannot_know_to_be_unique_is_read_whole_and_not_noted(world: WorldMaker, source: str) -> None:
    w = tied(world, source, "bigint")
    w.on("shop_00", f"INSERT INTO orders SELECT 7, n, '2026-01-01' FROM {numbers(w, 1, 250)}")
    w.on("shop_00", "CREATE VIEW shown AS SELECT * FROM orders")
    w.view["source"]["table"] = "shown"
    report = w.must_sync()
    assert (report.shards["shop_00"].read, report.shards["shop_00"].notes) == (250, ())


@pytest.mark.parametrize(
    ("index", "noted"),
    [("UNIQUE (k)", False), ("UNIQUE (k, n)", True), ("KEY (k)", True), ("PRIMARY KEY (k)", False)],
)
def test_a_unique_index_of_which_no_column_may_be_null_says_that_a_key_is_unique(world: WorldMaker, index: str, noted: bool) -> None:
    w = tied(world, "mysql", "bigint NOT NULL")
    w.on("shop_00", f"ALTER TABLE orders ADD {index}")
    assert w.must_sync().shards["shop_00"].notes == ((NOT_UNIQUE,) if noted else ())
    w.on("shop_00", f"ALTER TABLE orders DROP {'PRIMARY KEY' if 'PRIMARY' in index else 'INDEX k'}, MODIFY k bigint NULL")
    w.on("shop_00", "ALTER TABLE orders ADD UNIQUE (k)")  # which takes many NULLs
    assert w.must_sync().shards["shop_00"].notes == (NOT_UNIQUE,)


def test_a_unique_index_of_postgres_counts_where_it_is_whole(world: WorldMaker) -> None:
    w = tied(world, "postgres", "bigint NOT NULL")
    for index, noted in (
        ("(k) INCLUDE (n)", False), ("(k) WHERE n > 0", True), ("((k + 1))", True), ("(k, n)", True), ("(k)", False),
    ):  # fmt: skip
        w.on("shop_00", f"CREATE UNIQUE INDEX tried ON orders {index}")
        assert (index, w.must_sync().shards["shop_00"].notes) == (index, (NOT_UNIQUE,) if noted else ())
        w.on("shop_00", "DROP INDEX tried")


def test_rows_that_do_not_come_where_keys_are_tied_are_missed_by_the_servers_own_count(
    world: WorldMaker, monkeypatch: pytest.MonkeyPatch
) -> None:
    w = tied(world, "mysql", "bigint")
    w.on("shop_00", "INSERT INTO orders SELECT 7, seq, '2026-01-01' FROM seq_1_to_250")
    w.on("shop_00", "ANALYZE TABLE orders")
    source, view = w.job().source, w.model()
    assert isinstance(source, SqlSource)
    window = window_of(source.plan(view, "shop_00", None).extent.plan)
    request = Request(view, source.shard("shop_00"), window, RawTarget(w.job().lake, "raw/orders/x", 1, 1), chunk_bytes=1)
    assert extract(request).rows == 250
    real = connectorx.read_sql
    monkeypatch.setattr("connectorx.read_sql", lambda url, sql, **how: lost(real(url, sql, **how)))
    with pytest.raises(SourceFailed, match=r"orders: 249 rows were read up to k \(primary_key\) 7, and there are 250"):
        extract(request)


def lost(table: pa.Table) -> pa.Table:
    """All but the last row of what holds more than a hundred and one, as of a driver that loses one."""
    return table.slice(0, table.num_rows - 1) if table.num_rows > 101 else table


@BOTH
def test_a_key_that_is_partly_null_behind_a_chunks_end_is_read(world: WorldMaker, source: str) -> None:
    w = tied(world, source, "varchar(20)", primary_key=["n", "k"])
    w.on("shop_00", f"INSERT INTO orders SELECT CASE WHEN n <> 101 THEN 'x' END, n, '2026-01-01' FROM {numbers(w, 1, 250)}")
    w.on("shop_00", "ANALYZE TABLE orders" if w.on_mysql else "ANALYZE orders")
    assert w.must_sync().shards["shop_00"].read == 250
    assert w.target("k, n")[-1] == (None, 101)


@pytest.mark.parametrize("column", ["k", "updated_at"], ids=["key", "cursor"])
def test_null_that_is_older_than_not_null_not_valid_is_read(world: WorldMaker, column: str) -> None:
    w = tied(world, "postgres", "bigint")
    w.on("shop_00", "ALTER TABLE orders ALTER updated_at DROP NOT NULL, ADD UNIQUE (k)")
    w.on("shop_00", "INSERT INTO orders SELECT n, n, '2026-01-01' FROM generate_series(1, 250) n")
    w.on("shop_00", f"UPDATE orders SET {column} = NULL WHERE n = 7")
    modern = int(w.on("shop_00", "SHOW server_version_num")[0][0]) >= 180000
    w.on(
        "shop_00",
        f"ALTER TABLE orders ADD CONSTRAINT later {f'NOT NULL {column}' if modern else f'CHECK ({column} IS NOT NULL)'} NOT VALID",
    )
    w.on("shop_00", "ANALYZE orders")
    assert w.must_sync().shards["shop_00"].read == 250
    assert w.target("count(*), count(DISTINCT n)") == [(250, 250)]


def test_a_unique_index_in_another_collation_does_not_say_that_texts_are_unique(world: WorldMaker) -> None:
    w = tied(world, "postgres", "text")
    if not w.on("shop_00", "SELECT 1 FROM pg_collation WHERE collname = 'und-x-icu'"):  # a server without ICU has no such collation
        return
    w.on("shop_00", "CREATE COLLATION alike (provider = icu, locale = 'und-u-ks-level2', deterministic = false)")
    w.on("shop_00", "ALTER TABLE orders ALTER k TYPE text COLLATE alike, ALTER k SET NOT NULL")
    w.on("shop_00", 'CREATE UNIQUE INDEX ON orders (k COLLATE "C")')
    w.on(
        "shop_00",
        "INSERT INTO orders SELECT CASE n WHEN 101 THEN 'K100' ELSE 'k' || lpad(n::text, 3, '0') END, n, '2026-01-01' FROM generate_series(1, 250) n",
    )
    w.on("shop_00", "ANALYZE orders")
    report = w.must_sync().shards["shop_00"]
    assert (report.read, report.notes) == (250, (NOT_UNIQUE,))
    assert w.target("count(*), count(DISTINCT n)") == [(250, 250)]
