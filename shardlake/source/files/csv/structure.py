"""Where the records of a text lie, told from its quotes and line ends alone: 64 bytes at a time, by operations on bits.

Bit i of a mask stands for byte i, as in "Parsing Gigabytes of JSON per Second" (Langdale and Lemire, 2019). A byte lies within
quotes where the number of quotes up to it is odd. No code here is shared with the parser, so that each can be checked by the other.
"""

from dataclasses import dataclass
from functools import lru_cache, reduce
from typing import Any

import polars as pl
import pyarrow as pa
import pyarrow.compute as pc

from shardlake.source.files.csv.dialect import Dialect

Mask = Any
"""A pa.UInt64Array."""
Positions = Any
"""A pa.Int64Array."""

_LF, _CR = 10, 13


@dataclass(frozen=True, slots=True)
class Structure:
    """Where each record begins, where it ends (behind its line end), and the number of lines ahead of it; a blank line is one too.

    `line_count` is the number of lines that they take, and `broken` the first quote that stands where none may: what is said of
    records from there on does not hold.
    """

    starts: Positions
    ends: Positions
    lines: Positions
    line_count: int
    broken: int | None

    def end(self) -> int:
        """Behind the last record that is whole; 0 where there is none."""
        return self.ends[-1].as_py() if len(self.ends) else 0

    def sound(self) -> bool:
        """Whether there is a whole record, and no quote breaks the rules before the last one's end."""
        return len(self.ends) > 0 and (self.broken is None or self.broken >= self.end())


def structure(text: bytes, dialect: Dialect) -> Structure:
    """Find the records of a text that begins with one. Its last bytes are no record if no line end follows them."""
    size = len(text)
    padding = b"\r" * (64 - size % 64)  # a last CR is a line end then, and so is what a last quote is followed by
    octets = _octets(text + padding)
    newlines = pc.bit_wise_or(_mask(octets, _LF), _mask(octets, _CR))
    lines = newlines
    if b"\r" in text:
        carriage_returns, line_feeds = _mask(octets, _CR), _mask(octets, _LF)
        lines = pc.bit_wise_or(line_feeds, _without(carriage_returns, _following(line_feeds)))
    if dialect.escape is not None:
        octets = _octets(_without_escapes(text, dialect) + padding)
        newlines = pc.bit_wise_or(_mask(octets, _LF), _mask(octets, _CR))
    ends, broken = pc.bit_wise_and(lines, newlines), None
    if dialect.quote is not None and dialect.quote.encode() in text:
        quotes, delimiters = _mask(octets, ord(dialect.quote)), _mask(octets, ord(dialect.delimiter))
        within = _parity(quotes)
        ends = _without(ends, within)
        broken = _first(_misplaced(quotes, within, pc.bit_wise_or(newlines, delimiters)))
    return _structure(lines, ends, size, broken)


def _structure(lines: Mask, ends: Mask, size: int, broken: int | None) -> Structure:
    at = _positions(lines)
    at = at.filter(pc.less(at, size))
    is_end = pc.take(_bits(ends), at)
    behind = pc.add(at.filter(is_end), 1)
    count = pc.add(pc.indices_nonzero(is_end).cast(pa.int64()), 1)
    zero = pa.array([0], pa.int64())
    starts, ahead = pa.concat_arrays([zero, behind]), pa.concat_arrays([zero, count])
    return Structure(starts[:-1], behind, ahead[:-1], ahead[-1].as_py(), broken)


def _misplaced(quotes: Mask, within: Mask, borders: Mask) -> Mask:
    """Quotes that open elsewhere than at a field's beginning, or close elsewhere than at its end. Two in a row close and open."""
    opening, closing = pc.bit_wise_and(quotes, within), _without(quotes, within)
    either = pc.bit_wise_or(borders, quotes)
    return pc.bit_wise_or(_without(opening, _preceding(either)), _without(closing, _following(either)))


def _without_escapes(text: bytes, dialect: Dialect) -> bytes:
    """The text with NULs for each escape and what it escapes, where that could be taken for a border or a quote."""
    escape = (dialect.escape or "").encode()
    for sign in (dialect.escape, dialect.quote, dialect.delimiter, "\n", "\r"):
        if sign is not None:
            text = text.replace(escape + sign.encode(), b"\0\0")
    return text


def _octets(text: bytes) -> pl.Series:
    return pl.Series(pa.Array.from_buffers(pa.uint8(), len(text), [None, pa.py_buffer(text)]))


def _mask(octets: pl.Series, sign: int) -> Mask:
    bits = (octets == sign).to_arrow()
    assert bits.offset == 0
    return pa.Array.from_buffers(pa.uint64(), len(bits) // 64, [None, bits.buffers()[1]])


def _bits(mask: Mask) -> Any:
    assert mask.offset == 0
    return pa.Array.from_buffers(pa.bool_(), len(mask) * 64, [None, mask.buffers()[1]])


def _positions(mask: Mask) -> Positions:
    """The bytes of the mask. Words without any go first: that takes a third of the time of looking at each bit."""
    words = pc.indices_nonzero(pc.not_equal(mask, _word(0)))
    bits = pc.indices_nonzero(_bits(pc.take(mask, words)))
    word = pc.take(words, pc.shift_right(bits, _word(6)))
    return pc.add(pc.shift_left(word, _word(6)), pc.bit_wise_and(bits, _word(63))).cast(pa.int64())


@lru_cache
def _word(number: int) -> Any:
    return pa.scalar(number, pa.uint64())


def _without(mask: Mask, other: Mask) -> Mask:
    return pc.bit_wise_and(mask, pc.bit_wise_not(other))


def _preceding(mask: Mask) -> Mask:
    """The bytes that a byte of the mask precedes; the first byte is one."""
    carried = pa.concat_arrays([pa.array([1], pa.uint64()), pc.shift_right(mask, _word(63))[:-1]])
    return pc.bit_wise_or(pc.shift_left(mask, _word(1)), carried)


def _following(mask: Mask) -> Mask:
    """The bytes that a byte of the mask follows."""
    carried = pa.concat_arrays([pc.shift_left(mask, _word(63))[1:], pa.array([0], pa.uint64())])
    return pc.bit_wise_or(pc.shift_right(mask, _word(1)), carried)


def _parity(mask: Mask) -> Mask:
    """The bytes up to which, themselves included, an odd number of bytes is of the mask."""
    within = reduce(lambda found, by: pc.bit_wise_xor(found, pc.shift_left(found, _word(by))), (1, 2, 4, 8, 16, 32), mask)
    odd = pc.bit_wise_and(pc.cumulative_sum(pc.shift_right(within, _word(63))), _word(1))  # of the words so far
    ahead = pa.concat_arrays([pa.array([0], pa.uint64()), odd[:-1]])
    return pc.bit_wise_xor(within, pc.subtract(_word(0), ahead))


def _first(mask: Mask) -> int | None:
    found = _positions(mask)
    return found[0].as_py() if len(found) else None
