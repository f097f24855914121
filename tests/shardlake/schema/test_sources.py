"""Columns inferred from every kind of source: what the view takes is looked at, and nothing else."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from shardlake.errors import NarrowingRefused
from shardlake.run.renew import renew
from shardlake.run.replay import replay
from tests.breaking import broken_at
from tests.collections_world import people
from tests.exports import change, changes, export_view, fin, full, into
from tests.landing import Landing, view_of
from tests.world import ORDERS_TABLE, World, WorldMaker, orders_view


def types(w: World) -> dict[str, str]:
    """The types of the view's columns, as a run has them."""
    return {name: str(column.type) for name, column in w.job().view.columns.items()}


@pytest.mark.parametrize("source", ["mysql", "postgres"])
def test_of_a_table_the_catalogue_and_its_documents_are_looked_at_on_every_shard(world: WorldMaker, source: str) -> None:
    connection = {"connection": f"{source}-shards/shop"}
    w = world(["shop_00", "shop_01"], source=source, view=orders_view(columns="inferred", source=connection))
    w.on_all(ORDERS_TABLE if source == "mysql" else "CREATE TABLE orders (id bigint PRIMARY KEY, status varchar(40), amount decimal(12,2), updated_at timestamp(6) NOT NULL, payload json)")  # fmt: skip
    insert = "INSERT INTO orders VALUES (%s, 'new', 1.5, '2026-11-28 10:00:00', %s)"
    w.on("shop_00", insert, 1, '{"customer": {"name": "Ünal"}}')
    w.on("shop_01", insert, 2, '{"customer": {"name": "Ada"}, "note": "x"}')
    w.must_sync()
    assert types(w) == {
        "id": "bigint", "status": "text", "amount": "numeric", "updated_at": "timestamptz",
        "payload": "jsonb", "customer_name": "text", "note": "text",
    }  # fmt: skip
    rows = [(1, "Ünal", None), (2, "Ada", "x")]
    assert w.target("id, customer_name, note") == rows
    w.on_all("ALTER TABLE orders ADD COLUMN city varchar(20)")
    found = renew(w.model(), w.connect)
    assert (found.added, found.widened) == ({"city": "text"}, {})
    w.on_all("UPDATE orders SET city = 'Ulm', updated_at = CURRENT_TIMESTAMP(6)")
    w.must_sync()
    assert w.target("id, city") == [(1, "Ulm"), (2, "Ulm")]


def test_of_an_extract_sql_the_columns_and_some_rows_are_looked_at(world: WorldMaker) -> None:
    sql = "SELECT id, amount, updated_at, payload FROM orders WHERE status = 'new'"
    view = orders_view(columns="inferred", source={"sql": "extract.sql"})
    del view["source"]["table"]
    w = world(view=view | {"sql_text": sql})
    w.on_all(ORDERS_TABLE)
    w.on_all(
        "INSERT INTO orders VALUES (1, 'new', 1.5, '2026-11-28 10:00:00', '{\"size\": 7}'), (2, 'old', 1.5, '2026-11-28 10:00:00', '{\"odd\": 1}')"
    )
    w.must_sync()
    assert types(w) == {"id": "bigint", "amount": "numeric", "updated_at": "timestamptz", "payload": "jsonb", "size": "bigint"}
    assert w.target("id, size") == [(1, 7)]


@pytest.mark.parametrize("form", ["csv", "jsonl"])
def test_of_files_some_are_looked_at_as_the_view_says_that_they_are_written(landing: Any, form: str) -> None:
    source = {"files": f"in/*.{form}", "format": form, "fields": None, "primary_key": ["id"]}
    w: Landing = landing(view=view_of(source, columns="inferred"))
    lines = {
        "csv": "id;total;paid\n1;1.25;2026-11-28\n2;7;2026-11-29\n",
        "jsonl": '{"id": 1, "total": 1.25, "paid": "no", "by": {"name": "Ada"}}\n{"id": 2, "total": 7}\n',
    }
    w.land(f"in/1.{form}", lines[form])
    w.must_sync()
    assert (
        types(w)
        == {
            "csv": {"id": "text", "total": "numeric", "paid": "date"},
            "jsonl": {"id": "text", "total": "numeric", "paid": "text", "by_name": "text"},
        }[form]
    )
    assert w.target("id, total::text") == [("1", "1.25"), ("2", "7")]
    w.land(
        f"in/2.{form}", {"csv": "id;total;paid;city\n3;many;2026-11-28;Ulm\n", "jsonl": '{"id": 3, "total": "many", "city": "Ulm"}\n'}[form]
    )
    w.sync()
    assert [(column, value) for _, _, column, value, _ in w.rejects()] == [("total", "many")]
    found = renew(w.model(), w.connect)
    assert (found.added, found.widened) == ({"city": "text"}, {"total": ("numeric", "text")})


def test_a_column_that_older_files_lack_is_null_there(landing: Any) -> None:
    w: Landing = landing(view=view_of({"files": "in/*.csv", "format": "csv", "fields": None, "primary_key": ["id"]}, columns="inferred"))
    w.land("in/1.csv", "id,total\n1,7\n")
    w.land("in/2.csv", "id,total,city\n2,8,Ulm\n")
    w.must_sync()
    assert w.target("id, total, city", "1") == [("1", 7, None), ("2", 8, "Ulm")]


def test_a_column_that_a_shard_lacks_is_null_there_from_the_first_run_on(world: WorldMaker) -> None:
    w = world(["shop_00", "shop_01"], view=orders_view(columns="inferred"))
    w.on_all(ORDERS_TABLE)
    w.on_all("INSERT INTO orders VALUES (1, 'new', 1.5, utc_timestamp(6) - INTERVAL 1 MINUTE, '{}')")
    w.on("shop_00", "ALTER TABLE orders ADD COLUMN city varchar(20) DEFAULT 'Ulm'")
    w.view["warehouse"]["key"] = ["_shard", "id"]
    w.must_sync()
    assert w.target("_shard, city", "1") == [("shop_00", "Ulm"), ("shop_01", None)]


def test_a_column_that_is_gone_from_the_table_is_null_and_windows_that_were_read_before_a_new_one_go_in(world: WorldMaker) -> None:
    w = world(view=orders_view(columns="inferred", source={"lookback": "3650d"}))
    w.on_all(ORDERS_TABLE)
    insert = (
        "INSERT INTO orders (id, status, amount, updated_at, payload) VALUES (%s, 'new', 1.5, utc_timestamp(6) - INTERVAL 1 MINUTE, '{}')"
    )
    w.on("shop_00", insert, 1)
    w.must_sync()
    w.on("shop_00", "UPDATE orders SET updated_at = utc_timestamp(6) - INTERVAL 30 SECOND, amount = 2")
    with pytest.raises(RuntimeError), broken_at("extract.recorded"):
        w.sync()
    w.on_all("ALTER TABLE orders ADD COLUMN city varchar(20) DEFAULT 'Ulm', DROP COLUMN status")
    assert renew(w.model(), w.connect).added == {"city": "text"}
    w.on("shop_00", insert.replace("status, ", "").replace("'new', ", ""), 2)
    w.must_sync()
    assert w.target("id, status, amount::text, city", "1") == [(1, None, "2.00", "Ulm"), (2, None, "1.50", "Ulm")]


def test_a_type_that_a_view_of_the_warehouse_uses_stays_and_a_first_schema_that_no_sink_takes_is_not_kept(world: WorldMaker) -> None:
    w = world(view=orders_view(columns="inferred"))
    w.on_all(ORDERS_TABLE)
    w.warehouse(
        "CREATE SCHEMA analytics; CREATE TABLE analytics.orders (id bigint, status text, amount boolean, updated_at timestamptz, payload jsonb)"
    )
    w.warehouse("INSERT INTO analytics.orders VALUES (0)")
    with pytest.raises(NarrowingRefused, match=r"amount.*is boolean, and the view says numeric"):
        w.sync()
    assert not (w.folder / "lake" / "schemas").exists()
    w.warehouse("DROP TABLE analytics.orders")
    w.on("shop_00", "INSERT INTO orders VALUES (1, 'new', 1, utc_timestamp(6) - INTERVAL 1 MINUTE, '{\"size\": 7}')")
    w.must_sync()
    w.warehouse("CREATE VIEW analytics.sizes AS SELECT size FROM analytics.orders")
    w.on("shop_00", "INSERT INTO orders VALUES (2, 'new', 1, utc_timestamp(6) - INTERVAL 1 MINUTE, '{\"size\": \"XL\"}')")
    found = renew(w.model(), w.connect)
    assert (found.new, found.remarks) == (
        False, ("size stays bigint, though text was found: analytics.orders.size cannot become text: analytics.sizes uses it",)
    )  # fmt: skip


def test_documents_whose_fields_have_odd_names_and_are_objects_now_and_then_have_no_rejects(landing: Any) -> None:
    source = {"files": "in/*.jsonl", "format": "jsonl", "fields": None, "primary_key": ["id"]}
    w: Landing = landing(view=view_of(source, columns="inferred"))
    odd = {"": 1, "_shardlake_x": 2, "x" * 65: 3}
    w.land("in/1.jsonl", json.dumps({"id": "007", "a": 1, **odd}) + "\n" + json.dumps({"id": "7", "a": {"b": 2}, "c": 1}) + "\n")
    w.must_sync()
    names = {"column": "bigint", "shardlake_x": "bigint", "x" * 50: "bigint"}
    assert types(w) == {"id": "text", "a": "jsonb", **names, "a_b": "bigint", "c": "bigint"}
    assert w.target(f'id, a::text, a_b, "column", shardlake_x, {"x" * 50}', "1") == [
        ("007", "1", None, 1, 2, 3),
        ("7", '{"b": 2}', 2, None, None, None),
    ]
    w.land("in/2.jsonl", json.dumps({"id": "8", "c": {"d": 1}}) + "\n")
    w.sync()
    assert [column for _, _, column, _, _ in w.rejects()] == ["c"]
    found = renew(w.model(), w.connect)
    assert (found.added, found.widened) == ({"c_d": "bigint"}, {"c": ("bigint", "text")})
    assert replay(w.job()).ok
    assert w.target("id, c, c_d", "1") == [("007", None, None), ("7", "1", None), ("8", '{"d":1}', 1)]


def test_of_exports_the_items_are_looked_at_that_the_view_takes(landing: Any) -> None:
    w: Landing = landing(view=export_view(columns="inferred", source={"item": "sk begins_with 'FIN#'"}))
    other = {"pk": {"S": "a"}, "sk": {"S": "PROFILE"}, "age": {"N": "7"}}
    full("01-aaaa", 0, [fin("a"), other]).write(into(w))
    w.must_sync()
    assert types(w) == {"pk": "text", "sk": "text", "status": "text", "amount": "numeric", "customer_name": "text"}
    assert w.target("pk, sk, customer_name") == [("a", "FIN#1", "Ünal")]
    changes("02-bbbb", 0, 15, [change(5, fin("a", due={"S": "2026-12-01"}), fin("a"))]).write(into(w))
    found = renew(w.model(), w.connect)
    assert (found.added, found.widened) == ({"due": "text"}, {})


def test_of_a_collection_the_documents_are_looked_at_that_the_filter_takes(collections: Any) -> None:
    w = collections(view=people(columns="inferred", source={"filter": {"kind": "person"}, "projection": {"secret": 0}}))
    at = datetime(2026, 11, 28, tzinfo=UTC)
    w.people().insert_many([
        {"_id": 1, "kind": "person", "name": "Ada", "address": {"city": "Ulm"}, "secret": 1, "updatedAt": at},
        {"_id": 2, "kind": "machine", "serial": "x", "updatedAt": at},
    ])  # fmt: skip
    w.must_sync()
    assert types(w) == {"id": "text", "kind": "text", "name": "text", "address_city": "text", "updatedat": "timestamptz"}
    assert w.target("name, address_city") == [("Ada", "Ulm")]
