"""A Postgres source: every type and hostile value, value by value, through a whole run."""

from __future__ import annotations

from typing import Any

import pytest

from tests.lake import EVERY_FORMAT, agrees
from tests.world import World, WorldMaker, orders_view

Values = dict[str, tuple[str, str, list[tuple[str, str | None]]]]
"""By column: its type at the source, its type in the warehouse, and pairs of an SQL literal and what the warehouse prints."""


def typed(world: WorldMaker, columns: dict[str, tuple[str, Any]], cursor: str = "timestamptz", **changes: Any) -> World:
    """A table `orders` of `id`, these columns and `updated_at`, and a view that takes them all."""
    source = {"connection": "postgres-shards/shop", **changes.pop("source", {})}
    w = world(
        source="postgres",
        view=orders_view(
            source=source,
            columns={"id": "bigint", **{n: t for n, (_, t) in columns.items()}, "updated_at": cursor},
            lake={"layouts": EVERY_FORMAT},
            **changes,
        ),
    )
    w.on("shop_00", "CREATE TYPE mood AS ENUM ('sad', 'ok', 'it''s 🚚')")
    w.on("shop_00", "CREATE DOMAIN cents AS bigint CHECK (value >= 0)")
    lines = ", ".join(f'"{name}" {declared}' for name, (declared, _) in columns.items())
    w.on("shop_00", f"CREATE TABLE orders (id bigint PRIMARY KEY, {lines}, updated_at {cursor} NOT NULL DEFAULT '2026-01-01')")
    w.on("shop_00", "CREATE INDEX ON orders (updated_at, id)")
    return w


def insert(w: World, row: int, **literals: str) -> None:
    names, values = ", ".join(f'"{n}"' for n in ("id", *literals)), ", ".join((str(row), *literals.values()))
    w.on("shop_00", f"INSERT INTO orders ({names}) VALUES ({values})")


def must_arrive(world: WorldMaker, values: Values) -> None:
    """Insert every value, and see it arrive: by a first load, which goes direct, and by a later window, which is staged."""
    w = typed(world, {name: (declared, target) for name, (declared, target, _) in values.items()})
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
        w.on("shop_00", "UPDATE orders SET updated_at = clock_timestamp()")


def same(*values: str) -> list[tuple[str, str | None]]:
    """Values that the warehouse prints as the source does."""
    return [("'" + v.replace("'", "''") + "'", v) for v in values]


def test_numbers_arrive_up_to_both_ends_of_their_type(world: WorldMaker) -> None:
    longest = "9" * 60 + "." + "1" * 60
    must_arrive(world, {
        "small": ("smallint", "smallint", same("-32768", "32767")),
        "whole": ("integer", "integer", same("-2147483648", "2147483647")),
        "big": ("bigint", "bigint", same("-9223372036854775808", "9223372036854775807")),
        "big_text": ("bigint", "text", same("9223372036854775807")),
        "an_oid": ("oid", "bigint", same("4294967295")),
        "of_domain": ("cents", "bigint", same("9223372036854775807")),
        "amount": ("numeric(12,2)", "numeric(12,2)", same("1.10", "-9999999999.99", "NaN")),
        "exact": ("numeric", "numeric", same(longest, "-" + longest, "NaN", "1.10", "Infinity", "-Infinity", "0." + "0" * 100 + "1", "9" * 200)),
        "exact_text": ("numeric", "text", same("1.10", "NaN")),
        "single": ("real", "real", same("0.1", "3.4028235e+38", "NaN", "Infinity", "-Infinity", "1e-45", "-0", "1.6777216e+07")),
        "twice": ("double precision", "double precision", same("0.30000000000000004", "1.7976931348623157e+308", "5e-324", "NaN", "-Infinity", "-0", "1e+15")),
        "truth": ("boolean", "boolean", same("true", "false")),
        "truth_text": ("boolean", "text", same("true")),
    })  # fmt: skip


def test_dates_times_and_spans_arrive_with_infinity_and_before_christ(world: WorldMaker) -> None:
    must_arrive(world, {
        "day": ("date", "date", same("2024-02-29", "infinity", "-infinity", "0044-03-15 BC", "0001-01-01", "9999-12-31", "10000-01-01")),
        "stamp": ("timestamp", "timestamp", same("2024-02-29 12:34:56.000001", "infinity", "-infinity", "0044-03-15 12:00:00 BC", "294276-12-31 23:59:59.999999", "2024-02-29 00:00:00")),
        "zoned": ("timestamptz", "timestamptz", [*same("2024-02-29 12:34:56.000001+00", "infinity", "-infinity", "0044-03-15 12:00:00+00 BC", "294276-12-31 23:59:59.999999+00"), ("'2024-02-29 12:00:00+05:45'", "2024-02-29 06:15:00+00")]),
        "zoned_text": ("timestamptz", "text", [("'2024-02-29 12:00:00+02'", "2024-02-29 10:00:00+00")]),
        "stamp_zoned": ("timestamp", "timestamptz", [("'2024-02-29 12:00:00'", "2024-02-29 12:00:00+00")]),
        "clock": ("time", "time", same("23:59:59.999999", "00:00:00", "24:00:00")),
        "span": ("interval", "interval", same("1 year 2 mons 3 days 04:05:06.000007", "-838:59:59.999999", "-1 days +02:03:00", "00:00:00", "178000000 years")),
        "span_text": ("interval", "text", same("1 day")),
    })  # fmt: skip


HOSTILE = (
    "", " ", "plain", "\\N", "\\.", "\n\\.\n", "NULL", "a\tb", "a\r\nb", "\r", '"', '""', "'", "a\\b", "\\\\", "{}", "{a,b}", "🚚", "👩‍👩‍👧‍👦", "e\u0301", "\ufeff", "\uffff", "\x01\x1f\x7f", "'); DROP TABLE orders; --", "$$", "%%s", "a" * 3000,
)  # fmt: skip


def test_any_text_arrives_character_by_character(world: WorldMaker) -> None:
    texts = [(pair[0], v.replace("%%", "%")) for v, pair in zip(HOSTILE, same(*(h.replace("%%", "%") for h in HOSTILE)), strict=True)]
    must_arrive(world, {
        "words": ("text", "text", texts),
        "some": ("varchar(4000)", "varchar(4000)", texts),
        "plain": ("varchar", "text", texts),
        "fixed": ("char(5)", "text", [("'ab'", "ab"), ("'é漢🚚ab'", "é漢🚚ab")]),
        "a_name": ("name", "text", same("pg_class")),
        "feeling": ("mood", "text", same("sad", "it's 🚚")),
        "body": ("text", "text", [("repeat('é🚚\"\\,', 200000)", "é🚚\"\\," * 200_000)]),
    })  # fmt: skip


def test_bytes_ids_addresses_and_documents_arrive(world: WorldMaker) -> None:
    every = bytes(range(256)).hex()
    must_arrive(world, {
        "raw": ("bytea", "bytea", [(f"'\\x{every}'", "\\x" + every), ("''", "\\x"), ("'\\x00'", "\\x00")]),
        "id16": ("bytea", "uuid", [("'\\x000102030405060708090a0b0c0d0e0f'", "00010203-0405-0607-0809-0a0b0c0d0e0f")]),
        "an_id": ("uuid", "uuid", same("a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11")),
        "id_text": ("uuid", "text", same("a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11")),
        "address": ("inet", "inet", [("'10.0.0.1'", "10.0.0.1/32"), ("'2001:db8::/32'", "2001:db8::/32"), ("'::ffff:10.0.0.1'", "::ffff:10.0.0.1/128")]),
        "network": ("cidr", "inet", same("10.0.0.0/8")),
        "doc": ("jsonb", "jsonb", same('{"a": [1.10, null, "é🚚\\"\\\\"], "b": 12345678901234567890.123456789}', "null", "[]", '""')),
        "doc_text": ("json", "text", same('{"b":  1, "a": 1.10}')),
        "doc_json": ("json", "jsonb", [("'{\"b\":  1, \"a\": 1.10}'", '{"a": 1.10, "b": 1}')]),
    })  # fmt: skip


def test_arrays_arrive_element_by_element(world: WorldMaker) -> None:
    must_arrive(world, {
        "texts": ("text[]", "text[]", same('{a,"b,c","d\\"e","f\\\\g",NULL,"NULL","",🚚}', "{}", "{{a,b},{c,d}}")),
        "some": ("varchar(9)[]", "text[]", same("{a}")),
        "smalls": ("smallint[]", "smallint[]", same("{-32768,NULL}")),
        "wholes": ("integer[]", "integer[]", same("{1,2}", "{}", "{{1,2},{3,4}}")),
        "bigs": ("bigint[]", "bigint[]", same("{9223372036854775807}")),
        "exacts": ("numeric[]", "numeric[]", same("{1.10,NaN,12345678901234567890.123456789}")),
        "amounts": ("numeric(12,2)[]", "numeric(12,2)[]", same("{1.10,-0.01}")),
        "singles": ("real[]", "real[]", same("{0.1,NaN,Infinity}")),
        "doubles": ("double precision[]", "double precision[]", same("{0.30000000000000004,5e-324}")),
        "moods": ("mood[]", "text[]", same('{sad,"it\'s 🚚"}')),
        "ids": ("uuid[]", "text[]", same("{a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11}")),
        "array_text": ("integer[]", "text", same("{1,2}")),
    })  # fmt: skip


def test_json_paths_of_a_postgres_source_become_columns(world: WorldMaker) -> None:
    w = typed(
        world,
        {
            "payload": ("jsonb", "jsonb"),
            "name": ("text", {"type": "text", "from": "payload.name"}),
            "sum": ("text", {"type": "numeric", "from": "payload.l[0].sum"}),
        },
    )
    w.on("shop_00", "ALTER TABLE orders DROP name, DROP sum")
    insert(w, 1, payload="""'{"name": "Ünal 🚚", "l": [{"sum": 12345678901234567890.123456789}]}'""")
    insert(w, 2, payload="""'{"name": null}'""")
    w.must_sync()
    assert w.target("name, sum::text", order="id") == [("Ünal 🚚", "12345678901234567890.123456789"), (None, None)]


def test_generated_and_identity_columns_arrive(world: WorldMaker) -> None:
    w = typed(
        world,
        {
            "n": ("integer", "integer"),
            "twice": ("integer GENERATED ALWAYS AS (n * 2) STORED", "integer"),
            "counted": ("bigint GENERATED ALWAYS AS IDENTITY", "bigint"),
        },
    )
    insert(w, 1, n="21")
    w.must_sync()
    assert w.target("n, twice, counted") == [(21, 42, 1)]


CURSORS = [
    ("timestamp", "2026-01-01 00:00:00.000001", "2026-01-01 00:00:00.000002"),
    ("timestamptz", "2026-01-01 00:00:00.000001+00", "2026-01-01 00:00:00.000002+00"),
    ("date", "2026-01-01", "2026-01-02"),
    ("bigint", "9223372036854775800", "9223372036854775807"),
    ("numeric", "9.5", "12345678901234567890.6"),
]


def test_a_cursor_of_any_kind_tells_the_newer_row_to_the_last_digit(world: WorldMaker) -> None:
    w = world(source="postgres")
    for n, (cursor, first, second) in enumerate(CURSORS):
        number = cursor in ("bigint", "numeric")
        w.view = orders_view(
            name=f"cursors_{n}", source={"connection": "postgres-shards/shop", "table": f"cursors_{n}", "lookback": 0 if number else "0s"},
            columns={"id": "bigint", "n": "integer", "updated_at": cursor}, warehouse={"table": f"analytics.cursors_{n}"},
        )  # fmt: skip
        w.on("shop_00", f"CREATE TABLE cursors_{n} (id bigint PRIMARY KEY, n integer, updated_at {cursor} NOT NULL)")
        w.on("shop_00", f"INSERT INTO cursors_{n} VALUES (1, 1, '{first}'), (9, 9, '{second}')")
        w.must_sync()
        assert w.target("id, n, updated_at::text") == [(1, 1, first), (9, 9, second)]
        w.on("shop_00", f"UPDATE cursors_{n} SET n = 3, updated_at = '{second}' WHERE id = 1")
        w.on("shop_00", f"UPDATE cursors_{n} SET n = 4, updated_at = '{first}' WHERE id = 9")
        report = w.must_sync(full=True).shards["shop_00"]
        assert (cursor, report.merged, report.superseded) == (cursor, 1, 1)
        assert w.target("id, n, updated_at::text") == [(1, 3, second), (9, 9, second)]


KEYS = [
    ("uuid", "uuid", ["'00000000-0000-0000-0000-000000000000'", "'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'", "'ffffffff-ffff-ffff-ffff-ffffffffffff'"]),
    ("bytea", "bytea", ["''", "'\\x00ff'", "'\\xff'"]),
    ("text", "text", ["''", "'it''s \\'", "'ünï🚚'"]),
    ("numeric", "numeric", ["-1.5", "0", "99999999999999999999.99999999999999999999"]),
    ("numeric", "numeric", ["9", "10", "-10"]),
    ("timestamptz", "timestamptz", ["'2024-01-01 00:00:00.000001+00'", "'2024-01-01 00:00:00.000002+00'", "'2038-01-19 03:14:07+00'"]),
    ("date", "date", ["'0001-01-01'", "'2024-02-29'", "'9999-12-31'"]),
    ("date", "date", ["'-infinity'", "'0044-03-15 BC'", "'infinity'"]),
    ("timestamp", "timestamp", ["'-infinity'", "'0044-03-15 23:59:59.5 BC'", "'infinity'"]),
    ("numeric", "numeric", ["'-Infinity'", "'Infinity'", "'NaN'"]),
    ("numeric", "numeric", ["1e-200", "1e5000", "'NaN'"]),
    ("time", "time", ["'00:00:00'", "'12:30:00.000001'", "'24:00:00'"]),
    ("interval", "interval", ["'-1 year'", "'1 mon 2 days -03:04:05.678'", "'178000000 years'"]),
    ("inet", "inet", ["'10.0.0.9'", "'10.0.0.10'", "'2001:db8::1'"]),
    ("mood", "text", ["'sad'", "'ok'", "'it''s 🚚'"]),
    ("char(5)", "text", ["'b'", "'a b'", "'🚚'"]),
    ("name", "text", ["'B'", "'a'", "'_'"]),
    ("citext", "text", ["'B'", "'a'", "'ç'"]),
    ("money", "text", ["'-2'", "'10'", "'1234.5'"]),
    ("int4range", "text", ["'empty'", "'[2,3)'", "'[10,)'"]),
    ("varbit", "text", ["B''", "B'0'", "B'10'"]),
    ("timetz", "text", ["'12:00+02'", "'11:00+00'", "'09:30-05'"]),
]  # fmt: skip


def test_a_key_of_any_kind_orders_the_chunks_and_is_read_once(world: WorldMaker) -> None:
    w = world(source="postgres")
    w.on("shop_00", "CREATE TYPE mood AS ENUM ('sad', 'ok', 'it''s 🚚')")
    extensions = {name for (name,) in w.on("shop_00", "SELECT name FROM pg_available_extensions")} & {"citext"}
    for extension in extensions:  # a Postgres of a wheel has it not
        w.on("shop_00", f"CREATE EXTENSION {extension}")
    keys = [key for key in KEYS if key[0] not in {"citext"} - extensions]
    for n, (declared, target, literals) in enumerate(keys):
        w.view = orders_view(
            name=f"keys_{n}", source={"connection": "postgres-shards/shop", "table": f"keys_{n}", "primary_key": ["k"], "chunk": "1kb"},
            columns={"k": target, "pad": "text", "updated_at": "timestamp"}, warehouse={"table": f"analytics.keys_{n}", "key": ["k"]},
        )  # fmt: skip
        w.on("shop_00", f"CREATE TABLE keys_{n} (k {declared} PRIMARY KEY, pad text, updated_at timestamp NOT NULL)")
        w.on("shop_00", f"ALTER TABLE keys_{n} ALTER pad SET STORAGE EXTERNAL")
        w.on(
            "shop_00",
            f"INSERT INTO keys_{n} VALUES " + ", ".join(f"({literal}, repeat('x', 2000000), '2026-01-01')" for literal in literals),
        )
        w.on("shop_00", f"ANALYZE keys_{n}")
        report = w.must_sync().shards["shop_00"]
        chunks = w.warehouse("SELECT count(*) FROM shardlake.files JOIN shardlake.windows USING (window_id) WHERE feed = %s", f"keys_{n}")
        found = w.warehouse(f"SELECT count(DISTINCT k) FROM analytics.keys_{n}")
        assert (declared, report.read, report.merged, found, chunks > [(1,)]) == (declared, 3, 3, [(3,)], True)


# --- what cannot be held, and what cannot be read --------------------------------------------------------------------
BAD: list[tuple[str, str, str, str, str]] = [
    ("numeric", "numeric(12,2)", "1.239", "1.239", "would be rounded to fit numeric(12,2)"),
    ("numeric", "numeric(12,2)", "'Infinity'", "Infinity", "is not numeric(12,2)"),
    ("bigint", "integer", "2147483648", "2147483648", "is not integer"),
    ("integer", "smallint", "32768", "32768", "is not smallint"),
    ("double precision", "real", "1e300", "1e+300", "is not real"),
    ("double precision", "real", "0.1234567890123", "0.1234567890123", "would be rounded to fit real"),
    ("timestamp", "date", "'2024-01-01 12:00:00'", "2024-01-01 12:00:00", "has a time of day that date would cut"),
    (
        "timestamptz",
        "timestamp",
        "'2024-01-01 12:00:00+02'",
        "2024-01-01 10:00:00+00",
        "has a time zone that timestamp would drop; declare timestamptz",
    ),
    (
        "timestamptz",
        "date",
        "'2024-01-01 00:00:00+00'",
        "2024-01-01 00:00:00+00",
        "has a time zone that date would drop; declare timestamptz",
    ),
    ("interval", "time", "'25 hours'", "25:00:00", "is not time"),
    ("text", "varchar(3)", "'abcd'", "abcd", "is longer than varchar(3)"),
    ("text", "timestamptz", "'now'", "now", "is not timestamptz"),
    ("numeric[]", "numeric(12,2)[]", "'{1.239}'", "{1.239}", "would be rounded to fit numeric(12,2)[]"),
    ("bigint[]", "integer[]", "'{2147483648}'", "{2147483648}", "is not integer[]"),
    ("text[]", "integer[]", "'{a}'", "{a}", "is not integer[]"),
    ("json", "jsonb", '\'{"a": "\\u0000"}\'', '{"a": "\\u0000"}', "holds a NUL character (\\u0000), which Postgres cannot store"),
    ("text", "jsonb", "'{'", "{", "is not JSON (unexpected end of data at 1)"),
    ("bytea", "uuid", "'\\x00'", "00", "is not uuid"),
]


@pytest.mark.parametrize("late", [False, True], ids=["a first load", "a later window"])
def test_what_a_type_cannot_hold_is_rejected_with_column_value_and_reason_and_never_changed(world: WorldMaker, late: bool) -> None:
    w = typed(world, {f"c{n}": (declared, target) for n, (declared, target, *_) in enumerate(BAD)})
    insert(w, 100)
    if late:
        w.must_sync()
    w.on("shop_00", "ALTER TABLE orders ALTER updated_at SET DEFAULT clock_timestamp()")
    for n, (_, _, literal, *_) in enumerate(BAD):
        insert(w, n, **{f"c{n}": literal})
    run = w.sync()
    report = run.shards["shop_00"]
    assert run.ok != late  # a shard of which every row is rejected is not well
    assert (report.read, report.merged, report.rejected) == (len(BAD) + (not late), 0 if late else 1, len(BAD))
    assert w.target("id") == [(100,)]
    found = sorted(w.rejects(), key=lambda row: int(row[1]["id"]))
    assert found == [("shop_00", {"id": str(n)}, f"c{n}", value, reason) for n, (_, _, _, value, reason) in enumerate(BAD)]


def test_what_arrives_as_it_is_printed_can_be_converted_in_sql(world: WorldMaker) -> None:
    view = orders_view(
        source={"connection": "postgres-shards/shop", "table": None, "sql": "extract.sql"},
        columns={"id": "bigint", "v": "numeric", "updated_at": "timestamptz"},
    )
    w = world(source="postgres", view=view | {"sql_text": "SELECT id, v::numeric AS v, updated_at FROM orders"})
    w.on("shop_00", "CREATE TABLE orders (id bigint PRIMARY KEY, v money, updated_at timestamptz NOT NULL)")
    w.on("shop_00", "INSERT INTO orders VALUES (1, '12.34', '2026-01-01')")
    w.must_sync()
    assert w.target("id, v::text") == [(1, "12.34")]


def test_odd_names_arrive_as_they_are_and_nothing_in_them_is_run(world: WorldMaker) -> None:
    odd = ("select", "Mixed Case", "semi;colon--", "per%cent", "{brace}", "back\\slash", "quo'te", 'quo"te', "dot.ted", "naïve 🚚", "items")
    view = orders_view(
        source={"connection": "postgres-shards/shop", "table": 'Or"ders; DROP TABLE x', "primary_key": ["I d"], "cursor": 'up"dated'},
        columns={"I d": "bigint", 'up"dated': "timestamp", **{name: {"type": "text", "from": [name]} for name in odd}}, warehouse={"key": ["I d"]},
    )  # fmt: skip
    w = world(source="postgres", view=view)
    lines = ", ".join('"' + name.replace('"', '""') + '" text' for name in odd)
    w.on("shop_00", f'CREATE TABLE "Or""ders; DROP TABLE x" ("I d" bigint PRIMARY KEY, {lines}, "up""dated" timestamp NOT NULL)')
    values = ", ".join("'of " + name.replace("'", "''") + "'" for name in odd)
    w.on("shop_00", f'INSERT INTO "Or""ders; DROP TABLE x" VALUES (1, {values}, \'2026-01-01\')')
    w.must_sync()
    columns = ", ".join('"' + name.replace('"', '""') + '"' for name in odd)
    assert w.target(columns) == [tuple(f"of {name}" for name in odd)]
