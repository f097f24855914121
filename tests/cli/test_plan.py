"""`shardlake plan`, the real program: what a run would do, said before it does it, with no row read."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import yaml

from embedded.mariadb import MariaDB
from tests.world import ORDERS_TABLE, ROOT, World, WorldMaker

MARK = "a row's own value"


def table(w: World, more: str = "") -> None:
    w.on_all(ORDERS_TABLE.replace("payload longtext", f"payload longtext{more}"))
    w.on_all(
        "INSERT INTO orders (id, status, amount, updated_at) SELECT seq, %s, 1, utc_timestamp(6) - INTERVAL seq MINUTE FROM seq_1_to_40",
        MARK,
    )


def plan(w: World, *words: str, code: int = 0) -> dict[str, Any]:
    done = w.command("plan", "orders", "--json", *words)
    assert (done.returncode, done.stderr) == (code, "")
    found: dict[str, Any] = json.loads(done.stdout)
    assert found["ok"] is (code == 0)
    return found


@contextmanager
def statements(server: MariaDB) -> Iterator[list[str]]:
    """What the server was asked within, by its own general log."""
    said: list[str] = []
    server.execute("SET GLOBAL log_output = 'TABLE', GLOBAL general_log = ON")
    server.execute("TRUNCATE mysql.general_log")
    try:
        yield said
    finally:
        server.execute("SET GLOBAL general_log = OFF")
        said += [
            str(row[0])
            for row in server.execute(
                "SELECT CONVERT(argument USING utf8mb4) FROM mysql.general_log WHERE command_type IN ('Query', 'Execute', 'Prepare')"
            )
        ]


def test_no_row_is_read_and_nothing_is_changed(world: WorldMaker) -> None:
    w = world(["shop_00", "shop_01"])
    table(w)
    assert isinstance(w.source, MariaDB)
    with statements(w.source) as said:
        found = plan(w)
    assert [(s["shard"], s["anything"]) for s in found["shards"]] == [("shop_00", True), ("shop_01", True)]
    assert len(found["ddl"]) == 2
    of_the_table = [s for s in said if "`orders`" in s]
    assert of_the_table
    harmless = ("EXPLAIN SELECT ", "SELECT (SELECT 1 FROM (SELECT ", "SHOW ")
    assert [s for s in of_the_table if not s.startswith(harmless) and not s.endswith(" FROM `orders` LIMIT 0")] == []
    assert w.warehouse("SELECT to_regclass('analytics.orders')::text") == [(None,)]
    for ledger in ("windows", "positions", "runs"):
        assert w.warehouse(f"SELECT count(*) FROM shardlake.{ledger}") == [(0,)]
    assert not (w.folder / "lake").exists()


def test_windows_estimates_index_statement_and_type_decisions_are_shown(world: WorldMaker) -> None:
    w = world(["shop_00", "shop_01"])
    table(w, more=", extra int")
    w.must_sync(shards=["shop_01"])
    w.on("shop_01", "UPDATE orders SET status = 'new', updated_at = utc_timestamp(6) WHERE id = 7")
    found = plan(w)
    first, second = found["shards"]
    assert (first["shard"], first["lower"], first["order"], first["anything"]) == ("shop_00", None, "key", True)
    assert (second["shard"], second["order"], second["anything"], second["index"], second["full_scan"]) == (
        "shop_01",
        "cursor",
        True,
        "updated_at",
        False,
    )
    assert second["lower"] == w.watermarks()["shop_01"]
    assert 20 <= first["table_rows"] <= 80
    assert 1 <= second["window_rows"] <= 5
    select = second["select"].replace("q.", "").replace(" AS q ", " ")
    assert select.startswith(
        "SELECT `id` AS `id`, CAST(`updated_at` AS CHAR) AS `updated_at`, `status` AS `status`, CAST(`amount` AS CHAR) AS `amount`,"
    )
    assert select.endswith(
        f" FROM `orders` WHERE `updated_at` > '{second['lower']}' AND `updated_at` <= '{second['upper']}' ORDER BY `updated_at`, `id` LIMIT 10000"
    )
    assert [(t["column"], t["from"], t["target"], t["fits"]) for t in found["types"]] == [
        ("id", "id", "bigint", "every value"),
        ("status", "status", "text", "every value"),
        ("amount", "amount", "numeric(12,2)", "judged by value"),
        ("updated_at", "updated_at", "timestamp", "every value"),
        ("customer_name", "payload.customer.name", "text", "every value"),
        ("items", "payload.items", "jsonb", "every value"),
    ]
    assert found["unused"] == ["extra"]
    assert (found["ddl"], found["ddl_error"]) == ([], None)
    again = plan(w, "--full", "--shard", "shop_01")
    assert [(s["shard"], s["lower"], s["order"]) for s in again["shards"]] == [("shop_01", None, "key")]


def test_a_cursor_without_an_index_is_noted_with_the_statement_that_mends_it(world: WorldMaker) -> None:
    w = world()
    table(w)
    w.on_all("DROP INDEX updated_at ON orders")
    w.must_sync()
    shard = plan(w)["shards"][0]
    assert (shard["index"], shard["full_scan"]) == (None, True)
    assert shard["notes"] == [
        "no index serves the cursor: each run reads the whole table; on the shard: CREATE INDEX ON orders (updated_at)"
    ]


def test_a_declared_key_that_no_unique_index_holds_is_noted(world: WorldMaker) -> None:
    w = world()
    table(w)
    w.on_all("ALTER TABLE orders DROP PRIMARY KEY, ADD KEY (id)")
    assert plan(w)["shards"][0]["notes"] == [
        "no unique index of orders holds that id (primary_key) is unique and never NULL: one row of a key stays"
    ]


def test_a_shard_that_differs_is_named_and_the_plan_ends_with_1(world: WorldMaker) -> None:
    w = world(["shop_00", "shop_01", "shop_02"])
    table(w)
    w.on("shop_01", "DROP TABLE orders")
    w.on("shop_01", ORDERS_TABLE.replace("status varchar(40)", "status int"))
    w.on("shop_02", "ALTER TABLE orders DROP COLUMN amount")
    found = plan(w, code=1)
    errors = {s["shard"]: s["error"] for s in found["shards"]}
    assert errors["shop_00"] is None
    assert errors["shop_01"] == (
        "shop_01, orders.status: is int here and text on the other shards."
        " Make the shards alike, convert it in extract.sql, or say `source.drift: null` to fill it with NULL."
    )
    assert errors["shop_02"].startswith("shop_02, orders: there is no column 'amount'; there are: id, status, updated_at, payload.")


def test_what_the_target_lacks_is_shown_as_ddl_and_a_narrowing_is_refused_with_the_statement_to_run(world: WorldMaker) -> None:
    w = world()
    table(w)
    w.must_sync()
    w.view["columns"]["city"] = {"type": "text", "from": "payload.customer.city"}
    w.view["warehouse"]["indexes"] = [["customer_name"]]
    column, index = plan(w)["ddl"]
    assert column == 'ALTER TABLE "analytics"."orders" ADD COLUMN "city" text'
    assert re.fullmatch(r'CREATE INDEX IF NOT EXISTS "orders_customer_name_\w+" ON "analytics"."orders" \("customer_name"\)', index)
    w.view["columns"]["amount"] = "numeric(8,2)"
    found = plan(w, code=1)
    assert found["ddl_error"] == (
        '"analytics"."orders"."amount" is numeric(12,2), and the view says numeric(8,2): a column is widened, and no other type is changed by itself. Declare numeric(12,2), or run by hand:'
        ' ALTER TABLE "analytics"."orders" ALTER COLUMN "amount" TYPE numeric(8,2) USING "amount"::numeric(8,2);'
    )
    shown = w.command("plan", "orders")
    assert (shown.returncode, shown.stderr) == (1, "")
    assert found["ddl_error"] in shown.stdout


def test_people_see_the_same_as_tables_with_the_statements_whole(world: WorldMaker) -> None:
    w = world(["shop_00", "shop_01"])
    table(w)
    shards = w.connections()["mysql-shards/shop"]["shards"]
    w.connection_changes = {"shards": {**shards, "shop_01": "mysql://root@127.0.0.1:1/gone"}}
    done = w.command("plan", "orders")
    assert (done.returncode, done.stderr) == (1, "")
    assert "shop_00 the beginning " in " ".join(done.stdout.split())
    assert "shop_01 (127.0.0.1:1/gone) cannot be reached or broke off (error 2003)" in " ".join(done.stdout.split())
    assert "\nSELECT `id` AS `id`, CAST(`updated_at` AS CHAR) AS `updated_at`," in done.stdout.replace("q.", "")
    assert 'CREATE SCHEMA IF NOT EXISTS "analytics";\nCREATE TABLE "analytics"."orders" (\n  "id" bigint,\n' in done.stdout
    assert MARK not in done.stdout


def test_an_exploded_join_is_planned_as_it_stands_in_the_example(world: WorldMaker) -> None:
    example = ROOT / "views" / "order_items"
    w = world(view={**yaml.safe_load((example / "view.yaml").read_text()), "sql_text": (example / "extract.sql").read_text()})
    w.on_all(
        "CREATE TABLE orders (id bigint PRIMARY KEY, customer_id bigint, created_at datetime(6), deleted_at datetime(6), updated_at datetime(6), payload longtext, KEY (updated_at), KEY (customer_id))"
    )
    w.on_all("CREATE TABLE customers (id bigint PRIMARY KEY, country varchar(2), updated_at datetime(6), KEY (updated_at))")
    done = w.command("plan", "order_items")
    assert (done.returncode, done.stderr) == (0, "")
    assert 'PRIMARY KEY ("order_id", "line")' in done.stdout
