"""`shardlake query` and `shardlake lake` as people and programs read them: every value exact, nothing cut at 80 columns."""

from __future__ import annotations

import csv
import io
import json

import pytest
import yaml

from tests.shardlake.sink.lake.test_append import order, shop
from tests.world import World, WorldMaker

VALUES = """SELECT [1.5::decimal(4,2), NULL] AS list, {'a': 'x', 'b': [{'c': 1}]} AS struct, MAP {'k': 1.10::decimal(4,2)} AS map, '\\x00\\xFF'::blob AS bytes,
 'NaN'::double AS nan, '-Infinity'::float AS inf, 0.1::float AS short, 1e200 AS big, timestamptz '2026-01-01 00:00:00.000001+00' AS instant,
 '12345678901234567890123456789012345.678'::decimal(38,3) AS decimal, 9223372036854775807 AS int, true AS bool, date '2026-01-01' AS day,
 NULL::int[] AS none, '' AS empty, 'é "q", x' AS text, timestamp_ns '2026-01-01 00:00:00.123456789' AS nano, interval '1 month 2 days' AS span"""
EXACT = {
    "list": "[1.50, null]", "struct": '{"a": "x", "b": [{"c": 1}]}', "map": '{"k": 1.10}', "bytes": "\\x00ff", "nan": "NaN", "inf": "-Infinity",
    "short": "0.1", "big": "1e+200", "decimal": "12345678901234567890123456789012345.678", "int": "9223372036854775807", "bool": "true",
    "day": "2026-01-01", "none": "", "empty": "", "text": 'é "q", x', "nano": "2026-01-01 00:00:00.123456789", "span": "1 mons 2 days 0 secs",
}  # fmt: skip


@pytest.fixture
def w(world: WorldMaker) -> World:
    made = shop(world)
    for n in range(3):
        order(made, "shop_00", n, n + 1, city="Rome", status="a status that is as long as a sentence", amount="16960.25")
    made.must_sync()
    return made


def test_what_is_nested_and_what_has_no_form_in_csv_is_text_and_nothing_is_lost(w: World) -> None:
    done = w.command("query", VALUES, "--csv", TZ="UTC")
    assert done.returncode == 0, done.stderr
    (row,) = csv.DictReader(io.StringIO(done.stdout))
    assert {k: v for k, v in row.items() if k != "instant"} == EXACT
    assert row["instant"] == "2026-01-01 00:00:00.000001Z"
    done = w.command("query", VALUES, "--json")
    assert done.returncode == 0, done.stderr
    (found,) = json.loads(done.stdout, parse_float=str, parse_int=str)["rows"]
    assert (found["list"], found["struct"]["b"], found["map"]) == (["1.50", None], [{"c": "1"}], {"k": "1.10"})
    assert (found["bytes"], found["nan"], found["inf"], found["short"]) == ("\\x00ff", "NaN", "-Infinity", "0.1")
    assert (found["decimal"], found["int"], found["none"], found["empty"]) == (EXACT["decimal"], EXACT["int"], None, "")
    assert json.loads(w.command("query", "select id from orders where false", "--json").stdout)["rows"] == []
    twice = json.loads(w.command("query", "select 1 as a, 2 as a", "--json").stdout)
    assert twice["rows"] == [{"a": 1, "a_1": 2}]


def test_a_wide_answer_is_turned_at_80_columns_and_a_narrow_one_is_a_table(w: World) -> None:
    shown = w.command("query", "select * from orders_latest order by id limit 1", COLUMNS="80").stdout
    lines = shown.splitlines()
    assert lines[0] == "row 1"
    assert [line.split(maxsplit=1) for line in lines if line.startswith(("id", "status", "amount", "city"))] == [
        ["id", "0"], ["status", "a status that is as long as a sentence"], ["amount", "16960.25"], ["city", "Rome"],
    ]  # fmt: skip
    assert max(map(len, lines)) <= 80
    narrow = w.command("query", "select id, amount, NULL as n from orders_latest order by id limit 2", COLUMNS="80").stdout.splitlines()
    assert [line.split() for line in narrow if line.strip(" ─")] == [
        ["id", "amount", "n"],
        ["0", "16960.25", "NULL"],
        ["1", "16960.25", "NULL"],
    ]
    folded = w.command("query", f"select '{'word ' * 40}' as long, repeat('7', 30)::hugeint as number, 1 as one", COLUMNS="80").stdout
    assert "7" * 30 in folded
    assert max(map(len, folded.splitlines())) <= 80


def test_the_lake_at_80_columns_has_each_value_by_its_heading_and_cuts_none(w: World) -> None:
    w.ledger("UPDATE shardlake.lake_files SET rows = 16960 WHERE layout = 'orders_by_city'")
    shown = w.command("lake", "orders", COLUMNS="80").stdout
    assert max(map(len, shown.splitlines())) <= 80
    block = shown[shown.index("analytics.orders_by_city") :].splitlines()
    found = {line[:14].strip(): line[14:].strip() for line in block[1:] if line.strip()}
    assert {k: found[k] for k in ("format", "write", "partitioned by", "partitions", "files", "rows", "pending")} == {
        "format": "parquet", "write": "append", "partitioned by": "city", "partitions": "1", "files": "1", "rows": "16,960", "pending": "0",
    }  # fmt: skip
    wide = w.command("lake", "orders", COLUMNS="200").stdout
    head, row = (
        next(line for line in wide.splitlines() if line.strip().startswith(start)) for start in ("table", "analytics.orders_by_city")
    )
    assert row[head.index("write") :].startswith("append")
    assert row[head.index("last write") :].startswith("20")
    w.ledger("UPDATE shardlake.lake_files SET rows = 3 WHERE layout = 'orders_by_city'")


def test_the_first_fill_of_a_history_says_once_that_it_holds_every_version(world: WorldMaker) -> None:
    w = shop(world, None, [{"table": "orders"}, {"table": "orders_now", "format": "delta"}])
    order(w, "shop_00", 1)
    said = "note: analytics.orders is a history: it holds every version of a row that was read; analytics.orders_latest shows the newest of each\n"
    first = w.command("run", "orders")
    assert first.returncode == 0, first.stderr
    assert [line for line in first.stdout.splitlines(keepends=True) if "history" in line] == [said]
    order(w, "shop_00", 1)
    assert "history" not in w.command("run", "orders").stdout


def test_a_view_whose_columns_are_not_inferred_yet_keeps_nobody_from_asking_for_others(w: World) -> None:
    w.write_files()
    first = w.folder / "views" / "a_first"
    first.mkdir()
    lines = yaml.safe_load((w.folder / "views" / "orders" / "view.yaml").read_text("utf-8"))
    lines |= {"name": "a_first", "columns": "inferred"}
    lines["warehouse"] = {"connection": "postgres-warehouse/main", "table": "analytics.a_first"}
    lines.pop("lake", None)
    (first / "view.yaml").write_text(yaml.safe_dump(lines), "utf-8")
    done = w.command("query", "SELECT 1 AS one", "--csv")
    assert (done.returncode, done.stdout.split()) == (0, ['"one"', "1"]), done.stderr
