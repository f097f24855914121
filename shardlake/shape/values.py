"""Texts that are certain (`Type.certain`) as Arrow values: what Postgres's cast would make of them, without asking it."""

from datetime import date
from typing import TypeAlias

import polars as pl
import pyarrow as pa
import pyarrow.compute as pc

from shardlake.view.types import Type

Texts: TypeAlias = "pa.Array | pa.ChunkedArray"
_OFFSET = r"(?:Z|[+-][0-9]{2}(?::?[0-9]{2})?)$"
_PLAIN = {
    "smallint": pa.int16(), "integer": pa.int32(), "bigint": pa.int64(), "real": pa.float32(), "double precision": pa.float64(),
    "date": pa.date32(), "timestamp": pa.timestamp("us"),
}  # fmt: skip
_AS_THEY_ARE = ("text", "varchar", "jsonb", "inet")


_NO_SUMMER = 2100
_YEAR_1 = pa.scalar(date(1, 1, 1))


class Unread(Exception):
    """A text that may be right and is not read here: Postgres reads it."""


def values(kind: Type, texts: Texts, zone: str = "UTC") -> Texts:
    """The values of a column, as many as texts: numbers, times, bytes; of types that Arrow has none for, the texts.

    Raises Unread: for arrays, intervals, UUIDs and numerics without a size; for a time without an offset where `zone` is not
    UTC; for what Arrow does not take.
    """
    try:
        return _values(kind, texts, zone)
    except pa.ArrowInvalid as error:
        raise Unread(f"{kind}: {error}") from None


def _values(kind: Type, texts: Texts, zone: str) -> Texts:
    if kind.array:
        raise Unread(f"{kind}: an array")
    if kind.name in _AS_THEY_ARE:
        return texts
    if wanted := _PLAIN.get(kind.name):
        return _since_year_1(texts.cast(wanted)) if kind.name in ("date", "timestamp") else texts.cast(wanted)
    if kind.name == "numeric" and kind.sizes and kind.sizes[0] <= 38:
        return texts.cast(pa.decimal128(kind.sizes[0], (*kind.sizes, 0)[1]))
    if kind.name == "timestamptz":
        return _instants(texts, zone)
    if kind.name == "time":
        return pc.binary_join_element_wise("1970-01-01", texts, " ").cast(pa.timestamp("us")).cast(pa.time64("us"))
    if kind.name == "boolean":
        return pc.if_else(texts.is_valid(), pc.is_in(texts, pa.array(["true", "t", "1"])), None)
    if kind.name == "bytea":
        return unhex(pc.utf8_slice_codeunits(texts, 2))
    raise Unread(f"{kind}: no value of Arrow's")


def _instants(texts: Texts, zone: str) -> Texts:
    offset = has_offset(texts)
    if not pc.all(offset, min_count=0).as_py():
        if zone != "UTC":
            raise Unread(f"a time without an offset is in {zone}")
        texts = pc.if_else(offset, texts, pc.binary_join_element_wise(texts, "Z", ""))
    return _since_year_1(texts.cast(pa.timestamp("us", "UTC")))


def has_offset(texts: Texts) -> Texts:
    """Which times name their offset."""
    return pc.match_substring_regex(texts, _OFFSET)


def in_zone(naive: Texts, zone: str) -> pa.Array:
    """Times without an offset as instants. NULL, too, where Postgres has to say: for a time that the zone has twice or not at
    all, for one before year 1 in UTC, and from 2100 on, where polars knows no summer time.
    """
    times = pl.Series(values=pl.from_arrow(naive))
    found = times.dt.replace_time_zone(zone, ambiguous="null", non_existent="null").dt.convert_time_zone("UTC")
    sure = ((times.dt.year() < _NO_SUMMER) & (found.dt.year() >= 1)).to_arrow()
    return pc.if_else(sure, found.to_arrow().cast(pa.timestamp("us", "UTC")), pa.scalar(None, pa.timestamp("us", "UTC")))


def _since_year_1(found: Texts) -> Texts:
    """Days or times, none before year 1: Arrow has a year 0, and Postgres has none."""
    first = pc.min(found)
    if first.is_valid and pc.less(first, _YEAR_1.cast(first.type)).as_py():
        raise Unread("a year before the first")
    return found


def unhex(texts: Texts) -> pa.Array:
    """Bytes that are spelt in hexadecimal."""
    return pl.Series(values=pl.from_arrow(texts)).str.decode("hex").to_arrow().cast(pa.binary())
