"""Text whose bytes are not UTF-8: its row is a reject that shows them, every other row arrives, and the counts add up."""

from __future__ import annotations

from shardlake.run.replay import replay
from tests.lake import EVERY_FORMAT
from tests.world import World, WorldMaker, orders_view

WHY = "holds bytes that are not UTF-8; mend them at the source, or bring the column as bytes by extract.sql"
SURROGATE = "_utf8mb4 0xEDA080"
"""MariaDB takes it as a character of utf8mb4."""


def counts(w: World) -> list[tuple[object, ...]]:
    """Of each window of the warehouse: raw rows, shaped, rejected in shape, merged, unchanged."""
    return w.ledger(
        "SELECT raw_rows, shaped, shape_rejected, merged, unchanged FROM shardlake.sink_windows WHERE sink = 'warehouse' ORDER BY window_id"
    )


def test_a_lone_surrogate_of_mariadb_is_a_reject_with_its_bytes_and_all_other_rows_arrive_by_every_sink(world: WorldMaker) -> None:
    columns = {"id": "bigint", "name": "text", "city": {"type": "text", "from": "payload.city"}, "updated_at": "timestamp"}
    w = world(view=orders_view(columns=columns, lake={"layouts": EVERY_FORMAT}, source={"chunk": 1}))
    w.on(
        "shop_00",
        "CREATE TABLE orders (id bigint PRIMARY KEY, name varchar(40), payload longtext COLLATE utf8mb4_bin, updated_at datetime(6) NOT NULL,"
        " KEY (updated_at))",
    )
    w.on("shop_00", "INSERT INTO orders SELECT seq, 'é', '{\"city\": \"Köln\"}', '2026-01-01' FROM seq_1_to_450")
    w.on("shop_00", f"UPDATE orders SET name = CONCAT('a', {SURROGATE}) WHERE id = 7")
    w.on("shop_00", f"UPDATE orders SET payload = CONCAT('{{\"city\": \"', {SURROGATE}, '\"}}') WHERE id = 300")
    expected = [
        ("shop_00", {"id": "7"}, "name", "\\x61eda080", WHY),
        ("shop_00", {"id": "300"}, "payload", "\\x7b2263697479223a2022eda080227d", WHY),
    ]
    w.must_sync()
    assert w.rejects() == expected
    assert counts(w) == [(450, 448, 2, 448, 0)]
    assert w.target("count(*), count(DISTINCT id), min(name), max(name), min(city), max(city)") == [(448, 448, "é", "é", "Köln", "Köln")]
    for layout in EVERY_FORMAT:
        assert w.query(f"SELECT count(*), count(DISTINCT id) FROM {layout['table']}") == [(448, 448)]
    assert w.query("SELECT count(*), count(_shardlake_bytes) FROM raw.orders") == [(450, 2)]
    assert w.query("SELECT id, _shardlake_bytes, name FROM raw.orders WHERE id = 7") == [(7, '["name"]', "\\x61eda080")]

    w.on("shop_00", "UPDATE orders SET updated_at = utc_timestamp(6), name = 'mended' WHERE id IN (7, 300)")
    w.must_sync()
    assert w.target("id, name, city")[6] == (7, "mended", "Köln")
    assert [line[:3] for line in w.rejects()] == [
        ("shop_00", {"id": "7"}, "name"),
        ("shop_00", {"id": "300"}, "payload"),
        ("shop_00", {"id": "300"}, "payload"),
    ]


def test_a_replay_gives_the_same_rejects(world: WorldMaker) -> None:
    w = world(view=orders_view(columns={"id": "bigint", "status": "text", "updated_at": "timestamp"}))
    w.on("shop_00", "CREATE TABLE orders (id bigint PRIMARY KEY, status varchar(40), updated_at datetime(6) NOT NULL)")
    w.on("shop_00", f"INSERT INTO orders VALUES (1, 'good', '2026-01-01'), (2, {SURROGATE}, '2026-01-01')")
    w.must_sync()
    found = w.rejects()
    assert found == [("shop_00", {"id": "2"}, "status", "\\xeda080", WHY)]
    replay(w.job())
    assert w.rejects()[-1] == found[0]
    assert counts(w) == [(2, 1, 1, 0, 1)]
    assert w.target("id, status") == [(1, "good")]


def test_a_key_that_is_no_text_is_a_place_to_go_on_from_and_the_key_of_a_reject(world: WorldMaker) -> None:
    columns = {"code": "text", "updated_at": "timestamp"}
    w = world(view=orders_view(columns=columns, source={"primary_key": ["code"], "chunk": 1, "window": 1}, warehouse={"key": ["code"]}))
    w.on("shop_00", "CREATE TABLE orders (code varchar(40) COLLATE utf8mb4_bin PRIMARY KEY, updated_at datetime(6) NOT NULL)")
    w.on("shop_00", "INSERT INTO orders SELECT CONCAT('a', LPAD(seq, 4, '0')), '2026-01-01' FROM seq_1_to_99")
    w.on("shop_00", f"INSERT INTO orders VALUES (CONCAT('b', {SURROGATE}), '2026-01-01')")
    w.on("shop_00", "INSERT INTO orders SELECT CONCAT('c', LPAD(seq, 4, '0')), '2026-01-01' FROM seq_1_to_99")
    w.must_sync()
    assert w.windows("raw_rows, until ->> 0") == [(100, "\ue000\ue001bytes:62eda080"), (99, None)]
    assert w.target("count(*), count(DISTINCT code)") == [(198, 198)]
    assert w.rejects() == [("shop_00", {"code": "\\x62eda080"}, "code", "\\x62eda080", WHY)]


def in_encoding(world: WorldMaker, encoding: str) -> World:
    """A shard on a Postgres database in that encoding; SQL_ASCII takes any bytes as text."""
    w = world(source="postgres", shards=["other"], view=orders_view(source={"connection": "postgres-shards/shop", "chunk": 1}))
    w.shards.append("shop_00")
    w.shards.remove("other")
    w.source.execute(f"CREATE DATABASE {w.database('shop_00')} ENCODING '{encoding}' TEMPLATE template0 LC_COLLATE 'C' LC_CTYPE 'C'")
    return w


def test_any_bytes_in_a_postgres_database_without_an_encoding_are_rejects_of_their_rows_alone(world: WorldMaker) -> None:
    w = in_encoding(world, "SQL_ASCII")
    w.view["columns"] = {"code": "text", "note": "text", "city": {"type": "text", "from": "payload.city"}, "updated_at": "timestamp"}
    w.view["source"] |= {"primary_key": ["code"], "window": 1}
    w.view["warehouse"]["key"] = ["code"]
    w.on("shop_00", "CREATE TABLE orders (code varchar(20) PRIMARY KEY, note text, payload json, updated_at timestamp NOT NULL)")
    w.on(
        "shop_00",
        "INSERT INTO orders SELECT 'é' || lpad(n::text, 4, '0'), 'fine', '{\"city\": \"Köln\"}', '2026-01-01' FROM generate_series(1, 199) n",
    )
    for number, value in (("0003", r"\xff"), ("0100", r"\xed\xa0\x80"), ("0101", r"a\xe2\x82")):
        w.on("shop_00", f"UPDATE orders SET note = E'{value}' WHERE code = 'é{number}'")
    w.on("shop_00", r"INSERT INTO orders VALUES (E'z\xff', 'fine', '{}', '2026-01-01')")
    w.must_sync()
    assert w.rejects() == [
        ("shop_00", {"code": "\\x7aff"}, "code", "\\x7aff", WHY),
        ("shop_00", {"code": "é0003"}, "note", "\\xff", WHY),
        ("shop_00", {"code": "é0100"}, "note", "\\xeda080", WHY),
        ("shop_00", {"code": "é0101"}, "note", "\\x61e282", WHY),
    ]
    assert w.target("count(*), min(code), max(code), min(city), max(note)") == [(196, "é0001", "é0199", "Köln", "fine")]


def test_a_byte_that_is_not_in_a_databases_own_encoding_is_a_reject_too(world: WorldMaker) -> None:
    w = in_encoding(world, "WIN1252")
    w.view["columns"] = {"id": "bigint", "note": "text", "updated_at": "timestamp"}
    w.on("shop_00", "CREATE TABLE orders (id bigint PRIMARY KEY, note text, updated_at timestamp NOT NULL)")
    w.on("shop_00", r"INSERT INTO orders VALUES (1, E'\xe9', '2026-01-01'), (2, E'\x81', '2026-01-01'), (3, E'\x80', '2026-01-01')")
    w.must_sync()
    assert w.rejects() == [("shop_00", {"id": "2"}, "note", "\\x81", WHY)]
    assert w.target("id, note") == [(1, "é"), (3, "€")]


def test_a_table_with_such_text_can_be_drafted(world: WorldMaker) -> None:
    w = world()
    w.on("shop_00", "CREATE TABLE orders (id bigint PRIMARY KEY, name varchar(40), updated_at datetime(6) NOT NULL)")
    w.on("shop_00", f"INSERT INTO orders VALUES (1, {SURROGATE}, '2026-01-01')")
    done = w.command("discover", "mysql-shards/shop", "orders")
    assert done.returncode == 0, done.stderr
    assert "name: text" in done.stdout
