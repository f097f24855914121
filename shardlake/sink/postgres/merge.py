"""merge: one transaction casts a staged window into the target, and counts.

Nothing of it is seen before the commit, and the commit is refused unless every staged row has a verdict. Merged, unchanged,
superseded and rejected are each counted; none of them is what the others leave.
"""

import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import psycopg
from tenacity import Retrying, retry_if_exception_type, stop_after_attempt, wait_random_exponential

from shardlake.errors import StagingLost, WarehouseBusy
from shardlake.failpoints import failpoint
from shardlake.ledger.database import Warehouse
from shardlake.ledger.sinks import Applied
from shardlake.rows.later import ranges
from shardlake.rows.window_rows import WindowRows
from shardlake.sink.postgres.accounting import WriteDiffers, place_of
from shardlake.sink.postgres.apply import Written, apply, of_units
from shardlake.sink.postgres.books import Books
from shardlake.sink.postgres.locks import locking, wait_for_turn
from shardlake.sink.postgres.merge_sql import MergeSql
from shardlake.sink.postgres.stage import Staged, drop_staging

Connection = psycopg.Connection[Any]
_CROSSED = (psycopg.errors.DeadlockDetected, psycopg.errors.SerializationFailure)
_UNCASTABLE = (
    psycopg.errors.DataError,
    psycopg.errors.NotNullViolation,
    psycopg.errors.ProgramLimitExceeded,
    psycopg.errors.StatementTooComplex,
)

Stager = Callable[[Connection], Staged]
"""Stages a window within the merge's own transaction: how a first load goes direct into its target."""


class Uncastable(Exception):
    """A value that looked certain does not cast, as `reason` says: every row is to be judged."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


def merge(database: Warehouse, sql: MergeSql, staged: Staged | Stager, rows: WindowRows, books: Books, *, again: bool = False) -> Applied:
    """Merge a staged window. One that the sink has already changes nothing and returns what was counted then, unless `again`.

    Raises WarehouseBusy (a lock, a deadlock that came back), WarehouseUnavailable, StagingLost, AccountingError, ClaimLost,
    Uncastable.
    """
    retrying = Retrying(
        retry=retry_if_exception_type(_Crossed), stop=stop_after_attempt(6),
        wait=wait_random_exponential(multiplier=0.1, max=2), reraise=True,
    )  # fmt: skip
    return retrying(_attempt, database, sql, staged, rows, books, again)


class _Crossed(WarehouseBusy):
    """A deadlock or serialization failure: the transaction is gone, and may be begun again."""


def _attempt(database: Warehouse, sql: MergeSql, staged: Staged | Stager, rows: WindowRows, books: Books, again: bool) -> Applied:
    with database.turn(_turn(sql)), database.connection() as connection:
        try:
            with locking(connection, sql.view, sql.into):
                applied = _merge(connection, sql, staged, rows, books, again)
                failpoint("merge.before_commit")
        except _CROSSED:
            raise _Crossed(f"the merge into {sql.into} crossed with another transaction", hint="It is tried again.") from None
        except _UNCASTABLE as error:
            raise Uncastable(error.diag.message_primary or type(error).__name__) from None
    failpoint("merge.committed")
    return applied


def _merge(connection: Connection, sql: MergeSql, staged: Staged | Stager, rows: WindowRows, books: Books, again: bool) -> Applied:
    started = time.perf_counter()
    _in_turn(connection, sql)
    if not again and (before := books.before(connection)):
        drop_staging(connection, sql.staging)
        return before
    if not again:
        sql = replace(sql, since=ranges(sql.view, sql.columns, books.read_since(connection)))
    failpoint("merge.started")
    if not isinstance(staged, Staged):
        staged = staged(connection)
        started += staged.seconds + rows.seconds
    elif connection.execute("SELECT to_regclass(%s)", (sql.staging,)).fetchone() == (None,):
        raise StagingLost(f"{sql.shard}: the staging table of window {sql.window_id} is gone", hint="It is staged again from raw.")
    found = _written(connection, sql, staged)
    failpoint("merge.cast")
    seconds = {"shape": rows.seconds, "stage": staged.seconds, "merge": time.perf_counter() - started}
    applied = Applied(
        rows.raw_rows, rows.shaped, rows.shape_rejected, rows.view_rows,
        found.merged + staged.direct, found.unchanged, found.superseded, rows.rejected, found.removed, rows.others, seconds,
    )  # fmt: skip
    applied.require(place_of(sql.view.name, sql.shard, sql.window_id))
    books.within(connection, rows, applied)
    drop_staging(connection, sql.staging)
    return applied


def _written(connection: Connection, sql: MergeSql, staged: Staged) -> Written:
    """What became of the staged rows; where others write the same keys meanwhile, a second look that shuts them out."""
    if staged.direct and not staged.rows:  # all went direct; staging was made in this transaction, and nobody else has seen it
        return Written()
    try:
        with connection.transaction():
            return apply(connection, sql, staged.rows, alone=False)
    except WriteDiffers:
        with connection.transaction():
            return apply(connection, sql, staged.rows, alone=True)


def _turn(sql: MergeSql) -> str:
    """What this process's merges queue for before they take a session: without it those that wait would hold all of them."""
    return f"units.{sql.into}" if of_units(sql) else f"{sql.view.name}.{sql.shard}.{sql.window_id}"


def _in_turn(connection: Connection, sql: MergeSql) -> None:
    """Set the transaction up, and wait for other merges of the view and shard: of its backfills for a regular run, and of its
    regular run for them.

    Neither would see what the other is about to write. A merge is a matter of seconds and has limits of its own, so the
    turn is waited for without one. Windows of backfills that are plain rows have no need of turns among themselves.
    """
    connection.execute(
        "SELECT set_config('work_mem', '64MB', true), set_config('jit', 'off', true),"
        " set_config('TimeZone', %s, true)", (sql.zone,)  # a datetime without a zone is in the source's
    )  # fmt: skip
    wait_for_turn(connection, f"shardlake.merge.{sql.view.name}.{sql.shard}", shared=sql.of_backfill and not of_units(sql))
