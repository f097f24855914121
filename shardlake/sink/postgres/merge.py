"""merge: one transaction casts a staged window into the target, writes its rejects, moves the watermark, and counts.

Nothing of it is seen before the commit, and the commit is refused unless every staged row has a verdict. Merged, unchanged,
superseded and rejected are each counted; none of them is what the others leave.
"""

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, fields, replace
from typing import Any

import psycopg
from tenacity import Retrying, retry_if_exception_type, stop_after_attempt, wait_random_exponential

from shardlake.errors import AccountingError, SourceFailed, StagingLost, WarehouseBusy
from shardlake.failpoints import failpoint
from shardlake.ledger import windows
from shardlake.ledger.database import Warehouse
from shardlake.sink.postgres import reject_resolution as read_again
from shardlake.sink.postgres.accounting import REPORT, WriteDiffers, place_of
from shardlake.sink.postgres.apply import Applied, apply, of_units
from shardlake.sink.postgres.locks import locking, wait_for_turn
from shardlake.sink.postgres.merge_sql import MergeSql
from shardlake.sink.postgres.stage import Staged, drop_staging
from shardlake.source.sql.window import Watermark

Connection = psycopg.Connection[Any]
_CROSSED = (psycopg.errors.DeadlockDetected, psycopg.errors.SerializationFailure)
_UNCASTABLE = (
    psycopg.errors.DataError,
    psycopg.errors.NotNullViolation,
    psycopg.errors.ProgramLimitExceeded,
    psycopg.errors.StatementTooComplex,
)


@dataclass(frozen=True, slots=True)
class Merged:
    """A window's verdicts. `view_rows` = merged + unchanged + superseded + rejected; `removed` rows left the target, and in a
    replace gave way to this shard's."""

    shaped: int = 0
    shape_rejected: int = 0
    view_rows: int = 0
    merged: int = 0
    unchanged: int = 0
    superseded: int = 0
    rejected: int = 0
    removed: int = 0
    seconds: dict[str, float] = field(default_factory=dict)

    def counts(self) -> dict[str, int]:
        """The counts without the seconds."""
        found: dict[str, int] = asdict(self)
        found.pop("seconds")
        return found


Stager = Callable[[Connection], Staged]
"""Stages a window within the merge's own transaction: how a first load goes direct into its target."""


def merge(
    warehouse: Warehouse,
    sql: MergeSql,
    staged: Staged | Stager,
    mark: Watermark | None,
    *,
    first_load: bool,  # noqa: ARG001 - the look at the target costs next to nothing where it is empty
    again: bool = False,
) -> Merged:
    """Merge a staged window. One that is merged already changes nothing and returns its recorded counts, unless `again`.

    Raises WarehouseBusy (a lock, a deadlock that came back), WarehouseUnavailable, StagingLost, AccountingError.
    """
    retrying = Retrying(
        retry=retry_if_exception_type(_Crossed), stop=stop_after_attempt(6),
        wait=wait_random_exponential(multiplier=0.1, max=2), reraise=True,
    )  # fmt: skip
    return retrying(_attempt, warehouse, sql, staged, mark, again)


class _Crossed(WarehouseBusy):
    """A deadlock or serialization failure: the transaction is gone, and may be begun again."""


def _attempt(warehouse: Warehouse, sql: MergeSql, staged: Staged | Stager, mark: Watermark | None, again: bool) -> Merged:
    with warehouse.connection() as connection:
        try:
            with locking(connection, sql.view, sql.into):
                merged = _merge(connection, sql, staged, mark, again)
                failpoint("merge.before_commit")
        except _CROSSED:
            raise _Crossed(f"the merge into {sql.into} crossed with another transaction", hint="It is tried again.") from None
    failpoint("merge.committed")
    return merged


def _merge(connection: Connection, sql: MergeSql, staged: Staged | Stager, mark: Watermark | None, again: bool) -> Merged:
    started = time.perf_counter()
    _in_turn(connection, sql)
    if _is_merged(connection, sql) and not again:
        return recorded(connection, sql.window_id)
    if not again:
        sql = replace(sql, since=_since(connection, sql))
    failpoint("merge.started")
    if not isinstance(staged, Staged):
        staged = staged(connection)
        started += staged.shape_seconds + staged.stage_seconds
    elif connection.execute("SELECT to_regclass(%s)", (sql.staging,)).fetchone() == (None,):
        raise StagingLost(f"{sql.shard}: the staging table of window {sql.window_id} is gone", hint="It is staged again from raw.")
    settled = read_again.settled(connection, sql.window_id)
    read_again.mark(connection, sql)
    applied, rejected = _apply(connection, sql, staged)
    if staged.shape_rejected:
        _require_rejects(sql, _count(connection, sql.shape_rejects()), staged.shape_rejected)
    read_again.stay_settled(connection, sql.window_id, settled)
    failpoint("merge.cast")
    seconds = {"shape": staged.shape_seconds, "stage": staged.stage_seconds, "merge": time.perf_counter() - started}
    counts = Merged(
        staged.shaped, staged.shape_rejected, staged.view_rows,
        applied.merged + staged.direct, applied.unchanged, applied.superseded, rejected, applied.removed, seconds,
    )  # fmt: skip
    _require_equations(sql, staged, counts)
    windows.record_merged(connection, sql.window_id, counts.counts(), {k: round(v, 4) for k, v in seconds.items()})
    if mark is not None:
        windows.move_watermark(connection, sql.view.name, sql.shard, mark)
    drop_staging(connection, sql.window_id)
    return counts


def _in_turn(connection: Connection, sql: MergeSql) -> None:
    """Set the transaction up, and wait for other merges of the view and shard: of its backfills for a regular run, and of its
    regular run for them.

    Neither would see what the other is about to write. A merge is a matter of seconds and has limits of its own, so the
    turn is waited for without one. Windows of backfills that are plain rows have no need of turns among themselves.
    """
    row = connection.execute(
        "SELECT set_config('work_mem', '64MB', true), set_config('jit', 'off', true),"
        " set_config('TimeZone', %s, true),"  # a datetime without a zone is in the source's
        " (SELECT backfill_id IS NOT NULL FROM shardlake.windows WHERE window_id = %s)", (sql.zone, sql.window_id)
    ).fetchone()  # fmt: skip
    assert row is not None
    wait_for_turn(connection, f"shardlake.merge.{sql.view.name}.{sql.shard}", shared=row[3] is True and not of_units(sql))


def _is_merged(connection: Connection, sql: MergeSql) -> bool:
    row = connection.execute("SELECT status FROM shardlake.windows WHERE window_id = %s FOR UPDATE", (sql.window_id,)).fetchone()
    return row == ("merged",)


def _apply(connection: Connection, sql: MergeSql, staged: Staged) -> tuple[Applied, int]:
    """Have the uncertain rows judged, and the others written. Returns what became of them, and how many were rejected."""
    if staged.direct and not staged.staged:  # all went direct; staging was made in this transaction, and nobody else has seen it
        return Applied(), 0
    rejected = _count(connection, sql.reject(everything=False)) if staged.uncertain else 0
    alone = everything = False
    while True:
        try:
            with connection.transaction():
                return apply(connection, sql, staged.staged - rejected, alone=alone), rejected
        except WriteDiffers:
            if alone:
                raise
            alone = True
        except _UNCASTABLE as error:
            if everything:
                raise SourceFailed(
                    f"{sql.shard}: {sql.into} refuses rows that cast well: {error.diag.message_primary}",
                    hint="Look for constraints on the target that the view does not know.",
                ) from None
            everything = True  # a value that looked certain was not: have every row judged, once
            rejected += _count(connection, sql.reject(everything=True))


def _since(connection: Connection, sql: MergeSql) -> tuple[tuple[str | None, str | None], ...]:
    """The ranges that were read after the window was and are merged, in the words of the version's type."""
    if sql.view.version_column is None:
        return ()
    kind = next(c.type.name for c in sql.columns if c.name == sql.view.version_column)
    found = [f for f in windows.merged_since(connection, sql.window_id) if kind in _ON_ONE_SCALE.get(f[0], ())]
    return tuple(dict.fromkeys((_edge(kind, lower), _edge(kind, upper)) for kind, lower, upper in found))


_TIMES = ("timestamp", "timestamptz", "date")
_ON_ONE_SCALE = {"int": ("bigint", "numeric"), "decimal": ("numeric",), "date": _TIMES, "datetime": _TIMES, "instant": _TIMES}


def _edge(kind: str, bound: str | None) -> str | None:
    return f"{bound}+00" if bound is not None and kind == "instant" else bound


def recorded(connection: Connection, window_id: int) -> Merged:
    """The counts of a window that was merged before."""
    names = [f.name for f in fields(Merged) if f.name != "seconds"]
    row = connection.execute(f"SELECT {', '.join(names)} FROM shardlake.windows WHERE window_id = %s", (window_id,)).fetchone()
    assert row is not None
    return Merged(**dict(zip(names, row, strict=True)))


def _require_rejects(sql: MergeSql, written: int, staged: int) -> None:
    if written != staged:
        place = place_of(sql.view.name, sql.shard, sql.window_id)
        raise AccountingError(f"{place}: {written} rejects of shape were written, and {staged} were staged", hint=REPORT)


def _require_equations(sql: MergeSql, staged: Staged, counts: Merged) -> None:
    sums = counts.merged + counts.unchanged + counts.superseded + counts.rejected
    if staged.raw_rows != counts.shaped + counts.shape_rejected or counts.view_rows != sums:
        raise AccountingError(
            f"{place_of(sql.view.name, sql.shard, sql.window_id)}: rows do not add up: read {staged.raw_rows}, shaped {counts.shaped}, rejected in shape"
            f" {counts.shape_rejected}; view rows {counts.view_rows}, merged {counts.merged}, unchanged {counts.unchanged}, superseded {counts.superseded}, rejected {counts.rejected}",
            hint=REPORT,
        )


def _count(connection: Connection, statement: str) -> int:
    return max(0, connection.execute(statement).rowcount)
