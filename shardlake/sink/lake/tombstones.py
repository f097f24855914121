"""What a layout of current rows remembers of units that are gone, in the ledger, so that no older version brings one back."""

from decimal import Decimal
from typing import Any

import orjson
import polars as pl
import psycopg

from shardlake.sink.lake.keys import Keys

Connection = psycopg.Connection[Any]
UNIT = "_shardlake_unit"
GONE_AT, GONE_BY = "_gone_at", "_gone_by"
_MILLION = pl.Series([1_000_000], dtype=pl.Int128)
"""As a Series: polars multiplies none of Int128 by a number of Python's."""
_EMPTY = pl.DataFrame(schema={UNIT: pl.String, GONE_AT: pl.Int128, GONE_BY: pl.String})


def known(connection: Connection, view: str, sink: str, units: pl.Series) -> pl.DataFrame:
    """Those of the units (as `unit_text` spells them) that are gone: UNIT, the version in millionths (NULL for NULL), the shard."""
    rows = connection.execute(
        "SELECT u.key, CASE WHEN d.version > '-Infinity' THEN round(d.version * 1000000)::text END, d.shard FROM unnest(%s::text[]) u(key)"
        " JOIN shardlake.tombstones d ON d.view = %s AND d.sink = %s AND d.unit_key = u.key::jsonb",
        (units.unique().to_list(), view, sink),
    ).fetchall()
    found = [(key, None if version is None else int(version), shard) for key, version, shard in rows]
    return pl.DataFrame(found, schema=_EMPTY.schema, orient="row")


def remember(connection: Connection, view: str, sink: str, gone: pl.DataFrame) -> None:
    """Write down units that are gone, as `known` has them."""
    if not gone.height:
        return
    versions = ["-Infinity" if v is None else f"{Decimal(v).scaleb(-6):f}" for v in gone.get_column(GONE_AT).to_list()]
    connection.execute(
        "INSERT INTO shardlake.tombstones (view, sink, unit_key, version, shard)"
        " SELECT %s, %s, u.key::jsonb, u.version::numeric, u.shard FROM unnest(%s::text[], %s::text[], %s::text[]) u(key, version, shard)"
        " ON CONFLICT (view, sink, unit_key) DO UPDATE SET version = excluded.version, shard = excluded.shard",
        (view, sink, gone.get_column(UNIT).to_list(), versions, gone.get_column(GONE_BY).to_list()),
    )


def forget(connection: Connection, view: str, sink: str, back: pl.Series) -> None:
    """Units that have rows again."""
    if len(back):
        connection.execute(
            "DELETE FROM shardlake.tombstones d USING unnest(%s::text[]) u(key) WHERE d.view = %s AND d.sink = %s AND d.unit_key = u.key::jsonb",
            (back.to_list(), view, sink),
        )


def unit_text(rows: pl.DataFrame, keys: Keys) -> pl.Series:
    """Each row's unit key as a JSON array.

    >>> unit_text(pl.DataFrame({"id": [Decimal("1.50")], "at": ["x"]}), Keys(("id", "at"), ("id", "at"), "at")).to_list()
    ['[1.50,"x"]']
    """
    return pl.Series(UNIT, ["[" + ",".join(map(_json, part)) + "]" for part in rows.select(*keys.unit).rows()], dtype=pl.String)


def _json(value: Any) -> str:
    if isinstance(value, Decimal):
        return f"{value:f}"
    if isinstance(value, bytes):
        value = "\\x" + value.hex()
    plain = isinstance(value, str | int | float) or value is None
    return orjson.dumps(value if plain else str(value)).decode()


def version_number(version: pl.Series) -> pl.Series:
    """A version in millionths: microseconds since 1970, or of days since then, or of the number."""
    if isinstance(version.dtype, pl.Datetime):
        return version.dt.epoch("us").cast(pl.Int128)
    if version.dtype == pl.Date:
        return version.to_physical().cast(pl.Int128) * _MILLION
    if isinstance(version.dtype, pl.Decimal):
        return version.cast(pl.Decimal(38, 6)).to_physical().cast(pl.Int128)
    return version.cast(pl.Int128, strict=False) * _MILLION
