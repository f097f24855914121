"""Current rows: what a batch changes in a table that holds the newest version of each key and nothing else.

The same decisions as the warehouse's merge, in memory over the rows concerned: the newest version of a unit (a row, or an
exploded parent) wins, at the same version that of the shard that sorts later; a unit comes and goes as one; what says the
same as the table already is left alone. Applying a batch again changes nothing.
"""

from dataclasses import dataclass
from typing import Any, Protocol

import polars as pl
import psycopg

from shardlake.failpoints import failpoint
from shardlake.sink.lake import tombstones
from shardlake.sink.lake.account import Account, Verdict
from shardlake.sink.lake.keys import SPELT, Keys
from shardlake.sink.lake.later import Later, are_later
from shardlake.sink.lake.tombstones import GONE_AT, GONE_BY, UNIT, unit_text, version_number
from shardlake.view.layout import folded
from shardlake.view.view import View

Connection = psycopg.Connection[Any]
_READ = ("_op", "_seq", "_window")
_UNKNOWN = pl.DataFrame(schema={UNIT: pl.String, GONE_AT: pl.Int128, GONE_BY: pl.String})


class CurrentTable(Protocol):
    """A table of an open format, behind its own library."""

    def rows_of(self, units: pl.DataFrame) -> pl.DataFrame | None:
        """The table's rows whose unit key is among `units`, which are values; memory holds no others. None where there is no table yet."""

    def apply(self, upserts: pl.DataFrame, gone: pl.DataFrame, *, replaced: int) -> None:
        """Insert or replace rows by key, and take out those whose key is in `gone`: one commit, all of it or nothing.

        `replaced` rows of the table have a key of one or the other; where there are none nothing has to be looked for.
        Raises AccountingError where the format's own figures are others, with nothing of it left to be read.
        """


@dataclass(frozen=True, slots=True)
class Change:
    """What a batch comes to: rows to insert or replace, keys to take out, how many rows of the table these two are in place of;
    units that are gone and units that are back, for the tombstones; and the window of every row of the batch, by verdict.
    """

    upserts: pl.DataFrame
    removed: pl.DataFrame
    replaced: int
    gone: pl.DataFrame
    back: pl.Series
    verdicts: dict[Verdict, pl.Series]


def merge_batch(
    connection: Connection, view: View, sink: str, table: CurrentTable, batch: pl.DataFrame, account: Account, later: Later
) -> None:  # fmt: skip
    """Count what becomes of a batch's rows, and apply it. At the same version what was read later stays, by `later`. The tombstones of what goes are written before it goes, so that a
    batch that is broken off and applied again comes to the same. Raises AccountingError with nothing changed.
    """
    keys = Keys.of(view)
    rows = keys.valued(batch.rename({n: folded(n) for n in batch.columns}))
    known = tombstones.known(connection, view.name, sink, rows, keys) if view.in_units else _UNKNOWN
    change = decide(keys, table, rows, known, later)
    for verdict, windows in change.verdicts.items():
        account.count(verdict, windows)
    account.require()  # the batch is all that was counted since the last one, and nothing of it is in the table yet
    tombstones.remember(connection, view.name, sink, change.gone, tombstones.places(rows.get_column(keys.version).dtype))
    failpoint("lake.tombstones")
    connection.execute("SELECT 1")  # the layout's lock goes with this session: without it another run may be at the table
    if change.upserts.height or change.removed.height:
        table.apply(change.upserts, change.removed, replaced=change.replaced)
    tombstones.forget(connection, view.name, sink, rows, keys, change.back)


def decide(keys: Keys, table: CurrentTable, rows: pl.DataFrame, known: pl.DataFrame, later: Later) -> Change:
    """What rows, with their keys as values, change in a table. `known` are the tombstones of their units; `later` says of which
    versions a later reading is there.
    """
    newest, older = _newest(rows, keys)
    units = newest.select(*keys.unit).unique()
    present = keys.valued(_alike(table.rows_of(units), _as_written(newest.drop(_READ))))
    live, stale = _not_stale(newest, present, known, keys, later)
    wanted, marks = live.filter(pl.col("_op").is_null()), live.filter(pl.col("_op").is_not_null())
    changed, same = _changed(wanted, present, keys)
    gone = present.join(live.select(*keys.unit).unique(), on=list(keys.unit), how="semi").join(wanted, on=list(keys.key), how="anti")
    news, repeated = _news(marks, gone, known, keys)
    touched = pl.concat([changed.select(*keys.key), gone.select(*keys.key)])
    verdicts: dict[Verdict, pl.Series] = {
        "merged": _windows(changed, news),
        "unchanged": _windows(same, repeated),
        "superseded": _windows(older, stale),
        "removed": _removers(gone, live, keys),
    }
    replaced = present.join(touched, on=list(keys.key), how="semi").height
    back = known.join(unit_text(wanted, keys).to_frame(), on=UNIT, how="semi") if known.height else known
    upserts, removed = keys.written(changed.drop(_READ), present), keys.written(gone, present).select(*keys.key)
    return Change(upserts, removed, replaced, _tombstones(news, keys), back.get_column(UNIT), verdicts)


def _as_written(rows: pl.DataFrame) -> pl.DataFrame:
    """Rows with their keys as they came, in place of their values."""
    spelt = [c for c in rows.columns if c.startswith(SPELT)]
    return rows.with_columns(pl.col(c).alias(c.removeprefix(SPELT)) for c in spelt).drop(spelt)


def _alike(present: pl.DataFrame | None, rows: pl.DataFrame) -> pl.DataFrame:
    """The table's rows with the batch's columns and types: NULL for a column that the table does not have yet."""
    if present is None:
        return rows.clear()
    return present.select((pl.col(n).cast(t) if n in present.columns else pl.lit(None, dtype=t).alias(n)) for n, t in rows.schema.items())


def _newest(rows: pl.DataFrame, keys: Keys) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Of every unit the rows of its newest version in the batch, each key once; and the others."""
    order = [keys.version, "_shard", "_window", "_seq"]
    rows = rows.sort(order, descending=True, nulls_last=True)
    newest = pl.all_horizontal(pl.col(c).eq_missing(pl.col(c).first().over(list(keys.unit))) for c in order)
    rows = rows.with_columns(newest.alias("_newest"))
    found, older = rows.filter("_newest").drop("_newest"), rows.filter(~pl.col("_newest")).drop("_newest")
    first = found.select(pl.struct(*keys.key).is_first_distinct().alias("first")).to_series()
    return found.filter(first), pl.concat([older, found.filter(~first)])


def _not_stale(
    newest: pl.DataFrame, present: pl.DataFrame, known: pl.DataFrame, keys: Keys, later: Later
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Rows of units of which neither the table nor a tombstone knows a newer version, or a later reading of the same; and the others."""
    unit = list(keys.unit)
    theirs = present.group_by(unit).agg(
        pl.col(keys.version).first().alias("_their_version"), pl.col("_shard").first().alias("_their_shard")
    )
    if "_shard" in unit:
        theirs = theirs.with_columns(pl.col("_shard").alias("_their_shard"))
    rows = newest.join(theirs, on=unit, how="left", nulls_equal=True, maintain_order="left")
    mine, their = pl.col(keys.version), pl.col("_their_version")
    newer = (their > mine) | (mine.is_null() & their.is_not_null()) | (their.eq_missing(mine) & (pl.col("_their_shard") > pl.col("_shard")))
    if later:
        number = version_number(rows.get_column(keys.version))
        rows = rows.with_columns(are_later(rows, number, later).alias("_later"))
        newer = newer | (their.eq_missing(mine) & (pl.col("_their_shard") == pl.col("_shard")) & pl.col("_later"))
    stale = pl.col("_their_shard").is_not_null() & newer.fill_null(False)
    if known.height:
        number = version_number(rows.get_column(keys.version)).alias("_number")
        rows = rows.with_columns(number, unit_text(rows, keys)).join(known, on=UNIT, how="left", maintain_order="left")
        by = (pl.col(GONE_BY) > pl.col("_shard")) | ((pl.col(GONE_BY) == pl.col("_shard")) & (pl.col("_later") if later else False))
        dead = (pl.col(GONE_AT) > pl.col("_number")) | ((pl.col(GONE_AT) == pl.col("_number")) & by)
        stale = stale | dead.fill_null(False)
    rows = rows.with_columns(stale.alias("_stale"))
    return rows.filter(~pl.col("_stale")).select(newest.columns), rows.filter("_stale").select(newest.columns)


def _changed(wanted: pl.DataFrame, present: pl.DataFrame, keys: Keys) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Rows that are new, or say something else than the table's; and those that say the same."""
    rest = [c for c in wanted.columns if c not in (*keys.key, *_READ) and not c.startswith(SPELT)]
    theirs = present.select(*keys.key, *(pl.col(c).alias(f"_their_{c}") for c in rest), pl.lit(True).alias("_there"))
    joined = wanted.join(theirs, on=list(keys.key), how="left", maintain_order="left")
    same = [pl.col(c).eq_missing(pl.col(f"_their_{c}")) for c in rest]
    joined = joined.with_columns(pl.all_horizontal(pl.col("_there").fill_null(False), *same).alias("_same"))
    return joined.filter(~pl.col("_same")).select(wanted.columns), joined.filter("_same").select(wanted.columns)


def _news(marks: pl.DataFrame, gone: pl.DataFrame, known: pl.DataFrame, keys: Keys) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Marks of units that are gone: those that take rows out or are remembered nowhere yet, and those that say what is known."""
    number = version_number(marks.get_column(keys.version)).alias("_number")
    taking = gone.select(*keys.unit).unique().with_columns(pl.lit(True).alias("_taking"))
    rows = (
        marks.with_columns(number, unit_text(marks, keys))
        .join(known.with_columns(pl.lit(True).alias("_known")), on=UNIT, how="left", maintain_order="left")
        .join(taking, on=list(keys.unit), how="left", nulls_equal=True, maintain_order="left")
    )
    remembered = pl.col("_known").fill_null(False) & pl.col(GONE_AT).eq_missing(pl.col("_number")) & (pl.col(GONE_BY) == pl.col("_shard"))
    rows = rows.with_columns((~remembered | pl.col("_taking").fill_null(False)).alias("_news"))
    return rows.filter("_news").select(marks.columns), rows.filter(~pl.col("_news")).select(marks.columns)


def _removers(gone: pl.DataFrame, live: pl.DataFrame, keys: Keys) -> pl.Series:
    """For each row of the table that goes, the window of what takes it out."""
    by = live.group_by(list(keys.unit), maintain_order=True).agg(pl.col("_window").first())
    return gone.select(*keys.unit).join(by, on=list(keys.unit), how="left", nulls_equal=True).get_column("_window")


def _windows(*frames: pl.DataFrame) -> pl.Series:
    return pl.concat([f.get_column("_window") for f in frames])


def _tombstones(news: pl.DataFrame, keys: Keys) -> pl.DataFrame:
    """Marks as the ledger's tombstones."""
    number = version_number(news.get_column(keys.version)).alias(GONE_AT)
    return pl.DataFrame([unit_text(news, keys), number, news.get_column("_shard").alias(GONE_BY)]).unique(UNIT, keep="first")
