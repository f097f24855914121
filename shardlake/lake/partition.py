"""Partitions: their values, taken of a batch's columns, and the folders that every reader of Hive's layout knows."""

import re
from collections.abc import Iterator

import mmh3
import polars as pl

from shardlake.layout import Transform

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


def split(frame: pl.DataFrame, transforms: tuple[Transform, ...], key: tuple[str, ...]) -> Iterator[tuple[Values, pl.DataFrame]]:
    """A batch by partition, each part sorted by `key`. One sort of the batch, however many partitions it has."""
    if not transforms:
        yield (), frame.sort(key, nulls_last=True)
        return
    parts = [values_of(frame, t).alias(f"p{n}") for n, t in enumerate(transforms)]
    codes = [(p.cast(pl.Categorical) if p.dtype == pl.String else p).to_physical().alias(p.name) for p in parts]
    order = frame.select(*key).with_columns(*codes).select(pl.arg_sort_by([*(c.name for c in codes), *key])).to_series()
    frame = frame[order]
    sorted_codes = pl.DataFrame(codes)[order]
    values = pl.DataFrame(parts)
    starts = sorted_codes.select(pl.any_horizontal(pl.col(c).ne_missing(pl.col(c).shift(1)) for c in sorted_codes.columns))
    places = sorted({0, *starts.to_series().arg_true().to_list()})
    for start, end in zip(places, [*places[1:], frame.height], strict=True):
        row = values.row(int(order[start]))
        yield tuple(None if v is None else str(v) for v in row), frame.slice(start, end - start)


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
