"""Partitions: their values, taken of a batch's columns, and the folders that every reader of Hive's layout knows."""

import re
from typing import Any

import mmh3
import polars as pl

from shardlake.view.layout import Transform

DEFAULT = "__HIVE_DEFAULT_PARTITION__"
"""The folder of NULL."""
LONGEST = 200
"""Bytes of a partition's value in a path: a file system's names end at 255."""
Values = tuple[str | None, ...]


def segment(name: str, value: str | None) -> str:
    """A partition's folder. Escaped as Hive does it: readers give the value back as it was.

    >>> segment("city", "a/b: 100%"), segment("dt", None)
    ('city=a%2Fb%3A 100%25', 'dt=__HIVE_DEFAULT_PARTITION__')
    """
    if value is None:
        return f"{name}={DEFAULT}"
    return f"{name}=" + re.sub(r"[\x00-\x1f\x7f\"#%'*/:=?\\{\[\]^]", lambda found: f"%{ord(found[0]):02X}", value)


def folder(transforms: tuple[Transform, ...], values: Values) -> str:
    """The folders of a partition under its table, without a slash at either end."""
    return "/".join(segment(t.name, v) for t, v in zip(transforms, values, strict=True))


def unfit(value: str | None) -> str | None:
    """Why a text cannot be a partition's value; None where it can."""
    if value == "":
        return "is '', which a partition cannot be: readers take it for NULL; partition by bucket(…) instead"
    if value == DEFAULT:
        return f"is {DEFAULT}, which stands for NULL in a partition"
    if value is not None and len(segment("", value).encode()) > LONGEST:
        return f"is longer than the {LONGEST} bytes of a partition's name; partition by bucket(…) instead"
    return None


def values_of(frame: pl.DataFrame, transform: Transform) -> pl.Series:
    """The partition's value of each row: numbers for dates, numbers and buckets, else text."""
    column = frame.get_column(transform.column)
    if transform.unit == "bucket":
        return _buckets(column, transform.buckets)
    if transform.unit == "identity":
        return column if column.dtype != pl.Boolean else column.cast(pl.String)
    if transform.unit == "day":
        return column.dt.date()
    if transform.unit == "year":
        return column.dt.year()
    return column.dt.to_string("%Y-%m" if transform.unit == "month" else "%Y-%m-%d-%H")


class Partitions:
    """The partitions that a commit's rows fall into, numbered as they are met."""

    def __init__(self, transforms: tuple[Transform, ...]) -> None:
        self._transforms = transforms
        self._numbers: dict[Values, int] = {}

    def number(self, frame: pl.DataFrame) -> pl.Series:
        """The number of each row's partition."""
        if not self._transforms:
            self._numbers[()] = 0
            return pl.repeat(0, frame.height, dtype=pl.Int32, eager=True)
        parts = pl.DataFrame([values_of(frame, t).alias(str(n)) for n, t in enumerate(self._transforms)])
        distinct = parts.unique(maintain_order=True)
        numbers = [self._number(row) for row in distinct.rows()]
        known = distinct.with_columns(pl.Series("number", numbers, dtype=pl.Int32))
        joined = parts.join(known, on=parts.columns, how="left", nulls_equal=True, maintain_order="left")
        return joined.get_column("number")

    def _number(self, row: tuple[Any, ...]) -> int:
        return self._numbers.setdefault(tuple(None if v is None else str(v) for v in row), len(self._numbers))

    @property
    def values(self) -> list[Values]:
        """The partitions' values, by number."""
        return list(self._numbers)


def _buckets(column: pl.Series, count: int) -> pl.Series:
    """Iceberg's bucket transform (murmur3, 32 bits), so that a value's bucket is the same in every format."""
    distinct = column.unique()
    whole = distinct.dtype.is_integer()

    def bucket(value: int | str) -> int:
        data = int(value).to_bytes(8, "little", signed=True) if whole else str(value).encode()
        return (mmh3.hash(data) & 0x7FFFFFFF) % count

    numbers = [None if v is None else bucket(v) for v in distinct.to_list()]
    found = pl.DataFrame({"value": distinct, "bucket": pl.Series(numbers, dtype=pl.Int32)})
    return column.to_frame("value").join(found, on="value", how="left", nulls_equal=True, maintain_order="left").get_column("bucket")
