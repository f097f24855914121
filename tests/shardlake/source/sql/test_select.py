"""The SELECT of a chunk: in the order of an index, by the column itself and not by the text that it is selected as."""

from __future__ import annotations

from shardlake.source.sql.dialects import dialect
from shardlake.source.sql.select import chunk_sql, describe
from shardlake.source.sql.window import Window
from tests.world import ORDERS_TABLE, WorldMaker, orders_view


def test_a_chunk_in_cursor_order_is_read_along_the_index_without_a_sort(world: WorldMaker) -> None:
    w = world()
    w.on("shop_00", ORDERS_TABLE)
    w.on("shop_00", "INSERT INTO orders SELECT seq, 'paid', 1, '2026-01-01' + INTERVAL seq SECOND, NULL FROM seq_1_to_5000")
    w.on("shop_00", "ANALYZE TABLE orders")
    view, shard, speaker = w.model(), w.job().source.shard("shop_00"), dialect("mysql")
    with speaker.connect(shard) as connection:
        relation = describe(view, speaker, connection, "shop_00")
        window = Window("datetime", "2026-01-01 00:00:00", "2026-01-02 00:00:00", "cursor")
        statement = chunk_sql(view, speaker, relation, window, after=("2026-01-01 00:10:00", "600"), limit=100)
        with connection.cursor() as cursor:
            cursor.execute(f"EXPLAIN {statement}")
            names = [d[0] for d in cursor.description]
            (line,) = [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]
            cursor.execute(statement)
            rows = cursor.fetchall()
    assert line["key"] == "updated_at"
    assert "filesort" not in str(line["Extra"])
    assert [row[0] for row in rows] == list(range(601, 701))


def test_a_decimal_cursor_goes_by_its_value_and_not_by_its_text(world: WorldMaker) -> None:
    w = world(view=orders_view(source={"lookback": 0, "window": "1kb"}, columns={"id": "bigint", "updated_at": "numeric"}))
    w.on("shop_00", "CREATE TABLE orders (id bigint PRIMARY KEY, updated_at decimal(12,2) NOT NULL, KEY (updated_at))")
    w.on("shop_00", "INSERT INTO orders VALUES (1, 9)")
    w.must_sync()
    w.on("shop_00", "INSERT INTO orders VALUES (2, 10), (3, 100), (4, 99.5)")
    w.must_sync()
    assert w.target("id, updated_at::text") == [(1, "9.00"), (2, "10.00"), (3, "100.00"), (4, "99.50")]
