"""The whole way, on real servers: what a shard holds is what the warehouse holds."""

from tests.world import ORDERS_TABLE, WorldMaker


def test_rows_of_two_shards_arrive_once_and_then_only_what_changed(world: WorldMaker) -> None:
    w = world(["shop_00", "shop_01"])
    w.on_all(ORDERS_TABLE)
    w.on(
        "shop_00",
        'INSERT INTO orders VALUES (1, \'new 🚚\', 1.10, \'2026-01-01 00:00:00.000001\', \'{"customer": {"name": "Ünal"}, "items": [1]}\')',
    )
    w.on("shop_01", "INSERT INTO orders VALUES (2, '', NULL, '2026-01-02', NULL)")
    first = w.must_sync()
    assert [(s.shard, s.read, s.merged) for s in first.shards.values()] == [("shop_00", 1, 1), ("shop_01", 1, 1)]
    assert w.target("id, status, amount::text, updated_at::text, customer_name, items::text, _shard") == [
        (1, "new 🚚", "1.10", "2026-01-01 00:00:00.000001", "Ünal", "[1]", "shop_00"),
        (2, "", None, "2026-01-02 00:00:00", None, None, "shop_01"),
    ]
    w.on("shop_01", "UPDATE orders SET status = 'paid', updated_at = utc_timestamp(6) WHERE id = 2")
    second = w.must_sync()
    assert [(s.state, s.read, s.merged) for s in second.shards.values()] == [("nothing", 0, 0), ("merged", 1, 1)]
    assert w.target("id, status") == [(1, "new 🚚"), (2, "paid")]
