"""Text whose quoting is right into a table, by Arrow's CSV reader."""

import codecs
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv

from shardlake.source.files.csv.dialect import Dialect


class NotUtf8(Exception):
    """The text holds bytes that are not UTF-8."""


def parse(text: bytes, dialect: Dialect, names: tuple[str, ...]) -> tuple[pa.Table, dict[int, int]]:
    """The rows of a text, as large_string, and the number of fields of each record (by place, from 0) that has too few or too many.

    With a single column a blank line is a record, otherwise it is not. Raises NotUtf8.
    """
    if not text:  # Arrow calls that an error
        return pa.table([pa.array([], pa.large_string()) for _ in names], list(names)), {}
    if not _is_utf8(text):  # of a record with other fields Arrow would say so on standard error
        raise NotUtf8
    wrong: dict[int, int] = {}

    def skip(record: Any) -> str:
        wrong[record.number - 1] = record.actual_columns
        return "skip"

    null, stand_in = list(dialect.null), None
    if dialect.escape is not None and any(it[:1] == dialect.escape for it in null):
        text, null, stand_in = _with_stand_ins(text, dialect)
    places = [str(place) for place in range(len(names))]
    # Arrow takes a byte order mark away, which in the middle of a file is text
    mark = codecs.BOM_UTF8 if text.startswith(codecs.BOM_UTF8) else b""
    table = pa.csv.read_csv(
        pa.py_buffer(mark + text),
        pa.csv.ReadOptions(use_threads=False, block_size=len(mark) + len(text) + 1, column_names=places),
        pa.csv.ParseOptions(
            delimiter=dialect.delimiter,
            quote_char=dialect.quote or False,
            escape_char=dialect.escape or False,
            newlines_in_values=True,
            ignore_empty_lines=len(names) != 1,
            invalid_row_handler=skip,
        ),
        pa.csv.ConvertOptions(
            column_types=dict.fromkeys(places, pa.large_string()),
            null_values=null,
            strings_can_be_null=bool(null),
            quoted_strings_can_be_null=dialect.quoted_null,
        ),
    )
    if stand_in:
        table = _taken_back(table, stand_in)
    return table.rename_columns(names), wrong


def _is_utf8(text: bytes) -> bool:
    whole = pa.Array.from_buffers(pa.large_binary(), 1, [None, pa.array([0, len(text)], pa.int64()).buffers()[1], pa.py_buffer(text)])
    try:
        whole.cast(pa.large_string())  # a seventh of the time of `decode`
    except pa.ArrowInvalid:
        return False
    return True


def _with_stand_ins(text: bytes, dialect: Dialect) -> tuple[bytes, list[str], dict[str, str]]:
    """Arrow compares NULLs when escapes are gone, so that `\\N` would be `N`: characters that the text has not stand in for `\\N`."""
    escape = (dialect.escape or "").encode()
    taken = f"\r\n{dialect.delimiter}{dialect.quote}"
    free = (sign for sign in map(chr, range(1, 0xD800)) if sign not in taken and sign.encode() not in text)
    pairs = next(free).encode()
    text = text.replace(escape * 2, pairs)  # from left to right, so that the third of three begins a pair of its own
    null, stand_in = [], {}
    for it in dialect.null:
        if it[:1] == dialect.escape:
            stand_in[sign := next(free)] = it[1]
            text = text.replace(it.encode(), sign.encode())
            null.append(sign)
        else:
            null.append(it)
    return text.replace(pairs, escape * 2), null, stand_in


def _taken_back(table: pa.Table, stand_in: dict[str, str]) -> pa.Table:
    """In the middle of a longer text `\\N` is N."""
    columns = table.columns
    for sign, text in stand_in.items():
        columns = [pc.replace_substring(column, sign, text) for column in columns]
    return pa.table(columns, table.column_names)
