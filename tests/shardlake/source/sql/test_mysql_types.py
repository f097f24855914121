"""Every type and hostile value of MariaDB, value by value, through a whole run: it arrives exactly, or is rejected by name."""

from __future__ import annotations

import datetime
from typing import Any

import pytest

from tests.lake import EVERY_FORMAT, agrees
from tests.world import World, WorldMaker, orders_view

Values = dict[str, tuple[str, str, list[tuple[str, str | None]]]]
"""By column: its type in MariaDB, its type in Postgres, and pairs of an SQL literal and what Postgres then prints."""


def typed(world: WorldMaker, columns: dict[str, tuple[str, Any]], more: str = "", **changes: Any) -> World:
    """A table `orders` of `id`, these columns and `updated_at`, and a view that takes them all."""
    view = orders_view(
        columns={"id": "bigint", **{n: t for n, (_, t) in columns.items()}, "updated_at": "timestamp"},
        lake={"layouts": EVERY_FORMAT},
        **changes,
    )
    w = world(view=view)
    lines = ", ".join(f"`{name}` {declared}" for name, (declared, _) in columns.items())
    w.on(
        "shop_00",
        f"CREATE TABLE orders (id bigint PRIMARY KEY, {lines}, updated_at datetime(6) NOT NULL DEFAULT '2026-01-01', KEY (updated_at){more})",
    )
    return w


def insert(w: World, row: int, **literals: str) -> None:
    """A row of SQL literals, zero dates allowed."""
    names, values = ", ".join(f"`{n}`" for n in ("id", *literals)), ", ".join((str(row), *literals.values()))
    w.source.connect(w.database("shop_00"), sql_mode="NO_BACKSLASH_ESCAPES").cursor().execute(
        f"INSERT INTO orders ({names}) VALUES ({values})"
    )


def must_arrive(world: WorldMaker, values: Values, more: str = "", **changes: Any) -> World:
    """Insert every value, and see it arrive: by a first load, which goes direct, and by a later window, which is staged."""
    w = typed(world, {name: (declared, target) for name, (declared, target, _) in values.items()}, more, **changes)
    rows = max(len(pairs) for _, _, pairs in values.values())
    for row in range(rows):
        insert(w, row, **{name: pairs[row][0] for name, (_, _, pairs) in values.items() if row < len(pairs)})
    expected = {name: [pair[1] for pair in pairs] + [None] * (rows - len(pairs)) for name, (_, _, pairs) in values.items()}
    for _ in ("first", "later"):
        w.must_sync()
        assert w.rejects() == []
        found = w.target(", ".join(f'"{name}"::text' for name in values), order="id")
        assert {name: [row[n] for row in found] for n, name in enumerate(values)} == expected
        agrees(w, {name: column.type for name, column in w.model().columns.items() if name != "id"})
        w.on("shop_00", "UPDATE orders SET updated_at = utc_timestamp(6)")
    return w


def same(*values: str) -> list[tuple[str, str | None]]:
    """Numbers, which Postgres prints as MariaDB reads them."""
    return [(v, v) for v in values]


def quoted(*values: str) -> list[tuple[str, str | None]]:
    """Texts, each as its own literal."""
    return [("'" + v.replace("'", "''") + "'", v) for v in values]


def test_whole_numbers_arrive_up_to_both_ends_of_their_type(world: WorldMaker) -> None:
    must_arrive(world, {
        "tiny": ("tinyint", "smallint", same("-128", "127", "0")),
        "utiny": ("tinyint unsigned", "smallint", same("255")),
        "two": ("tinyint(1)", "smallint", same("2", "-1")),
        "truth": ("tinyint(1)", "boolean", [("1", "true"), ("0", "false")]),
        "small": ("smallint", "smallint", same("-32768", "32767")),
        "usmall": ("smallint unsigned", "integer", same("65535")),
        "medium": ("mediumint", "integer", same("-8388608", "8388607")),
        "umedium": ("mediumint unsigned", "integer", same("16777215")),
        "whole": ("int", "integer", same("-2147483648", "2147483647")),
        "uint": ("int unsigned", "bigint", same("4294967295")),
        "big": ("bigint", "bigint", same("-9223372036854775808", "9223372036854775807")),
        "ubig": ("bigint unsigned", "numeric(20,0)", same("18446744073709551615", "9223372036854775808", "0")),
        "ubig_text": ("bigint unsigned", "text", same("18446744073709551615")),
        "filled": ("int(8) unsigned zerofill", "integer", [("42", "42")]),
        "bit1": ("bit(1)", "boolean", [("b'1'", "true"), ("b'0'", "false")]),
        "bit5": ("bit(5)", "smallint", [("b'10101'", "21")]),
        "bit64": ("bit(64)", "numeric(20,0)", [("18446744073709551615", "18446744073709551615"), ("b'1'", "1")]),
        "a_year": ("year", "smallint", [("2155", "2155"), ("1901", "1901"), ("0", "0")]),
        "as_double": ("bigint", "double precision", same("999999999999999", "-1")),
    })  # fmt: skip


def test_decimals_and_floats_arrive_digit_by_digit(world: WorldMaker) -> None:
    longest = "99999999999999999999999999999999999.999999999999999999999999999999"
    must_arrive(world, {
        "amount": ("decimal(12,2)", "numeric(12,2)", same("1.10", "-9999999999.99", "0.00")),
        "longest": ("decimal(65,30)", "numeric(65,30)", same(longest, "-" + longest, "0.000000000000000000000000000001")),
        "unsized": ("decimal(65,30)", "numeric", same(longest)),
        "whole": ("decimal(65,0)", "numeric(65,0)", same("9" * 65)),
        "deep": ("decimal(38,38)", "numeric(38,38)", same("0." + "9" * 38)),
        "past_int64": ("decimal(20,1)", "numeric(20,1)", same("7900000000000000000.5", "9999999999999999999.9")),
        "as_text": ("decimal(12,2)", "text", same("1.10")),
        "single": ("float", "real", [("0.1", "0.1"), ("3.4028235e38", "3.4028235e+38"), ("-1.17549e-38", "-1.17549e-38"), ("16777216", "1.6777216e+07"), ("123456.7", "123456.7")]),
        "widened": ("float", "double precision", [("0.1", "0.10000000149011612"), ("1.5", "1.5")]),
        "twice": ("double", "double precision", [("1.7976931348623157e308", "1.7976931348623157e+308"), ("5e-324", "5e-324"), ("0.1e0+0.2e0", "0.30000000000000004"), ("-2.5", "-2.5"), ("1e15", "1e+15"), ("123456789012345680", "1.2345678901234568e+17")]),
    })  # fmt: skip


def test_dates_and_times_arrive_to_the_microsecond(world: WorldMaker) -> None:
    must_arrive(world, {
        "day": ("date", "date", quoted("1000-01-01", "9999-12-31", "2024-02-29", "0001-01-01")),
        "day_stamp": ("date", "timestamp", [("'2024-02-29'", "2024-02-29 00:00:00")]),
        "day_text": ("date", "text", quoted("2024-02-29")),
        "stamp": ("datetime(6)", "timestamp", quoted("9999-12-31 23:59:59.999999", "1000-01-01 00:00:00", "2024-02-29 12:34:56.000001", "0001-01-01 00:00:00")),
        "seconds": ("datetime", "timestamp", quoted("2024-02-29 12:34:56")),
        "millis": ("datetime(3)", "timestamp", [("'2024-02-29 12:34:56.120'", "2024-02-29 12:34:56.12")]),
        "midnight": ("datetime", "date", [("'2024-02-29 00:00:00'", "2024-02-29")]),
        "zoned": ("datetime(6)", "timestamptz", [("'2024-02-29 12:34:56.000001'", "2024-02-29 12:34:56.000001+00")]),
        "instant": ("timestamp(6) NULL", "timestamptz", [("'1970-01-01 00:00:01.000001'", "1970-01-01 00:00:01.000001+00"), ("'2038-01-19 03:14:07.999999'", "2038-01-19 03:14:07.999999+00")]),
        "instant_plain": ("timestamp NULL", "timestamp", quoted("2024-02-29 12:34:56")),
        "span": ("time(6)", "interval", [("'838:59:59.999999'", "838:59:59.999999"), ("'-838:59:59'", "-838:59:59"), ("'-00:00:00.000001'", "-00:00:00.000001"), ("'24:00:00'", "24:00:00"), ("'00:00:00'", "00:00:00")]),
        "clock": ("time(3)", "time", [("'23:59:59.999'", "23:59:59.999"), ("'00:00:00'", "00:00:00")]),
    })  # fmt: skip


def test_a_datetime_without_a_zone_is_in_the_zone_of_its_connection(world: WorldMaker) -> None:
    w = typed(world, {"zoned": ("datetime", "timestamptz"), "plain": ("datetime", "timestamp"), "instant": ("timestamp", "timestamptz")})
    w.connection_changes = {"timezone": "Europe/Berlin"}
    for row, at in enumerate(("'2024-01-15 12:00:00'", "'2024-07-15 12:00:00'")):
        insert(w, row, zoned=at, plain=at, instant=at)
    expected = [
        ("2024-01-15 11:00:00+00", "2024-01-15 12:00:00", "2024-01-15 12:00:00+00"),
        ("2024-07-15 10:00:00+00", "2024-07-15 12:00:00", "2024-07-15 12:00:00+00"),
    ]
    for _ in ("first", "later"):
        w.must_sync()
        assert w.target("zoned::text, plain::text, instant::text", order="id") == expected
        w.on("shop_00", "UPDATE orders SET updated_at = utc_timestamp(6)")


HOSTILE = (
    "", " ", "plain", "\\N", "\\.", "\n\\.\n", "NULL", "null", "a\tb", "a\nb", "a\r\nb", "\r", "a,b", '"', '""', '"a"', "'", "''", "a\\b", "\\", "\\\\", "\\n", "{}", "[1]", "🚚", "👩‍👩‍👧‍👦", "e\u0301", "é", "\u202e",
    "\ufeff", "\uffff", "\x01\x1f\x7f", "'); DROP TABLE orders; --", "$$", "%s", "a" * 3000, " padded ",
)  # fmt: skip


def test_any_text_arrives_character_by_character(world: WorldMaker) -> None:
    must_arrive(world, {
        "long_one": ("longtext", "text", quoted(*HOSTILE)),
        "short": ("varchar(4000)", "varchar(4000)", quoted(*HOSTILE)),
        "latin": ("varchar(20) CHARACTER SET latin1", "text", quoted("é€ß", "'\"\\")),
        "three": ("varchar(20) CHARACTER SET utf8mb3", "text", quoted("é漢")),
        "wide": ("varchar(20) CHARACTER SET utf16", "text", quoted("é漢🚚")),
        "plain": ("varchar(20) CHARACTER SET ascii", "text", quoted("abc")),
        "exact": ("varchar(20) COLLATE utf8mb4_bin", "text", quoted("aA")),
        "fixed": ("char(5)", "varchar(5)", quoted("ab", "é漢🚚ab")),
        "choice": ("enum('a','ü','it''s','')", "text", quoted("a", "ü", "it's", "")),
        "several": ("set('a','b','c')", "text", quoted("a,c", "", "a,b,c")),
        "tiny": ("tinytext", "text", quoted("x" * 255)),
        "medium": ("mediumtext", "text", quoted("x" * 70_000)),
    })  # fmt: skip


def test_seven_megabytes_of_text_arrive(world: WorldMaker) -> None:
    w = typed(world, {"body": ("longtext", "text"), "doc": ("longtext", "jsonb"), "part": ("int", {"type": "text", "from": "doc.a"})})
    insert(w, 1, body="repeat('é🚚\"\\,', 700000)", doc="""concat('{"a": "', repeat('x', 7000000), '"}')""")
    w.must_sync()
    assert w.target("length(body), md5(body) = md5(repeat('é🚚\"\\,', 700000)), length(doc->>'a'), part = doc->>'a'") == [
        (3_500_000, True, 7_000_000, True)
    ]


def test_bytes_arrive_byte_by_byte(world: WorldMaker) -> None:
    every = bytes(range(256)).hex()
    must_arrive(world, {
        "some": ("varbinary(300)", "bytea", [(f"x'{every}'", "\\x" + every), ("''", "\\x"), ("x'00'", "\\x00"), ("x'5c4e'", "\\x5c4e")]),
        "fixed": ("binary(4)", "bytea", [("x'01'", "\\x01000000")]),
        "large": ("longblob", "bytea", [(f"x'{every}'", "\\x" + every), ("repeat(x'ff00', 50000)", "\\x" + "ff00" * 50_000)]),
        "id16": ("binary(16)", "uuid", [("x'000102030405060708090a0b0c0d0e0f'", "00010203-0405-0607-0809-0a0b0c0d0e0f")]),
        "of_text": ("varchar(9)", "bytea", [("'é\\'", "\\xc3a95c")]),
    })  # fmt: skip


def test_json_geometry_and_mariadbs_own_types_arrive(world: WorldMaker) -> None:
    must_arrive(world, {
        "doc": ("json", "jsonb", [("""'{"b": 1, "a": [1.10, null, "é🚚\\u00e9\\"\\\\"]}'""", '{"a": [1.10, null, "é🚚é\\"\\\\"], "b": 1}'), ("'null'", "null"), ("'[]'", "[]")]),
        "doc_text": ("json", "text", quoted('{"b":  1, "a": 2}')),
        "point": ("point", "text", [("ST_GeomFromText('POINT(1.5 -2)')", "POINT(1.5 -2)"), ("ST_GeomFromText('POINT(1.5 -2)', 4326)", "SRID=4326;POINT(1.5 -2)")]),
        "shape": ("geometry", "text", [("ST_GeomFromText('POLYGON((0 0,1 0,1 1,0 0))')", "POLYGON((0 0,1 0,1 1,0 0))")]),
        "an_id": ("uuid", "uuid", quoted("a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11")),
        "id_text": ("uuid", "text", quoted("a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11")),
        "v6": ("inet6", "inet", [("'2001:db8::1'", "2001:db8::1/128"), ("'::ffff:10.0.0.1'", "::ffff:10.0.0.1/128")]),
        "v4": ("inet4", "inet", [("'192.168.0.255'", "192.168.0.255/32")]),
    })  # fmt: skip


def test_generated_columns_arrive(world: WorldMaker) -> None:
    w = typed(world, {"n": ("int", "integer")}, ", twice int AS (n * 2) VIRTUAL, label varchar(20) AS (concat('n', n)) STORED")
    w.view["columns"] |= {"twice": "integer", "label": "text"}
    insert(w, 1, n="21")
    w.must_sync()
    assert w.target("n, twice, label") == [(21, 42, "n21")]


KEYS = [
    ("bigint unsigned", "numeric(20,0)", ["18446744073709551615", "9223372036854775808", "0"]),
    ("binary(4)", "bytea", ["x'00000000'", "x'5c27ff00'", "x'ffffffff'"]),
    ("varchar(20)", "text", ["'it''s \\'", "'ünï🚚'", "''"]),
    ("decimal(40,20)", "numeric", ["99999999999999999999.99999999999999999999", "-1.5", "0"]),
    ("decimal(12,2)", "numeric", ["9", "10", "-10"]),
    ("timestamp(6)", "timestamptz", ["'2024-01-01 00:00:00.000001'", "'2024-01-01 00:00:00.000002'", "'2038-01-19 03:14:07'"]),
    ("date", "date", ["'2024-02-29'", "'9999-12-31'", "'1000-01-01'"]),
    ("time(3)", "interval", ["'-838:59:59'", "'00:00:00.001'", "'838:59:59.999'"]),
    ("bit(64)", "numeric", ["9", "10", "18446744073709551615"]),
    ("year", "smallint", ["0", "1901", "2155"]),
    ("uuid", "uuid", ["'ffffffff-ffff-1fff-8fff-000000000000'", "'00000000-0000-1000-8000-ffffffffffff'", "'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'"]),
    ("inet6", "inet", ["'2001:db8::1'", "'::ffff:10.0.0.1'", "'fe80::1'"]),
    ("varchar(20) CHARACTER SET latin1 COLLATE latin1_german2_ci", "text", ["'zebra'", "'äpfel'", "'Apfel'"]),
]  # fmt: skip


def test_a_key_of_any_kind_orders_the_chunks_and_is_read_once(world: WorldMaker) -> None:
    w = world()
    for n, (declared, target, literals) in enumerate(KEYS):
        w.view = orders_view(
            name=f"keys_{n}", source={"table": f"keys_{n}", "primary_key": ["k"], "chunk": "1kb"},
            columns={"k": target, "pad": "text", "updated_at": "timestamp"}, warehouse={"table": f"analytics.keys_{n}", "key": ["k"]},
        )  # fmt: skip
        w.on("shop_00", f"CREATE TABLE keys_{n} (k {declared} PRIMARY KEY, pad longtext, updated_at datetime(6) NOT NULL)")
        rows = ", ".join(f"({literal}, repeat('x', 2000000), '2026-01-01')" for literal in literals)
        w.source.connect(w.database("shop_00"), sql_mode="NO_BACKSLASH_ESCAPES").cursor().execute(f"INSERT INTO keys_{n} VALUES {rows}")
        w.on("shop_00", f"ANALYZE TABLE keys_{n}")
        report = w.must_sync().shards["shop_00"]
        chunks = w.warehouse("SELECT count(*) FROM shardlake.files JOIN shardlake.windows USING (window_id) WHERE feed = %s", f"keys_{n}")
        found = w.warehouse(f"SELECT count(DISTINCT k) FROM analytics.keys_{n}")
        assert (declared, report.read, report.merged, found, chunks > [(1,)]) == (declared, 3, 3, [(3,)], True)


def test_a_key_that_sorts_in_another_order_than_it_compares_is_refused_since_it_would_lose_rows(world: WorldMaker) -> None:
    w = world(
        view=orders_view(
            source={"primary_key": ["kind", "id"]},
            columns={"kind": "text", "id": "bigint", "updated_at": "timestamp"},
            warehouse={"key": ["kind", "id"]},
        )
    )
    for declared, name in {"enum('z','a')": "enum", "set('z','a')": "set", "float": "float", "double": "double"}.items():
        w.on(
            "shop_00",
            f"CREATE OR REPLACE TABLE orders (kind {declared} NOT NULL, id bigint, updated_at datetime(6) NOT NULL, PRIMARY KEY (kind, id))",
        )
        assert (
            w.sync().shards["shop_00"].error
            == f"shop_00, kind: a column of type {name} cannot order rows as a key. Choose another primary_key, or convert it in extract.sql."
        )


# --- what cannot be held ---------------------------------------------------------------------------------------------
BAD: list[tuple[str, str, str, str, str]] = [
    # in MariaDB, in Postgres, the literal, the value that the reject holds, and its reason
    (
        "date",
        "date",
        "'0000-00-00'",
        "0000-00-00",
        "is not date: it is a zero date, of which NULLIF(col, '0000-00-00') in extract.sql makes NULL",
    ),
    ("date", "date", "'2024-00-00'", "2024-00-00", "is not date: its month or day is zero; convert it in extract.sql"),
    ("date", "date", "'2024-02-00'", "2024-02-00", "is not date: its month or day is zero; convert it in extract.sql"),
    (
        "date",
        "timestamp",
        "'0000-00-00'",
        "0000-00-00",
        "is not timestamp: it is a zero date, of which NULLIF(col, '0000-00-00') in extract.sql makes NULL",
    ),
    (
        "datetime",
        "timestamp",
        "'0000-00-00 00:00:00'",
        "0000-00-00 00:00:00",
        "is not timestamp: it is a zero date, of which NULLIF(col, '0000-00-00') in extract.sql makes NULL",
    ),
    (
        "datetime(6)",
        "timestamptz",
        "'2024-00-00 00:00:00'",
        "2024-00-00 00:00:00.000000",
        "is not timestamptz: its month or day is zero; convert it in extract.sql",
    ),
    (
        "timestamp NULL",
        "timestamptz",
        "'0000-00-00 00:00:00'",
        "0000-00-00 00:00:00+00",
        "is not timestamptz: it is a zero date, of which NULLIF(col, '0000-00-00') in extract.sql makes NULL",
    ),
    ("datetime", "date", "'2024-01-01 12:00:00'", "2024-01-01 12:00:00", "has a time of day that date would cut"),
    ("time", "time", "'25:00:00'", "25:00:00", "is not time"),
    ("time", "time", "'-01:00:00'", "-01:00:00", "has more than a time of day; declare interval"),
    (
        "varchar(40)",
        "timestamp",
        "'2024-01-01 12:00:00+02'",
        "2024-01-01 12:00:00+02",
        "has a time zone that timestamp would drop; declare timestamptz",
    ),
    ("varchar(40)", "date", "'2024-01-01T00:00:00Z'", "2024-01-01T00:00:00Z", "has a time zone that date would drop; declare timestamptz"),
    ("varchar(40)", "timestamptz", "'now'", "now", "is not timestamptz"),
    ("decimal(12,3)", "numeric(12,2)", "1.239", "1.239", "would be rounded to fit numeric(12,2)"),
    ("decimal(20,2)", "numeric(12,2)", "12345678901.00", "12345678901.00", "is not numeric(12,2)"),
    ("bigint", "integer", "2147483648", "2147483648", "is not integer"),
    ("int", "smallint", "-32769", "-32769", "is not smallint"),
    ("bigint unsigned", "bigint", "18446744073709551615", "18446744073709551615", "is not bigint"),
    ("bigint", "double precision", "9007199254740993", "9007199254740993", "would be rounded to fit double precision"),
    ("double", "real", "1e300", "1e+300", "is not real"),
    ("double", "real", "1234567.89", "1234567.89", "would be rounded to fit real"),
    ("decimal(12,2)", "integer", "1.50", "1.50", "is not integer"),
    ("tinyint(1)", "boolean", "2", "2", "is not boolean"),
    ("varchar(9)", "boolean", "'maybe'", "maybe", "is not boolean"),
    ("varchar(9)", "varchar(3)", "'abcd'", "abcd", "is longer than varchar(3)"),
    ("varchar(9)", "varchar(3)", "'abc '", "abc ", "is longer than varchar(3)"),
    ("varchar(9)", "numeric(12,2)", "'N/A'", "N/A", "is not numeric(12,2)"),
    ("varchar(9)", "bigint", "''", "", "is not bigint"),
    ("varchar(9)", "interval", "'soon'", "soon", "is not interval"),
    ("varchar(40)", "uuid", "'not-a-uuid'", "not-a-uuid", "is not uuid"),
    ("varbinary(16)", "uuid", "x'0001'", "0001", "is not uuid"),
    ("varchar(40)", "inet", "'10.0.0.256'", "10.0.0.256", "is not inet"),
    ("varchar(40)", "integer[]", "'[1, 1.5]'", "[1, 1.5]", "is not integer[]"),
    ("varchar(40)", "numeric(12,2)[]", "'[1.00, 1.239]'", "[1.00, 1.239]", "would be rounded to fit numeric(12,2)[]"),
    ("text", "jsonb", "'{'", "{", "is not JSON (unexpected end of data at 1)"),
    ("text", "jsonb", '\'{"a": "\\ud800"}\'', '{"a": "\\ud800"}', "holds half of a surrogate pair"),
    (
        "text",
        "jsonb",
        "'{\"a\": 1e999999}'",
        '{"a": 1e999999}',
        "is not jsonb: a number in it has more digits than numeric's 131072 before and 16383 behind the point",
    ),
    ("text", "text", "concat('a', char(0), 'b')", "a␀b", "holds a NUL character, which Postgres cannot store"),
]


@pytest.mark.parametrize("late", [False, True], ids=["a first load", "a later window"])
def test_what_a_type_cannot_hold_is_rejected_with_column_value_and_reason_and_never_changed(world: WorldMaker, late: bool) -> None:
    w = typed(world, {f"c{n}": (declared, target) for n, (declared, target, *_) in enumerate(BAD)})
    insert(w, 100)
    if late:
        w.must_sync()
    w.on("shop_00", "ALTER TABLE orders ALTER updated_at SET DEFAULT (utc_timestamp(6))")
    for n, (_, _, literal, *_) in enumerate(BAD):
        insert(w, n, **{f"c{n}": literal})
    run = w.sync()
    report = run.shards["shop_00"]
    assert run.ok != late  # a shard of which every row is rejected is not well
    assert (report.read, report.merged, report.rejected) == (len(BAD) + (not late), 0 if late else 1, len(BAD))
    assert w.target("id") == [(100,)]
    found = sorted(w.rejects(), key=lambda row: int(row[1]["id"]))
    assert found == [("shop_00", {"id": str(n)}, f"c{n}", value, reason) for n, (_, _, _, value, reason) in enumerate(BAD)]


@pytest.mark.parametrize(("declared", "target", "message"), [
    ("varbinary(9)", "text", "the source column 'v' holds bytes, which text does not. Declare bytea (or uuid for 16 bytes), or convert it in extract.sql."),
])  # fmt: skip
def test_bytes_declared_as_text_fail_the_shard_before_anything_is_guessed(
    world: WorldMaker, declared: str, target: str, message: str
) -> None:
    w = typed(world, {"v": (declared, target)})
    insert(w, 1, v="x'ff'")
    assert message in str(w.sync().shards["shop_00"].error)


def test_a_zero_date_is_null_once_extract_sql_has_what_its_reject_says(world: WorldMaker) -> None:
    columns = {"id": "bigint", "d": "date", "t": "timestamp", "updated_at": "timestamp"}
    w = world(view=orders_view(columns=columns))
    w.on_all("CREATE TABLE orders (id bigint PRIMARY KEY, d date, t datetime(6), updated_at datetime(6) NOT NULL)")
    for row, (d, t) in enumerate((("'0000-00-00'", "NULL"), ("'2024-01-01'", "'0000-00-00 00:00:00'"), ("'2024-01-01'", "'2024-01-01'"))):
        insert(w, row, d=d, t=t, updated_at="'2024-01-01'")
    w.must_sync()
    assert ["NULLIF(col, '0000-00-00') in extract.sql makes NULL" in row[4] for row in w.rejects()] == [True, True]
    w.view = orders_view(columns=columns, source={"table": None, "sql": "extract.sql"}) | {
        "sql_text": "SELECT id, NULLIF(d, '0000-00-00') AS d, NULLIF(t, '0000-00-00') AS t, updated_at FROM orders"
    }
    w.must_sync(full=True)
    day, time = datetime.date(2024, 1, 1), datetime.datetime(2024, 1, 1)
    assert w.target("id, d, t") == [(0, None, None), (1, day, None), (2, day, time)]


def test_a_zero_date_in_the_cursor_itself_is_rejected_and_the_rest_arrives(world: WorldMaker) -> None:
    w = typed(world, {"n": ("int", "integer")})
    for row, at in enumerate(("'0000-00-00 00:00:00'", "'2024-01-01'", "'2024-00-00'")):
        insert(w, row, n="7", updated_at=at)
    w.must_sync()
    assert w.target("id") == [(1,)]
    assert w.rejects() == [
        (
            "shop_00",
            {"id": "0"},
            "updated_at",
            "0000-00-00 00:00:00.000000",
            "is not timestamp: it is a zero date, of which NULLIF(col, '0000-00-00') in extract.sql makes NULL",
        ),
        (
            "shop_00",
            {"id": "2"},
            "updated_at",
            "2024-00-00 00:00:00.000000",
            "is not timestamp: its month or day is zero; convert it in extract.sql",
        ),
    ]


# --- every type that a target may have -------------------------------------------------------------------------------
TARGETS: dict[str, tuple[str, str, str | None]] = {
    # the type, its value in JSON, and what Postgres prints; None where a JSON text is what it prints
    "small": ("smallint", "-32768", "-32768"), "whole": ("integer", "2147483647", "2147483647"), "big": ("bigint", "9223372036854775807", "9223372036854775807"),
    "amount": ("numeric(12,2)", "1234567890.10", "1234567890.10"), "exact": ("numeric", "0.12345678901234567890123456789", "0.12345678901234567890123456789"),
    "huge": ("numeric(40,0)", "9" * 40, "9" * 40), "single": ("real", "0.1", "0.1"), "twice": ("double precision", "0.30000000000000004", "0.30000000000000004"),
    "truth": ("boolean", "true", "true"), "words": ("text", '"é🚚\\n"', "é🚚\n"), "few": ("varchar(3)", '"é🚚a"', "é🚚a"),
    "day": ("date", '"2024-02-29"', "2024-02-29"), "clock": ("time", '"23:59:59.999999"', "23:59:59.999999"), "span": ("interval", '"P1DT2H"', "1 day 02:00:00"),
    "stamp": ("timestamp", '"2024-02-29T12:34:56.000001"', "2024-02-29 12:34:56.000001"), "zoned": ("timestamptz", '"2024-02-29T12:34:56+02:00"', "2024-02-29 10:34:56+00"),
    "an_id": ("uuid", '"A0EEBC999C0B4EF8BB6D6BB9BD380A11"', "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"), "doc": ("jsonb", '{"b": [1.10], "a": null}', '{"a": null, "b": [1.10]}'),
    "some": ("bytea", '"\\\\x00ff"', "\\x00ff"), "address": ("inet", '"10.0.0.0/8"', "10.0.0.0/8"), "texts": ("text[]", '["a,b", "c\\"d", null, ""]', '{"a,b","c\\"d",NULL,""}'),
    "smalls": ("smallint[]", "[1, -2]", "{1,-2}"), "wholes": ("integer[]", "[]", "{}"), "bigs": ("bigint[]", "[9223372036854775807, null]", "{9223372036854775807,NULL}"),
    "exacts": ("numeric[]", "[1.10, 0.12345678901234567890123]", "{1.10,0.12345678901234567890123}"), "amounts": ("numeric(12,2)[]", "[1.10]", "{1.10}"),
    "singles": ("real[]", "[0.5]", "{0.5}"), "doubles": ("double precision[]", "[0.1, 1e300]", "{0.1,1e+300}"),
}  # fmt: skip


def test_every_target_type_is_filled_from_json_and_nothing_from_null(world: WorldMaker) -> None:
    w = world(
        view=orders_view(
            columns={
                "id": "bigint",
                "updated_at": "timestamp",
                **{n: {"type": t, "from": f"payload.{n}"} for n, (t, _, _) in TARGETS.items()},
            }
        )
    )
    w.on("shop_00", "CREATE TABLE orders (id bigint PRIMARY KEY, payload longtext, updated_at datetime(6) NOT NULL, KEY (updated_at))")
    document = "{" + ", ".join(f'"{name}": {value}' for name, (_, value, _) in TARGETS.items()) + "}"
    nulls = "{" + ", ".join(f'"{name}": null' for name in TARGETS) + "}"
    for row, payload in enumerate((document, nulls, "{}", None)):
        w.on("shop_00", "INSERT INTO orders VALUES (%s, %s, '2026-01-01')", row, payload)
    for _ in ("first", "later"):
        w.must_sync()
        assert w.rejects() == []
        found = w.target(", ".join(f'"{name}"::text' for name in TARGETS), order="id")
        assert dict(zip(TARGETS, found[0], strict=True)) == {name: printed for name, (_, _, printed) in TARGETS.items()}
        assert found[1:] == [(None,) * len(TARGETS)] * 3
        w.on("shop_00", "UPDATE orders SET updated_at = utc_timestamp(6)")
    declared = w.warehouse(
        "SELECT attname, format_type(atttypid, atttypmod) FROM pg_attribute WHERE attrelid = 'analytics.orders'::regclass AND attnum > 2 AND attname <> '_shard' ORDER BY attnum"
    )
    assert [
        t.replace("character varying", "varchar").replace(" without time zone", "").replace("timestamp with time zone", "timestamptz")
        for _, t in declared
    ] == [t for t, _, _ in TARGETS.values()]
