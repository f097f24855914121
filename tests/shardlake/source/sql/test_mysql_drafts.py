"""The table of MariaDB's and MySQL's types: what a draft declares for each arrives value by value when the draft is run as it is."""

from __future__ import annotations

import pymysql
import pytest
from pymysql.constants import FIELD_TYPE

from shardlake.source.sql.dialect import SourceColumn
from shardlake.source.sql.mysql_types import column
from tests.drafting import catalogue, columns, draft, remarks, run, run_in_every_sink
from tests.world import WorldMaker

Types = dict[str, tuple[str, str, str, str]]
"""By column: its type at the source, a literal of it, the type that is drafted, and the value in the warehouse, as text."""

NUMBERS: Types = {
    "tiny": ("tinyint", "-128", "bigint", "-128"),
    "flag": ("tinyint(1)", "2", "bigint", "2"),
    "small": ("smallint unsigned", "65535", "bigint", "65535"),
    "medium": ("mediumint", "8388607", "bigint", "8388607"),
    "whole": ("int unsigned zerofill", "4294967295", "bigint", "4294967295"),
    "big": ("bigint", "-9223372036854775808", "bigint", "-9223372036854775808"),
    "ubig": ("bigint unsigned", "18446744073709551615", "numeric", "18446744073709551615"),
    "bit1": ("bit(1)", "b'1'", "boolean", "true"),
    "bit8": ("bit(8)", "b'11111111'", "bigint", "255"),
    "bit63": ("bit(63)", "9223372036854775807", "bigint", "9223372036854775807"),
    "bit64": ("bit(64)", "18446744073709551615", "numeric", "18446744073709551615"),
    "a_year": ("year", "2155", "bigint", "2155"),
    "exact": ("decimal(65,30)", "0.000000000000000000000000000001", "numeric", "0.000000000000000000000000000001"),
    "single": ("float", "0.1", "double precision", "0.10000000149011612"),
    "twice": ("double", "1e300", "double precision", "1e+300"),
}
OTHERS: Types = {
    "day": ("date", "'2024-02-29'", "date", "2024-02-29"),
    "stamp": ("datetime(6)", "'2024-02-29 12:00:00.000001'", "timestamptz", "2024-02-29 12:00:00.000001+00"),
    "instant": ("timestamp NULL", "'2024-02-29 12:00:00'", "timestamptz", "2024-02-29 12:00:00+00"),
    "span": ("time", "'-838:59:59'", "interval", "-838:59:59"),
    "fixed": ("char(3)", "'ab'", "text", "ab"),
    "some_text": ("varchar(9)", "'ä'", "text", "ä"),
    "short_text": ("tinytext", "'a'", "text", "a"),
    "long_text": ("mediumtext", "'a'", "text", "a"),
    "choice": ("enum('a','ü')", "'ü'", "text", "ü"),
    "several": ("set('a','b')", "'a,b'", "text", "a,b"),
    "few": ("binary(2)", "x'00ff'", "bytea", "\\x00ff"),
    "bytes": ("varbinary(9)", "x'00ff'", "bytea", "\\x00ff"),
    "blob_s": ("tinyblob", "x'00ff'", "bytea", "\\x00ff"),
    "blob_m": ("mediumblob", "x'00ff'", "bytea", "\\x00ff"),
    "blob_l": ("longblob", "x'00ff'", "bytea", "\\x00ff"),
    "spot": ("point", "ST_GeomFromText('POINT(1 2)', 4326)", "text", "SRID=4326;POINT(1 2)"),
    "line": ("linestring", "ST_GeomFromText('LINESTRING(0 0,1 1)')", "text", "LINESTRING(0 0,1 1)"),
    "any_shape": ("geometry", "ST_GeomFromText('POINT(1 2)')", "text", "POINT(1 2)"),
}
MARIADB: Types = {
    "id16": ("uuid", "'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'", "uuid", "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"),
    "v4": ("inet4", "'192.168.0.255'", "inet", "192.168.0.255/32"),
    "v6": ("inet6", "'2001:db8::1'", "inet", "2001:db8::1/128"),
}


def test_what_is_drafted_for_each_type_arrives_when_the_draft_is_run(world: WorldMaker) -> None:
    w, types = world(), NUMBERS | OTHERS | MARIADB
    w.on(
        "shop_00",
        "CREATE TABLE things (id bigint PRIMARY KEY, "
        + ", ".join(f"{n} {t}" for n, (t, *_) in types.items())
        + ", updated_at datetime(6) NOT NULL DEFAULT '2026-01-01')",
    )
    w.on("shop_00", f"INSERT INTO things (id, {', '.join(types)}) VALUES (1, {', '.join(literal for _, literal, *_ in types.values())})")
    w.on("shop_00", "INSERT INTO things (id) VALUES (2)")
    made = draft(w, "things")
    assert columns(made) == {"id": "bigint"} | {name: drafted for name, (_, _, drafted, _) in types.items()} | {"updated_at": "timestamptz"}
    assert "tinyint(1) holds -128 to 127: say boolean for flag where 0 and 1 alone are meant" in remarks(made)
    run_in_every_sink(w, made)
    found = w.warehouse(f"SELECT {', '.join(f'{name}::text' for name in types)} FROM analytics.things ORDER BY id")
    assert dict(zip(types, found[0], strict=True)) == {name: printed for name, (*_, printed) in types.items()}
    assert set(found[1]) == {None}


def described(code: int, declared: str | None = None, charset: int = 45, flags: int = 0, length: int = 4) -> SourceColumn:
    """A column as a packet of the server would describe it."""
    field = pymysql.connections.FieldDescriptorPacket.__new__(pymysql.connections.FieldDescriptorPacket)
    field.name, field.type_code, field.charsetnr, field.flags, field.length = "v", code, charset, flags, length
    return column(field, declared)


@pytest.mark.parametrize(("code", "declared", "advice"), [
    (242, "vector(3)", "select HEX of it (every digit), or VECTOR_TO_STRING (six digits)"),  # as MySQL sends it
    (FIELD_TYPE.VAR_STRING, "vector(3)", "select HEX of it (every digit), or VECTOR_TO_STRING (six digits)"),  # as MariaDB does
    (FIELD_TYPE.BLOB, "xmltype", "select it as CAST(… AS CHAR)"),
    (FIELD_TYPE.VAR_STRING, "of_a_plugin", ""),
])  # fmt: skip
def test_a_type_that_cannot_be_read_exactly_has_no_target_and_says_what_to_do(code: int, declared: str, advice: str) -> None:
    found = described(code, declared)
    assert (found.kind, found.target, found.declared, found.advice) == ("other", None, declared.partition("(")[0], advice)


@pytest.mark.parametrize("declared", ["bigint(20) unsigned", "bigint unsigned", "bigint(20) unsigned zerofill"])
def test_an_unsigned_bigint_is_drafted_as_numeric_however_the_server_spells_it(declared: str) -> None:
    assert (described(FIELD_TYPE.LONGLONG, declared, 63).target, described(FIELD_TYPE.LONGLONG, None, 63, 32).target) == (
        "numeric",
        "numeric",
    )


def test_a_type_that_no_server_has_yet_is_refused_by_its_number_in_a_query() -> None:
    assert (described(240).kind, described(240).declared) == ("other", "number_240")


def test_invisible_columns_are_columns_and_may_be_the_cursor(world: WorldMaker) -> None:
    w = world()
    w.on(
        "shop_00",
        "CREATE TABLE orders (id bigint PRIMARY KEY INVISIBLE AUTO_INCREMENT, status varchar(9), note int INVISIBLE,"
        " updated_at datetime(6) NOT NULL DEFAULT '2026-01-01' INVISIBLE, KEY (updated_at))",
    )
    w.on("shop_00", "INSERT INTO orders (id, status, note) VALUES (7, 'paid', 3)")
    made = draft(w, "orders")
    assert columns(made) == {"id": "bigint", "status": "text", "note": "bigint", "updated_at": "timestamptz"}
    assert (made.view.source.primary_key, made.view.source.version_field, made.view.warehouse.write) == (("id",), "updated_at", "merge")
    run(w, made)
    assert w.warehouse("SELECT id, status, note, updated_at::text FROM analytics.orders") == [(7, "paid", 3, "2026-01-01 00:00:00+00")]


def test_an_index_that_no_reading_in_order_can_use_does_not_begin_with_the_cursor(world: WorldMaker) -> None:
    w = world()
    w.on("shop_00", "CREATE TABLE orders (a int, b int, v varchar(20), updated_at datetime NOT NULL, PRIMARY KEY (v(5), a))")
    w.on("shop_00", "ALTER TABLE orders ADD KEY (updated_at) IGNORED, ADD FULLTEXT KEY (v), ADD KEY (b, v(3), a), ADD UNIQUE KEY (b, v(3))")
    found = catalogue(w, "orders")
    assert found.primary_key == ["v", "a"]
    assert sorted((index.columns, index.unique) for index in found.indexes) == [((), False), (("b",), False), (("b",), False)]
    assert "no index begins with updated_at: each run would read the whole table; create one on the shards" in remarks(draft(w, "orders"))
    w.on("shop_00", "ALTER TABLE orders ADD UNIQUE KEY (updated_at DESC, a)")
    assert [i.unique for i in catalogue(w, "orders").indexes if i.columns == ("updated_at", "a")] == [True]
    assert remarks(draft(w, "orders")) == []
