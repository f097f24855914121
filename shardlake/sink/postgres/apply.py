"""apply: a staged window into its target, every row with a verdict, and what was written counted by the server."""

from dataclasses import dataclass
from typing import Any

import psycopg

from shardlake.errors import AccountingError, StagingLost
from shardlake.sink.postgres.accounting import (
    REPORT,
    Verdicts,
    growth,
    place_of,
    require_all_seen,
    require_removed,
    require_written,
)
from shardlake.sink.postgres.locks import wait_for_turn
from shardlake.sink.postgres.merge_sql import MergeSql

Connection = psycopg.Connection[Any]


@dataclass(frozen=True, slots=True)
class Written:
    """What became of the rows of staging. `removed` rows left the target; a replaced row of another shard is one of them."""

    merged: int = 0
    unchanged: int = 0
    superseded: int = 0
    removed: int = 0


def of_units(sql: MergeSql) -> bool:
    """Whether rows come and go together, so that a window may take rows away: exploded ones, and those that are deleted."""
    return sql.view.warehouse.write == "merge" and sql.view.in_units


def apply(connection: Connection, sql: MergeSql, expected: int, *, alone: bool) -> Written:
    """Write the `expected` rows of staging into the target, but for those that are older or there already.

    Raises WriteDiffers where it took other rows than it was to take. The caller rolls back then and tries once more `alone`: no
    other transaction writes the target meanwhile, and of staged rows with one key the older were taken out. What differs even
    then is a fault.
    """
    if of_units(sql) and "_shard" not in sql.view.key:
        # shards may hold one unit: merges at once would see neither each other's rows nor tombstones. So they queue; each
        # waits as long as those before it take, which have limits of their own
        wait_for_turn(connection, f"shardlake.units.{sql.into}")
    if alone:
        connection.execute(f"LOCK TABLE {sql.into} IN SHARE ROW EXCLUSIVE MODE")
    if of_units(sql):
        return _apply_units(connection, sql, expected)
    twins = _count(connection, sql.drop_older_twins()) if alone or sql.keys_may_repeat else 0
    before = growth(connection, sql.into)
    found = _upsert(connection, sql, taken_out=twins, expected=expected)
    _require_written(connection, sql, found, before, removed=0)
    replaced = found.updated if sql.view.warehouse.write == "replace" else 0
    return Written(found.inserted + found.updated, found.unchanged, found.superseded + twins, replaced)


def _apply_units(connection: Connection, sql: MergeSql, expected: int) -> Written:
    connection.execute("DROP TABLE IF EXISTS pg_temp.units")
    before = growth(connection, sql.into)
    twins = _count(connection, sql.drop_older_twins())
    connection.execute(sql.units())
    stale, stale_rows = _row(connection, sql.drop_stale_units())
    connection.execute(sql.forget_stale_units())
    doomed, removed = _row(connection, sql.remove_gone())
    require_removed(_place(sql), sql.into, removed=removed, doomed=doomed)
    found = _upsert(connection, sql, taken_out=twins + stale, expected=expected)
    _require_written(connection, sql, found, before, removed=removed)
    gone, news, known = _row(connection, sql.tombstones())
    connection.execute(sql.forget_tombstones())
    if gone != news + known or (not sql.view.explode and gone != found.gone):
        raise AccountingError(
            f"{_place(sql)}: {found.gone} staged rows say that {gone} units are gone; of these {news} were written down, and {known} were known",
            hint=REPORT,
        )
    if sql.view.explode:  # that a parent has no elements is no row of the view
        news = known = 0
    return Written(found.inserted + found.updated + news, found.unchanged + known, found.superseded + twins + stale_rows, removed)


def _upsert(connection: Connection, sql: MergeSql, *, taken_out: int, expected: int) -> Verdicts:
    found = Verdicts(*_row(connection, sql.upsert()))
    if expected and not found.rows and not taken_out:
        raise StagingLost(
            f"{_place(sql)}: staging is empty, and {expected} rows are to be in it; a crash empties unlogged tables",
            hint="It is staged again from raw.",
        )
    require_all_seen(_place(sql), sql.staging, found, taken_out=taken_out, expected=expected)
    return found


def _require_written(connection: Connection, sql: MergeSql, found: Verdicts, before: int | None, *, removed: int) -> None:
    after = growth(connection, sql.into)
    grown = None if before is None or after is None else after - before
    require_written(_place(sql), sql.into, found, grown=grown, removed=removed)


def _place(sql: MergeSql) -> str:
    return place_of(sql.view.name, sql.shard, sql.window_id)


def _count(connection: Connection, statement: str) -> int:
    return max(0, connection.execute(statement).rowcount)


def _row(connection: Connection, statement: str) -> tuple[int, ...]:
    row = connection.execute(statement).fetchone()
    assert row is not None
    return tuple(row)
