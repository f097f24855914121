"""Whatever the rows, the dialect and the size of a block: they come back to the letter, and what breaks them costs what it must."""

from __future__ import annotations

import csv
import gzip
import io
import random
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from shardlake.source.files.csv.careful import broken_lines
from shardlake.source.files.csv.dialect import Dialect
from shardlake.source.files.csv.grammar import grammar
from shardlake.source.files.csv.structure import structure
from tests.shardlake.source.files.csv.writing import first_lines, read, written

SIZES = st.sampled_from([7, 16, 64, 1 << 20])
LINE_ENDS = st.sampled_from(["\n", "\r\n", "\r"])
SIGNS = "abN,;|'\"\\\n\r\0é\N{DELIVERY TRUCK} \ufeffULL"
texts_ = st.one_of(st.text(SIGNS, max_size=6), st.sampled_from(["NULL", "\\N", "N", "", '""', "a\r\nb", "x" * 70]))
chances = st.integers(0, 1 << 30)


@st.composite
def dialects(draw: st.DrawFn) -> Dialect:
    escape = draw(st.sampled_from([None, "\\"]))
    quote = draw(st.sampled_from(['"', '"', "'", None] if escape else ['"', '"', "'"]))
    null = draw(st.sampled_from([("",), ("NULL",), ("", "NULL"), ("\\N",), ("N",), ()]))
    delimiter = draw(st.sampled_from([sign for sign in ",;|\t" if sign != quote]))
    return Dialect(delimiter, quote, escape, null)


@st.composite
def tables(draw: st.DrawFn, dialect: Dialect) -> list[tuple[str | None, ...]]:
    value: Any = st.one_of(st.none(), texts_) if dialect.null else texts_
    if dialect.quote is None:  # then nothing tells such a text from NULL
        value = value.filter(lambda text: text is None or (text not in dialect.null and text[1:] not in dialect.null))
    width = draw(st.integers(1, 4))
    rows = draw(st.lists(st.tuples(*[value] * width), max_size=8))
    return [*rows, ("end",) * width]


@settings(max_examples=60, deadline=None)
@given(st.data(), dialects(), LINE_ENDS, SIZES, chances, st.booleans())
def test_what_is_written_comes_back_to_the_letter(
    data: st.DataObject, dialect: Dialect, line_end: str, size: int, seed: int, cut: bool
) -> None:
    rows = data.draw(tables(dialect))
    text = "\ufeff" + written(rows, dialect, line_end, random.Random(seed))
    found = read((text.removesuffix(line_end) if cut else text).encode(), dialect, names=["c"] * len(rows[0]), block_bytes=size)
    assert found.faults == []
    assert found.rows == rows
    assert found.lines == first_lines(rows, dialect, line_end, random.Random(seed))


@settings(max_examples=20, deadline=None)
@given(
    st.lists(st.tuples(texts_, texts_, texts_), min_size=1, max_size=6),
    st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL, csv.QUOTE_NONNUMERIC, csv.QUOTE_NONE]),
    st.sampled_from(",;\t|"),
    st.booleans(),
    SIZES,
)
def test_what_python_writes_comes_back_to_the_letter(
    rows: list[tuple[str, ...]], quoting: Any, delimiter: str, doubled: bool, size: int
) -> None:
    escape = None if doubled and quoting != csv.QUOTE_NONE else "\\"
    out = io.StringIO()
    writer = csv.writer(out, delimiter=delimiter, quoting=quoting, doublequote=doubled, escapechar=escape)
    writer.writerows(rows)
    quote = None if quoting == csv.QUOTE_NONE else '"'
    if quote is None:
        assume('"' not in out.getvalue())
    found = read(b"h,h,h\n".replace(b",", delimiter.encode()) + out.getvalue().encode(), Dialect(delimiter, quote, escape, null=()),
                 header=True, block_bytes=size)  # fmt: skip
    assert (found.rows, found.faults) == (rows, [])


@settings(max_examples=50, deadline=None)
@given(st.data(), dialects(), LINE_ENDS, chances)
def test_the_fast_way_and_the_careful_way_see_the_same_records(data: st.DataObject, dialect: Dialect, line_end: str, seed: int) -> None:
    text = written(data.draw(tables(dialect)), dialect, line_end, random.Random(seed)).encode()
    fast, rules = structure(text, dialect), grammar(dialect)
    assert fast.broken is None
    careful = [record.span() for record in rules.record.finditer(text)]
    assert careful == list(zip(fast.starts.to_pylist(), fast.ends.to_pylist(), strict=True))
    assert broken_lines(text, rules, "end", None) == ([], len(text))


@settings(max_examples=25, deadline=None)
@given(st.data(), dialects(), LINE_ENDS, SIZES, chances)
def test_a_broken_line_does_not_change_how_the_others_are_read(
    data: st.DataObject, dialect: Dialect, line_end: str, size: int, seed: int
) -> None:
    assume(dialect.quote is not None)
    rows = data.draw(tables(dialect))
    assume(len(rows[0]) > 1)
    text = written(rows, dialect, line_end, random.Random(seed))
    assume(not text.startswith("\ufeff"))  # at a file's beginning it is a byte order mark
    broken = f"x{dialect.quote}y{line_end}"
    found = read((text + broken + text).encode(), dialect, names=["c"] * len(rows[0]), block_bytes=size)
    assert (found.rows, [fault.text for fault in found.faults]) == (rows * 2, [broken.strip()])


@settings(max_examples=50, deadline=None)
@given(
    st.lists(st.sampled_from([b'"', b",", b"\n", b"\r", b"\\", b"a", b"b,c", b'"a"', b"\xc3\xa9", b"\xff", b"\0", b'""', b'\n"', b',"']),
             max_size=60),
    dialects(), SIZES, st.integers(2, 40), st.sampled_from(["utf-8", "utf-16", "latin-1", "cp1252", "shift_jis"]),
)  # fmt: skip
def test_random_bytes_are_rows_or_faults(pieces: list[bytes], dialect: Dialect, size: int, limit: int, encoding: str) -> None:
    dialect = Dialect(dialect.delimiter, dialect.quote, dialect.escape, dialect.null, encoding=encoding)
    found = read(b"".join(pieces), dialect, block_bytes=size)
    assert found.lines == sorted(set(found.lines))
    assert [fault.record for fault in found.faults] == sorted({fault.record for fault in found.faults})
    read(b"".join(pieces), dialect, block_bytes=min(size, limit), record_bytes=limit)


@settings(max_examples=20, deadline=None)
@given(
    st.lists(st.sampled_from([b'"', b",", b"\n", b"a", b'"a"', b"\xff", b'""', b'\n"', b',"', b",b\n"]), max_size=60),
    st.sampled_from([None, "\\"]),
)
def test_the_size_of_a_block_changes_nothing(pieces: list[bytes], escape: str | None) -> None:
    data, dialect = b"a,b\n" + b"".join(pieces), Dialect(escape=escape)
    whole = read(data, dialect)
    for size in (5, 20):
        found = read(data, dialect, block_bytes=size)
        assert (found.rows, found.lines, found.faults) == (whole.rows, whole.lines, whole.faults)


LINES = st.lists(st.tuples(st.text("ab", min_size=1, max_size=3), st.text('ab"\n', max_size=6), st.text("ab ", max_size=5)), max_size=6)


@settings(max_examples=30, deadline=None)
@given(LINES, SIZES, st.data())
def test_a_file_cut_off_anywhere_is_a_beginning_of_its_rows_and_one_fault_at_most(
    rows: list[tuple[str, ...]], size: int, data: st.DataObject
) -> None:
    rows = [("a", "b", "c"), *rows]
    whole = written(rows, Dialect()).encode()
    cut = data.draw(st.integers(0, len(whole)))
    found = read(whole[:cut], Dialect(null=()), names=["x", "y", "z"], block_bytes=size)
    assert len(found.faults) <= 1
    assert found.rows[:-1] == rows[: max(len(found.rows) - 1, 0)]
    if found.rows:  # the last may be cut off within its last field, and nobody can tell
        last = rows[len(found.rows) - 1]
        assert found.rows[-1][:2] == last[:2]
        assert last[2].startswith(found.rows[-1][2] or "")
    packed = gzip.compress(whole, 9, mtime=0)
    found = read(packed[: data.draw(st.integers(2, len(packed) - 1))], Dialect(null=()), names=["x", "y", "z"], block_bytes=size)
    assert found.rows == rows[: len(found.rows)]
    assert [fault.reason.endswith("the file ends in the middle of its gzip data") for fault in found.faults] == [True]


@settings(max_examples=20, deadline=None)
@given(st.lists(st.tuples(st.text("ab", min_size=1, max_size=3), st.text('ab"', max_size=5)), min_size=1, max_size=8), SIZES, st.data())
def test_a_stray_quote_loses_the_line_that_it_is_in(rows: list[tuple[str, str]], size: int, data: st.DataObject) -> None:
    rows = [(f"{place}{one}", other) for place, (one, other) in enumerate(rows)]
    lines = [written([row], Dialect(), chance=random.Random(7)) for row in rows]
    place = data.draw(st.integers(0, len(rows) - 1))
    at = data.draw(st.integers(0, len(lines[place]) - 1))
    lines[place] = lines[place][:at] + '"' + lines[place][at:]
    found = read("".join(lines).encode(), Dialect(), names=["x", "y"], block_bytes=size)
    assert found.rows == rows[:place] + rows[place + 1 :]
    assert [(fault.line, fault.text) for fault in found.faults] == [(place + 1, lines[place].strip("\n"))]


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "latin-1", "cp1252"])
@settings(max_examples=4, deadline=None)
@given(rows=st.lists(st.tuples(st.text('aé"ÿ,\n', max_size=6), st.text("aéÿ ", max_size=6)), min_size=1, max_size=8), size=SIZES)
def test_every_encoding_comes_back_to_the_letter(encoding: str, rows: list[tuple[str, str]], size: int) -> None:
    data = written(rows, Dialect()).encode(encoding)
    dialect = Dialect(encoding="utf-8" if encoding == "utf-8-sig" else encoding)
    for packed in (data, gzip.compress(data, 1)):
        assert (read(packed, dialect, block_bytes=size).rows, read(packed, dialect).faults) == (rows, [])
