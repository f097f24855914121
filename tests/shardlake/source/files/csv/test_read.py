"""CSV files as they come: each record is a row to the letter, or a fault that says why."""

from __future__ import annotations

import io

import pyarrow as pa
import pytest

from shardlake.errors import AccountingError, SpecError
from shardlake.source.files.csv import cut as cut_module
from shardlake.source.files.csv import records as records_module
from shardlake.source.files.csv.dialect import Dialect
from shardlake.source.files.csv.layout import Field, First, Layout
from shardlake.source.files.csv.read import read_csv
from tests.shardlake.source.files.csv.writing import read, texts


# --- how files are written -------------------------------------------------------------------------------------------
@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|", "\x01", "~", " ", "a"])
def test_any_ascii_character_separates_fields(delimiter: str) -> None:
    assert read(f'1{delimiter}"x{delimiter}y"\n'.encode(), Dialect(delimiter)).rows == [("1", f"x{delimiter}y")]


@pytest.mark.parametrize("line_end", [b"\n", b"\r\n", b"\r"])
def test_lines_end_by_lf_crlf_or_cr_and_texts_keep_theirs(line_end: bytes) -> None:
    for size in (1, 2, 3, 7, 1000):
        found = read(line_end.join([b"1,a", b'2,"x\ny\r\nz\r"', b"3,c", b""]), block_bytes=size)
        assert found.rows == [("1", "a"), ("2", "x\ny\r\nz\r"), ("3", "c")]
        assert (found.lines[:2], found.faults) == ([1, 2], [])


def test_a_quoted_line_break_is_no_record_and_counts_as_a_line() -> None:
    found = read(b'1,"a\nb\r\nc"\r\n2,d\n3,e')
    assert (found.rows, found.lines) == ([("1", "a\nb\r\nc"), ("2", "d"), ("3", "e")], [1, 4, 5])


def test_doubled_quotes_are_one_quote() -> None:
    assert read(b'1,"{""a"": ""x,y""}"\n2,""""\n3,""""""\n').rows == [("1", '{"a": "x,y"}'), ("2", '"'), ("3", '""')]


def test_another_quote_or_none_leaves_the_double_quote_alone() -> None:
    assert read(b"'a,''b',\"c\n", Dialect(quote="'")).rows == [("a,'b", '"c')]
    assert read(b'"a,b"c\n', Dialect(quote=None)).rows == [('"a', 'b"c')]


def test_escapes_work_within_quotes_and_without() -> None:
    data = b'a\\,b,"c\\"d"\ne\\\nf,\\\\\n"g""h\\\\","\\i"\n\\"j,k\n'
    rows = [("a,b", 'c"d'), ("e\nf", "\\"), ('g"h\\', "i"), ('"j', "k")]
    for size in (1, 2, 3, 5, 1000):
        found = read(data, Dialect(escape="\\"), block_bytes=size)
        assert (found.rows, found.lines, found.faults) == (rows, [1, 2, 4, 5], [])


@pytest.mark.parametrize("signs", [
    {"delimiter": ""}, {"delimiter": "::"}, {"delimiter": "\n"}, {"delimiter": "¬"}, {"quote": ","}, {"escape": ","}, {"encoding": "klingon"},
    {"escape": "\\", "null": ("\\NULL",)},
])  # fmt: skip
def test_a_dialect_that_cannot_be_is_refused(signs: dict[str, str]) -> None:
    with pytest.raises(SpecError):
        Dialect(**signs)


# --- NULL ------------------------------------------------------------------------------------------------------------
def test_nothing_is_null_and_quoted_nothing_is_an_empty_text() -> None:
    assert read(b'1,,""\n').rows == [("1", None, "")]


def test_a_bare_null_text_is_null_and_a_quoted_one_is_a_text() -> None:
    found = read(b'NULL,"NULL"\n null,NULLS\n,""\n', Dialect(null=("NULL",)))
    assert found.rows == [(None, "NULL"), (" null", "NULLS"), ("", "")]


def test_a_quoted_null_text_is_null_where_that_is_declared() -> None:
    assert read(b'NULL,"NULL",""\n', Dialect(null=("NULL",), quoted_null=True)).rows == [(None, None, "")]


def test_without_a_null_text_nothing_is_null() -> None:
    assert read(b'NULL,,""\n', Dialect(null=())).rows == [("NULL", "", "")]


def test_a_null_text_that_begins_with_the_escape_is_told_from_the_letter() -> None:
    mysql = Dialect("\t", escape="\\", null=("\\N",))
    found = read(b'\\N\tN\t\\\\N\t"\\N"\n\\NO\tx\\N\\N\t\\\\\\N\tN\n', mysql)
    assert found.rows == [(None, "N", "\\N", "N"), ("NO", "xNN", "\\N", "N")]
    assert read(b"\\N\tN\n", Dialect("\t", null=("\\N",))).rows == [(None, "N")]


# --- header and first record -----------------------------------------------------------------------------------------
def test_the_first_record_is_shown_with_its_quotes_and_a_header_is_no_row() -> None:
    found = read(b'\n\nid,"a ""b"""\n1,2\n3\n', header=True)
    assert found.first == First((Field("id", False), Field('a "b"', True)), record=1, line=3)
    assert (found.rows, found.lines, found.reasons) == ([("1", "2")], [4], [(3, 5, "has 1 field, not 2")])


def test_a_header_that_cannot_be_read_is_a_fault_and_the_next_record_says_so() -> None:
    found = read(b'i"d,name\n1,x\n')
    assert found.first == First((Field("1", False), Field("x", False)), record=2, line=2)
    assert (found.rows, found.reasons) == ([("1", "x")], [(1, 1, "field 1: a quote stands in a field that is not quoted")])
    found = read(b"\xff,name\n1,x\n2,y\n", header=True)
    assert found.first == First((Field("1", False), Field("x", False)), record=2, line=2)
    assert (found.rows, found.reasons) == ([("2", "y")], [(1, 1, "field 1: its bytes ff are not utf-8")])


def test_whoever_reads_may_refuse_the_first_record() -> None:
    def refuse(first: First) -> Layout:
        raise SpecError(f"{len(first.fields)} fields")

    with pytest.raises(SpecError, match="2 fields"):
        list(read_csv(io.BytesIO(b"1,2\n"), Dialect(), refuse))


@pytest.mark.parametrize("data", [b"", b"\n", b"\r\n\r\n", b"\xef\xbb\xbf", b"\xff\xfe"])
def test_a_file_without_records_has_no_blocks(data: bytes) -> None:
    found = read(data)
    assert (found.rows, found.records, found.first) == ([], 0, None)


def test_a_header_alone_has_no_rows() -> None:
    assert read(b"id,name\n", header=True).records == 0
    assert read(b"id,name", header=True).records == 0


def test_two_columns_may_have_one_name() -> None:
    table = next(read_csv(io.BytesIO(b"1,2\n"), Dialect(), lambda _: Layout(("a", "a")))).table
    assert table.schema.types == [pa.large_string()] * 2
    assert (table.column_names, [column.to_pylist() for column in table.columns]) == (["a", "a"], [["1"], ["2"]])


# --- blank lines and ends --------------------------------------------------------------------------------------------
def test_blank_lines_are_no_records() -> None:
    for size in (1, 2, 3, 1000):
        found = read(b"\n1,a\n\n\r\n2,b\r\n\n\n", block_bytes=size)
        assert (found.rows, found.lines, found.faults) == ([("1", "a"), ("2", "b")], [2, 5], [])


def test_in_a_file_of_one_column_a_blank_line_is_a_value() -> None:
    for size in (1, 2, 3, 1000):
        found = read(b'\na\n\r\n""\n\n', block_bytes=size, names=["c"])
        assert (texts(found), found.lines) == ([None, "a", None, "", None], [1, 2, 3, 4, 5])
    assert texts(read(b"\nname\n\nb\n", header=True)) == [None, "b"]
    assert texts(read(b"a\n\nb\n", Dialect(null=("NULL",)))) == ["a", "", "b"]


def test_a_line_of_spaces_is_a_record_with_one_field() -> None:
    assert read(b"1,2\n  \n3,4\n").reasons == [(2, 2, "has 1 field, not 2")]


def test_the_last_line_end_may_be_missing() -> None:
    assert read(b'1,a\n2,"b"').rows == [("1", "a"), ("2", "b")]
    assert read(b"1,a\n2,").rows == [("1", "a"), ("2", None)]


# --- faults ----------------------------------------------------------------------------------------------------------
def test_records_with_another_number_of_fields_are_faults() -> None:
    found = read(b'1,a\n2\n3,"x\n,y",z\n4,b\n5,c,')
    assert (found.rows, found.lines) == ([("1", "a"), ("4", "b")], [1, 5])
    assert found.reasons == [(2, 2, "has 1 field, not 2"), (3, 3, "has 3 fields, not 2"), (5, 6, "has 3 fields, not 2")]
    assert found.faults[1].text == '3,"x\n,y",z'


def test_a_quote_that_is_not_closed_loses_its_own_line_alone() -> None:
    lines = [f"{n},plain,{n}" for n in range(1, 10)]
    lines[4] = '5,"oh,5'
    for end in ("\n", ""):
        found = read(("\n".join(lines) + end).encode())
        assert [row[0] for row in found.rows] == ["1", "2", "3", "4", "6", "7", "8", "9"]
        assert found.reasons == [(5, 5, "field 2: its quote is not closed before the file ends")]
    lines[7] = '8,"quoted",8'
    found = read("\n".join(lines).encode())
    assert [row[0] for row in found.rows] == ["1", "2", "3", "4", "6", "7", "8", "9"]
    assert found.reasons == [(5, 5, "field 2: something follows the quote that ends it")]


def test_a_file_cut_off_within_quotes_ends_with_one_fault() -> None:
    found = read(b'1,a,b\n2,"a text,\nof many\nlines')
    assert (found.rows, found.reasons) == ([("1", "a", "b")], [(2, 2, "field 2: its quote is not closed before the file ends")])
    assert found.faults[0].text == '2,"a text,\nof many\nlines'
    found = read(b'1,a,b\n2,"one line of these\nhas, as it happens,\ntwo commas\n')
    assert (found.rows, [fault.line for fault in found.faults]) == ([("1", "a", "b")], [2])


@pytest.mark.parametrize(("line", "why"), [
    (b'2,12" pipe', "field 2: a quote stands in a field that is not quoted"),
    (b'2,"a"b', "field 2: something follows the quote that ends it"),
    (b'"2" ,b', "field 1: something follows the quote that ends it"),
    (b'2, "b"', "field 2: a quote stands in a field that is not quoted"),
    (b'2,b""c', "field 2: a quote stands in a field that is not quoted"),
    (b'2,""b""', "field 2: something follows the quote that ends it"),
])  # fmt: skip
def test_a_stray_quote_loses_its_line_alone(line: bytes, why: str) -> None:
    for size in (1, 5, 9, 1000):
        found = read(b'1,"a"\n' + line + b'\n3,"c\nd"\n4,\n', block_bytes=size)
        assert (found.rows, found.lines) == ([("1", "a"), ("3", "c\nd"), ("4", None)], [1, 3, 5])
        assert (found.reasons, found.faults[0].text) == ([(2, 2, why)], line.decode())


def test_nul_bytes_stay_in_the_text() -> None:
    assert read(b'a\x00b,"\x00"\n').rows == [("a\x00b", "\x00")]


def test_a_byte_order_mark_within_a_file_is_text() -> None:
    for size in (1, 4, 9, 1000):
        assert read("\ufeffa,b\n\ufeffc,d\ne,\ufeff\n".encode(), block_bytes=size).rows == [("a", "b"), ("\ufeffc", "d"), ("e", "\ufeff")]


def test_a_field_may_be_larger_than_a_block() -> None:
    long = "x\n" * 5_000_000
    found = read(f'1,a\n2,"{long}"\n3,c\n'.encode(), block_bytes=1 << 16)
    assert (found.rows[1][1] == long, found.rows[::2], found.lines) == (True, [("1", "a"), ("3", "c")], [1, 2, 5_000_003])


def test_a_record_beyond_the_limit_is_a_fault_and_the_next_line_goes_in() -> None:
    for size in (16, 50, 1000):
        limits = {"block_bytes": size, "record_bytes": 1000}
        found = read(b"1,a\n2," + b"x" * 5000 + b"\r\n3,c\n", **limits)
        assert (found.rows, found.lines) == ([("1", "a"), ("3", "c")], [1, 3])
        assert [(fault.record, fault.line, len(fault.text)) for fault in found.faults] == [(2, 2, 500)]
        assert "has no end within" in found.faults[0].reason
        found = read(b'1,a\n2,"b\n' + b"".join(b"%d,c\n" % n for n in range(3, 1000)), **limits)
        assert [row[0] for row in found.rows] == [str(n) for n in range(1, 1000) if n != 2]
        assert [(fault.record, fault.line, fault.text) for fault in found.faults] == [(2, 2, '2,"b')]
    whole = b"1,a\n" + b'2,b"\n' + b"".join(b'%d,"c\nd"\n' % n for n in range(3, 30))
    for size in range(12, 36, 3):  # records shorter than the limit are none of its business, wherever a block ends
        assert len(read(whole, block_bytes=size, record_bytes=size).faults) == 1
    assert read(b"1,a\n2," + b"x" * 5000, block_bytes=50, record_bytes=1000).rows == [("1", "a")]


# --- accounting ------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("lose", [lambda table: table[:-1], lambda table: table[1:], lambda table: table.take([0, 0, 1, 2])])
def test_a_parser_that_loses_or_doubles_a_row_is_found_out(lose: object, monkeypatch: pytest.MonkeyPatch) -> None:
    real = records_module.parse

    def lossy(*arguments: object) -> object:
        table, wrong = real(*arguments)  # type: ignore[arg-type]
        return lose(table), wrong  # type: ignore[operator]

    monkeypatch.setattr(records_module, "parse", lossy)
    with pytest.raises(AccountingError, match=r"around line 1: 3 records in the file came to . rows and 0 faults"):
        read(b"1,a\n2,b\n3,c\n")


def test_a_line_that_the_careful_way_takes_for_sound_is_found_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cut_module, "broken_lines", lambda text, *_: ([], len(text)))
    with pytest.raises(AccountingError, match="what was taken for whole records is none"):
        read(b'1,a\n2,b\n3,c"\n4,d\n')
