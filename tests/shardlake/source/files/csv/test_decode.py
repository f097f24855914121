"""Encodings: every text comes out as UTF-8, and bytes that are none are the fault of one record."""

from __future__ import annotations

import pytest

from shardlake.source.files.csv.dialect import Dialect
from tests.shardlake.source.files.csv.writing import read

WORDS = '1,Straße\n2,"naïve\ncafé"\n'
ROWS = [("1", "Straße"), ("2", "naïve\ncafé")]


@pytest.mark.parametrize("encoding", ["utf-8", "latin-1", "cp1252", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "mac-roman"])
def test_a_file_in_another_encoding_is_read_as_text(encoding: str) -> None:
    for size in (1, 2, 3, 1000):
        assert read(WORDS.encode(encoding), Dialect(encoding=encoding), block_bytes=size).rows == ROWS


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-32"])
@pytest.mark.parametrize("declared", ["utf-8", "utf-8-sig", "utf-16", "cp1252"])
def test_a_byte_order_mark_is_taken_away_and_counts_for_more_than_what_is_declared(encoding: str, declared: str) -> None:
    assert read(WORDS.encode(encoding), Dialect(encoding=declared)).rows == ROWS


def test_utf16_without_a_mark_is_little_endian() -> None:
    assert read(WORDS.encode("utf-16-le"), Dialect(encoding="utf-16")).rows == ROWS


@pytest.mark.parametrize(("wrong", "shown"), [
    (b"\xff", "ff"), (b"\xc3", "c3"), (b"\xed\xa0\x80", "ed"), (b"\xc0\xaf", "c0"), (b"\xf4\x90\x80\x80", "f4"), (b"\xe9t\xe9", "e9"),
])  # fmt: skip
def test_bytes_that_are_not_utf8_are_the_fault_of_their_record(wrong: bytes, shown: str) -> None:
    data = b'id,name\n1,\xc3\xa9\n2,"' + wrong + b'\n"\n\n3,c\n4,' + wrong + b"\n5\n"
    for size in (1, 9, 1000):
        found = read(data, header=True, names=["id", "name"], block_bytes=size)
        assert (found.rows, found.lines) == ([("1", "é"), ("3", "c")], [2, 6])
        assert found.reasons == [
            (3, 3, f"name: its bytes {shown} are not utf-8"),
            (5, 7, f"name: its bytes {shown} are not utf-8"),
            (6, 8, "has 1 field, not 2"),
        ]
        assert "\N{REPLACEMENT CHARACTER}" in found.faults[0].text


def test_a_record_that_begins_with_such_a_byte_is_the_one_at_fault() -> None:
    found = read(b"1,a\n\xff,b\n\xff,c\n4,d\n")
    assert (found.rows, [fault.line for fault in found.faults]) == ([("1", "a"), ("4", "d")], [2, 3])


def test_bytes_that_an_encoding_does_not_know_are_the_fault_of_their_record() -> None:
    found = read(b"1,\x80\n2,\x81\n3,\xe9\n", Dialect(encoding="cp1252"), names=["id", "name"])
    assert (found.rows, found.reasons) == ([("1", "€"), ("3", "é")], [(2, 2, "name: it holds bytes that are not cp1252")])
    half = "1,a\n2,\ud83d\n3,c\n".encode("utf-16-le", "surrogatepass")
    found = read(half, Dialect(encoding="utf-16"), names=["id", "name"])
    assert (found.rows, found.reasons) == ([("1", "a"), ("3", "c")], [(2, 2, "name: it holds bytes that are not utf-16")])


def test_a_file_cut_off_within_a_character_ends_with_one_fault() -> None:
    found = read("1,a\n2,b".encode("utf-16-le")[:-1], Dialect(encoding="utf-16"))
    assert (found.rows, [fault.line for fault in found.faults]) == ([("1", "a")], [2])
    found = read("1,a\n2,é".encode()[:-1])
    assert (found.rows, found.reasons) == ([("1", "a")], [(2, 2, "c1: its bytes c3 are not utf-8")])


def test_escapes_between_the_bytes_of_a_character_do_not_confuse_the_reader() -> None:
    data = b"1,\xc3\\\xa9\n2,\xff\n3,c\n"
    found = read(data, Dialect(escape="\\"))
    assert (found.rows[-1], found.records) == (("3", "c"), 3)
