"""Current rows: what a batch changes in a table that holds the newest version of each key and nothing else.

The same decisions as the warehouse's merge, in memory over the rows concerned: the newest version of a unit (a row, or an
exploded parent) wins, at the same version that of the shard that sorts later; a unit comes and goes as one; what says the
same as the table already is left alone. Applying a batch again changes nothing.
"""

from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Protocol

import orjson
import polars as pl
import psycopg
import pyarrow as pa

from shardlake.ledger.lake import Counts
from shardlake.quoting import postgres_text
from shardlake.view.layout import folded
from shardlake.view.view import View

Connection = psycopg.Connection[Any]
_READ = ("_op", "_seq", "_window")
_UNIT = "_shardlake_unit"


class CurrentTable(Protocol):
    """A table of an open format, behind its own library."""

    def rows_of(self, units: pl.DataFrame) -> pl.DataFrame | None:
        """The table's rows whose unit key is among `units`; memory holds no others. None where there is no table yet."""

    def apply(self, upserts: pl.DataFrame, gone: pl.DataFrame, *, new: bool) -> None:
        """Insert or replace rows by key, and take out those whose key is in `gone`: one commit, all of it or nothing.

        `new` says that the table holds no row of the units concerned: there is nothing to be replaced.
        """


@dataclass(frozen=True, slots=True)
class Keys:
    """The folded names that decide: the unit's key, the row's, and its version."""

    unit: tuple[str, ...]
    key: tuple[str, ...]
    version: str

    @classmethod
    def of(cls, view: View) -> "Keys":
        """Those of a view."""
        return cls(tuple(map(folded, view.unit_key)), tuple(map(folded, view.key)), folded(str(view.version_column)))


def merge_batch(view: View, table: CurrentTable, batch: pl.DataFrame, tombstones: pl.DataFrame) -> Counts:
    """Apply a batch. `tombstones` are units that are known as gone: their key, `_version` and `_shard`."""
    keys = Keys.of(view)
    rows = batch.rename({n: folded(n) for n in batch.columns})
    newest = _newest(rows, keys)
    units = newest.select(*keys.unit).unique()
    present = _alike(table.rows_of(units), newest.drop(_READ))
    live = _not_stale(newest, present, tombstones, keys)
    wanted = live.filter(pl.col("_op").is_null()).drop(_READ)
    changed = _changed(wanted, present, keys)
    gone = present.join(live.select(*keys.unit).unique(), on=list(keys.unit), how="semi").join(wanted, on=list(keys.key), how="anti")
    removed = gone.select(*keys.key)
    if changed.height or removed.height:
        table.apply(changed, removed, new=not present.height)
    deleted = live.filter(pl.col("_op").is_not_null()).join(gone.select(*keys.unit).unique(), on=list(keys.unit), how="semi")
    written = changed.height + deleted.height
    return Counts(batch.height, written, batch.height - written, 0)


def _alike(present: pl.DataFrame | None, rows: pl.DataFrame) -> pl.DataFrame:
    """The table's rows with the batch's columns and types: NULL for a column that the table does not have yet."""
    if present is None:
        return rows.clear()
    return present.select((pl.col(n).cast(t) if n in present.columns else pl.lit(None, dtype=t).alias(n)) for n, t in rows.schema.items())


def _newest(rows: pl.DataFrame, keys: Keys) -> pl.DataFrame:
    """Of every unit the rows of its newest version in the batch."""
    order = [keys.version, "_shard", "_window", "_seq"]
    rows = rows.sort(order, descending=True, nulls_last=True)
    same = [pl.col(c).eq_missing(pl.col(c).first().over(list(keys.unit))) for c in order]
    found = rows.filter(pl.all_horizontal(same))
    return found.unique(list(keys.key), keep="first", maintain_order=True) if found.height else found


def _not_stale(newest: pl.DataFrame, present: pl.DataFrame, tombstones: pl.DataFrame, keys: Keys) -> pl.DataFrame:
    """Without the units of which the table, or a tombstone, knows a newer version."""
    unit = list(keys.unit)
    known = present.group_by(unit).agg(pl.col(keys.version).first().alias("_their_version"), pl.col("_shard").first().alias("_their_shard"))
    if "_shard" in unit:
        known = known.with_columns(pl.col("_shard").alias("_their_shard"))
    newest = newest.join(known, on=unit, how="left", nulls_equal=True, maintain_order="left")
    mine, theirs = pl.col(keys.version), pl.col("_their_version")
    later = (
        (theirs > mine) | (mine.is_null() & theirs.is_not_null()) | (theirs.eq_missing(mine) & (pl.col("_their_shard") > pl.col("_shard")))
    )
    newest = newest.filter(~(pl.col("_their_shard").is_not_null() & later.fill_null(False))).drop("_their_version", "_their_shard")
    if not tombstones.height:
        return newest
    number = _number(newest.get_column(keys.version))
    newest = newest.with_columns(number.alias("_number"), _unit_text(newest, keys).alias(_UNIT)).join(
        tombstones, on=_UNIT, how="left", maintain_order="left"
    )
    dead = (pl.col("_gone_at") > pl.col("_number")) | ((pl.col("_gone_at") == pl.col("_number")) & (pl.col("_gone_by") > pl.col("_shard")))
    return newest.filter(~dead.fill_null(False)).drop(_UNIT, "_number", "_gone_at", "_gone_by")


def _changed(wanted: pl.DataFrame, present: pl.DataFrame, keys: Keys) -> pl.DataFrame:
    """Rows that are new, or say something else than the table's."""
    rest = [c for c in wanted.columns if c not in keys.key]
    theirs = present.select(*keys.key, *(pl.col(c).alias(f"_their_{c}") for c in rest), pl.lit(True).alias("_there"))
    joined = wanted.join(theirs, on=list(keys.key), how="left", maintain_order="left")
    same = [pl.col(c).eq_missing(pl.col(f"_their_{c}")) for c in rest]
    return joined.filter(~pl.all_horizontal(pl.col("_there").fill_null(False), *same)).select(wanted.columns)


def tombstones_of(connection: Connection, view: View, batch: pl.DataFrame) -> pl.DataFrame:
    """What the ledger remembers of a batch's units that are gone."""
    empty = pl.DataFrame(schema={_UNIT: pl.String, "_gone_at": pl.Int128, "_gone_by": pl.String})
    if not (view.explode or (view.deletes and view.deletes.mode == "apply")):
        return empty
    units = _unit_text(batch.rename({n: folded(n) for n in batch.columns}), Keys.of(view)).unique().to_list()
    rows = connection.execute(
        f"SELECT unit_key::text, round(version * 1000000)::text, shard FROM shardlake.tombstones WHERE view = {postgres_text(view.name)} AND version > '-Infinity'"
        " AND unit_key = ANY(SELECT u::jsonb FROM unnest(%s::text[]) u)",
        (units,),
    ).fetchall()
    found = [(_spelt(key), int(version), shard) for key, version, shard in rows]
    return pl.DataFrame(found, schema=empty.schema, orient="row") if found else empty


def _unit_text(rows: pl.DataFrame, keys: Keys) -> pl.Series:
    """A unit's key as the JSON array that the ledger's tombstones have."""
    parts = rows.select(*keys.unit).rows()
    return pl.Series(_UNIT, [_json(part) for part in parts], dtype=pl.String)


def _json(values: tuple[Any, ...]) -> str:
    def plain(value: Any) -> Any:
        if isinstance(value, Decimal):
            return int(value) if value == value.to_integral_value() else float(value)
        return value if isinstance(value, str | int | float) or value is None else str(value)

    return orjson.dumps([plain(v) for v in values]).decode()


def _spelt(key: str) -> str:
    return orjson.dumps(orjson.loads(key)).decode()


def _number(version: pl.Series) -> pl.Series:
    """A version as the ledger's tombstones have it, in millionths: microseconds since 1970, days, or the number."""
    if isinstance(version.dtype, pl.Datetime):
        return version.dt.epoch("us").cast(pl.Int128)
    if version.dtype == pl.Date:
        return version.to_physical().cast(pl.Int128) * 1_000_000
    return version.cast(pl.Int128, strict=False) * 1_000_000


def rows_among(table: pa.Table, units: pl.DataFrame) -> pl.DataFrame:
    """The rows of a table whose key is among `units`. They are taken by Arrow: polars' own texts keep all of the table's in memory."""
    keys = frame_of(table.select(units.columns)).with_row_index("_shardlake_row")
    return frame_of(table.take(keys.join(units, on=units.columns, how="semi").get_column("_shardlake_row").to_arrow()))


def frame_of(table: pa.Table) -> pl.DataFrame:
    """A table as a frame."""
    found = pl.from_arrow(table)
    assert isinstance(found, pl.DataFrame)
    return found


def plain_arrow(frame: pl.DataFrame) -> pa.Table:
    """A frame as Arrow, in the plain types that every writer knows."""
    table = frame.to_arrow()
    fields = [f.with_type(_plain(f.type)) for f in table.schema]
    return table.cast(pa.schema(fields))


def _plain(type_: pa.DataType) -> pa.DataType:
    if pa.types.is_large_string(type_) or pa.types.is_string_view(type_):
        return pa.string()
    if pa.types.is_large_binary(type_) or pa.types.is_binary_view(type_):
        return pa.binary()
    if pa.types.is_large_list(type_):
        return pa.list_(pa.field("element", _plain(type_.value_type)))
    if pa.types.is_struct(type_):
        return pa.struct([f.with_type(_plain(f.type)) for f in type_])
    return type_
