"""Types: a text that is called certain is one that Postgres takes as it is; what a type holds; how types are written."""

from __future__ import annotations

from collections.abc import Iterator

import psycopg
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from embedded.postgres import Postgres
from shardlake.ledger.migrate import migrate
from shardlake.rows.cast import cast
from shardlake.shape import uncertain
from shardlake.view.types import ALIASES, ARRAYS, CERTAIN, Type, parse

EVERY = tuple(parse(text) for text in (
    *CERTAIN, *(f"{name}[]" for name in ARRAYS),
    "numeric(1)", "numeric(12,2)", "numeric(3,3)", "numeric(65,30)", "numeric(400,20)", "numeric(1000,500)", "numeric(1000)",
    "numeric(12,2)[]", "varchar(1)", "varchar(3)", "varchar(5000)",
))  # fmt: skip

HOSTILE = (
    "", " ", "0", "-0", "+1", "00", "007", "1_000", "0x1F", "0b1", "1e3", "1E-400", "1.", ".5", "-.5", "1.239", "0.999", "1.0", "--1", "- 1", "٣", "１２",
    "12 ", " 12", "12\n", "\n12", "1,5", "1 000", "NaN", "nan", "Infinity", "-infinity", "inf", "1e400", "9" * 70, "0." + "9" * 70,
    "32767", "32768", "-32769", "2147483647", "2147483648", "-2147483649", "9223372036854775807", "9223372036854775808", "-9223372036854775809",
    "16777217", "9007199254740993", "99999999", "1234567.1", "3.4028236e38", "1e39", "5e-324", "1e-400", "0.30000000000000004",
    "true", "TRUE", "t", "f", "yes", "on", "2", "tru", "null", "NULL", "\\N", "\\.", "a\n\\.\nb",
    "0000-00-00", "2024-00-00", "2024-01-00", "2024-02-29", "2023-02-29", "2024-02-30", "2024-04-31", "2024-13-01", "0001-01-01", "0099-01-01", "0100-01-01",
    "9999-12-31", "10000-01-01", "5874897-12-31", "24-1-1", "2024-1-1", "01/02/2024", "20240101", "0044-03-15 BC", "infinity", "now", "today", "epoch", "allballs", " NOW ",
    "2024-01-01 00:00:00", "2024-01-01 12:00:00", "2024-01-01T12:00:00Z", "2024-01-01 12:00:00+02", "2024-01-01 12:00:00+0230", "2024-01-01 12:00:00+15:59",
    "2024-01-01 12:00:00+16:00", "2024-01-01 12:00:00 Europe/Berlin", "2024-01-01 24:00:00", "2024-01-01 23:59:60", "2024-01-01 25:00:00", "2024-01-01 12:00:00.1234567",
    "2024-01-01 12:00:00.1234560", "2024-01-01 12:00", "0000-00-00 00:00:00", "294277-01-01 00:00:00", "2024-02-30 00:00:00", "0044-03-15 12:00:00 BC", "0044-03-15 12:00:00+00 BC",
    "12:34:56", "24:00:00", "25:00:00", "-01:00:00", "838:59:59.999999", "-838:59:59", "1000:00:00", "23:59:60", "12:34", "12:34:56+02", "12:34:56.1234567", "1 day", "1 day -00:00:01",
    "P1Y2M3DT4H5M6S", "1 year 2 mons", "1 fortnight",
    "00000000-0000-0000-0000-000000000000", "{00000000-0000-0000-0000-000000000000}", "0" * 32, "0" * 31, "g" * 32, "00000000-0000-0000-0000-00000000000",
    "\\x", "\\x0", "\\x00ff", "\\xGG", "\\xFF", "x00", "abc", "\\\\", "\\012", "é", "😀", "a b c d", "ééé", "abcd", "abc ", "a\tb", "'", "''", '"', "';--", "a\\", "$$",
    "10.0.0.1", "10.0.0.256", "010.0.0.1", "10.0.0.1/8", "10.0.0.0/33", "::1", "fe80::1%eth0", "1.2.3", "1.2.3.4.5", "10.0.0.01",
    "[]", "[ ]", "[1]", "[1,2]", "[1, 2]", "[007]", "[-0]", "[+1]", "[1,]", "[,1]", "[1.239]", "[1.0]", "[1e2]", "[null]", "[[1],[2]]", '["a"]', '["a,b","c\\"d"]', '["\\u0000"]',
    "[2147483648]", "[32768]", "[16777217]", "{1,2}", "{1.239}", "{}", "{{1},{2}}", "{1,", '{"a b",NULL}', "[0:1]={1,2}", "{NULL}", '{"a": 1}', "[\n1\n]", "[1]x",
    '{"a": NaN}', '{"a": 1e999999}', '{"a": "\\u0000"}', '"\\ud800"', "nul", "01", "{", "[" * 5000, '{"a":1,"a":2}',
)  # fmt: skip

NUMBERS = [text for text in HOSTILE if text[-1:].isdigit()]


@pytest.fixture(scope="module")
def ledger(postgres: Postgres) -> Iterator[psycopg.Connection]:
    postgres.execute("CREATE DATABASE types_of_shardlake")
    with psycopg.connect(postgres.url(database="types_of_shardlake"), autocommit=True) as connection:
        migrate(connection)
        yield connection


def certain(type_: Type, texts: list[str]) -> list[str]:
    """Those texts that shape lets through unjudged."""
    if type_.certain is None:
        return texts
    column = pa.chunked_array([texts], pa.string())
    return [str(text) for text in column.filter(uncertain.certain(type_, column)).to_pylist()]


def certain_to_postgres(ledger: psycopg.Connection, type_: Type, texts: list[str]) -> list[str]:
    """Those texts that the merge takes to be certain, by the same pattern in Postgres's own dialect."""
    if type_.certain is None or type_.name == "varchar":  # whose cast costs less than its pattern
        return []
    query = "SELECT x FROM unnest(%s::text[]) x WHERE x ~ %s"
    return [row[0] for row in ledger.execute(query, (texts, f"^(?:{type_.certain})$")).fetchall()]


def refused(ledger: psycopg.Connection, type_: Type, texts: list[str]) -> list[tuple[str, str]]:
    """What Postgres would not take exactly, with its reason."""
    query = "SELECT x, shardlake.cast_error(x, %s) FROM unnest(%s::text[]) x WHERE shardlake.cast_error(x, %s) IS NOT NULL"
    return ledger.execute(query, (str(type_), texts, str(type_))).fetchall()


def cast_all(ledger: psycopg.Connection, type_: Type, texts: list[str]) -> None:
    """The cast of a merge, over all of them at once; raises where one does not fit."""
    ledger.execute(f"SELECT count({cast(type_, 'x')}) FROM unnest(%s::text[]) x", (texts,))


FEW = settings(
    max_examples=4, deadline=None, derandomize=True, database=None, phases=[Phase.generate], suppress_health_check=list(HealthCheck)
)


def matching(type_: Type) -> st.SearchStrategy[list[str]]:
    """Texts that match a type's pattern; digits of other scripts, which hypothesis takes for digits, are none of its."""
    texts = st.lists(st.from_regex(type_.certain or "", fullmatch=True).filter(lambda text: "\0" not in text), min_size=20, max_size=60)
    return texts.map(lambda found: [t for t in found if t.isascii() or type_.name == "varchar"])


PATTERNED = tuple(t for t in EVERY if t.certain is not None)


@pytest.mark.parametrize("type_", PATTERNED, ids=str)
def test_every_text_that_matches_a_types_pattern_is_taken_by_postgres_exactly(ledger: psycopg.Connection, type_: Type) -> None:
    @FEW
    @given(matching(type_))
    def check(texts: list[str]) -> None:
        assert set(certain(type_, texts)) == set(texts)
        assert refused(ledger, type_, texts) == []
        cast_all(ledger, type_, texts)

    check()


@pytest.mark.parametrize("type_", [t for t in EVERY if t.name != "jsonb"], ids=str)
def test_no_hostile_text_passes_as_certain_that_postgres_would_not_take_exactly(ledger: psycopg.Connection, type_: Type) -> None:
    passed = certain(type_, list(HOSTILE))
    assert refused(ledger, type_, passed) == []
    cast_all(ledger, type_, passed)
    passed = certain_to_postgres(ledger, type_, list(HOSTILE))
    assert refused(ledger, type_, passed) == []
    cast_all(ledger, type_, passed)


@pytest.mark.parametrize("type_", EVERY, ids=str)
def test_postgres_judges_any_hostile_text_without_raising_and_what_it_passes_can_be_cast(ledger: psycopg.Connection, type_: Type) -> None:
    bad = {text for text, _ in refused(ledger, type_, list(HOSTILE))}
    cast_all(ledger, type_, [text for text in HOSTILE if text not in bad])


@pytest.mark.parametrize(("type_", "value", "reason"), [
    ("smallint", "32768", "is not smallint"),
    ("integer", "2147483648", "is not integer"),
    ("bigint", "9223372036854775808", "is not bigint"),
    ("integer", "1.0", "is not integer"),
    ("numeric(12,2)", "1.239", "would be rounded to fit numeric(12,2)"),
    ("numeric(12,2)", "12345678901", "is not numeric(12,2)"),
    ("numeric(12,2)", "Infinity", "is not numeric(12,2)"),
    ("numeric", "N/A", "is not numeric"),
    ("numeric(12,2)[]", "[1.00, 1.239]", "would be rounded to fit numeric(12,2)[]"),
    ("numeric(12,2)[]", "{1.239}", "would be rounded to fit numeric(12,2)[]"),
    ("integer[]", "[1, 1.5]", "is not integer[]"),
    ("integer[]", "[2147483648]", "is not integer[]"),
    ("real", "16777217", "would be rounded to fit real"),
    ("real", "1234567.89", "would be rounded to fit real"),
    ("double precision", "123456789012.123456789012", "would be rounded to fit double precision"),
    ("double precision[]", "[1, 0.12345678901234567890]", "would be rounded to fit double precision[]"),
    ("real[]", "[16777217]", "would be rounded to fit real[]"),
    ("double precision", "9007199254740993", "would be rounded to fit double precision"),
    ("double precision", "1e400", "is not double precision"),
    ("boolean", "2", "is not boolean"),
    ("varchar(3)", "abcd", "is longer than varchar(3)"),
    ("varchar(3)", "abc ", "is longer than varchar(3)"),
    ("date", "2024-01-01 12:00:00", "has a time of day that date would cut"),
    ("date", "0000-00-00", "is not date: it is a zero date, of which NULLIF(col, '0000-00-00') in extract.sql makes NULL"),
    ("date", "2024-00-00", "is not date: its month or day is zero; convert it in extract.sql"),
    ("date", "2023-02-29", "is not date"),
    ("date", "today", "is not date"),
    ("time", "25:00:00", "is not time"),
    ("time", "-01:00:00", "has more than a time of day; declare interval"),
    ("time", "12:34:56+02", "has a time zone that time would drop; declare text"),
    ("timestamp", "2024-01-01 12:00:00+02", "has a time zone that timestamp would drop; declare timestamptz"),
    ("timestamp", "2024-01-01T12:00:00Z", "has a time zone that timestamp would drop; declare timestamptz"),
    ("timestamp", "2024-01-01 12:00:00.1234567", "has more digits than the microseconds of timestamp"),
    ("timestamp", "now", "is not timestamp"),
    ("timestamptz", "0000-00-00 00:00:00+00", "is not timestamptz: it is a zero date, of which NULLIF(col, '0000-00-00') in extract.sql makes NULL"),
    ("interval", "1 fortnight", "is not interval"),
    ("uuid", "not-a-uuid", "is not uuid"),
    ("inet", "10.0.0.256", "is not inet"),
    ("bytea", "\\x0", "is not bytea"),
    ("jsonb", "{", "is not jsonb"),
    ("jsonb", '{"a": NaN}', "is not jsonb"),
    ("jsonb", '{"a": 1e200000}', "is not jsonb: a number in it has more digits than numeric's 131072 before and 16383 behind the point"),
    ("jsonb", "[1e-16384]", "is not jsonb: a number in it has more digits than numeric's 131072 before and 16383 behind the point"),
    ("date", "5874898-01-01", "is not date"),
    ("bigint[]", "[0:1]={7,x}", "is not bigint[]"),
    ("bigint[]", "[0:1]", "is not bigint[]"),
])  # fmt: skip
def test_what_a_type_would_change_or_refuse_is_named(ledger: psycopg.Connection, type_: str, value: str, reason: str) -> None:
    assert refused(ledger, parse(type_), [value]) == [(value, reason)]


@pytest.mark.parametrize(("type_", "value"), [
    ("bigint", "-9223372036854775808"),
    ("numeric(20,0)", "18446744073709551615"),
    ("numeric(65,30)", "99999999999999999999999999999999999.999999999999999999999999999999"),
    ("numeric(12,2)", "1.2300"),
    ("numeric", "NaN"),
    ("double precision", "1.7976931348623157e308"),
    ("double precision", "5e-324"),
    ("double precision", "0.30000000000000004"),
    ("double precision", "1.1000000000000000000000000"),
    ("real", "3.4028235e38"),
    ("real", "0.10000000149011612"),
    ("real", "123456.7"),
    ("date", "infinity"),
    ("date", "5874897-12-31"),
    ("date", " 10000-1-1"),
    ("bigint[]", "[0:1]={7,8}"),
    ("numeric[]", "[-1:0][2:3]={{1.5,NULL},{2,3}}"),
    ("text[]", "[2:3] = {a,b}"),
    ("text[]", "{{a,b},{c,NULL}}"),
    ("date", "0044-03-15 BC"),
    ("date", "2024-02-29"),
    ("timestamp", "0044-03-15 12:00:00 BC"),
    ("timestamp", "-infinity"),
    ("timestamptz", "0044-03-15 12:00:00+00 BC"),
    ("timestamptz", "2024-01-01 12:00:00+15:59"),
    ("time", "24:00:00"),
    ("interval", "-838:59:59.999999"),
    ("interval", "1 year 2 mons 3 days 04:05:06.7"),
    ("varchar(3)", "éé😀"),
    ("uuid", "A0EEBC999C0B4EF8BB6D6BB9BD380A11"),
    ("inet", "2001:db8::1/64"),
    ("numeric(12,2)[]", "[1.23, null, 4]"),
    ("text[]", '["a,b", "c\\"d", null, ""]'),
    ("text[]", '{"a,b",NULL}'),
    ("integer[]", "{{1,2},{3,4}}"),
])  # fmt: skip
def test_odd_but_exact_values_are_taken(ledger: psycopg.Connection, type_: str, value: str) -> None:
    assert refused(ledger, parse(type_), [value]) == []
    cast_all(ledger, parse(type_), [value])


def test_most_everyday_values_are_certain_so_that_few_are_judged_one_by_one() -> None:
    everyday = {
        "smallint": "-12", "integer": "123456789", "bigint": "123456789012345678", "numeric": "-12345678901234567890.123456789", "numeric(12,2)": "1234567890.12",
        "real": "1.5", "double precision": "-1234.5678", "boolean": "1", "varchar(3)": "aé\n", "date": "2024-12-28", "time": "23:59:59.999999",
        "interval": "-838:59:59", "timestamp": "2024-12-28 23:59:59.999999", "timestamptz": "2024-12-28T23:59:59+02:00", "bytea": "\\x00ff",
        "uuid": "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11", "inet": "192.168.0.1", "integer[]": "[1, -2,3]", "bigint[]": "[]",
    }  # fmt: skip
    assert [text for text, value in everyday.items() if certain(parse(text), [value]) != [value]] == []


@pytest.mark.parametrize(("wide", "narrow"), [
    ("numeric(12,2)", "numeric(10,2)"), ("numeric(12,2)", "numeric(10,0)"), ("numeric", "numeric(12,2)"), ("numeric", "bigint"), ("numeric(19,0)", "bigint"),
    ("numeric(12,2)", "integer"), ("bigint", "integer"), ("integer", "smallint"), ("double precision", "real"), ("text", "varchar(3)"), ("text", "varchar"),
    ("varchar", "varchar(3)"), ("varchar(5)", "varchar(3)"), ("jsonb", "jsonb"), ("integer[]", "integer[]"),
])  # fmt: skip
def test_a_wider_type_holds_every_value_of_a_narrower_one(wide: str, narrow: str) -> None:
    assert parse(wide).holds(parse(narrow))


@pytest.mark.parametrize(("wide", "narrow"), [
    ("integer", "bigint"), ("smallint", "integer"), ("real", "double precision"), ("double precision", "bigint"), ("real", "integer"), ("double precision", "numeric"),
    ("numeric(12,2)", "numeric(12,3)"), ("numeric(12,4)", "numeric(12,2)"), ("numeric(12,2)", "numeric"), ("numeric(18,0)", "bigint"), ("numeric(11,2)", "integer"),
    ("numeric(1000)", "text"), ("numeric(1000)", "double precision"), ("numeric(1000)", "date"), ("numeric", "text"), ("numeric", "double precision"),
    ("varchar(3)", "varchar(5)"), ("varchar(3)", "varchar"), ("varchar(9)", "text"), ("date", "timestamp"), ("timestamp", "timestamptz"), ("timestamptz", "timestamp"),
    ("text", "integer"), ("bigint[]", "integer[]"), ("text", "text[]"), ("text[]", "text"), ("jsonb", "text"), ("boolean", "smallint"),
])  # fmt: skip
def test_a_type_does_not_hold_what_it_might_change(wide: str, narrow: str) -> None:
    assert not parse(wide).holds(parse(narrow))


@pytest.mark.parametrize("wide", EVERY, ids=str)
def test_a_widened_column_keeps_every_value_of_the_narrower_type(ledger: psycopg.Connection, wide: Type) -> None:
    for narrow in EVERY:
        if wide != narrow and wide.holds(narrow):
            bad = {text for text, _ in refused(ledger, narrow, NUMBERS)}
            values = [text for text in NUMBERS if text not in bad]
            changed = ledger.execute(
                f"SELECT v, v::{wide} FROM (SELECT {cast(narrow, 'x')} AS v FROM unnest(%s::text[]) x) t WHERE v::{wide} <> v", (values,)
            ).fetchall()
            assert changed == [], f"{narrow} into {wide}"


@pytest.mark.parametrize(("text", "type_"), [
    ("numeric(12,2)", Type("numeric", (12, 2))), (" DECIMAL ( 12 , 2 ) ", Type("numeric", (12, 2))), ("numeric(5)", Type("numeric", (5,))), ("INT[]", Type("integer", (), True)),
    ("int8", Type("bigint")), ("float", Type("double precision")), ("Timestamp with time zone", Type("timestamptz")), ("timestamp without time zone", Type("timestamp")),
    ("character varying(20)", Type("varchar", (20,))), ("json", Type("jsonb")), ("string", Type("text")), ("numeric(12,2)[]", Type("numeric", (12, 2), True)),
])  # fmt: skip
def test_types_are_read_as_analysts_write_them(text: str, type_: Type) -> None:
    assert parse(text) == type_


def test_every_type_reads_back_from_its_own_spelling_and_from_that_of_postgres(ledger: psycopg.Connection) -> None:
    types = dict.fromkeys((*EVERY, *(parse(alias) for alias in ALIASES)))
    ledger.execute(f"CREATE TEMP TABLE spelt ({', '.join(f'c{n} {type_}' for n, type_ in enumerate(types))})")
    spelt = ledger.execute(
        "SELECT format_type(atttypid, atttypmod) FROM pg_attribute WHERE attrelid = 'spelt'::regclass AND attnum > 0 ORDER BY attnum"
    ).fetchall()
    for type_, (by_postgres,) in zip(types, spelt, strict=True):
        assert parse(str(type_)) == type_
        read = parse(by_postgres)
        assert read.holds(type_)
        assert type_.holds(read)


@pytest.mark.parametrize(("text", "message"), [
    ("varchar2", "'varchar2' is not a type that Shardlake casts to; there are: smallint"),
    ("numeric(2,3)", "numeric takes a precision of 1 to 1000 and a scale no greater, not 'numeric(2,3)'"),
    ("numeric(0)", "numeric takes a precision of 1 to 1000"),
    ("numeric(1001)", "numeric takes a precision of 1 to 1000"),
    ("varchar(0)", "varchar takes one length from 1 to 10485760"),
    ("varchar(3,2)", "varchar takes one length"),
    ("bigint(20)", "bigint takes no size, as in 'bigint(20)'"),
    ("timestamp(3)", "timestamp takes no size"),
    ("jsonb[]", "arrays are of smallint, integer, bigint, numeric, real, double precision, text, not jsonb; a JSON array may be jsonb, and one of Postgres text"),
    ("text; DROP TABLE x", "is not a type; a type reads like numeric(12,2), text or bigint[]"),
    ("text\0", "is not a type"),
    ("numeric(-1)", "is not a type"),
    ("", "is not a type"),
    ("text" * 100, "is not a type that Shardlake casts to"),
])  # fmt: skip
def test_what_is_no_type_is_refused_with_what_would_be(text: str, message: str) -> None:
    with pytest.raises(ValueError) as refusal:
        parse(text)
    assert message in str(refusal.value)
