"""encode: rows of text as Postgres's binary COPY, some columns as text, others as the values that their text says.

The server then has no CSV to take apart, and of a typed column no text to parse: half of its work on a first load. Only
texts that are certain (`Type.certain`) may be encoded; what one says here is what Postgres's own cast would make of it.

Source: "Binary Format" under COPY in Postgres's manual; the fields are what each type's `…recv` function reads.
"""

import struct
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from itertools import groupby
from typing import Any

import polars as pl
import pyarrow as pa
import pyarrow.compute as pc

from shardlake.shape.values import Unread, unhex, values
from shardlake.view.types import Type

HEADER = b"PGCOPY\n\xff\r\n\0" + struct.pack(">ii", 0, 0)
TRAILER = struct.pack(">h", -1)
_ROWS = 32_768
"""Rows that are encoded together: their buffers stay in the processor's cache."""
_BYTES = 64 << 20
"""And bytes of them, since Arrow's offsets end at 2 GB."""
_NULL = struct.pack(">i", -1)
_DAYS = 10_957
"""From Arrow's epoch to Postgres's, 2000-01-01."""
_MICROSECONDS = _DAYS * 86_400_000_000
_DIGITS = 4
_GROUP = 10**_DIGITS
"""Postgres's numerics are digits of this base."""
_WORD = 4 * _DIGITS
"""Digits of four groups, which a 64-bit number holds."""
_DECIMALS = 36
"""More decimals, and Arrow's cast reads past its powers of ten: it gives garbage, and no error."""

Parts = list[pa.Array | bytes]
"""A field's bytes, one behind the other: arrays of them, and what is the same in every row."""
_TEXT = Type("text")


class NotEncodable(Exception):
    """A value that may be right and has no place in this encoding: its window goes the ordinary way."""


def can_encode(kind: Type) -> bool:
    """Whether values of a type can be encoded."""
    return not kind.array and kind.name in (*_ENCODERS, "numeric", "uuid", "jsonb")


def encode(rows: pa.Table, kinds: Mapping[str, Type], zone: str = "UTC") -> Iterator[memoryview]:
    """The rows, all of text, without HEADER and TRAILER. `kinds` has the columns that are to be values; others stay text.

    Raises NotEncodable: a number too long for here, or a `timestamptz` without an offset where `zone` is not UTC.
    """
    for batch in rows.to_batches(max_chunksize=_ROWS):
        for piece in _pieces(batch):
            yield _encoded(piece, kinds, zone)


def _pieces(batch: pa.RecordBatch) -> Iterator[pa.RecordBatch]:
    if batch.nbytes <= _BYTES or batch.num_rows < 2:
        yield batch
        return
    half = batch.num_rows // 2
    yield from _pieces(batch.slice(0, half))
    yield from _pieces(batch.slice(half))


def _encoded(batch: pa.RecordBatch, kinds: Mapping[str, Type], zone: str) -> memoryview:
    parts: Parts = [struct.pack(">h", batch.num_columns)]
    for name, column in zip(batch.column_names, batch.columns, strict=True):
        kind = kinds.get(name, _TEXT)
        try:
            parts += _field(column, kind, zone)
        except (Unread, pa.ArrowInvalid) as error:
            raise NotEncodable(f"{name}: {error}") from None
    joined = pc.binary_join_element_wise(*_scalars_together(parts), b"", null_handling="replace", null_replacement=b"")
    _, offsets, data = joined.buffers()
    return memoryview(data)[: memoryview(offsets).cast("i")[len(joined)]]


def _scalars_together(parts: Parts) -> Iterator[pa.Array | pa.Scalar]:
    """The parts, those that are the same in every row and stand side by side as one."""
    for fixed, group in groupby(parts, lambda part: isinstance(part, bytes)):
        if fixed:
            yield pa.scalar(b"".join(part for part in group if isinstance(part, bytes)))
        else:
            yield from group


def _field(column: pa.Array, kind: Type, zone: str) -> Parts:
    """A column's values, each behind its length."""
    if kind.name == "numeric":
        return _numeric(column, kind)
    if kind.name == "uuid":
        return _sized(column, 16, unhex(pc.replace_substring(column, "-", "")))
    if kind.name == "jsonb":
        return _text(column, column, version=b"\1")
    return _ENCODERS[kind.name](column, values(kind, column, zone))


def _text(column: pa.Array, values: pa.Array, version: bytes = b"") -> Parts:
    lengths = pc.add(pc.binary_length(values).cast(pa.int32()), pa.scalar(len(version), pa.int32())).fill_null(-1)
    before: Parts = [_where(column, version)] if version else []
    return [_fixed(_big_endian(lengths), 4), *before, values.cast(pa.binary())]


def _sized(column: pa.Array, width: int, *values: pa.Array) -> Parts:
    """Values of one width in all, and NULL where the column is."""
    size = struct.pack(">i", width)
    if not column.null_count:
        return [size, *values]
    return [_where(column, size, _NULL), *(_where(column, v) for v in values)]


def _where(column: pa.Array, value: pa.Array | bytes, other: bytes = b"") -> pa.Array | bytes:
    """`value` where the column has one, and `other` where it is NULL."""
    if not column.null_count:
        return value
    return pc.if_else(column.is_valid(), pa.scalar(value) if isinstance(value, bytes) else value, pa.scalar(other))


def _number(column: pa.Array, values: pa.Array) -> Parts:
    width = values.type.bit_width // 8
    return _sized(column, width, _fixed(_big_endian(values.fill_null(0)), width))


def _float(column: pa.Array, values: pa.Array) -> Parts:
    return _number(column, values.view(pa.int32() if values.type == pa.float32() else pa.int64()))


def _date(column: pa.Array, values: pa.Array) -> Parts:
    return _number(column, pc.subtract(values.cast(pa.int32()), pa.scalar(_DAYS, pa.int32())))


def _time(column: pa.Array, values: pa.Array) -> Parts:
    return _number(column, values.cast(pa.int64()))


def _stamp(column: pa.Array, values: pa.Array) -> Parts:
    return _number(column, pc.subtract(values.cast(pa.int64()), pa.scalar(_MICROSECONDS)))


def _boolean(column: pa.Array, values: pa.Array) -> Parts:
    return _sized(column, 1, pc.if_else(values, pa.scalar(b"\1"), pa.scalar(b"\0")))


def _numeric(column: pa.Array, kind: Type) -> Parts:
    """A count of groups, the first one's weight, sign and scale; and the groups. Groups of zeros at either end are allowed."""
    if kind.sizes == (38, 0) and (pc.max(pc.binary_length(column)).as_py() or 0) > _WORD:
        return _whole(column)
    if kind.sizes:
        scale = most = (*kind.sizes, 0)[1]
        decimals: Any = pa.scalar(scale, pa.int64())
    else:
        point = pc.find_substring(column, ".")
        behind = pc.subtract(pc.subtract(pc.binary_length(column), point), pa.scalar(1, pa.int32()))
        decimals = pc.if_else(pc.less(point, 0), pa.scalar(0, pa.int32()), behind).cast(pa.int64()).fill_null(0)
        most = pc.max(decimals).as_py() or 0
    fraction = -(-most // _DIGITS)
    if fraction * _DIGITS > _DECIMALS:
        raise Unread(f"{most} decimals")
    shifted = column.cast(pa.decimal128(38, fraction * _DIGITS))
    whole = pa.Array.from_buffers(pa.decimal128(38, 0), len(shifted), shifted.buffers(), offset=shifted.offset)
    number = whole.cast(pa.int64()).fill_null(0)
    rest = pc.abs_checked(number)
    count = 4 if (pc.max(rest).as_py() or 0) < _GROUP**4 else 8
    words = []
    for _ in range(0, count, 4):
        word, rest = _four_groups(rest)
        words.append(word)
    sign = pc.if_else(pc.less(number, 0), pa.scalar(0x4000 << 16), pa.scalar(0))
    first = count << 48 | ((count - fraction - 1) & 0xFFFF) << 32
    head = pc.bit_wise_or(pc.bit_wise_or(sign, decimals), first)
    return _sized(column, 8 + 2 * count, _fixed(_big_endian(head), 8), *reversed(words))


def _whole(column: pa.Array) -> Parts:
    """Whole numbers of up to 38 digits, none below zero: twelve groups, the first of which are zeros."""
    if pc.any(pc.starts_with(column, "-")).as_py():
        raise Unread("a long number below zero")
    padded = pc.utf8_lpad(column.fill_null("0"), 3 * _WORD, "0")
    words = [_four_groups(pc.utf8_slice_codeunits(padded, at, at + _WORD).cast(pa.int64()))[0] for at in range(0, 3 * _WORD, _WORD)]
    return _sized(column, 8 + 24, struct.pack(">hhhh", 12, 11, 0, 0), *words)


def _four_groups(number: pa.Array) -> tuple[pa.Array, pa.Array]:
    """The last four groups of a number as their bytes, and what is left of it."""
    word, rest = pa.scalar(0, pa.int64()), number
    for place in range(0, 64, 16):
        above = pc.divide(rest, _GROUP)
        word = pc.bit_wise_or(word, pc.shift_left(pc.subtract(rest, pc.multiply(above, _GROUP)), place))
        rest = above
    return _fixed(_big_endian(word), 8), rest


def _fixed(values: pa.Array, width: int) -> pa.Array:
    """Numbers without NULL as the bytes that they are."""
    start = values.offset * width
    data = values.buffers()[1].slice(start, len(values) * width)
    return pa.Array.from_buffers(pa.binary(), len(values), [None, _offsets(width), data])


@cache
def _offsets(width: int) -> pa.Buffer:
    """Where values of one width begin, for as many as are encoded together; fewer need its beginning."""
    found: pa.Buffer = pl.int_range(0, (_ROWS + 1) * width, width, dtype=pl.Int32, eager=True).to_arrow().buffers()[1]
    return found


def _big_endian(values: pa.Array) -> pa.Array:
    """The numbers with their bytes in the order of the wire."""
    width = values.type.bit_width
    if width == 8:
        return values
    unsigned = {16: pa.uint16(), 32: pa.uint32(), 64: pa.uint64()}[width]
    found = values.view(unsigned)
    step = 8
    while step < width:
        mask = pa.scalar(sum(((1 << step) - 1) << place for place in range(0, width, 2 * step)), unsigned)
        by = pa.scalar(step, unsigned)
        low = pc.shift_left(pc.bit_wise_and(found, mask), by)
        found = pc.bit_wise_or(low, pc.bit_wise_and(pc.shift_right(found, by), mask))
        step *= 2
    return found


_ENCODERS: dict[str, Callable[[pa.Array, pa.Array], Parts]] = {
    "smallint": _number,
    "integer": _number,
    "bigint": _number,
    "real": _float,
    "double precision": _float,
    "boolean": _boolean,
    "text": _text,
    "varchar": _text,
    "date": _date,
    "time": _time,
    "timestamp": _stamp,
    "timestamptz": _stamp,
    "bytea": _text,
}
