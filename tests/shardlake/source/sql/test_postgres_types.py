"""The table of Postgres's types: what a draft declares for each arrives value by value when the draft is run as it is."""

from __future__ import annotations

import pytest

from shardlake.source.sql.postgres_types import TYPES
from tests.drafting import catalogue, columns, draft, remarks, run_in_every_sink
from tests.world import World, WorldMaker

Types = dict[str, tuple[str, str, str, str]]
"""By column: its type at the source, a literal of it, the type that is drafted, and the value in the warehouse, as text."""

NUMBERS: Types = {
    "small": ("smallint", "-32768", "bigint", "-32768"),
    "whole": ("integer", "2147483647", "bigint", "2147483647"),
    "big": ("bigint", "-9223372036854775808", "bigint", "-9223372036854775808"),
    "an_oid": ("oid", "4294967295", "bigint", "4294967295"),
    "cents": ("cents", "7", "bigint", "7"),
    "exact": ("numeric", "12345678901234567890.123456789", "numeric", "12345678901234567890.123456789"),
    "single": ("real", "0.1", "real", "0.1"),
    "twice": ("double precision", "0.1", "double precision", "0.1"),
    "truth": ("boolean not null default true", "true", "boolean", "true"),
    "price": ("money", "'1234.5'", "text", "$1,234.50"),
}
TEXTS: Types = {
    "fixed": ("char(3)", "'ab'", "text", "ab"),
    "one": ('"char"', "'x'", "text", "x"),
    "folded": ("citext", "'Ünal'", "text", "Ünal"),
    "feeling": ("_state", "'it''s {odd}'", "text", "it's {odd}"),
    "feelings": ("_state[]", """'{"it''s {odd}"}'""", "text[]", '{"it\'s {odd}"}'),
    "id16": ("uuid", "'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'", "uuid", "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"),
    "address": ("inet", "'10.0.0.1/8'", "inet", "10.0.0.1/8"),
    "network": ("cidr", "'10.0.0.0/8'", "inet", "10.0.0.0/8"),
    "card": ("macaddr", "'08:00:2b:01:02:03'", "text", "08:00:2b:01:02:03"),
    "card8": ("macaddr8", "'08:00:2b:01:02:03:04:05'", "text", "08:00:2b:01:02:03:04:05"),
    "raw": ("bytea", "'\\x00ff'", "bytea", "\\x00ff"),
    "bits": ("bit(3)", "B'101'", "text", "101"),
    "some_bits": ("varbit", "B'0'", "text", "0"),
    "pairs": ("hstore", """'a=>1, "b c"=>NULL'""", "text", '"a"=>"1", "b c"=>NULL'),
    "markup": ("xml", "'<a>é</a>'", "text", "<a>é</a>"),
    "words": ("tsvector", "'b a:1'", "text", "'a':1 'b'"),
    "asked": ("tsquery", "'a & b'", "text", "'a' & 'b'"),
    "path_in": ("jsonpath", "'$.a'", "text", '$."a"'),
    "log": ("pg_lsn", "'16/B374D848'", "text", "16/B374D848"),
    "label": ("ltree", "'a.b'", "text", "a.b"),
}
TIMES: Types = {
    "day": ("date", "'2024-02-29'", "date", "2024-02-29"),
    "clock": ("time", "'24:00:00'", "time", "24:00:00"),
    "clock_zoned": ("timetz", "'12:00:00+05:30'", "text", "12:00:00+05:30"),
    "span": ("interval", "'1 day 02:00'", "interval", "1 day 02:00:00"),
    "stamp": ("timestamp", "'2024-02-29 12:00:00.000001'", "timestamptz", "2024-02-29 12:00:00.000001+00"),
    "zoned": ("timestamptz", "'2024-02-29 12:00:00+02'", "timestamptz", "2024-02-29 10:00:00+00"),
}
SHAPES: Types = {
    "spot": ("point", "'(1,2)'", "text", "(1,2)"),
    "area": ("box", "'(1,1),(0,0)'", "text", "(1,1),(0,0)"),
    "areas": ("box[]", "'{(1,1),(0,0);(2,2),(1,1)}'", "text", "{(1,1),(0,0);(2,2),(1,1)}"),
    "solid": ("cube", "'(1,2)'", "text", "(1, 2)"),
    "years": ("int4range", "'[1,3]'", "text", "[1,4)"),
    "many_years": ("int4multirange", "'{[1,3],[5,5]}'", "text", "{[1,4),[5,6)}"),
    "prices": ("cents_range", "'[1,)'", "text", "[1,)"),
    "whom": ("person", "('Ünal, A.', 7, '\\xff')", "text", '("Ünal, A.",7,"\\\\xff")'),
    "whole_few": ("integer[]", "'{1,NULL}'", "integer[]", "{1,NULL}"),
    "cents_few": ("cents[]", "'{1,2}'", "bigint[]", "{1,2}"),
    "exact_few": ("numeric[]", "'{1.10}'", "numeric[]", "{1.10}"),
    "days": ("date[]", "'{2024-02-29}'", "text[]", "{2024-02-29}"),
    "of_few": ("few", "'{3}'", "integer[]", "{3}"),
    "people": ("person[]", "ARRAY[ROW('a', 1, NULL)::person]", "text[]", '{"(a,1,)"}'),
}
OWN = (
    "CREATE TYPE _state AS ENUM ('it''s {odd}', 'ok')",
    "CREATE DOMAIN small_cents AS bigint CHECK (value >= 0)", "CREATE DOMAIN cents AS small_cents", "CREATE DOMAIN few AS integer[]",
    "CREATE TYPE cents_range AS RANGE (subtype = bigint)", "CREATE TYPE person AS (name text, age integer, raw bytea)",
)  # fmt: skip


def own_types(w: World) -> None:
    for statement in OWN:
        w.on("shop_00", statement)


def with_extensions(w: World, types: Types) -> Types:
    """The types that this server has, with their extensions made: a Postgres of a wheel has none of these four, and no XML."""
    named = {"citext", "hstore", "ltree", "cube"}
    there = {name for (name,) in w.on("shop_00", "SELECT name FROM pg_available_extensions")} & named
    for name in sorted(there):
        w.on("shop_00", f"CREATE EXTENSION {name}")
    if not w.on("shop_00", "SELECT 1 FROM pg_config() WHERE name = 'CONFIGURE' AND setting LIKE '%libxml%'"):
        named |= {"xml"}
    return {name: line for name, line in types.items() if line[0] not in named - there}


def test_what_is_drafted_for_each_type_arrives_when_the_draft_is_run(world: WorldMaker) -> None:
    w = world(source="postgres")
    types = with_extensions(w, NUMBERS | TEXTS | TIMES | SHAPES)
    own_types(w)
    w.on(
        "shop_00",
        "CREATE TABLE things (id bigint PRIMARY KEY, "
        + ", ".join(f"{n} {t}" for n, (t, *_) in types.items())
        + ", updated_at timestamptz NOT NULL DEFAULT '2026-01-01')",
    )
    w.on("shop_00", f"INSERT INTO things (id, {', '.join(types)}) VALUES (1, {', '.join(literal for _, literal, *_ in types.values())})")
    w.on("shop_00", "INSERT INTO things (id) VALUES (2)")
    made = draft(w, "things")
    assert columns(made) == {"id": "bigint"} | {name: drafted for name, (_, _, drafted, _) in types.items()} | {"updated_at": "timestamptz"}
    run_in_every_sink(w, made)
    found = w.warehouse(f"SELECT {', '.join(f'{name}::text' for name in types)} FROM analytics.things ORDER BY id")
    assert dict(zip(types, found[0], strict=True)) == {name: printed for name, (*_, printed) in types.items()}
    assert set(found[1]) == {None, "true"}


def test_a_type_that_is_not_known_is_refused_by_name_with_what_to_do_and_left_out_of_a_draft(world: WorldMaker) -> None:
    w = world(source="postgres")
    for statement in (
        "CREATE TYPE mystery",
        "CREATE FUNCTION mystery_in(cstring) RETURNS mystery AS 'textin' LANGUAGE internal IMMUTABLE STRICT",
        "CREATE FUNCTION mystery_out(mystery) RETURNS cstring AS 'textout' LANGUAGE internal IMMUTABLE STRICT",
        "CREATE TYPE mystery (INPUT = mystery_in, OUTPUT = mystery_out, LIKE = text)",
        "CREATE TABLE orders (id bigint PRIMARY KEY, v mystery, several mystery[], updated_at timestamptz NOT NULL)",
    ):
        w.on("shop_00", statement)
    made = draft(w, "orders")
    assert columns(made) == {"id": "bigint", "updated_at": "timestamptz"}
    advice = "cannot be read exactly; in an extract.sql select it as a type that can, such as its text: mystery::text"
    assert remarks(made)[-2:] == [f"v is left out: mystery {advice}", f"several is left out: mystery[] {advice}"]
    w.view |= {"source": made.view.source.model_dump(mode="json", exclude_defaults=True), "columns": {"id": "bigint", "updated_at": "timestamptz", "v": "text"}}  # fmt: skip
    assert w.sync().shards["shop_00"].error == (
        "shop_00, v: the type mystery cannot be read exactly; select it as a type that can, such as its text: mystery::text."
        " Convert it in extract.sql, or leave it out."
    )


INSIDE = {"gtsvector", "pg_brin_bloom_summary", "pg_brin_minmax_multi_summary", "pg_dependencies", "pg_mcv_list", "pg_ndistinct", "pg_node_tree"}  # fmt: skip
"""Types that the server alone makes, in its own catalogues and indexes."""


def test_every_base_type_of_the_server_has_a_line(world: WorldMaker) -> None:
    w = world(source="postgres")
    found = w.on(
        "shop_00", "SELECT typname FROM pg_type t WHERE typtype = 'b' AND NOT EXISTS (SELECT FROM pg_type e WHERE e.typarray = t.oid)"
    )
    assert {name for (name,) in found} - TYPES.keys() - INSIDE == set()


@pytest.mark.parametrize(("declared", "literal"), [("json", "'{}'"), ("point", "'(1,2)'"), ("person", "ROW('a', 1, NULL)")])
def test_a_type_without_an_order_cannot_be_a_key(world: WorldMaker, declared: str, literal: str) -> None:
    w = world(source="postgres")
    w.on("shop_00", "CREATE TYPE person AS (name text, age integer, raw bytea)")
    w.on("shop_00", f"CREATE TABLE orders (k {declared} NOT NULL, id bigint)")
    assert not catalogue(w, "orders").columns["k"].sorts_as_it_compares or declared == "json"
    w.on("shop_00", f"INSERT INTO orders VALUES ({literal}, 1), ({literal}, 2)")
    assert draft(w, "orders").view.source.primary_key == ("id",)


def test_the_columns_that_a_key_includes_are_none_of_it_and_an_index_begins_with_whole_columns_alone(world: WorldMaker) -> None:
    w = world(source="postgres")
    w.on(
        "shop_00", "CREATE TABLE orders (a int, b int, v text, payload text, updated_at timestamptz, PRIMARY KEY (a, b) INCLUDE (payload))"
    )
    for index in (
        "(lower(v), updated_at)", "(updated_at) WHERE v IS NULL", "USING brin (updated_at)", "USING hash (updated_at)", "(v, lower(v), b)",
    ):  # fmt: skip
        w.on("shop_00", f"CREATE INDEX ON orders {index}")
    found = catalogue(w, "orders")
    assert found.primary_key == ["a", "b"]
    assert sorted((index.columns, index.unique) for index in found.indexes) == [((), False), (("a", "b"), True), (("v",), False)]
    assert "no index begins with updated_at: each run would read the whole table; create one on the shards" in remarks(draft(w, "orders"))
    w.on("shop_00", "CREATE UNIQUE INDEX ON orders (updated_at DESC, a) INCLUDE (payload)")
    assert [(i.columns, i.unique) for i in catalogue(w, "orders").indexes if "updated_at" in i.columns] == [(("updated_at", "a"), True)]
    assert remarks(draft(w, "orders")) == []
