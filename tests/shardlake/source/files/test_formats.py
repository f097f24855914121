"""CSV, lines of JSON and Parquet, from files to the warehouse's table: values as they were written, and what cannot be read by name."""

from __future__ import annotations

import json
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pydantic import ValidationError

from shardlake.errors import ContractError
from shardlake.run.discover import discover
from shardlake.run.preview import preview
from shardlake.source.door import open_source
from shardlake.view.view import View
from tests.landing import Landing, LandingMaker, view_of

CSV: dict[str, Any] = {"format": "csv", "files": "in/{shard}-*.csv*", "fields": None}
TEXTS = {"id": "bigint", "a": "text", "b": "text"}


def files(landing: LandingMaker, source: dict[str, Any] | None = None, **changes: Any) -> Landing:
    return landing(view=view_of({**CSV, **(source or {})}, **{"columns": TEXTS, **changes}))


@pytest.mark.parametrize(
    ("source", "text"),
    [
        ({}, 'id,a,b\n1,,""\n2,"x,""y""\nz",NULL\n\n'),
        ({"delimiter": ";", "nulls": ["NULL"]}, 'id;a;b\n1;NULL;\n2;"x,""y""\nz";"NULL"\n'),
        ({"delimiter": "\t", "quote": "none", "escape": "\\", "nulls": ["\\N"]}, 'id\ta\tb\n1\t\\N\t\n2\tx,"y"\\\nz\tNULL\n'),
        ({"encoding": "utf-16"}, 'id,a,b\r\n1,,""\r\n2,"x,""y""\nz",NULL\r\n'),
        ({"header": False, "fields": ["id", "a", "b"]}, '1,,""\n2,"x,""y""\nz",NULL'),
    ],
    ids=["as usual", "declared", "tabs and escapes", "utf-16", "without a header"],
)
def test_csv_is_read_as_it_is_written(landing: LandingMaker, source: dict[str, Any], text: str) -> None:
    w = files(landing, source)
    w.land("in/s1-1.csv", text.encode(source.get("encoding", "utf-8")))
    w.must_sync()
    assert w.target("id, a, b") == [(1, None, ""), (2, 'x,"y"\nz', "NULL")]
    assert [name.removeprefix(w.prefix) for name, *_ in w.items()] == ["in/s1-1.csv"]


@pytest.mark.parametrize("written", [None, [None], ["x", None]])
def test_what_yaml_reads_as_nothing_is_asked_for_in_quotes(written: Any) -> None:
    with pytest.raises(ValidationError, match=r'put it in quotes, as in nulls: \["NULL"\]'):
        View.model_validate(view_of() | {"source": {**view_of()["source"], "nulls": written}})


def test_how_a_file_is_written_is_guessed_where_the_view_does_not_say_it(landing: LandingMaker) -> None:
    w = files(landing)
    w.land("in/s1-1.csv", "id;a;b\n1;Zoë, and;x\n2;u;v\n".encode("cp1252"))
    w.land("in/s1-2.csv.gz", "\ufeffid\ta\tb\n3\tx\ty\n")
    w.must_sync()
    assert w.target("id, a, b") == [(1, "Zoë, and", "x"), (2, "u", "v"), (3, "x", "y")]


def test_bytes_that_are_no_text_are_the_reject_of_their_record_alone(landing: LandingMaker) -> None:
    w = files(landing, {"encoding": "utf-8", "delimiter": ","})
    w.land("in/s1-1.csv", b"id,a,b\n1,fine,x\n2,\xff\xfe,x\n3,nul\x00,x\n4,fine,x\n5,cut off")
    w.must_sync()
    assert w.target("id") == [(1,), (4,)]
    assert [(r[2], r[3], r[4]) for r in w.rejects()] == [
        ("a", "nul␀", "holds a NUL character, which Postgres cannot store"),
        ("(record)", "2,��,x", "a: its bytes ff are not utf-8"),
        ("(record)", "5,cut off", "has 2 fields, not 3"),
    ]


def test_a_file_that_lacks_a_column_is_named_and_filled_with_null_where_the_view_says_so(landing: LandingMaker) -> None:
    w = files(landing)
    w.land("in/s1-1.csv", "id,a,b\n1,x,y\n")
    w.land("in/s1-2.csv", "id,b,more\n2,y,z\n")
    w.land("in/s2-1.csv", "id,a,b\n1,x,y\n")
    report = w.sync()
    assert {s.shard: s.error for s in report.shards.values()} == {
        "s1": "s1: in/s1-2.csv has no column 'a'; it has: id, b, more. Have the file written anew, or say `source.drift: missing` to fill"
        " such a column with NULL.",
        "s2": None,
    }
    w.view["source"]["drift"] = "null"
    w.must_sync()
    assert w.target("_shard, id, a, b", "1, 2") == [("s1", 1, "x", "y"), ("s1", 2, None, "y"), ("s2", 1, "x", "y")]


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("1,x,y\n", "has no header with id in it; it begins with '1,x,y'. Declare the columns in order: `fields: [id, status, …]`, or correct primary_key."),
        ("id,a,A\n1,x,y\n", "has the column 'a' twice. Have the file written with different names."),
        ("id,a,_file\n1,x,y\n", "has a column '_file', which is Shardlake's own. Have it written under another name."),
        ("id,a,\n1,x,y\n", "has a column without a name. Declare `header: false` and `fields`, or mend the header."),
    ],
    ids=["no header", "a name twice", "a name of ours", "no name"],
)  # fmt: skip
def test_a_header_that_is_none_is_told_by_file(landing: LandingMaker, text: str, why: str) -> None:
    w = files(landing)
    w.land("in/s1-1.csv", text)
    assert w.sync().shards["s1"].error == f"s1: in/s1-1.csv {why}"


def test_a_torn_gzip_gives_what_comes_before_the_tear_and_tells_of_it(landing: LandingMaker) -> None:
    import gzip

    w = files(landing)
    whole = gzip.compress(b"id,a,b\n" + b"".join(b"%d,%032x,y\n" % (n, n * 7919**9) for n in range(500)))
    w.land("in/s1-1.csv", whole[: len(whole) // 2])
    w.must_sync()
    came = w.target("id")
    assert (came, 0 < len(came) < 500) == ([(n,) for n in range(len(came))], True)
    assert len(w.rejects()) == 1
    assert "ends in the middle" in w.rejects()[0][4]
    w.land("in/s1-1.csv", whole)
    w.must_sync()
    assert w.target("id") == [(n,) for n in range(500)]
    assert w.ledger("SELECT count(*) FROM shardlake.rejects WHERE read_again_at IS NULL") == [(0,)]


JSONL: dict[str, Any] = {"format": "jsonl", "files": "in/*.jsonl*", "fields": None}
PATHS = {
    "id": "bigint", "status": "text", "customer_name": {"type": "text", "from": "customer.name"}, "total": "numeric(38,10)", "document": "jsonb",
}  # fmt: skip


def test_lines_of_json_are_documents_into_which_columns_lead(landing: LandingMaker) -> None:
    w = files(landing, JSONL, columns=PATHS)
    w.land(
        "in/1.jsonl", '{"id": 1, "status": "new", "customer": {"name": "Ünal 🚚"}, "total": 1234567890123456789.0123456789}\n\n{"id": 2}\n'
    )
    w.land(
        "in/2.jsonl.gz",
        json.dumps({"id": 3, "status": "", "customer": None, "document": 1}) + "\nnot json\n[1]\n{}\n" + '{"id": 4, "status": "cut',
    )
    w.must_sync()
    assert w.target("id, status, customer_name, total::text") == [
        (1, "new", "Ünal 🚚", "1234567890123456789.0123456789"), (2, None, None, None), (3, "", None, None)
    ]  # fmt: skip
    assert w.target("document->>'status'") == [("",), ("new",), (None,)]
    assert [(r[1]["_line"], r[3], r[4]) for r in w.rejects()] == [
        ("2", "not json", "is not JSON"),
        ("3", "[1]", "is no object of JSON"),
        ("4", "{}", "has no id (primary_key)"),
        ("5", '{"id": 4, "status": "cut', "is not JSON"),
    ]


def test_parquet_comes_with_every_value_as_it_is(landing: LandingMaker) -> None:
    from datetime import UTC, date, datetime, time
    from decimal import Decimal

    columns = {
        "id": "numeric(38,0)", "f": "double precision", "d": "numeric(38,9)", "ts": "timestamp", "tz": "timestamptz", "day": "date", "at": "text", "b": "bytea",
        "ok": "boolean", "nested": "jsonb", "first": {"type": "text", "from": "nested.items[0].sku"}, "tags": "jsonb", "word": "text",
    }  # fmt: skip
    w = files(landing, {"format": "parquet", "files": "in/*.parquet"}, columns=columns)
    rows = {
        "id": pa.array([2**64 - 1, 1], pa.uint64()), "f": pa.array([0.1, float("nan")]),
        "d": pa.array([Decimal("12345678901234567890123456789.012345678"), None], pa.decimal128(38, 9)),
        "ts": pa.array([datetime(2026, 11, 28, 1, 2, 3, 4), None], pa.timestamp("us")),
        "tz": pa.array([datetime(2026, 11, 28, 1, 2, 3, 4, tzinfo=UTC), None], pa.timestamp("us", "Europe/Berlin")),
        "day": pa.array([date(1, 1, 1), None]), "at": pa.array([time(1, 2, 3), None]), "b": pa.array([b"\x00\xff", None]), "ok": pa.array([True, None]),
        "nested": pa.array([{"items": [{"sku": 'ü"\n', "price": Decimal("1.10")}]}, None]), "tags": pa.array([["a", None], []], pa.list_(pa.string())),
        "word": pa.array(["x", "x"]).dictionary_encode(),
    }  # fmt: skip
    (w.root / "in").mkdir(parents=True)
    pq.write_table(pa.table(rows), w.root / "in" / "1.parquet")
    w.must_sync()
    assert w.target("id::text, f::text, d::text, ts::text, tz::text, day::text, at, b, ok, first, tags::text, word", "id DESC") == [
        (
            "18446744073709551615", "0.1", "12345678901234567890123456789.012345678", "2026-11-28 01:02:03.000004", "2026-11-28 01:02:03.000004+00",
            "0001-01-01", "01:02:03.000000", b"\x00\xff", True, 'ü"\n', '["a", null]', "x",
        ),
        ("1", "NaN", None, None, None, None, None, None, None, None, "[]", "x"),
    ]  # fmt: skip
    w.land("in/2.parquet", b"PAR1 no parquet at all")
    assert w.sync().shards["files"].error == "files: in/2.parquet cannot be read as Parquet (ArrowInvalid). Have it written anew."


def test_parquet_whose_types_differ_between_shards_is_refused_by_name(landing: LandingMaker) -> None:
    w = files(landing, {"format": "parquet", "files": "in/{shard}/*.parquet"}, columns={"id": "bigint", "a": "text"})
    for shard, value in (("s1", "x"), ("s2", "x"), ("s3", 1)):
        (w.root / "in" / shard).mkdir(parents=True)
        pq.write_table(pa.table({"id": [1], "a": [value]}), w.root / "in" / shard / "1.parquet")
    report = w.sync()
    assert {s.shard: s.state for s in report.shards.values()} == {"s1": "merged", "s2": "merged", "s3": "failed"}
    assert str(report.shards["s3"].error).startswith("s3, in/{shard}/*.parquet.a: is int here and text on the other shards")
    w.view["source"]["drift"] = "null"
    w.must_sync()
    assert w.target("_shard, id, a") == [("s1", 1, "x"), ("s2", 1, "x"), ("s3", 1, None)]


def test_a_drop_of_files_is_drafted(landing: LandingMaker) -> None:
    w = files(landing)
    w.land(
        "dms/s1/orders/LOAD00000001.csv", 'id,total,note,payload,day\n1,1.50,007,"{""a"": {""b"": 1}}",2026-11-28\n2,2,x,{},2026-11-29\n'
    )
    w.land("dms/s2/orders/20261128-101500123.csv", 'Op,id,total,note,payload,day\nU,1,1.75,008,"{""a"": {""b"": 2}}",2026-11-28\n')
    w.land("plain/a.csv", "key;name\na;Zoë\nb;x\n")
    w.land("json/a.jsonl", '{"_id": "x", "n": 1, "who": {"name": "y"}}\n')
    assert (
        "source:\n  connection: s3-files/landing\n  files: dms/{shard}/orders/**/*.csv*\n  format: dms\n  primary_key: [id]\ncolumns:\n"
        "  id: bigint\n  total: numeric\n  note: text\n  payload: jsonb\n  a_b: {type: bigint, from: payload.a.b}\n  day: date\n"
    ) in drafted(w, "dms/{shard}/orders/**/*.csv*")
    written = "  format: csv\n  delimiter: ;\n  primary_key: [key]\ncolumns: {key: text, name: text}\n"
    assert written in drafted(w, "plain/*.csv")
    found = drafted(w, "json/*.jsonl")
    assert "  primary_key: [_id]\n" in found
    assert "  id:\n    type: text\n    from: [_id]\n  n: bigint\n  who_name: {type: text, from: who.name}\n" in found
    with pytest.raises(ContractError) as refused:
        drafted(w, "nowhere/*.csv")
    assert str(refused.value) == "s3-files/landing: nothing matches nowhere/*.csv. Check the pattern, and the connection's url."


def drafted(w: Landing, pattern: str) -> str:
    reference = "s3-files/landing"
    return discover(reference, open_source(w.connect(reference), reference), pattern).text


def test_plan_says_what_would_be_read_and_a_pattern_stays_under_its_connection(landing: LandingMaker) -> None:
    w = files(landing)
    w.land("in/s1-1.csv", "id,a,b,unused\n1,x,y,z\n")
    found = preview(w.job())
    assert [(line.shard, line.anything, line.notes, line.error) for line in found.shards] == [
        ("s1", True, ["1 files to read, 22 bytes, from in/s1-1.csv to in/s1-1.csv"], None)
    ]
    assert (found.unused, found.ok) == (["_file", "_line", "_version", "_op", "unused"], True)
    for pattern in ("../etc/*.csv", "/etc/*.csv", "a//b.csv", "a/./b.csv", "*/{shard}/b.csv", "{shard}/{shard}/b.csv", "{date:%Y}/b.csv"):
        with pytest.raises(ValidationError):
            View.model_validate(view_of({"files": pattern}))
