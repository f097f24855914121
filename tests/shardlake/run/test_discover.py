"""Drafts of views: what a sample of documents becomes, what tells changes, keys, names. Each draft is a view, and most are run as they are."""

from __future__ import annotations

import json
from typing import Any

import pytest

from shardlake.errors import SpecError
from tests.drafting import columns, draft, remarks, run
from tests.world import World, WorldMaker


def table(world: WorldMaker, lines: str, *rows: Any, shards: tuple[str, ...] = ("shop_00",), source: str = "mysql") -> World:
    """A table `orders` of these columns; each row is of the first shard."""
    w = world(list(shards), source=source)
    w.on_all(f"CREATE TABLE orders ({lines})")
    for row in rows:
        w.on(shards[0], f"INSERT INTO orders VALUES ({', '.join(['%s'] * len(row))})", *row)
    return w


def documents(world: WorldMaker, *texts: str | None, declared: str = "longtext", source: str = "mysql") -> World:
    """A table with an id and a payload."""
    return table(world, f"id int PRIMARY KEY, payload {declared}", *enumerate(texts, 1), source=source)


# --- documents -------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(("declared", "source"), [("longtext", "mysql"), ("json", "mysql"), ("text", "postgres")])
def test_a_text_of_which_every_row_is_json_is_drafted_as_jsonb_beside_its_keys(world: WorldMaker, declared: str, source: str) -> None:
    w = documents(world, '{"a": 1, "b": {"c": "x"}}', None, "[7]", declared=declared, source=source)
    made = draft(w, "orders")
    assert columns(made) == {"id": "bigint", "payload": "jsonb", "a": "bigint < payload.a", "b_c": "text < payload.b.c"}
    assert remarks(made)[1:] == [
        "payload: all 2 rows looked at hold JSON: it is drafted as jsonb, and a row that holds none will be rejected",
        "payload: 1 of 2 rows looked at are no objects (1 array): they have NULL in the columns of its keys",
    ]
    run(w, made)
    assert w.warehouse("SELECT id, payload::text, a, b_c FROM analytics.orders ORDER BY 1") == [
        (1, '{"a": 1, "b": {"c": "x"}}', 1, "x"), (2, None, None, None), (3, "[7]", None, None),
    ]  # fmt: skip


@pytest.mark.parametrize("other", ["paid", "7", "", "null", '"a text"', "{", "NaN"])
def test_a_text_of_which_one_row_is_an_object_stays_text(world: WorldMaker, other: str) -> None:
    w = documents(world, other, '{"a": 1}', declared="varchar(20)")
    made = draft(w, "orders")
    assert columns(made) == {"id": "bigint", "payload": "text"}
    assert remarks(made)[1:] == ["payload: 1 of 2 rows looked at hold JSON, the others do not: it stays text"]
    run(w, made)
    assert w.warehouse("SELECT payload FROM analytics.orders ORDER BY id") == [(other,), ('{"a": 1}',)]


def test_a_text_without_any_document_is_text_without_a_remark(world: WorldMaker) -> None:
    w = documents(world, "paid", "7", None)
    made = draft(w, "orders")
    assert (columns(made), remarks(made)[1:]) == ({"id": "bigint", "payload": "text"}, [])


def test_keys_of_the_last_rows_and_of_the_other_shards_are_columns_and_rare_ones_are_counted(world: WorldMaker) -> None:
    w = world(["shop_00", "shop_01"])
    w.on_all("CREATE TABLE orders (id int PRIMARY KEY, payload longtext)")
    w.on("shop_00", """INSERT INTO orders SELECT seq, '{"a": 1}' FROM seq_1_to_1000""")
    w.on("shop_00", """INSERT INTO orders VALUES (1001, '{"a": 2.5, "late": true}')""")
    w.on("shop_01", """INSERT INTO orders VALUES (1, '{"a": 1, "there": {"only": "x"}}')""")
    made = draft(w, "orders")
    assert columns(made) == {
        "id": "bigint", "payload": "jsonb", "a": "numeric < payload.a", "late": "boolean < payload.late",
        "there_only": "text < payload.there.only",
    }  # fmt: skip
    assert remarks(made)[1:] == [
        "payload: all 401 rows looked at hold JSON: it is drafted as jsonb, and a row that holds none will be rejected",
        "payload: 2 of 3 keys are not in each of 401 objects looked at: payload.late (1), payload.there.only (1)",
    ]
    run(w, made)


def test_a_row_whose_text_is_no_utf8_is_sampled_and_no_traceback(world: WorldMaker) -> None:
    w = world(["shop_00"])
    w.on_all("CREATE TABLE orders (id int PRIMARY KEY, status varchar(20), payload longtext)")
    w.on(
        "shop_00",
        """INSERT INTO orders VALUES (1, _utf8mb4 x'EDA080', concat('{"a": "', _utf8mb4 x'EDA080', '"}')), (2, 'ok', '{"a": 1}')""",
    )
    made = draft(w, "orders")
    assert columns(made) == {"id": "bigint", "status": "text", "payload": "text"}
    assert remarks(made)[1:] == ["payload: 1 of 2 rows looked at hold JSON, the others do not: it stays text"]


def test_a_row_of_a_postgres_database_without_an_encoding_is_sampled_too(world: WorldMaker) -> None:
    w = world(source="postgres", shards=["other"])
    w.shards = ["shop_00"]
    w.source.execute(f"CREATE DATABASE {w.database('shop_00')} ENCODING 'SQL_ASCII' TEMPLATE template0 LC_COLLATE 'C' LC_CTYPE 'C'")
    w.on("shop_00", "CREATE TABLE orders (code varchar(9) PRIMARY KEY, status text, payload text)")
    w.on("shop_00", r"""INSERT INTO orders VALUES (E'z\xff', E'\xed\xa0\x80', '{"a": 1}'), ('b', 'ok', E'{"a": "\xff"}')""")
    made = draft(w, "orders")
    assert columns(made) == {"code": "text", "status": "text", "payload": "text"}
    assert remarks(made)[1:] == ["payload: 1 of 2 rows looked at hold JSON, the others do not: it stays text"]


def test_deep_and_odd_documents_become_a_view_that_runs(world: WorldMaker) -> None:
    deep: Any = {"end": 1}
    for _ in range(200):
        deep = {"d": deep}
    huge = "9" * 300
    odd = {
        "deep": deep, "": 1, "xmin": 2, "_shard": 3, "$index": 4, "id": 5, "ID": 6, "a.b": 7, 'q"u': 8, "🚚": 9, "l" * 90: 10, "l" * 89 + "m": 11,
        "on": True, "line\nbreak": 12, "never": "2026-13-45T00:00:00Z", "far": "2026-01-01T00:00:00+23:00", "empty": {}, "nulls": None,
    }  # fmt: skip
    w = documents(world, json.dumps(odd)[:-1] + f', "huge": {huge}, "tiny": 1e-400}}')
    made = draft(w, "orders")
    found = columns(made)
    assert found["deep_d_d_d_d_d"] == "jsonb < payload.deep.d.d.d.d.d"
    assert {name: found[name] for name in ("column", "xmin_2", "shard", "index", "id_2", "id_3", "a_b", "q_u", "column_2", "on", "never", "far", "huge", "tiny", "empty")} == {
        "column": 'bigint < payload.""', "xmin_2": "bigint < payload.xmin", "shard": "bigint < payload._shard", "index": "bigint < payload.$index",
        "id_2": "bigint < payload.id", "id_3": "bigint < payload.ID", "a_b": 'bigint < payload."a.b"', "q_u": 'bigint < payload."q""u"',
        "column_2": "bigint < payload.🚚", "on": "boolean < payload.on", "never": "text < payload.never", "far": "text < payload.far",
        "huge": "numeric < payload.huge", "tiny": "numeric < payload.tiny", "empty": "jsonb < payload.empty",
    }  # fmt: skip
    assert {"l" * 50, "l" * 50 + "_2", "line_break"} < found.keys()
    run(w, made)
    assert w.warehouse('SELECT xmin_2, shard, index, id_3, column_2, "on", length(huge::text) FROM analytics.orders') == [
        (2, 3, 4, 6, 9, True, 300)
    ]


def test_a_document_of_very_many_keys_gives_a_hundred_columns_and_says_so(world: WorldMaker) -> None:
    w = documents(world, json.dumps({f"k{n}": n for n in range(3000)}), json.dumps({"k2999": 1}))
    made = draft(w, "orders")
    assert len(made.view.columns) == 102
    assert "k2999" in made.view.columns
    assert "payload: 2900 more keys have no column; they are in payload itself" in remarks(made)
    run(w, made)


def test_a_key_with_a_nul_or_nested_past_any_parser_is_left_to_the_document(world: WorldMaker) -> None:
    w = documents(world, '{"a\\u0000b": 1, "ok": 2, "c": {"\\ud800": 3}}', "[" * 100_000 + "]" * 100_000)
    made = draft(w, "orders")
    assert columns(made) == {"id": "bigint", "payload": "text"}
    w.on("shop_00", "DELETE FROM orders WHERE id = 2")
    made = draft(w, "orders")
    assert columns(made) == {"id": "bigint", "payload": "jsonb", "ok": "bigint < payload.ok"}
    assert remarks(made)[-1] == "payload: 2 keys hold a NUL or half of a surrogate pair, which no column can be made of"


# --- what tells changes ----------------------------------------------------------------------------------------------
@pytest.mark.parametrize(("lines", "cursor", "write"), [
    ("updated_at datetime, seen datetime ON UPDATE CURRENT_TIMESTAMP", "seen", "merge"),
    ("touched datetime ON UPDATE CURRENT_TIMESTAMP, modified timestamp NULL ON UPDATE CURRENT_TIMESTAMP", "modified", "merge"),
    ("created_at datetime, last_update timestamp NULL, KEY (created_at)", "last_update", "merge"),
    ("createdAt datetime, updatedAt datetime(3)", "updatedAt", "merge"),
    ("modified datetime, due datetime, KEY (due)", "modified", "merge"),
    ("touched datetime, due datetime, created datetime, KEY (due), KEY (created)", "due", "merge"),
    ("a datetime, created_on datetime, inserted_at datetime, KEY (inserted_at)", "inserted_at", "append"),
    ("due datetime, paid date", None, "replace"),
])  # fmt: skip
def test_the_cursor_is_what_changes(world: WorldMaker, lines: str, cursor: str | None, write: str) -> None:
    view = draft(table(world, f"id int PRIMARY KEY, {lines}"), "orders").view
    assert (view.source.version_field, view.warehouse.write) == (cursor, write)


def test_a_creation_date_is_drafted_as_append_with_a_remark_and_runs(world: WorldMaker) -> None:
    w = table(world, "id int PRIMARY KEY, created_at datetime, KEY (created_at)", (1, "2026-01-01"))
    made = draft(w, "orders")
    assert remarks(made) == [
        "created_at tells when a row was made, not when it changed: new rows alone are taken (write: append); where rows change, take the"
        " cursor away and say write: replace"
    ]
    run(w, made)
    assert w.warehouse("SELECT id, created_at::text FROM analytics.orders") == [(1, "2026-01-01 00:00:00+00")]


def test_an_indexed_time_that_may_not_change_is_remarked_and_so_are_the_shards_without_the_index(world: WorldMaker) -> None:
    w = table(world, "id int PRIMARY KEY, due datetime, KEY (due)", shards=("shop_00", "shop_01"))
    w.on("shop_01", "ALTER TABLE orders DROP KEY due")
    assert remarks(draft(w, "orders")) == [
        "due is taken for the cursor since it is indexed: a row that changes must get a later one, or it is not read again",
        "no index begins with due on shop_01: each run would read the whole table; create one on the shards",
    ]


# --- keys and views --------------------------------------------------------------------------------------------------
def test_without_a_primary_key_a_unique_index_is_the_key_or_what_differs_or_all_columns(world: WorldMaker) -> None:
    w = table(world, "label varchar(9) UNIQUE, a int NOT NULL, b int NOT NULL, UNIQUE KEY (a, b)")
    assert (draft(w, "orders").view.source.primary_key, remarks(draft(w, "orders"))[:-1]) == (("a", "b"), [])
    w.on_all("CREATE TABLE seen (label varchar(9), order_id int, at datetime)")
    w.on_all("INSERT INTO seen VALUES ('a', 1, '2026-01-01'), ('b', 2, '2026-01-01')")
    made = draft(w, "seen")
    assert made.view.source.primary_key == ("order_id",)
    assert remarks(made)[0] == (
        "seen has no primary key: order_id differed in the 2 rows that were looked at; make sure that it always does, and is never NULL"
    )
    run(w, made)
    w.on_all("CREATE TABLE loose (a int, e enum('x'), touched datetime, body longblob, KEY (touched))")
    made = draft(w, "loose")
    assert made.view.source.primary_key == ("a", "touched")
    assert (
        remarks(made)[0]
        == "loose has no primary key: name the columns that are unique together and never NULL, in place of those that stand in for it"
    )


def test_a_key_that_cannot_order_rows_is_remarked(world: WorldMaker) -> None:
    w = table(world, "kind enum('z','a'), id int, PRIMARY KEY (kind, id)")
    assert remarks(draft(w, "orders"))[0] == (
        "kind, a enum, cannot order rows as a key: select it as text or number in an extract.sql, or name another primary_key"
    )


@pytest.mark.parametrize(("source", "kind"), [("mysql", "VIEW"), ("postgres", "VIEW"), ("postgres", "MATERIALIZED VIEW")])
def test_a_view_of_the_database_is_drafted_and_runs(world: WorldMaker, source: str, kind: str) -> None:
    w = table(
        world, "id int PRIMARY KEY, label varchar(9), modified timestamp", (1, "a", "2026-01-01"), (2, "a", "2026-01-02"), source=source
    )
    w.on_all(f"CREATE {kind} named AS SELECT label, id, modified FROM orders")
    made = draft(w, "named")
    assert (made.view.source.primary_key, made.view.source.version_field) == (("id",), "modified")
    assert remarks(made)[0] == "named has no primary key: id differed in the 2 rows that were looked at; make sure that it always does, and is never NULL"  # fmt: skip
    run(w, made)
    assert w.warehouse("SELECT id, label FROM analytics.named ORDER BY 1") == [(1, "a"), (2, "a")]


def test_partitioned_and_foreign_tables_are_tables(world: WorldMaker) -> None:
    w = world(source="postgres")
    w.on_all("CREATE TABLE sales (id int PRIMARY KEY) PARTITION BY RANGE (id)")
    w.on_all("CREATE TABLE sales_1 PARTITION OF sales FOR VALUES FROM (1) TO (9)")
    w.on_all("INSERT INTO sales VALUES (1)")
    run(w, draft(w, "sales"))
    assert w.warehouse("SELECT id FROM analytics.sales") == [(1,)]


# --- names -----------------------------------------------------------------------------------------------------------
def test_columns_of_odd_names_are_renamed_or_left_out_by_name(world: WorldMaker) -> None:
    w = table(
        world, "id int PRIMARY KEY, `xmin` int, `_cursor` int, `$index` int, `_shardlake_x` int, `_op` int, `2fa` int, `0` int, `on` int"
    )
    w.on_all("INSERT INTO orders VALUES (1, 2, 3, 4, 5, 6, 7, 8, 9)")
    made = draft(w, "orders")
    assert columns(made) == {
        "id": "bigint", "xmin_2": "bigint < xmin", "cursor": "bigint < _cursor", "op": "bigint < _op", "2fa": "bigint", "0": "bigint", "on": "bigint",
    }  # fmt: skip
    assert remarks(made)[1:] == [
        "$index is left out: names that begin with $ are ours; rename it in an extract.sql",
        "_shardlake_x is left out: '_shardlake_x': names that begin with _shardlake_ are Shardlake's own; rename it in extract.sql",
    ]
    run(w, made)
    assert w.warehouse('SELECT xmin_2, "cursor", op, "2fa", "0", "on" FROM analytics.orders') == [(2, 3, 6, 7, 8, 9)]


def test_columns_that_differ_in_capitals_alone_are_told_apart_by_leaving_one_out(world: WorldMaker) -> None:
    w = table(world, 'id int PRIMARY KEY, v int, "V" int', source="postgres")
    made = draft(w, "orders")
    assert columns(made) == {"id": "bigint", "v": "bigint"}
    assert remarks(made)[1] == "V is left out: it differs from another in capitals alone; rename it in an extract.sql"


def test_a_table_of_an_odd_name_is_drafted_and_its_remarks_stay_in_their_lines(world: WorldMaker) -> None:
    w = world(["shop_00"])
    w.on_all("CREATE TABLE `9 odd\nname: x` (`a\nb` int, `v` int)")
    made = draft(w, "9 odd\nname: x")
    assert (made.view.name, made.view.warehouse.table) == ("v_9_odd_name_x", "analytics.v_9_odd_name_x")
    assert remarks(made)[0].startswith("9 odd\\nname: x has no primary key: ")
    run(w, made)


def test_a_table_that_no_view_can_be_made_of_is_refused_by_name(world: WorldMaker) -> None:
    w = table(world, "`$a` int PRIMARY KEY, b int")
    with pytest.raises(
        SpecError, match=r"^orders cannot be drafted: its view would not pass `shardlake check`\norders/view.yaml: columns: "
    ):
        draft(w, "orders")
