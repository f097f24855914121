"""binary_copy: what goes direct into a table is, value for value, what Postgres's own cast makes of the same text."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import psycopg
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from hypothesis import given

from embedded.postgres import Postgres
from shardlake.ledger.migrate import migrate
from shardlake.rows import binary_copy as module
from shardlake.rows.binary_copy import HEADER, TRAILER, NotEncodable, can_encode, encode
from shardlake.view.types import Type, parse
from tests.shardlake.view.test_types import EVERY, FEW, HOSTILE, certain, matching, refused

ENCODED = tuple(t for t in EVERY if can_encode(t))
EVERYDAY = {
    "smallint": ["0", "-1", "9999", "007"], "integer": ["0", "-123456789", "999999999"],
    "bigint": ["0", "-1", "999999999999999999", "-999999999999999999", "0042"],
    "numeric": ["0", "-0", "0.00", "1", "10000", "9999", "-0.0001", "1.50", "100000000.00000001", "-1234567890.5678", "0.1", "00012.340"],
    "numeric(12,2)": ["0", "-0.00", "1", "0.5", "9999999999.99", "-9999999999.99", "10000", "0.01", "9999.9"],
    "numeric(5)": ["0", "-99999", "12"], "numeric(3,3)": ["0.999", "-0.001", "0"],
    "real": ["0", "-1.5", "0.1", "999999", "3.14159"], "double precision": ["0", "-0", "0.1", "0.30000000000000004", "123456.789", "-99.000000000000001"],
    "boolean": ["true", "false", "t", "f", "0", "1"],
    "text": ["", "a", "é 🎉", "a\tb\n\\.\n", '"quoted", "twice"', "\\N"], "varchar(5000)": ["", "abc", "🎉"],
    "date": ["2024-02-28", "1999-12-31", "2000-01-01", "0100-01-01", "9999-12-31"],
    "time": ["00:00:00", "23:59:59.999999", "12:34:56.1"],
    "timestamp": ["2024-01-01 00:00:00", "2000-01-01T00:00:00", "1999-12-31 23:59:59.999999", "0100-01-01 00:00:00", "9999-12-31 23:59:59.5", "1969-12-31 23:59:59.1"],
    "timestamptz": ["2024-01-01T00:00:00Z", "2024-01-01 12:00:00+00", "2024-01-01 12:00:00.123456+0230", "2024-01-01 12:00:00-13:59", "2024-01-01 12:00:00"],
    "uuid": ["00000000-0000-0000-0000-0000000000ff", "A0EEBC999C0B4EF8BB6D6BB9BD380A11"],
    "jsonb": ["{}", "[]", "null", '"x"', '{"a": [1, 2.50, "é 🎉"]}', "12345678901234567890.123"],
    "bytea": ["\\x", "\\x00ff"],
}  # fmt: skip


@pytest.fixture(scope="module")
def ledger(postgres: Postgres) -> Iterator[psycopg.Connection]:
    postgres.execute("CREATE DATABASE encoding_of_shardlake")
    with psycopg.connect(postgres.url(database="encoding_of_shardlake"), autocommit=True, options="-c TimeZone=UTC") as connection:
        migrate(connection)
        yield connection


def copied(connection: psycopg.Connection, kind: Type, rows: pa.Table) -> None:
    """COPY `t` as text and `v` as the type into a new table."""
    connection.execute(f"DROP TABLE IF EXISTS encoded; CREATE TEMP TABLE encoded (t text, v {kind})")
    with connection.cursor() as cursor, cursor.copy("COPY encoded (t, v) FROM STDIN (FORMAT binary)") as copy:
        copy.write(HEADER)
        for part in encode(rows, {"v": kind}):
            copy.write(part)
        copy.write(TRAILER)


def of(texts: list[str | None]) -> pa.Table:
    column = pa.array(texts, pa.string())
    return pa.table({"t": column, "v": column})


def differing(connection: psycopg.Connection, kind: Type, texts: list[str | None]) -> list[tuple[str, str]]:
    """The texts that arrive as something else than their cast; all of them must arrive."""
    copied(connection, kind, of(texts))
    assert Counter(t for (t,) in connection.execute("SELECT t FROM encoded")) == Counter(texts)
    same = f"v IS NOT DISTINCT FROM t::{kind} AND v::text IS NOT DISTINCT FROM (t::{kind})::text"
    return connection.execute(f"SELECT t, v::text FROM encoded WHERE NOT ({same})").fetchall()


def encodable(kind: Type, texts: list[str | None]) -> bool:
    """Whether texts are encoded together; others go the ordinary way."""
    try:
        list(encode(of(texts), {"v": kind}))
    except NotEncodable:
        return False
    return True


def differing_in_turn(connection: psycopg.Connection, kind: Type, texts: list[str]) -> list[tuple[str, str]]:
    """`differing` of those texts that are encoded one by one: together, numbers of many digits may be too much."""
    alone = [text for text in texts if encodable(kind, [text])]
    if encodable(kind, [*alone]):
        return differing(connection, kind, [*alone])
    return [found for text in alone for found in differing(connection, kind, [text])]


@pytest.mark.parametrize("spelt", EVERYDAY)
def test_everyday_values_arrive_as_their_cast_among_nulls_and_alone(ledger: psycopg.Connection, spelt: str) -> None:
    kind, texts = parse(spelt), EVERYDAY[spelt]
    assert certain(kind, texts) == texts
    assert differing(ledger, kind, [*texts]) == []
    assert differing(ledger, kind, [None, *(t for text in texts for t in (text, None))]) == []
    assert differing(ledger, kind, [None, None]) == []
    assert differing(ledger, kind, []) == []


def test_every_type_that_is_encoded_has_everyday_values() -> None:
    assert {t.name for t in ENCODED} == {parse(spelt).name for spelt in EVERYDAY}


@pytest.mark.parametrize("kind", [t for t in ENCODED if t.certain is not None], ids=str)
def test_whatever_matches_a_types_pattern_arrives_as_its_cast(ledger: psycopg.Connection, kind: Type) -> None:
    @FEW
    @given(matching(kind))
    def check(texts: list[str]) -> None:
        assert differing_in_turn(ledger, kind, texts) == []

    check()


@pytest.mark.parametrize("kind", ENCODED, ids=str)
def test_hostile_texts_that_pass_as_certain_arrive_as_their_cast(ledger: psycopg.Connection, kind: Type) -> None:
    texts = certain(kind, list(HOSTILE))
    bad = {text for text, _ in refused(ledger, kind, texts)}  # of jsonb, for which nothing is certain
    assert differing_in_turn(ledger, kind, [t for t in texts if t not in bad]) == []


def test_rows_of_several_pieces_and_of_cut_tables(ledger: psycopg.Connection, monkeypatch: pytest.MonkeyPatch) -> None:
    numbers = [None if n % 7 == 0 else str(n - 20_000) for n in range(40_000)]
    monkeypatch.setattr(module, "_BYTES", 50_000)
    assert differing(ledger, parse("bigint"), [*numbers]) == []
    rows = of(numbers).filter(pc.is_valid(pa.array(numbers))).slice(11, 30_000)
    copied(ledger, parse("numeric(8,2)"), rows)
    assert ledger.execute("SELECT count(*), count(*) FILTER (WHERE v = t::numeric) FROM encoded").fetchone() == (30_000, 30_000)


def test_what_cannot_be_encoded_is_not_guessed() -> None:
    for spelt, text in (
        ("numeric", "9" * 40), ("numeric(65,30)", "123456789012.5"), ("integer", "99999999999"), ("bigint", "x"),
        ("numeric(78,68)", "1"), ("numeric(100,50)", "0.07"), ("numeric", "0." + "1" * 37), ("numeric", "0." + "1" * 60),
        ("numeric(20,0)", "-9223372036854775808"), ("date", "0000-01-01"), ("timestamp", "0000-01-01 00:00:00"), ("timestamptz", "0000-01-01 00:00:00Z"),
    ):  # fmt: skip
        with pytest.raises(NotEncodable):
            list(encode(of([text]), {"v": parse(spelt)}))
    stamps = of(["2024-01-01 12:00:00"])
    assert list(encode(stamps, {"v": parse("timestamptz")}))
    with pytest.raises(NotEncodable, match="Europe/Berlin"):
        list(encode(stamps, {"v": parse("timestamptz")}, "Europe/Berlin"))
    assert list(encode(of(["2024-01-01 12:00:00+02"]), {"v": parse("timestamptz")}, "Europe/Berlin"))
