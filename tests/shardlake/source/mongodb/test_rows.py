"""Documents that no server of the tests stores, made into raw rows and shaped: text that is no text, years out of reach, broken bytes."""

from __future__ import annotations

from datetime import datetime

from bson import encode
from bson.datetime_ms import DatetimeMS

from shardlake.envelope import FAULT
from shardlake.shape.chunk import Reject, shape
from shardlake.source.mongodb.rows import RowMaker, envelope_of, kinds_of
from shardlake.view.view import View
from tests.collections_world import people

VIEW = View.model_validate(people(columns={"_id": "text", "name": "text", "born": "timestamptz"}))
DAY = datetime(2026, 1, 2)


def shaped(*documents: bytes) -> tuple[list[tuple[object, ...]], list[Reject]]:
    """The view rows of documents, and the rejects."""
    maker = RowMaker("date", "any", ("updatedAt",), None)
    for document in documents:
        maker.add(document)
    found = shape(VIEW, maker.take(), kinds_of(VIEW, "date"), envelope_of(VIEW, "date"))
    assert found.shaped + len(found.rejects) == len(documents)
    rows = found.rows.select(["_id", "name", "born", "_cursor", "_uncertain"]).to_pylist()
    return [tuple(row.values()) for row in rows], found.rejects


def test_a_string_that_is_not_utf8_is_a_reject_by_its_path_and_the_others_go_in() -> None:
    bad = encode({"_id": 1, "name": "abc", "updatedAt": DAY}).replace(b"abc", b"\xed\xa0\x80")
    rows, rejects = shaped(bad, encode({"_id": 2, "name": "b", "updatedAt": DAY}))
    assert rows == [("2", "b", None, "2026-01-02 00:00:00.000+00", None)]
    assert rejects == [Reject({"_id": "1"}, "document.name", "\\xed\\xa0\\x80", "is not UTF-8")]


def test_bytes_that_are_no_document_are_a_reject_and_the_others_go_in() -> None:
    broken = encode({"_id": 1, "name": "a"}).replace(b"\x02name", b"\x55name")
    rows, rejects = shaped(broken, encode({"_id": 2, "updatedAt": DAY}))
    assert [row[0] for row in rows] == ["2"]
    assert [(reject.key, reject.column, reject.reason) for reject in rejects] == [
        ({"_id": None}, "document", "is not BSON that can be read (Unreadable)")
    ]


def test_dates_of_any_year_reach_the_judge_as_they_are() -> None:
    years = [DatetimeMS(8640000000000000), DatetimeMS(-62135596800001), DatetimeMS(-(2**63))]
    rows, rejects = shaped(*(encode({"_id": n, "born": year, "updatedAt": year}) for n, year in enumerate(years)))
    assert rejects == []
    assert [row[2:] for row in rows] == [
        ("275760-09-13T00:00:00.000Z", None, "1"),
        ("0000-12-31T23:59:59.999Z", None, "1"),
        ("-292275055-05-16T16:47:04.192Z", None, "1"),
    ]


def test_a_string_with_a_nul_and_a_document_nested_too_deep_are_rejects() -> None:
    deep: dict[str, object] = {}
    inner = deep
    for _ in range(120):
        inner["a"] = inner = {}  # type: ignore[assignment]
    rows, rejects = shaped(encode({"_id": 1, "name": "a\0b"}), encode({"_id": 2, "deep": deep, "name": "deep"}), encode({"_id": "a\0b"}))
    assert [row[:2] for row in rows] == [("2", "deep")]
    assert [reject.reason for reject in rejects] == [
        "holds a NUL character (\\u0000), which Postgres cannot store",
        "holds a NUL character, which Postgres cannot store",
    ]


def test_documents_without_an_id_are_rejects_since_they_would_be_one_row() -> None:
    rows, rejects = shaped(encode({"name": "a"}), encode({"_id": None, "name": "b"}), encode({"name": "c"}))
    assert [row[:2] for row in rows] == [("null", "b")]
    assert [(reject.key, reject.column, reject.value, reject.reason) for reject in rejects] == [
        ({"_id": None}, "document", '{"name":"a"}', "has no _id"),
        ({"_id": None}, "document", '{"name":"c"}', "has no _id"),
    ]


def test_what_is_neither_missing_null_nor_false_says_that_a_document_is_deleted() -> None:
    maker = RowMaker("date", "any", ("updatedAt",), "gone")
    for n, value in enumerate([None, False, 0, 0.0, "", True]):
        maker.add(encode({"_id": n, "gone": value}))
    assert maker.take().column("gone").to_pylist() == [None, None, "d", "d", "d", "d"]


def test_raw_has_a_column_of_faults_only_where_there_is_one() -> None:
    maker = RowMaker("date", "any", ("updatedAt",), "deletedAt")
    maker.add(encode({"_id": 1, "updatedAt": DAY, "deletedAt": DAY}))
    table = maker.take()
    assert table.to_pylist() == [
        {
            "_id": "1",
            "_version": "2026-01-02 00:00:00.000",
            "deletedAt": "d",
            "document": '{"_id":1,"updatedAt":"2026-01-02T00:00:00.000Z","deletedAt":"2026-01-02T00:00:00.000Z"}',
        }
    ]
    assert FAULT not in table.column_names
    assert len(maker) == 0
