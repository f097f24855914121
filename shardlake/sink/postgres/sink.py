"""The warehouse's table as a sink: windows are staged and merged, or copied straight in, in one transaction each."""

from collections.abc import Sequence
from functools import cached_property, partial
from typing import Any
from uuid import UUID

import psycopg

from shardlake.connection.kinds import Connection, expect
from shardlake.connection.postgres import PostgresWarehouse
from shardlake.errors import SourceFailed, StagingLost
from shardlake.ledger import runs, sinks, windows
from shardlake.ledger.database import Warehouse, open_warehouse
from shardlake.ledger.sinks import WAREHOUSE, Applied, Pending
from shardlake.ledger.windows import Window
from shardlake.rows.supply import Supply
from shardlake.rows.window_rows import WindowRows
from shardlake.sink.door import Committed
from shardlake.sink.postgres import replace
from shardlake.sink.postgres.books import Books
from shardlake.sink.postgres.locks import wait_for_turn
from shardlake.sink.postgres.merge import Uncastable, merge
from shardlake.sink.postgres.merge_sql import MergeSql
from shardlake.sink.postgres.names import staging, target
from shardlake.sink.postgres.stage import DirectCopy, NoDirectCopy, Staged, can_copy_directly, drop_staging, stage, staging_tables
from shardlake.sink.postgres.target import ensure_target, plan_ddl, prepare_database, require_unused
from shardlake.view.columns import TargetColumn, target_columns, version_type

Session = psycopg.Connection[Any]
_NOT_DIRECT = (
    psycopg.errors.UniqueViolation,
    psycopg.errors.DataError,
    psycopg.errors.NotNullViolation,
    psycopg.errors.ProgramLimitExceeded,
)
_ANY_GONE = "SELECT 1 FROM shardlake.tombstones WHERE view = %s AND sink = %s LIMIT 1"


class PostgresSink:
    """The view's table in Postgres or Aurora."""

    name = WAREHOUSE

    def __init__(self, supply: Supply, database: Warehouse) -> None:
        self._supply, self._database, self._view = supply, database, supply.view
        self.replaces = supply.view.warehouse.write == "replace"

    @classmethod
    def open(cls, connection: Connection, supply: Supply) -> "PostgresSink":
        """The sink in the database of a connection; where the ledger lives there, too, both are written in one transaction."""
        spec = expect(connection, PostgresWarehouse, f"{supply.view.name}: warehouse.connection")
        return cls(supply, supply.ledger if supply.ledger.spec == spec else open_warehouse(spec, prepare_database))

    def planned(self, columns: tuple[TargetColumn, ...]) -> list[str]:
        """See Sink."""
        with self._database.connection() as connection:
            require_unused(connection, self._view, columns)
            return plan_ddl(connection, self._view, columns)

    def apply(self, windows: Sequence[Pending], run_id: UUID, *, again: bool = False) -> list[Committed]:
        """See Sink: each window in a commit of its own."""
        return [self._apply(self._supply.window(w.window_id), run_id, again=again) for w in windows]

    def _apply(self, window: Window, run_id: UUID, *, again: bool) -> Committed:
        """A partition's first window is copied straight in where it can be; what cannot goes by staging. Where a value
        that looked certain does not cast, every row is judged.
        """
        columns = self._supply.columns(window)
        into, table = self._into(columns, run_id), staging(self._ledger_id, window.window_id)
        sql = MergeSql(
            self._view, window.window_id, window.partition, columns, into, table, self._supply.zone, of_backfill=window.backfill is not None
        )
        books = Books(self._supply.ledger, self._database, self._view, window, run_id)
        filled = self._view.source.drift == "missing" and not again  # again, NULL would stand in the place of what was read since
        if not again and self._is_first(window) and can_copy_directly(self._view):
            try:
                rows = self._supply.rows(window, lacking_is_null=filled)
                direct = DirectCopy(into, {c.name: c.type for c in columns}, self._supply.zone, window.partition)
                return self._recorded(
                    window.window_id,
                    books,
                    rows,
                    merge(self._database, sql, partial(self._direct, window, table, rows, direct), rows, books),
                )
            except (NoDirectCopy, StagingLost, Uncastable):
                pass
        everything = False
        for tries in (2, 1, 0):
            rows = self._supply.rows(window, everything=everything, lacking_is_null=filled)
            with self._database.connection() as connection:
                staged = stage(connection, self._view, window, table, rows, self._supply.passing(window, rows))
            try:
                return self._recorded(window.window_id, books, rows, merge(self._database, sql, staged, rows, books, again=again))
            except StagingLost:  # a crash empties unlogged tables
                if not tries:
                    raise
            except Uncastable as refused:
                if everything or not tries:
                    raise SourceFailed(
                        f"{window.partition}: {into} refuses rows that cast well: {refused.reason}",
                        hint="Look for constraints on the target that the view does not know.",
                    ) from None
                everything = True
        raise AssertionError

    def _recorded(self, window_id: int, books: Books, rows: WindowRows, applied: Applied) -> Committed:
        """Behind the commit. Of a window that an earlier run has applied and not written down, the rejects are found once more."""
        if not books.is_shared and not rows.gone_through and not books.is_written():
            for _ in rows:
                pass
        books.after(rows, applied)
        return Committed({window_id: applied}, notes=rows.notes)

    def switch(self, run_id: UUID, arrived: Sequence[str], missing: Sequence[str]) -> None:
        """See Sink: the new table in the old one's place."""
        columns = target_columns(self._view, version_type(""))
        self._into(columns, run_id)
        with self._supply.ledger.connection() as connection:
            brought = sinks.brought(connection, self._view.name, WAREHOUSE, run_id)
        with self._database.connection() as connection:
            replace.swap(connection, self._view, run_id, columns, list(missing), brought)

    def clear(self, partitions: list[str]) -> None:
        """See Sink: staging tables, since rows are staged again from raw, and a replace's new tables. What the ledger does not know stays."""
        ledger = self._ledger_id
        with self._database.connection() as connection:
            staged = staging_tables(connection, ledger, alone=self._supply.ledger is self._database)
        with self._supply.ledger.connection() as connection:
            ours = windows.among(connection, self._supply.feed, partitions, list(staged.values())) if staged else []
        with self._database.connection() as connection:
            for table in [name for name, window_id in staged.items() if window_id in ours]:
                drop_staging(connection, table)
            left = replace.leftovers(connection, self._view) if self.replaces and partitions else {}
        if left:
            with self._supply.ledger.connection() as connection:
                over = runs.that_are_over(connection, self._view.name, list(left.values()))
            with self._database.connection() as connection:
                for table in [name for name, run in left.items() if run in over]:
                    replace.drop(connection, table)

    @cached_property
    def _ledger_id(self) -> UUID:
        return self._supply.ledger_id()

    def _is_first(self, window: Window) -> bool:
        """Whether the table holds no row of the partition yet: of what is replaced none, else where nothing comes before."""
        return window.extent.snapshot and (self.replaces or window.extent.start is None) and window.backfill is None

    def _direct(self, window: Window, table: str, rows: WindowRows, direct: DirectCopy, connection: Session) -> Staged:
        try:
            staged = stage(connection, self._view, window, table, rows, self._supply.passing(window, rows), direct)
        except _NOT_DIRECT:
            raise NoDirectCopy from None
        if self._view.in_units:
            # what others remember as gone must not come back: they say so under this lock, and see these rows once it is theirs
            if "_shard" not in self._view.key:
                wait_for_turn(connection, f"shardlake.units.{direct.into}")
            if connection.execute(_ANY_GONE, (self._view.name, WAREHOUSE)).fetchone():
                raise NoDirectCopy
        return staged

    def _into(self, columns: tuple[TargetColumn, ...], run_id: UUID) -> str:
        """The table to merge into, made ready. A replace fills a new one."""
        with self._database.connection() as connection:
            ensure_target(connection, self._view, columns)
            if not self.replaces:
                return target(self._view)
            replace.ensure_new_table(connection, self._view, run_id, columns)
            return replace.new_table(run_id)
