"""Layouts: how a view's rows lie in the lake. Spec only; `sink/lake/` writes them."""

import re
from dataclasses import dataclass
from datetime import timedelta
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, Field, field_validator, model_validator

from shardlake.spec import Duration, Reference, Size, Spec
from shardlake.view.types import Type

Unit = Literal["identity", "year", "month", "day", "hour", "bucket"]
NAMES: dict[str, str] = {"year": "year", "month": "month", "day": "dt", "hour": "hour"}
"""The partition columns of the transforms of time: `day(updated_at)` makes `dt=2026-11-20`."""
SYSTEM = ("_shard", "_cursor", "_op", "_window", "_seq")
"""Columns that every layout has beside the view's own; `_cursor` only where no column holds the version."""
_IDENTITY = ("text", "varchar", "smallint", "integer", "bigint", "date", "boolean", "uuid")
_DATED = ("date", "timestamp", "timestamptz")
_BUCKETED = ("text", "varchar", "smallint", "integer", "bigint", "uuid")


@dataclass(frozen=True, slots=True)
class Transform:
    """One part of a partitioning: a column and what is taken of it. `name` is the partition's own column."""

    unit: Unit
    column: str
    buckets: int = 0

    @property
    def name(self) -> str:
        if self.unit == "identity":
            return folded(self.column)
        return NAMES.get(self.unit) or f"{folded(self.column)}_bucket"

    def __str__(self) -> str:
        if self.unit == "identity":
            return self.column
        return f"{self.unit}({f'{self.buckets}, ' if self.buckets else ''}{self.column})"

    def check(self, types: dict[str, Type]) -> None:
        """Raises ValueError where the column is not there, or is of a type that the transform cannot take."""
        if self.column not in types:
            raise ValueError(f"lake: partition_by {self}: {self.column!r} is not one of the columns; there are: {', '.join(types)}")
        type_ = types[self.column]
        allowed: tuple[str, ...] = _IDENTITY if self.unit == "identity" else _BUCKETED if self.unit == "bucket" else _DATED
        if self.unit == "hour":
            allowed = _DATED[1:]
        if type_.array or type_.name not in allowed:
            better = f"day({self.column})" if self.unit == "identity" and type_.name in _DATED else f"one of {', '.join(allowed)}"
            raise ValueError(f"lake: partition_by {self}: {self.column} is {type_}; use {better}")


def parse_transform(text: str) -> Transform:
    """Read a part of `partition_by`.

    >>> parse_transform("bucket(16, id)")
    Transform(unit='bucket', column='id', buckets=16)
    >>> str(parse_transform("day(updated_at)")), parse_transform("day(updated_at)").name
    ('day(updated_at)', 'dt')
    """
    if found := re.fullmatch(r"\s*(year|month|day|hour)\(\s*(.+?)\s*\)\s*", text):
        return Transform(found[1], found[2])  # type: ignore[arg-type]  # the pattern allows no other unit
    if found := re.fullmatch(r"\s*bucket\(\s*(\d+)\s*,\s*(.+?)\s*\)\s*", text):
        if not 1 <= int(found[1]) <= 10_000:
            raise ValueError(f"{text!r}: a bucket transform has 1 to 10000 buckets")
        return Transform("bucket", found[2], int(found[1]))
    if re.search(r"[()]", text) or not text.strip():
        raise ValueError(
            f"{text[:60]!r} is no partitioning; write a column, year(column), month(column), day(column), hour(column) or bucket(16, column)"
        )
    return Transform("identity", text.strip())


def folded(name: str) -> str:
    """A column's name as Athena has it: lower case, and _ for all but letters, digits and _.

    >>> folded("Order Total")
    'order_total'
    """
    return re.sub(r"[^a-z0-9_]", "_", name.lower())


def in_iceberg(name: str) -> str:
    """A folded name as Iceberg's files have it: there none begins with a digit.

    >>> in_iceberg("2fa"), in_iceberg("order_total")
    ('_2fa', 'order_total')
    """
    return f"_{name}" if name[:1].isdigit() else name


def _lake_name(value: str) -> str:
    if not re.fullmatch(r"[a-z][a-z0-9_]{0,62}", value):
        raise ValueError(f"{value[:40]!r} is not a lake table or database; use a-z, 0-9 and _, from a letter, 63 characters at most")
    return value


LakeName = Annotated[str, AfterValidator(_lake_name)]


class Layout(Spec):
    """One table of the lake.

    `append` is a history, with a view `<table>_latest` of its newest rows; `merge` holds the current rows alone, and needs
    Iceberg or Delta; `replace` is written anew: as a whole by each run of a view that replaces, and else the partitions that
    have changed, which hold the current rows, too.
    """

    table: LakeName
    partition_by: tuple[Transform, ...] = ()
    format: Literal["parquet", "iceberg", "delta"] = "parquet"
    write: Literal["append", "merge", "replace"] | None = None
    projection: bool = False
    file_size: Size = 128 << 20

    @field_validator("partition_by", mode="before")
    @classmethod
    def _read(cls, value: Any) -> Any:
        if not isinstance(value, list | tuple):
            raise ValueError("`partition_by` is a list, as in [day(updated_at)]")
        return tuple(v if isinstance(v, Transform) else parse_transform(str(v)) for v in value)

    @model_validator(mode="after")
    def _possible(self) -> Self:
        names = [t.name for t in self.partition_by]
        if twice := [n for n in names if names.count(n) > 1]:
            raise ValueError(f"lake: {self.table} is partitioned by two columns named {twice[0]!r}; take one of them away")
        if self.format == "parquet" and self.write == "merge":
            raise ValueError(
                f"lake: {self.table}: plain Parquet cannot merge; use `format: iceberg` or `format: delta`, or `write: append`"
            )
        if self.format != "parquet" and self.write in ("append", "replace"):
            raise ValueError(f"lake: {self.table}: `{self.write}` is for Parquet; {self.format} holds the current rows, `write: merge`")
        if self.projection and (self.format != "parquet" or not self.partition_by):
            raise ValueError(f"lake: {self.table}: `projection` is for partitioned Parquet")
        return self

    @property
    def mode(self) -> Literal["append", "merge", "replace"]:
        """How it is written: as declared, or append for Parquet and merge for the others."""
        return self.write or ("append" if self.format == "parquet" else "merge")

    def mode_in(self, write: str) -> Literal["append", "merge", "replace", "rewrite"]:
        """How it is written for a view that is written so to its warehouse: `rewrite` is `replace` by partitions."""
        return "rewrite" if self.mode == "replace" and write == "merge" else self.mode


class RawTable(Spec):
    """The rows as they were read, as a table: `raw.<view>`. `retention` is how long they are kept; for ever where left out."""

    retention: Annotated[Duration, Field(ge=timedelta(hours=1))] | None = None


class LakeTarget(Spec):
    """Where raw rows and the layouts lie: a connection whose URL is a folder or s3://bucket/prefix."""

    connection: Reference = "athena-lake/main"
    database: LakeName = "analytics"
    raw: RawTable = RawTable()
    layouts: tuple[Layout, ...] = ()

    @model_validator(mode="after")
    def _distinct(self) -> Self:
        tables = [t for layout in self.layouts for t in (layout.table, *([f"{layout.table}_latest"] if layout.mode == "append" else []))]
        if twice := [t for t in tables if tables.count(t) > 1]:
            raise ValueError(f"lake: two layouts would be named {twice[0]!r}; rename one")
        if taken := {"raw": "the rows as they were read", "schemas": "columns that are inferred"}.get(self.database):
            raise ValueError(f"lake.database: `{self.database}` is for {taken}; choose another")
        return self

    def layout(self, table: str) -> Layout:
        """A layout by its table. Raises KeyError."""
        return {layout.table: layout for layout in self.layouts}[table]


def check_layouts(lake: LakeTarget, types: dict[str, Type], write: str) -> None:
    """Raises ValueError where a view with these columns, written so to its warehouse, cannot have these layouts."""
    if not lake.layouts:
        return
    fold: dict[str, str] = {}
    for name in types:
        if (other := fold.setdefault(folded(name), name)) != name:
            raise ValueError(f"columns: {other!r} and {name!r} are both {folded(name)!r} to Athena; rename one")
    if taken := [name for name in types if folded(name) in SYSTEM]:
        raise ValueError(f"columns: {taken[0]!r} is {folded(taken[0])!r} to Athena, which is a column of the lake's own; rename it")
    for layout in lake.layouts:
        if layout.format == "iceberg" and (twins := [n for n in fold if n[0].isdigit() and in_iceberg(n) in fold]):
            first, second = in_iceberg(twins[0]), twins[0]
            raise ValueError(f"columns: {fold[first]!r} and {fold[second]!r} are both {first!r} in Iceberg's files; rename one")
        for transform in layout.partition_by:
            transform.check({**types, "_shard": Type("text")})
            if transform.unit != "identity" and transform.name in (*fold, *SYSTEM):
                raise ValueError(
                    f"lake: {layout.table}: the partition {transform} is named {transform.name!r}, as a column is; rename the column"
                )
        if (write == "replace") != (layout.mode == "replace") and layout.mode_in(write) != "rewrite":
            raise ValueError(
                f"lake: {layout.table}: a view with `warehouse.write: {write}` cannot have `{layout.mode}` layouts;"
                f" give {'`write: replace`' if write == 'replace' else 'another `write`'}"
            )
        if layout.mode_in(write) == "rewrite" and (not layout.partition_by or layout.projection):
            raise ValueError(
                f"lake: {layout.table}: `write: replace` of a view that merges writes whole partitions anew; it needs `partition_by`,"
                " and no `projection`, since a projected partition cannot move"
            )
        if layout.mode == "merge" and write != "merge":
            raise ValueError(f"lake: {layout.table}: `merge` needs a view whose warehouse merges, too")
