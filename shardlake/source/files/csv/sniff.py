"""Guesses from a file's beginning how it is written. Whoever uses it shows the guess to a person or checks it against what is declared."""

import re
from collections import Counter
from dataclasses import dataclass
from io import BytesIO

from shardlake.source.files.csv.careful import broken_lines
from shardlake.source.files.csv.decode import Decoded, encoding_of
from shardlake.source.files.csv.dialect import Dialect
from shardlake.source.files.csv.grammar import grammar
from shardlake.source.files.csv.gunzip import MAGIC, Gunzip
from shardlake.source.files.csv.layout import Field

_DELIMITERS = ",;\t|\x01"
_QUOTES = (('"', None), ('"', "\\"), ("'", None))
"""Quotes and escapes, the most usual first."""
_RECORDS = 200
_VALUE = re.compile(r"[-+]?[\d.,]*\d[\d.,eE+-]*|\d{1,4}[-/.]\d{1,2}[-/.]\d{1,4}.*|true|false|null|\\N", re.IGNORECASE)
"""What names no column: a number, a date, a truth value, NULL."""


@dataclass(frozen=True, slots=True)
class Guess:
    """How a file seems to be written, whether its first record names the columns, and its first records."""

    dialect: Dialect
    header: bool
    records: tuple[tuple[Field, ...], ...]


def sniff(head: bytes, null: tuple[str, ...] = ("",)) -> Guess:
    """Guess from the first bytes of a file (64 KB are plenty), which may be gzip and may end anywhere.

    >>> guess = sniff(b"id;name\\n1;'Smith; Bob'\\n")
    >>> (guess.dialect.delimiter, guess.dialect.quote, guess.header)
    (';', "'", True)
    """
    encoding = _encoding(head)
    text = Decoded(BytesIO(head), encoding).fill(b"", 1 << 30)
    fits = [
        _fit(text, Dialect(delimiter, quote, escape, null, encoding=encoding), -rank)
        for rank, (quote, escape) in enumerate(_QUOTES)
        for delimiter in _DELIMITERS
    ]
    best = max(fits, key=lambda fit: fit.order)  # of equals the first
    return Guess(best.dialect, looks_like_header(best.records), best.records)


def looks_like_header(records: tuple[tuple[Field, ...], ...]) -> bool:
    """Whether the first of these records names the columns of the others: texts, no two alike, over values that are not all like it.

    >>> looks_like_header(((Field("id", False), Field("name", False)), (Field("1", False), Field("Ann", False))))
    True
    """
    if not records:
        return False
    names, rows = [field.text for field in records[0]], records[1:]
    if any(not name or _VALUE.fullmatch(name) for name in names) or len(set(names)) < len(names):
        return False
    columns = list(zip(*(row for row in rows if len(row) == len(names)), strict=True))
    return not columns or any(all(not it.text or _VALUE.fullmatch(it.text) for it in column) for column in columns)


def _encoding(head: bytes) -> str:
    """By the byte order mark, by zeros in every other byte, or UTF-8 if it is; otherwise what Windows writes."""
    if head.startswith(MAGIC):
        head = Gunzip(BytesIO(head)).read(1 << 20)
    if marked := encoding_of(head):
        return marked
    for name, zeros in (("utf-16-le", head[1::2]), ("utf-16-be", head[::2])):
        if zeros.count(0) * 2 > len(zeros):
            return name
    try:
        head.decode()
    except UnicodeDecodeError as error:
        if error.end < len(head) - 3 or error.reason != "unexpected end of data":
            return "cp1252"
    return "utf-8"


@dataclass(frozen=True, slots=True)
class _Fit:
    """How well a dialect fits: whether there are several columns, the share of records that can be read and are as wide as most, how
    usual its quotes are, and how wide most records are.
    """

    order: tuple[bool, float, int, int]
    dialect: Dialect
    records: tuple[tuple[Field, ...], ...]


def _fit(text: bytes, dialect: Dialect, usual: int) -> _Fit:
    rules = grammar(dialect)
    broken, end = broken_lines(text, rules, "block", None)
    if not end:  # a single record, without a line end
        text += b"\n"
        broken, end = broken_lines(text, rules, "end", None)
    behind, records, at = {line.start: line.end for line in broken}, list[tuple[Field, ...]](), 0
    lost = 0
    while at < end and len(records) + lost < _RECORDS:
        found = rules.record.match(text, at)
        if found and found[0].strip(b"\r\n"):
            records.append(tuple(Field(it.decode("utf-8", "replace"), quoted) for it, quoted in rules.fields(found[0])))
        lost += found is None
        at = found.end() if found else behind[at]
    if not records:
        return _Fit((False, 0.0, usual, 0), dialect, ())
    width, most = Counter(len(record) for record in records).most_common(1)[0]
    return _Fit((width > 1, most / (len(records) + lost), usual, width), dialect, tuple(records))
