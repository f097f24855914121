"""Views: what a view file may say, and what is refused with the file, the key and the next step."""

from __future__ import annotations

from pathlib import Path

import pytest

from shardlake.errors import SpecError
from shardlake.source.sql.window import Watermark, next_window
from shardlake.view.types import Type
from shardlake.view.view import View
from shardlake.view.view_file import find_view, load_view, view_names
from tests.world import WorldMaker, orders_view

GOOD = """\
name: orders
owner: payments@example.com
source:
  connection: mysql-shards/shop
  table: orders
  primary_key: [id]
  cursor: updated_at
columns:
  id: bigint
  updated_at: timestamp
  note: {type: text, from: payload.note}
warehouse:
  connection: postgres-warehouse/main
  table: analytics.orders
"""
LONG = "x" * 300


def written(folder: Path, text: str = GOOD, name: str = "orders") -> Path:
    home = folder / name
    home.mkdir(parents=True)
    (home / "view.yaml").write_text(text)
    return home


def changed(before: str, after: str) -> str:
    assert GOOD.count(before) >= 1
    return GOOD.replace(before, after, 1)


def refusal(folder: Path, text: str) -> str:
    """What is said of a view file, after its path."""
    home = written(folder, text)
    with pytest.raises(SpecError) as refused:
        load_view(home)
    lines = str(refused.value).splitlines()
    assert all(line.startswith(f"{home}/view.yaml") for line in lines), lines
    return "\n".join(line.removeprefix(f"{home}/view.yaml") for line in lines)


def test_a_view_reads_as_it_is_written(tmp_path: Path) -> None:
    view = load_view(written(tmp_path))
    assert view.name == "orders"
    assert view.source.primary_key == ("id",)
    assert {name: (str(column.type), str(column.path)) for name, column in view.columns.items()} == {
        "id": ("bigint", "id"), "updated_at": ("timestamp", "updated_at"), "note": ("text", "payload.note"),
    }  # fmt: skip
    assert view.key == ("_shard", "id")
    assert view.source_columns == ("id", "updated_at", "payload")


@pytest.mark.parametrize(("before", "after", "said"), [
    ("owner:", "ownr:", ": owner: is missing; add it\n: ownr: unknown key; check its spelling, or remove it"),
    ("  table: orders", "  tabel: orders", ": source.tabel: unknown key; check its spelling, or remove it"),
    ("  id: bigint", "  id: {type: bigint, form: x}", ": columns.id.form: unknown key; check its spelling, or remove it"),
    ("columns:", "sql_text: SELECT 1\ncolumns:", ": sql_text: unknown key; put the SQL into a file, and its name into source.sql"),
    ("columns:", "deletes: {colum: d, column: d}\ncolumns:", ": deletes.colum: unknown key; check its spelling, or remove it"),
])  # fmt: skip
def test_an_unknown_key_is_named(tmp_path: Path, before: str, after: str, said: str) -> None:
    assert refusal(tmp_path, changed(before, after)) == said


@pytest.mark.parametrize(("before", "after", "said"), [
    ("owner: payments@example.com", "owner: 5", ": owner: must be text; put it in quotes"),
    ("owner: payments@example.com", "owner: [me]", ": owner: must be text; put it in quotes"),
    ("[id]", "id", ": source.primary_key: must be a list, as in [id]"),
    ("[id]", "[5]", ": source.primary_key.0: must be text; put it in quotes"),
    ("[id]", "[]", ": source.primary_key: needs 1 or more"),
    ("cursor: updated_at", "cursor: updated_at\n  lookback: banana", ": source.lookback: 'banana' is not a duration; write 30s, 5m, 2h or 1d"),
    ("cursor: updated_at", "cursor: updated_at\n  lookback: -5m", ": source.lookback: '-5m' is not a duration; write 30s, 5m, 2h or 1d"),
    ("cursor: updated_at", "cursor: updated_at\n  lookback: -5", ": source.lookback: -5 is not a duration; write 30s, 5m, 2h or 1d"),
    ("cursor: updated_at", "cursor: updated_at\n  lookback: 99999999999999d", ": source.lookback: '99999999999999d' is longer than 100 years"),
    ("cursor: updated_at", "cursor: updated_at\n  chunk: big", ": source.chunk: 'big' is not a size; write 64MB or a number of bytes"),
    ("cursor: updated_at", "cursor: updated_at\n  chunk: 0", ": source.chunk: must be greater than 0"),
    ("cursor: updated_at", "cursor: updated_at\n  drift: maybe", ": source.drift: must be 'stop', 'missing' or 'null'"),
    ("cursor: updated_at", "cursor: updated_at\n  json_limits: {depth: 5000}", ": source.json_limits.depth: must be 400 or less"),
    ("cursor: updated_at", "cursor: updated_at\n  json_limits: {depth: deep}", ": source.json_limits.depth: must be a whole number"),
    ("  id: bigint", "  id: 5", ": columns: 'id' has no type; write it as in `id: text`, or {type: text, from: payload.name}"),
    ("  id: bigint", "  id:", ": columns: 'id' has no type; write it as in `id: text`, or {type: text, from: payload.name}"),
    ("  id: bigint", "  id: {from: id}", ": columns.id.type: is missing; add it"),
    ("  id: bigint", "  no: text\n  id: bigint", ": columns: the column name False is not text; put it in quotes"),
    ("  id: bigint", "  5: text\n  id: bigint", ": columns: the column name 5 is not text; put it in quotes"),
    ("from: payload.note", "from: 5", ": columns.note.from: 5 is not a path; it reads like payload.customer.name, or [payload, customer, name]"),
    ("from: payload.note", "from: [payload, -1]", ": columns.note.from: a path's steps are keys and numbers from 0; -1 is neither, put it in quotes"),
    ("from: payload.note", "from: [payload, true]", ": columns.note.from: a path's steps are keys and numbers from 0; True is neither, put it in quotes"),
    ("from: payload.note", "from: payload..note", ": columns.note.from: cannot read the path 'payload..note' at position 7; quote odd keys: payload.\"odd.key\""),
    ("table: analytics.orders", "table: analytics.orders\n  key: id", ": warehouse.key: must be a list, as in [id]"),
    ("table: analytics.orders", "table: analytics.orders\n  key: []", ": warehouse: a key or index names one column or more, each once, not []"),
    ("table: analytics.orders", "table: analytics.orders\n  key: [id, id]", ": warehouse: a key or index names one column or more, each once, not [id, id]"),
    ("table: analytics.orders", "table: analytics.orders\n  indexes: [[]]", ": warehouse: a key or index names one column or more, each once, not []"),
    ("table: analytics.orders", "table: analytics.orders\n  key: [nope]", ": warehouse: 'nope' is not one of the columns; there are: id, updated_at, note"),
    ("table: analytics.orders", "table: analytics.orders\n  write: upsert", ": warehouse.write: must be 'merge', 'append' or 'replace'"),
    ("columns:", "freshness: soon\ncolumns:", ": freshness: 'soon' is not a duration; write 30s, 5m, 2h or 1d"),
    ("columns:", "columns: []\nx:", ": columns: `columns` maps each target column to its type, as in `amount: numeric(12,2)`, or is `inferred`\n: x: unknown key; check its spelling, or remove it"),
    ("mysql-shards/shop", "shop", ": source.connection: 'shop' is not a connection; it reads like mysql-shards/shop"),
    ("mysql-shards/shop", "mysql-shards/../shop", ": source.connection: 'mysql-shards/../shop' is not a connection; it reads like mysql-shards/shop"),
])  # fmt: skip
def test_a_wrong_value_is_named_with_what_would_be_right(tmp_path: Path, before: str, after: str, said: str) -> None:
    assert refusal(tmp_path, changed(before, after)) == said


@pytest.mark.parametrize("type_", ["bigin", "numeric(2,3)", "varchar(0)", "timestamp(3)", "text; DROP TABLE x"])
def test_a_wrong_type_names_its_column_and_the_types_there_are(tmp_path: Path, type_: str) -> None:
    said = refusal(tmp_path, changed("id: bigint", f"id: '{type_}'"))
    assert said.startswith(": columns.id.type: ")
    assert type_ in said


@pytest.mark.parametrize(("text", "said"), [
    (changed("  id: bigint", "  id: bigint\n  id: text"), ", line 10: the key 'id' stands twice. Mend the YAML."),
    (changed("name: orders", "name: orders\nname: other"), ", line 2: the key 'name' stands twice. Mend the YAML."),
    (changed("{type: text, from: payload.note}", "{type: text, from: payload.note, type: jsonb}"), ", line 11: the key 'type' stands twice. Mend the YAML."),
    (changed("  id: bigint", "  Id: text\n  id: bigint"), ": columns: 'Id' and 'id' differ only in capitals; rename one"),
    (changed("from: payload.note", "from: ID"), ": source columns: 'id' and 'ID' differ only in capitals; rename one"),
    (changed("  id: bigint", "  ? [a, b]\n  : text"), ", line 9: a list or mapping cannot be a key. Mend the YAML."),
    ("", ": a view is a mapping with name, owner, source, columns and warehouse"),
    ("[]", ": a view is a mapping with name, owner, source, columns and warehouse"),
    ("a: [", ", line 1: expected the node content, but found '<stream end>'. Mend the YAML."),
    ("a: \0", ": not YAML in UTF-8 (ReaderError). Mend the file."),
    ("[" * 5000, ": not YAML in UTF-8 (RecursionError). Mend the file."),
    ("!!python/object/apply:os.system [true]", ", line 1: could not determine a constructor for the tag 'tag:yaml.org,2002:python/object/apply:os.system'. Mend the YAML."),
    (GOOD + "---\n" + GOOD, ", line 15: but found another document. Mend the YAML."),
])  # fmt: skip
def test_what_yaml_would_pass_over_is_refused_with_its_line(tmp_path: Path, text: str, said: str) -> None:
    assert refusal(tmp_path, text) == said


def test_a_file_that_is_not_utf8_is_refused(tmp_path: Path) -> None:
    home = written(tmp_path)
    (home / "view.yaml").write_bytes(GOOD.encode().replace(b"payments", b"\xff\xfe"))
    with pytest.raises(SpecError, match=r"orders/view.yaml: not YAML in UTF-8 \(UnicodeDecodeError\). Mend the file."):
        load_view(home)


def test_drift_null_may_be_written_without_quotes(tmp_path: Path) -> None:
    view = load_view(written(tmp_path, changed("cursor: updated_at", "cursor: updated_at\n  drift: null")))
    assert view.source.drift == "null"


def test_anchors_and_merged_mappings_are_read(tmp_path: Path) -> None:
    text = changed(
        "  note: {type: text, from: payload.note}", "  note: &note {type: text, from: payload.note}\n  again: {<<: *note, type: jsonb}"
    )
    view = load_view(written(tmp_path, text))
    assert (str(view.columns["again"].type), str(view.columns["again"].path)) == ("jsonb", "payload.note")


@pytest.mark.parametrize(
    "name",
    [
        "../orders",
        "/etc/passwd",
        "a/b",
        "..",
        "orders;--",
        "x'; DROP TABLE y",
        "Orders",
        "1orders",
        "",
        "orders\\n",
        "orders\\0",
        "örders",
        LONG,
        "x" * 49,
    ],
)
def test_a_view_name_that_could_leave_its_folder_or_break_a_statement_is_refused(tmp_path: Path, name: str) -> None:
    said = refusal(tmp_path, changed("name: orders", f'name: "{name}"'))
    assert said.startswith(": name: ")
    assert said.endswith("is not a view name; use a-z, 0-9 and _, from a letter, 48 characters at most (it names folders and tables)")


def test_a_view_whose_name_is_not_its_folders_is_refused(tmp_path: Path) -> None:
    assert (
        refusal(tmp_path, changed("name: orders", "name: other")) == ": name: 'other' is not the folder's name 'orders'. Make them equal."
    )


@pytest.mark.parametrize(
    "sql", ["../x.sql", "/etc/passwd", "sub/x.sql", "x.txt", ".x.sql", "x.sql\\0", "x\\n.sql", "-x.sql", "x y.sql", LONG + ".sql", "..sql"]
)
def test_an_sql_file_outside_the_views_folder_is_refused(tmp_path: Path, sql: str) -> None:
    (tmp_path / "x.sql").write_text("SELECT 1")
    said = refusal(tmp_path, changed("  table: orders", f'  sql: "{sql}"'))
    assert said.startswith(": source.sql: ")
    assert said.endswith("must be the name of a .sql file beside view.yaml, without a folder")


def test_an_sql_file_that_is_a_link_or_is_not_there_is_refused(tmp_path: Path) -> None:
    home = written(tmp_path, changed("  table: orders", "  sql: extract.sql"))
    with pytest.raises(SpecError, match=r"source.sql: extract.sql is not a file beside view.yaml"):
        load_view(home)
    (tmp_path / "secret").write_text("SELECT 1")
    (home / "extract.sql").symlink_to(tmp_path / "secret")
    with pytest.raises(SpecError, match=r"source.sql: extract.sql is not a file beside view.yaml"):
        load_view(home)


def test_an_sql_file_is_read_without_its_last_semicolon(tmp_path: Path) -> None:
    home = written(tmp_path, changed("  table: orders", "  sql: extract.sql"))
    (home / "extract.sql").write_text("SELECT 1 AS id;\n")
    assert load_view(home).sql_text == "SELECT 1 AS id"


@pytest.mark.parametrize(("table", "said"), [
    ("orders", "'orders' must read schema.table, each of 50 bytes at most"),
    ("a.b.c", "'a.b.c' must read schema.table, each of 50 bytes at most"),
    ("../x.y", "'../x.y' must read schema.table, each of 50 bytes at most"),
    (".y", "''… is not a column or table name: it takes 1 to 63 bytes (Postgres would cut it)"),
    ("a\\0.y", "'a\\x00' holds a NUL character or half of a surrogate pair; take it out"),
    ("a." + LONG, f"'{'x' * 40}'… is not a column or table name: it takes 1 to 63 bytes (Postgres would cut it)"),
    ("a." + "x" * 51, f"'a.{'x' * 51}' must read schema.table, each of 50 bytes at most"),
    ("shardlake.orders", "the schema shardlake is not for views; use one like analytics.orders"),
    ("Shardlake_Staging.x", "the schema Shardlake_Staging is not for views; use one like analytics.x"),
    ("pg_catalog.orders", "the schema pg_catalog is not for views; use one like analytics.orders"),
    ("pg_mine.orders", "the schema pg_mine is not for views; use one like analytics.orders"),
    ("information_schema.x", "the schema information_schema is not for views; use one like analytics.x"),
])  # fmt: skip
def test_a_target_table_that_is_none_is_refused(tmp_path: Path, table: str, said: str) -> None:
    assert refusal(tmp_path, changed("table: analytics.orders", f'table: "{table}"')) == f": warehouse.table: {said}"


@pytest.mark.parametrize(("column", "said"), [
    ("_shard", ": columns._shard: the names _shard, _cursor, _op, _suspect, _uncertain, _seq and _shardlake_… are Shardlake's own; choose another"),
    ("_OP", ": columns._OP: the names _shard, _cursor, _op, _suspect, _uncertain, _seq and _shardlake_… are Shardlake's own; choose another"),
    ("ctid", ": columns.ctid: the names tableoid, ctid, xmin, cmin, xmax, cmax are Postgres's own; choose another"),
    ("", ": columns.'': ''… is not a column or table name: it takes 1 to 63 bytes (Postgres would cut it)"),
    ("a\\0b", ": columns.'a\\x00b': 'a\\x00b' holds a NUL character or half of a surrogate pair; take it out"),
    ("\\ud800", ": columns.\ufffd\ufffd\ufffd: '\\ud800' holds a NUL character or half of a surrogate pair; take it out"),
    (LONG, f": columns.{'x' * 63}: '{'x' * 40}'… is not a column or table name: it takes 1 to 63 bytes (Postgres would cut it)"),
    ("é" * 32, f": columns.{'é' * 32}: '{'é' * 32}'… is not a column or table name: it takes 1 to 63 bytes (Postgres would cut it)"),
])  # fmt: skip
def test_a_column_name_that_postgres_would_cut_or_cannot_take_is_refused(tmp_path: Path, column: str, said: str) -> None:
    assert refusal(tmp_path, changed("  id: bigint", f'  "{column}": {{type: text, from: id}}\n  id: bigint')) == said


@pytest.mark.parametrize(("before", "after", "said"), [
    ("  table: orders", f"  table: {LONG}", f": source.table: '{'x' * 40}'… is not a source column or table name: it takes 1 to 64 characters"),
    ("  table: orders", '  table: "a\\0"', ": source.table: 'a\\x00' holds a NUL character or half of a surrogate pair; take it out"),
    ("from: payload.note", f"from: {LONG}", f": columns.note.from: '{'x' * 40}'… is not a source column or table name: it takes 1 to 64 characters"),
    ("from: payload.note", "from: _shardlake_row", ": columns.note.from: '_shardlake_row': names that begin with _shardlake_ are Shardlake's own; rename it in extract.sql"),
    ("from: payload.note", "from: $elemnt.sku", ": columns.note.from: '$elemnt' is neither $element nor $index; rename such a column in extract.sql"),
    ("from: payload.note", 'from: ["payload", "a\\0"]', ": columns.note.from: a path cannot hold a NUL character"),
    ("columns:", 'description: "a\\0b"\ncolumns:', ": description: 'a\\x00b' holds a NUL character or half of a surrogate pair; take it out"),
    ("owner: payments@example.com", 'owner: "\\ud800"', ": owner: '\\ud800' holds a NUL character or half of a surrogate pair; take it out"),
])  # fmt: skip
def test_a_source_name_or_text_that_no_database_takes_is_refused(tmp_path: Path, before: str, after: str, said: str) -> None:
    assert refusal(tmp_path, changed(before, after)) == said


@pytest.mark.parametrize(("before", "after", "said"), [
    ("  table: orders", "  table: orders\n  sql: extract.sql", ": source: give either `table` or `sql: extract.sql`"),
    ("cursor: updated_at", "cursor: {greatest: [a, b]}", ": source: `cursor: {greatest: …}` is for `sql`; a table has one cursor column"),
    ("  cursor: updated_at\n", "", ": source.cursor: `merge` needs a cursor; for a table without one use `warehouse.write: replace`"),
    ("table: analytics.orders", "table: analytics.orders\n  write: replace", ": warehouse.write: `replace` loads whole tables; take away `cursor` and `deletes`, or use `merge`"),
    ("columns:", "explode: {path: payload.items}\ncolumns:", ": columns: an exploded view needs a column `from: $index`, for its key"),
    ("columns:", "explode: {path: $element}\ncolumns:", ": explode.path: '$element' is no source column; the path reads like payload.items"),
    ("from: payload.note", "from: $element.sku", ": columns.note: $element needs `explode: {path: …}`"),
    ("  id: bigint", "  id: {type: bigint, from: payload.id}", ": columns: the key defaults to _shard and the primary key, but 'id' is no column; add it or give warehouse.key"),
])  # fmt: skip
def test_parts_that_contradict_each_other_are_refused_together(tmp_path: Path, before: str, after: str, said: str) -> None:
    assert refusal(tmp_path, changed(before, after)) == said


def test_a_view_that_is_not_there_is_answered_with_those_that_are(tmp_path: Path) -> None:
    written(tmp_path)
    written(tmp_path, name="users")
    assert view_names(tmp_path) == ["orders", "users"]
    for name in ("nope", "../orders", "orders/../orders", "", LONG, "or\0ders"):
        with pytest.raises(SpecError, match=r"there are: orders, users. Check the name, or --views."):
            find_view(tmp_path, name)
    with pytest.raises(SpecError, match=r"Name the folder of your views with --views or SHARDLAKE_VIEWS."):
        find_view(tmp_path / "nowhere", "orders")


ODD_COLUMNS = (
    "select",
    "Mixed Case",
    "UPPER",
    "semi;colon--",
    "per%scent",
    "{brace}",
    "back\\slash",
    "quo'te",
    "dot.ted",
    "naïve ü",
    "a" * 63,
    "from",
    "user",
    "items",
    "int",
    "x$1",
)


def test_odd_column_names_are_taken_as_they_are() -> None:
    view = View.model_validate(orders_view(columns={"id": "bigint", "updated_at": "timestamp", **dict.fromkeys(ODD_COLUMNS, "text")}))
    assert all(view.columns[name].path.column == name and view.columns[name].type == Type("text") for name in ODD_COLUMNS)


def test_odd_table_and_column_names_arrive_as_they_are_and_nothing_in_them_is_run(world: WorldMaker) -> None:
    w = world(view=orders_view(
        source={"table": "Or`ders; DROP TABLE \"x\" %s", "primary_key": ["I d"], "cursor": "up`dated"},
        columns={"I d": "bigint", "up`dated": "timestamp", 'a"b': {"type": "text", "from": ['a"b']}, **dict.fromkeys(ODD_COLUMNS, "text"),
                 "from json": {"type": "text", "from": ["items", "a.b", "'c\" ;--"]}},
        warehouse={"table": 'Ana"lytics %s.orders"; DROP TABLE x; --', "key": ["I d"], "indexes": [['a"b', "select"]]},
    ))  # fmt: skip
    lines = ", ".join(f"`{name}` text" for name in ODD_COLUMNS)
    w.on(
        "shop_00",
        f'CREATE TABLE `Or``ders; DROP TABLE "x" %s` (`I d` bigint PRIMARY KEY, `up``dated` datetime(6) NOT NULL, `a"b` text, {lines}, KEY (`up``dated`))',
    )
    w.on("shop_00", "INSERT INTO `Or``ders; DROP TABLE \"x\" %%s` VALUES (1, '2026-01-01', %s" + ", %s" * len(ODD_COLUMNS) + ")", "'); DROP TABLE x; --",
         *[f"value of {n}" if n != "items" else '{"a.b": {"\'c\\" ;--": "deep"}}' for n in ODD_COLUMNS])  # fmt: skip
    w.must_sync()
    table = '"Ana""lytics %s"."orders""; DROP TABLE x; --"'
    columns = ", ".join(f'"{name}"' for name in ODD_COLUMNS if name != "items")
    assert w.warehouse(f'SELECT "I d", "a""b", "from json", {columns} FROM {table}') == [
        (1, "'); DROP TABLE x; --", "deep", *[f"value of {n}" for n in ODD_COLUMNS if n != "items"]),
    ]  # fmt: skip
    w.on("shop_00", 'UPDATE `Or``ders; DROP TABLE "x" %s` SET `up``dated` = utc_timestamp(6), `select` = NULL')
    assert [(s.read, s.merged) for s in w.must_sync().shards.values()] == [(1, 1)]
    assert w.warehouse(f'SELECT "select" FROM {table}') == [(None,)]
    w.on(
        "shop_00", 'INSERT INTO `Or``ders; DROP TABLE "x" %s` (`I d`, `up``dated`, `a"b`) VALUES (2, utc_timestamp(6), repeat(\'x\', 3000))'
    )
    assert not w.sync().ok  # every row of the shard was rejected
    assert w.rejects() == [
        ("shop_00", {"I d": "2"}, 'a"b', "x" * 500, "is longer than the 2000 bytes that a value in a key or an index may have")
    ]


def test_columns_may_trade_names(world: WorldMaker) -> None:
    w = world(
        view=orders_view(
            columns={"id": "bigint", "a": {"type": "text", "from": "b"}, "b": {"type": "text", "from": "a"}, "updated_at": "timestamp"}
        )
    )
    w.on("shop_00", "CREATE TABLE orders (id bigint PRIMARY KEY, a text, b text, updated_at datetime(6) NOT NULL)")
    w.on("shop_00", "INSERT INTO orders VALUES (1, 'in a', 'in b', '2026-01-01')")
    w.must_sync()
    assert w.target("a, b") == [("in b", "in a")]


def test_a_lookback_in_numbers_is_refused_where_the_cursor_is_a_time_and_subtracted_exactly_where_it_is_a_number() -> None:
    for kind in ("datetime", "instant", "date"):
        with pytest.raises(SpecError, match=rf"source.lookback: 300 is a number, and the cursor is a {kind}. Write a time, as in 5m."):
            next_window(kind, None, "2026-01-01", 300, "UTC")
    assert next_window("int", Watermark("int", "18446744073709551615"), "18446744073709551615", 15, "UTC").lower == "18446744073709551600"
    long = "9" * 40
    assert next_window("decimal", Watermark("decimal", f"{long}.25"), f"{long}.50", 9, "UTC").lower == f"{long[:-1]}0.25"
