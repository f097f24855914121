"""merge: one transaction casts a staged window into the target, writes its rejects, and counts.

Nothing of it is seen before the commit, and the commit is refused unless every staged row has a verdict.
"""

import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import psycopg
from tenacity import Retrying, retry_if_exception_type, stop_after_attempt, wait_random_exponential

from shardlake.errors import AccountingError, SourceFailed, StagingLost, WarehouseBusy
from shardlake.failpoints import failpoint
from shardlake.ledger import sinks
from shardlake.ledger.database import Warehouse
from shardlake.ledger.sinks import Applied
from shardlake.sink.postgres import reject_resolution as read_again
from shardlake.sink.postgres.locks import locking, waiting
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


def merge(warehouse: Warehouse, sql: MergeSql, staged: Staged | Stager, *, first_load: bool, again: bool = False) -> Applied:
    """Merge a staged window. One that is applied already changes nothing and returns its recorded counts, unless `again`.

    Raises WarehouseBusy (a lock, a deadlock that came back), WarehouseUnavailable, StagingLost, AccountingError.
    """
    retrying = Retrying(
        retry=retry_if_exception_type(_Crossed), stop=stop_after_attempt(6),
        wait=wait_random_exponential(multiplier=0.1, max=2), reraise=True,
    )  # fmt: skip
    return retrying(_attempt, warehouse, sql, staged, first_load, again)


class _Crossed(WarehouseBusy):
    """A deadlock or serialization failure: the transaction is gone, and may be begun again."""


def _attempt(warehouse: Warehouse, sql: MergeSql, staged: Staged | Stager, first_load: bool, again: bool) -> Applied:
    with warehouse.connection() as connection:
        try:
            with locking(connection, sql.view, sql.into):
                merged = _merge(connection, sql, staged, first_load, again)
                failpoint("merge.before_commit")
        except _CROSSED:
            raise _Crossed(f"the merge into {sql.into} crossed with another transaction", hint="It is tried again.") from None
    failpoint("merge.committed")
    return merged


def _merge(connection: Connection, sql: MergeSql, staged: Staged | Stager, first_load: bool, again: bool) -> Applied:
    started = time.perf_counter()
    connection.execute(
        "SELECT set_config('work_mem', '64MB', true), set_config('jit', 'off', true), set_config('TimeZone', %s, true)",
        (sql.zone,),  # a datetime without a zone is in the source's
    )
    _in_turn(connection, sql)
    connection.execute("SELECT 1 FROM shardlake.windows WHERE window_id = %s FOR UPDATE", (sql.window_id,))
    if not again and (before := sinks.applied(connection, sql.view.name, sinks.WAREHOUSE, sql.window_id)):
        return before
    if not again:
        sql = replace(sql, since=_since(connection, sql))
    failpoint("merge.started")
    if not isinstance(staged, Staged):
        staged = staged(connection)
        started += staged.shape_seconds + staged.stage_seconds
    _require_staging(connection, sql, staged)
    settled = read_again.settled(connection, sql.window_id)
    read_again.mark(connection, sql)
    rejected = _count(connection, sql.reject(everything=False)) if staged.uncertain else 0
    try:
        with connection.transaction():
            merged, superseded, removed, unchanged = _cast(connection, sql, first_load)
    except _UNCASTABLE:
        # a value that looked certain was not: have every row judged, once
        rejected += _count(connection, sql.reject(everything=True))
        try:
            merged, superseded, removed, unchanged = _cast(connection, sql, first_load)
        except _UNCASTABLE as error:
            raise SourceFailed(
                f"{sql.shard}: {sql.into} refuses rows that cast well: {error.diag.message_primary}",
                hint="Look for constraints on the target that the view does not know.",
            ) from None
    if staged.shape_rejected:
        _count(connection, sql.shape_rejects())
    read_again.stay_settled(connection, sql.window_id, settled)
    failpoint("merge.cast")
    merged += staged.direct
    if unchanged is None:
        unchanged = staged.view_rows - rejected - merged - superseded
    seconds = {"shape": staged.shape_seconds, "stage": staged.stage_seconds, "merge": time.perf_counter() - started}
    counts = Applied(
        staged.raw_rows, staged.shaped, staged.shape_rejected, staged.view_rows, merged, unchanged, superseded, rejected, removed, seconds
    )
    _require_equations(sql, staged, counts)
    sinks.record_applied(connection, sql.view.name, sinks.WAREHOUSE, sql.window_id, counts)
    drop_staging(connection, sql.window_id)
    return counts


def _turn(sql: MergeSql) -> str:
    """What this process's merges queue for before they take a session: without it those that wait would hold all of them."""
    return f"units.{sql.into}" if _of_units(sql) else f"{sql.view.name}.{sql.shard}.{sql.window_id}"


def _in_turn(connection: Connection, sql: MergeSql) -> None:
    """Wait for other merges of the view and shard: of its backfills for a regular run, and of its regular run for them.

    Neither would see what the other is about to write. A merge is a matter of seconds and has limits of its own, so the
    turn is waited for without one. Windows of backfills that are plain rows have no need of turns among themselves.
    """
    row = connection.execute("SELECT backfill_id IS NOT NULL FROM shardlake.windows WHERE window_id = %s", (sql.window_id,)).fetchone()
    shared = "_shared" if row == (True,) and not _of_units(sql) else ""
    with waiting(connection):
        connection.execute(
            f"SELECT pg_advisory_xact_lock{shared}(hashtextextended(%s, 0))", (f"shardlake.merge.{sql.view.name}.{sql.shard}",)
        )


def _since(connection: Connection, sql: MergeSql) -> tuple[tuple[str | None, str | None], ...]:
    """The ranges that were read after the window was and are merged, in the words of the version's type."""
    if sql.view.version_column is None:
        return ()
    kind = next(c.type.name for c in sql.columns if c.name == sql.view.version_column)
    found = [f for f in sinks.read_since(connection, sql.view.name, sinks.WAREHOUSE, sql.window_id) if kind in _ON_ONE_SCALE.get(f[0], ())]
    return tuple(dict.fromkeys((_edge(kind, lower), _edge(kind, upper)) for kind, lower, upper in found))


_TIMES = ("timestamp", "timestamptz", "date")
_ON_ONE_SCALE = {"int": ("bigint", "numeric"), "decimal": ("numeric",), "date": _TIMES, "datetime": _TIMES, "instant": _TIMES}


def _edge(kind: str, bound: str | None) -> str | None:
    return f"{bound}+00" if bound is not None and kind == "instant" else bound


def _of_units(sql: MergeSql) -> bool:
    return sql.view.warehouse.write == "merge" and bool(sql.view.explode or (sql.view.deletes and sql.view.deletes.mode == "apply"))


def _cast(connection: Connection, sql: MergeSql, first_load: bool) -> tuple[int, int, int, int | None]:
    """Merged, superseded, removed and, where it is counted apart, unchanged."""
    if _of_units(sql):
        return _cast_units(connection, sql)
    superseded = 0
    try:
        with connection.transaction():
            merged = _count(connection, sql.insert(compare_first=not first_load))
    except psycopg.errors.CardinalityViolation:
        superseded = _count(connection, sql.drop_older_twins())
        merged = _count(connection, sql.insert(compare_first=not first_load))
    rest = _one(connection, f"SELECT count(*) FROM {sql.staging}") - merged
    if rest:
        superseded += _one(connection, sql.superseded())
    return merged, superseded, 0, None


def _cast_units(connection: Connection, sql: MergeSql) -> tuple[int, int, int, int | None]:
    if "_shard" not in sql.view.key:
        # shards may hold one unit: merges at once would see neither each other's rows nor tombstones. So they queue; each
        # waits as long as those before it take, which have limits of their own
        with waiting(connection):
            connection.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", (f"shardlake.units.{sql.into}",))
    connection.execute("DROP TABLE IF EXISTS pg_temp.units")
    superseded = _count(connection, sql.drop_older_twins())
    connection.execute(sql.units())
    superseded += _one(connection, sql.drop_stale_units())
    connection.execute(sql.forget_stale_units())
    removed = _count(connection, sql.remove_gone())
    upserted = _count(connection, sql.insert(compare_first=True))
    news = _one(connection, sql.tombstones())
    connection.execute(sql.forget_tombstones())
    late = _one(connection, sql.superseded())
    total = _one(connection, f"SELECT count(*) FROM {sql.staging} WHERE {sql.counts('_op')}")
    merged = upserted + (0 if sql.view.explode else news)
    return merged, superseded + late, removed, total - merged - late


def _require_staging(connection: Connection, sql: MergeSql, staged: Staged) -> None:
    if connection.execute("SELECT to_regclass(%s)", (sql.staging,)).fetchone() == (None,):
        raise StagingLost(f"{sql.shard}: the staging table of window {sql.window_id} is gone", hint="It is staged again from raw.")
    found = _one(connection, f"SELECT count(*) FROM {sql.staging}")
    if found != staged.staged:
        raise StagingLost(
            f"{sql.shard}: staging holds {found} rows of {staged.staged}; a crash empties unlogged tables",
            hint="It is staged again from raw.",
        )


def _require_equations(sql: MergeSql, staged: Staged, counts: Applied) -> None:
    sums = counts.merged + counts.unchanged + counts.superseded + counts.rejected
    if staged.raw_rows != counts.shaped + counts.shape_rejected or counts.view_rows != sums or counts.unchanged < 0:
        raise AccountingError(
            f"{sql.view.name}, {sql.shard}, window {sql.window_id}: rows do not add up: read {staged.raw_rows}, shaped {counts.shaped}, rejected in shape"
            f" {counts.shape_rejected}; view rows {counts.view_rows}, merged {counts.merged}, unchanged {counts.unchanged}, superseded {counts.superseded}, rejected {counts.rejected}",
            hint="Nothing was committed. Please report it.",
        )


def _count(connection: Connection, statement: str) -> int:
    return max(0, connection.execute(statement).rowcount)


def _one(connection: Connection, statement: str) -> int:
    row = connection.execute(statement).fetchone()
    assert row is not None
    return int(row[0])
