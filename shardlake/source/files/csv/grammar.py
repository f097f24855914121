"""What a record is, as regular expressions: exact and slow, for a single record and for text whose quoting is broken.

Runs of plain characters are possessive, and what follows a quote that ends a field is looked at, so that going back never finds another
reading. Groups are not possessive: before Python 3.11.5 `re` stops in the middle of one that fails (python/cpython#106052).
"""

import re
from dataclasses import dataclass
from functools import lru_cache

from shardlake.source.files.csv.dialect import Dialect

LINE = re.compile(rb"[^\r\n]*+(?:\r\n?|\n)")
"""A line with its end, whatever the quotes say."""


@dataclass(frozen=True, slots=True)
class Grammar:
    """The patterns of a dialect.

    - `record`: a record with its line end; `records`: as many as there are.
    - `field`: a field and what ends it. The groups are the text within quotes and the text of a field without.
    - `attempt`: as much as can be read of a record that is broken. The groups are a last field whose quote is closed, and one whose is not.
    - `escaped`: what stands for a single character, in a field without quotes (None: nothing does) and in one with.
    """

    record: re.Pattern[bytes]
    records: re.Pattern[bytes]
    field: re.Pattern[bytes]
    attempt: re.Pattern[bytes]
    escaped: tuple[re.Pattern[bytes] | None, re.Pattern[bytes] | None]

    def fields(self, record: bytes) -> list[tuple[bytes, bool]]:
        """The fields of a record, and whether each was quoted."""
        return [self._value(found) for found in self.field.finditer(record)]

    def place(self, text: bytes, start: int, end: int) -> int:
        """The number, from 1, of the field that is broken in what was read by `attempt`."""
        place = 1
        while found := self.field.match(text, start, end):
            place, start = place + 1, found.end()
        return place

    def _value(self, found: re.Match[bytes]) -> tuple[bytes, bool]:
        quoted = found[1] is not None
        text, escaped = found[1] if quoted else found[2], self.escaped[quoted]
        return (escaped.sub(lambda pair: pair[0][1:], text) if escaped else text), quoted


@lru_cache
def grammar(dialect: Dialect) -> Grammar:
    """The patterns of a dialect.

    >>> grammar(Dialect()).fields(b'7,"a ""b"",\\n",\\n')
    [(b'7', False), (b'a "b",\\n', True), (b'', False)]
    """
    delimiter, quote, escape = (re.escape((sign or "").encode()) for sign in (dialect.delimiter, dialect.quote, dialect.escape))
    line_end = rb"(?:\r\n?|\n)"
    pair = escape + rb"(?:[\s\S]|\Z)" if escape else b""
    doubled = quote * 2
    bare = _text(rb"[^" + delimiter + quote + escape + rb"\r\n]*+", pair)
    within = _text(rb"[^" + quote + escape + rb"]*+", pair, doubled)
    nothing = rb"(?!)"
    opened = quote + within if quote else nothing
    ending = quote + rb"(?!" + quote + rb")" if quote else nothing  # a doubled one ends no field
    closed = opened + ending
    field = rb"(?:" + closed + rb"|" + bare + rb")"
    kept = quote + rb"(" + within + rb")" + ending if quote else nothing + rb"()"
    record = field + rb"(?:" + delimiter + field + rb")*" + line_end
    return Grammar(
        record=re.compile(record),
        records=re.compile(rb"(?:" + record + rb")*"),
        field=re.compile(rb"(?:" + kept + rb"|(" + bare + rb"))(?:" + delimiter + rb"|" + line_end + rb")"),
        attempt=re.compile(rb"(?:" + field + delimiter + rb")*(?:(" + closed + rb")|(" + opened + rb")|" + bare + rb")"),
        escaped=(re.compile(pair) if pair else None, re.compile(rb"|".join(filter(None, (pair, doubled)))) if pair or quote else None),
    )


def _text(plain: bytes, *signs: bytes) -> bytes:
    """Plain characters, and signs between them; unrolled, which takes half the time of alternatives."""
    either = rb"|".join(filter(None, signs))
    return plain + (rb"(?:(?:" + either + rb")" + plain + rb")*" if either else b"")
