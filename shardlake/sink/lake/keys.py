"""The columns that decide which of two rows is newer, and rows whose keys are compared as values."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import polars as pl

from shardlake.sink.lake.key_values import bounds, is_odd, values
from shardlake.view.layout import folded
from shardlake.view.types import Type
from shardlake.view.view import View

SPELT = "_spelt_"
"""Before the name of a key's column that stands beside its value: what is written, where the value has several forms."""


@dataclass(frozen=True, slots=True)
class Keys:
    """The folded names that decide: the unit's key, the row's, and its version; and the types of the key's columns."""

    unit: tuple[str, ...]
    key: tuple[str, ...]
    version: str
    types: Mapping[str, Type] = field(default_factory=dict)

    @classmethod
    def of(cls, view: View) -> "Keys":
        """Those of a view."""
        types = {folded(k): view.columns[k].type for k in view.key if k in view.columns}
        return cls(tuple(map(folded, view.unit_key)), tuple(map(folded, view.key)), folded(str(view.version_column)), types)

    def odd(self, rows: pl.DataFrame) -> list[str]:
        """The columns of the key whose values have several forms."""
        return [n for n in self.types if n in rows.columns and is_odd(self.types[n], rows.get_column(n))]

    def valued(self, rows: pl.DataFrame) -> pl.DataFrame:
        """Rows with their keys as values, and beside them as they are written."""
        odd = [rows.get_column(n) for n in self.odd(rows)]
        return rows.with_columns(*(c.alias(SPELT + c.name) for c in odd), *(values(self.types[c.name], c) for c in odd))

    def written(self, rows: pl.DataFrame, present: pl.DataFrame) -> pl.DataFrame:
        """Rows with their keys as they are written: as in the table, of which `present` are rows, or else as they came."""
        odd = [c.removeprefix(SPELT) for c in rows.columns if c.startswith(SPELT)]
        if not odd:
            return rows
        theirs = present.select(*self.key, *(pl.col(SPELT + n).alias(f"_their_{n}") for n in odd)).unique(self.key, keep="first")
        found = rows.join(theirs, on=list(self.key), how="left", nulls_equal=True, maintain_order="left")
        spelt = found.with_columns(pl.coalesce(f"_their_{n}", SPELT + n).alias(n) for n in odd)
        return spelt.select(c for c in rows.columns if not c.startswith(SPELT))

    def among(self, rows: pl.DataFrame, units: pl.DataFrame) -> pl.Series:
        """The places of those rows whose unit, by its value, is among `units`, which are values."""
        own = self.valued(rows.select(*self.unit)).select(*self.unit).with_row_index("_shardlake_row")
        return own.join(units, on=list(self.unit), how="semi").get_column("_shardlake_row")

    def bounds(self, units: pl.DataFrame, name: str) -> tuple[Any, Any] | None:
        """Between which a column of the unit's key lies, in rows of these units; None where nothing is known of that."""
        return bounds(self.types.get(name), units.get_column(name))
