"""`write: replace` takes nothing from a target that others have put there: it is kept, or the run is refused before anything moves."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import psycopg
import pytest

from shardlake.sink.postgres.plain_table import is_plain
from shardlake.view.columns import target_columns
from tests.world import World, WorldMaker, orders_view

FURNISHED = """
    CREATE ROLE {p}analyst; CREATE ROLE {p}auditor; CREATE ROLE {p}owner;
    ALTER TABLE analytics.orders ADD COLUMN noted text DEFAULT 'not yet';
    UPDATE analytics.orders SET noted = 'by us' WHERE id = 2;
    GRANT SELECT ON analytics.orders TO {p}analyst WITH GRANT OPTION;
    GRANT SELECT (id, status) ON analytics.orders TO {p}auditor;
    ALTER TABLE analytics.orders ENABLE ROW LEVEL SECURITY;
    CREATE POLICY paid_alone ON analytics.orders FOR SELECT TO {p}analyst USING (status = 'paid');
    CREATE TABLE analytics.seen (what text, id bigint);
    CREATE FUNCTION analytics.look() RETURNS trigger LANGUAGE plpgsql AS
        'BEGIN INSERT INTO analytics.seen VALUES (TG_OP, coalesce(NEW.id, OLD.id)); RETURN NULL; END';
    CREATE TRIGGER looks AFTER INSERT OR UPDATE OR DELETE ON analytics.orders FOR EACH ROW EXECUTE FUNCTION analytics.look();
    COMMENT ON TABLE analytics.orders IS 'ours'; COMMENT ON COLUMN analytics.orders.status IS 'as the shop says';
    ALTER TABLE analytics.orders ALTER COLUMN status SET STATISTICS 500;
    ALTER TABLE analytics.orders ALTER COLUMN status SET STORAGE EXTERNAL;
    ALTER TABLE analytics.orders SET (fillfactor = 70, autovacuum_enabled = false);
    ALTER TABLE analytics.orders ADD CONSTRAINT has_status CHECK (status <> 'impossible');
    CREATE INDEX lower_status ON analytics.orders (lower(status)) WHERE id > 0;
    CREATE STATISTICS analytics.together ON id, status FROM analytics.orders;
    ALTER TABLE analytics.orders REPLICA IDENTITY FULL;
    CREATE PUBLICATION {p}orders FOR TABLE analytics.orders;
    CREATE VIEW analytics.paid AS SELECT id FROM analytics.orders WHERE status = 'paid';
    CREATE MATERIALIZED VIEW analytics.counted AS SELECT count(*) FROM analytics.orders;
    CREATE TABLE analytics.invoices (id int PRIMARY KEY, shard text, order_id bigint,
        FOREIGN KEY (shard, order_id) REFERENCES analytics.orders (_shard, id) ON DELETE CASCADE);
    INSERT INTO analytics.invoices VALUES (1, 'shop_00', 1), (2, 'shop_00', 2);
"""
CATALOGUE = """
    SELECT 'table', c.oid::text, c.relacl::text, c.relowner::text, c.relrowsecurity::text, c.reloptions::text, c.relreplident::text,
        obj_description(c.oid) FROM pg_class c WHERE c.oid = 'analytics.orders'::regclass
    UNION ALL SELECT 'column', attname, attacl::text, atttypid::text, attstattarget::text, attstorage::text, atthasdef::text,
        col_description(attrelid, attnum) FROM pg_attribute WHERE attrelid = 'analytics.orders'::regclass AND attnum > 0
    UNION ALL SELECT 'depends', classid::text, objid::text, objsubid::text, deptype::text, refobjsubid::text, '', ''
        FROM pg_depend WHERE refobjid = 'analytics.orders'::regclass
    UNION ALL SELECT 'index', pg_get_indexdef(indexrelid), '', '', '', '', '', '' FROM pg_index WHERE indrelid = 'analytics.orders'::regclass
    ORDER BY 1, 2, 3, 4, 5, 6"""


def countries(world: WorldMaker, **changes: Any) -> World:
    changes["warehouse"] = {"write": "replace", "key": ["_shard", "id"], **changes.get("warehouse", {})}
    w = world(["shop_00", "shop_01"], view=orders_view(columns={"id": "bigint", "status": "text"}, source={"cursor": None}, **changes))
    w.on_all("CREATE TABLE orders (id bigint PRIMARY KEY, status varchar(40))")
    w.on("shop_00", "INSERT INTO orders VALUES (1, 'new'), (2, 'new'), (3, 'new')")
    w.on("shop_01", "INSERT INTO orders VALUES (1, 'new')")
    return w


def script(w: World, text: str) -> None:
    with psycopg.connect(w.warehouse_server.url(database=w.warehouse_database), autocommit=True) as connection:
        connection.execute(text)


def test_all_that_others_have_put_on_a_target_is_there_after_a_replace(world: WorldMaker) -> None:
    w = countries(world)
    w.must_sync()
    p = w.warehouse_database
    script(w, FURNISHED.format(p=p))
    before = w.warehouse(CATALOGUE)
    w.on("shop_00", "UPDATE orders SET status = 'paid' WHERE id = 2")
    w.on("shop_00", "DELETE FROM orders WHERE id = 3")
    w.on("shop_01", "INSERT INTO orders VALUES (9, 'paid')")
    w.must_sync()
    assert w.warehouse(CATALOGUE) == before
    assert w.target("_shard, id, status, noted", "1, 2") == [
        ("shop_00", 1, "new", "not yet"), ("shop_00", 2, "paid", "by us"), ("shop_01", 1, "new", "not yet"), ("shop_01", 9, "paid", "not yet"),
    ]  # fmt: skip
    assert w.warehouse("SELECT * FROM analytics.seen ORDER BY 1") == [("DELETE", 3), ("INSERT", 9), ("UPDATE", 2)]
    assert w.warehouse("SELECT id FROM analytics.paid ORDER BY 1") == [(2,), (9,)]
    assert w.warehouse("SELECT id, order_id FROM analytics.invoices ORDER BY 1") == [(1, 1), (2, 2)]  # a cascade takes none of them
    assert w.warehouse("SELECT polname, polroles::regrole[]::text FROM pg_policy") == [("paid_alone", f"{{{p}analyst}}")]
    assert w.warehouse("SELECT tablename FROM pg_publication_tables") == [("orders",)]
    assert w.warehouse("SELECT count(*) FROM pg_tables WHERE schemaname = 'shardlake_staging'") == [(0,)]


@pytest.mark.parametrize(
    "statement",
    [
        "ALTER TABLE analytics.orders ENABLE ROW LEVEL SECURITY",
        "ALTER TABLE analytics.orders FORCE ROW LEVEL SECURITY",
        "CREATE POLICY p ON analytics.orders USING (true)",
        "CREATE TRIGGER t BEFORE UPDATE ON analytics.orders FOR EACH ROW EXECUTE FUNCTION suppress_redundant_updates_trigger()",
        "CREATE RULE r AS ON DELETE TO analytics.orders DO INSTEAD NOTHING",
        "GRANT SELECT (id) ON analytics.orders TO pg_monitor",
        "ALTER TABLE analytics.orders OWNER TO pg_monitor",
        "COMMENT ON COLUMN analytics.orders.id IS 'its number'",
        "COMMENT ON CONSTRAINT orders_pkey ON analytics.orders IS 'its key'",
        "COMMENT ON INDEX analytics.orders_pkey IS 'its key'",
        "ALTER TABLE analytics.orders ALTER status SET STATISTICS 100",
        "ALTER TABLE analytics.orders ALTER status SET STORAGE PLAIN",
        "ALTER TABLE analytics.orders ALTER status SET COMPRESSION pglz",
        "ALTER TABLE analytics.orders ALTER status SET (n_distinct = 3)",
        "ALTER TABLE analytics.orders ALTER status SET DEFAULT 'x'",
        'ALTER TABLE analytics.orders ALTER status TYPE text COLLATE "C"',
        "ALTER TABLE analytics.orders ADD COLUMN other text",
        "ALTER TABLE analytics.orders ADD CHECK (id > 0)",
        "ALTER TABLE analytics.orders ADD UNIQUE (status, id, _shard)",
        "ALTER TABLE analytics.orders SET (fillfactor = 50)",
        "ALTER TABLE analytics.orders SET (toast.autovacuum_enabled = false)",
        "ALTER TABLE analytics.orders SET UNLOGGED",
        "ALTER TABLE analytics.orders REPLICA IDENTITY FULL",
        "ALTER TABLE analytics.orders CLUSTER ON orders_pkey",
        "CREATE INDEX ON analytics.orders (lower(status))",
        "CREATE INDEX ON analytics.orders (status) WHERE id > 1",
        "CREATE INDEX ON analytics.orders (status DESC)",
        "CREATE INDEX ON analytics.orders (status) INCLUDE (id)",
        "CREATE INDEX ON analytics.orders USING hash (status)",
        "CREATE INDEX ON analytics.orders (status text_pattern_ops)",
        "CREATE STATISTICS analytics.s ON id, status FROM analytics.orders",
        "CREATE TABLE analytics.child () INHERITS (analytics.orders)",
        "CREATE TABLE analytics.parent (id bigint); ALTER TABLE analytics.orders INHERIT analytics.parent",
        "CREATE VIEW analytics.v AS SELECT id FROM analytics.orders",
        "CREATE TABLE analytics.holds (it analytics.orders)",
        "CREATE TABLE analytics.holds (those analytics.orders[])",
        "CREATE FUNCTION analytics.f(analytics.orders) RETURNS int LANGUAGE sql AS 'SELECT 1'",
        "CREATE FUNCTION analytics.f() RETURNS bigint LANGUAGE sql BEGIN ATOMIC SELECT count(*) FROM analytics.orders; END",
        "CREATE TABLE analytics.r (s text, i bigint, FOREIGN KEY (s, i) REFERENCES analytics.orders)",
        "CREATE SEQUENCE analytics.q OWNED BY analytics.orders.id",
        "SET LOCAL client_min_messages = error; CREATE PUBLICATION p FOR ALL TABLES",
        "SET LOCAL client_min_messages = error; CREATE PUBLICATION p FOR TABLES IN SCHEMA analytics",
    ],
)
def test_a_table_that_has_more_than_its_view_says_is_not_given_up(plain: World, statement: str) -> None:
    columns = target_columns(plain.model(), "bigint")
    with psycopg.connect(plain.warehouse_server.url(database=plain.warehouse_database)) as connection:
        assert is_plain(connection, "analytics.orders", columns)
        connection.execute(statement)
        assert not is_plain(connection, "analytics.orders", columns)
        connection.rollback()


@pytest.fixture(scope="module")
def plain(mariadb: Any, postgres: Any, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A target as a replace leaves it, with a grant, a comment and an index of the view's: a table that may be swapped."""

    def make(shards: list[str], **options: Any) -> World:
        return World(mariadb, postgres, tmp_path_factory.mktemp("plain"), shards, **options)

    w = countries(make, description="countries, as the shops name them", warehouse={"indexes": [["status"]]})
    w.must_sync()
    w.warehouse("GRANT SELECT ON analytics.orders TO pg_monitor")
    w.must_sync()
    yield w
    w.close()


def test_a_plain_table_is_swapped_with_its_rights_its_comment_and_the_names_of_its_indexes(world: WorldMaker) -> None:
    w = countries(world, description="countries", warehouse={"indexes": [["status"]]})
    w.must_sync()
    script(w, f"CREATE ROLE {w.warehouse_database}; GRANT SELECT, UPDATE ON analytics.orders TO {w.warehouse_database} WITH GRANT OPTION")
    w.warehouse("COMMENT ON TABLE analytics.orders IS 'ours %s'")
    w.warehouse("CREATE INDEX by_both ON analytics.orders (status, id)")
    kept = (
        "SELECT relacl::text, obj_description(oid), (SELECT array_agg(indexrelid::regclass::text ORDER BY 1) FROM pg_index WHERE indrelid = c.oid)"
        " FROM pg_class c WHERE oid = 'analytics.orders'::regclass"
    )
    before, oid = w.warehouse(kept), w.warehouse("SELECT 'analytics.orders'::regclass::oid")
    w.on("shop_00", "DELETE FROM orders WHERE id > 1")
    w.must_sync()
    assert w.warehouse(kept) == before
    assert w.warehouse("SELECT 'analytics.orders'::regclass::oid") != oid
    assert w.target("_shard, id, status", "1, 2") == [("shop_00", 1, "new"), ("shop_01", 1, "new")]


def test_rights_that_a_new_table_would_have_beyond_the_old_ones_are_not_given(world: WorldMaker) -> None:
    w = countries(world)
    w.must_sync()
    script(
        w,
        f"CREATE ROLE {w.warehouse_database}; ALTER DEFAULT PRIVILEGES GRANT SELECT ON TABLES TO {w.warehouse_database}; REVOKE ALL ON analytics.orders FROM {w.warehouse_database}",
    )
    w.on_all("UPDATE orders SET status = 'paid'")
    w.must_sync()
    assert w.warehouse("SELECT has_table_privilege(%s, 'analytics.orders', 'SELECT')", w.warehouse_database) == [(False,)]
    assert w.target("DISTINCT status") == [("paid",)]


def test_a_table_of_others_whose_name_begins_as_a_new_table_of_ours_stays(world: WorldMaker) -> None:
    w = countries(world)
    w.must_sync()
    names = ["orders__new_design", "orders__new_c0ffee", "orders__new_"]
    for name in names:
        w.warehouse(f"CREATE TABLE analytics.{name} (theirs int)")
    w.warehouse("CREATE TABLE shardlake_staging.new_design (theirs int)")
    ours = w.ledger("SELECT left(replace(run_id::text, '-', ''), 6) FROM shardlake.runs")[0][0]
    w.warehouse(f"CREATE TABLE analytics.orders__new_{ours} (left_by_an_earlier_version int)")
    w.must_sync()
    assert w.warehouse("SELECT tablename FROM pg_tables WHERE tablename LIKE '%new_%' ORDER BY tablename COLLATE \"C\"") == [
        ("new_design",), ("orders__new_",), ("orders__new_c0ffee",), ("orders__new_design",),
    ]  # fmt: skip


def test_a_row_that_others_refer_to_and_that_is_gone_stops_the_switch_and_is_named(world: WorldMaker) -> None:
    w = countries(world)
    w.must_sync()
    script(
        w,
        "CREATE TABLE analytics.invoices (shard text, order_id bigint, CONSTRAINT of_order FOREIGN KEY (shard, order_id) REFERENCES analytics.orders);"
        " INSERT INTO analytics.invoices VALUES ('shop_00', 3)",
    )
    before = w.target("_shard, id, status", "1, 2")
    w.on("shop_00", "DELETE FROM orders WHERE id >= 2")
    report = w.sync()
    assert not report.ok
    assert (
        'analytics.invoices: a foreign key refuses rows of the view: update or delete on table "orders" violates foreign key constraint'
        ' "of_order" on table "invoices" (23503).'
    ) in report.headline()
    assert w.target("_shard, id, status", "1, 2") == before
    w.warehouse("DELETE FROM analytics.invoices")
    w.must_sync()
    assert w.target("_shard, id", "1, 2") == [("shop_00", 1), ("shop_01", 1)]


def test_what_another_writes_to_a_kept_shards_rows_meanwhile_is_kept(world: WorldMaker) -> None:
    w = countries(world)
    w.must_sync()
    w.on("shop_01", "DROP TABLE orders")
    waits = "SELECT count(*) FROM pg_locks WHERE relation = 'analytics.orders'::regclass AND NOT granted"
    with w.warehouse_server.connect(w.warehouse_database, autocommit=False) as other, ThreadPoolExecutor(1) as pool:
        other.execute("UPDATE analytics.orders SET status = 'by hand' WHERE _shard = 'shop_01'")
        run = pool.submit(w.sync)
        while w.warehouse(waits) == [(0,)] and not run.done():
            time.sleep(0.05)
        other.commit()
        assert not run.result().ok
    assert w.target("_shard, id, status", "1, 2")[-1] == ("shop_01", 1, "by hand")


def test_a_shard_that_did_not_arrive_keeps_its_rows_in_a_table_that_stays(world: WorldMaker) -> None:
    w = countries(world)
    w.must_sync()
    w.warehouse("CREATE VIEW analytics.few AS SELECT _shard, id, status FROM analytics.orders")
    w.on_all("UPDATE orders SET status = 'paid'")
    w.on("shop_01", "RENAME TABLE orders TO elsewhere")
    report = w.sync()
    assert (report.ok, report.shards["shop_01"].state) == (False, "failed")
    assert w.warehouse("SELECT * FROM analytics.few ORDER BY 1, 2") == [
        ("shop_00", 1, "paid"), ("shop_00", 2, "paid"), ("shop_00", 3, "paid"), ("shop_01", 1, "new"),
    ]  # fmt: skip


def test_values_that_are_equal_and_not_the_same_are_exchanged(world: WorldMaker) -> None:
    view = orders_view(
        columns={"id": "numeric", "amount": "numeric", "held": "interval", "doc": "jsonb"}, source={"cursor": None},
        warehouse={"write": "replace"},
    )  # fmt: skip
    w = world(["shop_00"], view=view)
    w.on_all("CREATE TABLE orders (id decimal(9,0) PRIMARY KEY, amount varchar(9), held varchar(20), doc longtext)")
    w.on_all("INSERT INTO orders VALUES (1, '1.0', '30 days', '{\"a\": 1.0}')")
    w.must_sync()
    w.warehouse("CREATE VIEW analytics.few AS SELECT * FROM analytics.orders")
    w.on_all("UPDATE orders SET amount = '1.00', held = '1 mon', doc = '{\"a\": 1.00}'")
    w.must_sync()
    assert w.warehouse("SELECT id::text, amount::text, held::text, doc::text FROM analytics.few") == [("1", "1.00", "1 mon", '{"a": 1.00}')]


def test_a_partitioned_target_is_replaced_partition_by_partition(world: WorldMaker) -> None:
    w = countries(world)
    script(
        w,
        "CREATE SCHEMA analytics; CREATE TABLE analytics.orders (id bigint, status text, _shard text, PRIMARY KEY (_shard, id)) PARTITION BY LIST (_shard);"
        " CREATE TABLE analytics.first PARTITION OF analytics.orders FOR VALUES IN ('shop_00');"
        " CREATE TABLE analytics.rest PARTITION OF analytics.orders DEFAULT",
    )
    w.must_sync()
    w.on("shop_00", "DELETE FROM orders WHERE id = 1")
    w.on("shop_01", "INSERT INTO orders VALUES (2, 'new')")
    w.must_sync()
    assert w.warehouse("SELECT id FROM analytics.first ORDER BY 1") == [(2,), (3,)]
    assert w.warehouse("SELECT id FROM analytics.rest ORDER BY 1") == [(1,), (2,)]
    w.warehouse("ALTER TABLE analytics.rest ADD CHECK (id < 5)")
    w.on("shop_01", "INSERT INTO orders VALUES (9, 'new')")
    assert "analytics.rest: a check or a partition's bounds refuses rows of the view" in w.sync().headline()
    assert w.warehouse("SELECT id FROM analytics.rest ORDER BY 1") == [(1,), (2,)]


# --- names -----------------------------------------------------------------------------------------------------------
ODD = """a%s"b{c}'d%"""


@pytest.mark.parametrize("source", ["mysql", "postgres"])
@pytest.mark.parametrize("stays", [True, False], ids=["exchanged", "swapped"])
def test_names_with_percent_signs_quotes_and_braces_work_in_a_replace(world: WorldMaker, source: str, stays: bool) -> None:
    columns = {"id": "bigint", "100%": "text", ODD: {"type": "text", "from": "st%ate"}}
    view = orders_view(columns=columns, source={"connection": f"{source}-shards/shop", "cursor": None, "table": "ord%ers"})
    view["warehouse"] |= {"write": "replace", "key": ["_shard", "id"], "table": "a%n's.{or%d\"ers}", "indexes": [[ODD]]}
    w = world(["shop_00", "shop_01"], source=source, view=view)
    quote = "`" if source == "mysql" else '"'
    table = f"{quote}ord%ers{quote}"
    w.on_all(f"CREATE TABLE {table} (id bigint PRIMARY KEY, {quote}st%ate{quote} varchar(40), {quote}100%{quote} varchar(9))")
    w.on_all(f"INSERT INTO {table} VALUES (1, 'new', 'x'), (2, 'new', NULL)")
    w.must_sync()
    target = """"a%n's"."{or%d""ers}\""""
    if stays:
        w.warehouse(f"CREATE VIEW few AS SELECT * FROM {target}")
    w.on_all(f"UPDATE {table} SET {quote}st%ate{quote} = 'paid' WHERE id = 1")
    w.on("shop_01", f"ALTER TABLE {table} DROP COLUMN {quote}100%{quote}")
    report = w.sync()  # the second shard fails, and its rows are kept
    assert (report.shards["shop_00"].state, report.shards["shop_01"].state, report.error) == ("merged", "failed", None), report.headline()
    quoted = ODD.replace('"', '""')
    assert w.warehouse(f'SELECT _shard, id, "{quoted}", "100%" FROM {target} ORDER BY 1, 2') == [
        ("shop_00", 1, "paid", "x"), ("shop_00", 2, "new", None), ("shop_01", 1, "new", "x"), ("shop_01", 2, "new", None),
    ]  # fmt: skip
