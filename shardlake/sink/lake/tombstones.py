"""What a layout of current rows remembers of units that are gone, in the ledger, so that no older version brings one back."""

from decimal import Context, Decimal
from typing import Any

import polars as pl
import psycopg

from shardlake.sink.lake.key_values import json_text, old_json_text
from shardlake.sink.lake.keys import SPELT, Keys

Connection = psycopg.Connection[Any]
UNIT = "_shardlake_unit"
GONE_AT, GONE_BY = "_gone_at", "_gone_by"
_MILLION = pl.Series([1_000_000], dtype=pl.Int128)
"""As a Series: polars multiplies none of Int128 by a number of Python's."""
_EXACT = Context(prec=60)
_EMPTY = pl.DataFrame(schema={UNIT: pl.String, GONE_AT: pl.Int128, GONE_BY: pl.String})


def known(connection: Connection, view: str, sink: str, rows: pl.DataFrame, keys: Keys) -> pl.DataFrame:
    """Those units of rows that are gone: UNIT, as `unit_text` spells it, the version as `version_number` has it, the shard."""
    if connection.execute("SELECT FROM shardlake.tombstones WHERE view = %s AND sink = %s LIMIT 1", (view, sink)).rowcount == 0:
        return _EMPTY  # the ordinary case, in which no key needs to be spelt
    found = connection.execute(
        "SELECT DISTINCT ON (u.key) u.key, CASE WHEN d.version > '-Infinity' THEN round(d.version * %s)::text END, d.shard"
        " FROM unnest(%s::text[], %s::text[]) u(key, spelt)"
        " JOIN shardlake.tombstones d ON d.view = %s AND d.sink = %s AND d.unit_key = u.spelt::jsonb ORDER BY u.key, d.version DESC, d.shard DESC",
        (10 ** places(rows.get_column(keys.version).dtype), *_spellings(rows, keys), view, sink),
    ).fetchall()
    gone = [(key, None if version is None else int(version), shard) for key, version, shard in found]
    return pl.DataFrame(gone, schema=_EMPTY.schema, orient="row")


def remember(connection: Connection, view: str, sink: str, gone: pl.DataFrame, digits: int) -> None:
    """Write down units that are gone, as `known` has them, their versions with as many `digits` behind the point."""
    if not gone.height:
        return
    versions = ["-Infinity" if v is None else f"{Decimal(v).scaleb(-digits, _EXACT):f}" for v in gone.get_column(GONE_AT).to_list()]
    connection.execute(
        "INSERT INTO shardlake.tombstones (view, sink, unit_key, version, shard)"
        " SELECT %s, %s, u.key::jsonb, u.version::numeric, u.shard FROM unnest(%s::text[], %s::text[], %s::text[]) u(key, version, shard)"
        " ON CONFLICT (view, sink, unit_key) DO UPDATE SET version = excluded.version, shard = excluded.shard",
        (view, sink, gone.get_column(UNIT).to_list(), versions, gone.get_column(GONE_BY).to_list()),
    )


def forget(connection: Connection, view: str, sink: str, rows: pl.DataFrame, keys: Keys, back: pl.Series) -> None:
    """Those units of rows that have rows again, as `unit_text` spells them."""
    if len(back):
        came = rows.filter(unit_text(rows, keys).is_in(back.implode()))
        connection.execute(
            "DELETE FROM shardlake.tombstones d USING unnest(%s::text[]) u(key) WHERE d.view = %s AND d.sink = %s AND d.unit_key = u.key::jsonb",
            (_spellings(came, keys)[1], view, sink),
        )


def unit_text(rows: pl.DataFrame, keys: Keys) -> pl.Series:
    """Each row's unit key as a JSON array, of rows with their keys as values: as `jsonb_build_array` makes it in the warehouse.

    >>> unit_text(pl.DataFrame({"id": [Decimal("1.50")], "at": ["x"]}), Keys(("id", "at"), ("id", "at"), "at")).to_list()
    ['[1.50,"x"]']
    """
    return _arrays([json_text(keys.types.get(n), rows.get_column(n)) for n in keys.unit])


def _spellings(rows: pl.DataFrame, keys: Keys) -> tuple[list[str], list[str]]:
    """The distinct units of rows, and with each how it may be spelt: as now, or as earlier versions did, which have left such ones."""
    now = unit_text(rows, keys)
    spelt = [SPELT + n if SPELT + n in rows.columns else n for n in keys.unit]
    pairs = dict.fromkeys(
        [*zip(now, now, strict=True), *zip(now, _arrays([old_json_text(rows.get_column(n)) for n in spelt]), strict=True)]
    )
    return [key for key, _ in pairs], [text for _, text in pairs]


def _arrays(columns: list[list[str]]) -> pl.Series:
    return pl.Series(UNIT, ["[" + ",".join(part) + "]" for part in zip(*columns, strict=True)], dtype=pl.String)


def places(version: pl.DataType) -> int:
    """Digits behind the point that versions of a type have in `version_number`: six, but for whole numbers of 38 digits."""
    return 0 if version == pl.Decimal(38, 0) else 6


def version_number(version: pl.Series) -> pl.Series:
    """A version in millionths: microseconds since 1970, or of days since then, or of the number; one of 38 digits as it is."""
    if isinstance(version.dtype, pl.Datetime):
        return version.dt.epoch("us").cast(pl.Int128)
    if version.dtype == pl.Date:
        return version.to_physical().cast(pl.Int128) * _MILLION
    if isinstance(version.dtype, pl.Decimal):
        return version.cast(pl.Decimal(38, places(version.dtype))).to_physical().cast(pl.Int128)
    return version.cast(pl.Int128, strict=False) * _MILLION
