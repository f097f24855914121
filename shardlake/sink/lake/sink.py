"""The layouts of a lake as sinks: each takes many windows in a commit, and replays them in the place of what is there."""

from collections.abc import Iterator, Sequence
from typing import Any
from uuid import UUID

import psycopg

from shardlake.connection.kinds import Connection, expect
from shardlake.connection.lake import Lake
from shardlake.errors import ContractError, FileGone, SinkBusy, SpecError
from shardlake.ledger import lake as ledger
from shardlake.ledger import sinks
from shardlake.ledger.sinks import Pending, layout_sink
from shardlake.ledger.windows import Window
from shardlake.rows.supply import Supply
from shardlake.shape.chunk import Shaped
from shardlake.sink.door import Committed, one_commit
from shardlake.sink.lake.commit import alone, carry_out, give_up, guarded
from shardlake.sink.lake.raw_table import register_raw
from shardlake.sink.lake.sweep import sweep
from shardlake.sink.lake.tables import planned
from shardlake.sink.lake.typed import split
from shardlake.view.columns import TargetColumn
from shardlake.view.layout import Layout

Session = psycopg.Connection[Any]


class LakeLayouts:
    """A view's part of a lake: its layouts, and its raw."""

    def __init__(self, supply: Supply) -> None:
        self._supply = supply
        self.sinks = [LayoutSink(supply, layout) for layout in supply.view.lake.layouts]

    @classmethod
    def open(cls, connection: Connection, supply: Supply) -> "LakeLayouts":
        """The lake behind a connection, which is where raw lies, too."""
        expect(connection, Lake, f"{supply.view.name}: lake.connection")
        return cls(supply)

    def keep(self, window: Window, chunks: Iterator[Shaped]) -> Iterator[Shaped]:
        """See Layouts: in the run's spool, typed as every layout has them."""
        spool, zone = self._supply.spool, self._supply.zone
        if not spool:
            return chunks
        columns = self._supply.columns(window)
        return spool.keep(window.window_id, chunks, lambda shaped, base: split(columns, shaped, base, zone))

    def register_raw(self) -> None:
        """See Layouts."""
        register_raw(self._supply)

    def expire(self) -> None:
        """See Layouts."""
        sweep(self._supply, orphans=False)


class LayoutSink:
    """One table of the lake. Plain Parquet, Delta and Iceberg differ in how a commit writes, in `commit`."""

    def __init__(self, supply: Supply, layout: Layout) -> None:
        self.name = layout_sink(layout.table)
        self._supply, self._layout, self._view = supply, layout, supply.view
        self._mode = layout.mode_in(supply.view.warehouse.write)
        self.replaces = self._mode == "replace"

    def planned(self, columns: tuple[TargetColumn, ...]) -> list[str]:
        """See Sink: no statement, but the refusal of a change that the table's files cannot serve."""
        with self._supply.ledger.connection() as connection:
            planned(connection, self._view, self._layout, columns, "")
        return []

    def clear(self, partitions: list[str]) -> None:
        """See Sink: what was begun is finished by the next commit, under the same names."""

    def apply(self, windows: Sequence[Pending], run_id: UUID, *, again: bool = False) -> list[Committed]:
        """See Sink. A history is replayed in one commit, whatever its size.

        Raises, besides, SpecError and ContractError for what cannot be replayed. Broken off anywhere, the layout holds what it held
        or what it is to hold, and the next run or replay finishes the commit.
        """
        with guarded(self._layout), alone(self._supply, self._layout) as connection:
            if connection is None:
                raise SinkBusy(f"another run is writing the lake table {self._layout.table}", hint="Wait for it, and run again.")
            found = self._finished(connection)
            ids = {w.window_id for w in windows}  # as they are now: they may have been brought in, read again or swept meanwhile
            if again:
                taken = sinks.pick(connection, sorted(ids))
                self._require_replayable(taken)
            else:
                taken = [w for w in sinks.pending(connection, self._view.name, self.name, self._supply.feed) if w.window_id in ids]
            for some in self._commits(taken, again=again):
                commit = ledger.open_commit(connection, run_id, self._view.name, self._layout.table, some, replay=again)
                found.append(carry_out(connection, self._supply, self._layout, commit))
        return found

    def _finished(self, connection: Session) -> list[Committed]:
        """Finish what a run that was killed has begun. A replay of which raw has gone meanwhile is given up: the rows stay as they are."""
        left = ledger.unfinished(connection, self._view.name, self._layout.table)
        if left is None:
            return []
        try:
            return [carry_out(connection, self._supply, self._layout, left)]
        except FileGone:
            if not left.replay:
                raise
            give_up(connection, self._supply, self._layout, left)
            return []

    def switch(self, run_id: UUID, arrived: Sequence[str], missing: Sequence[str]) -> None:
        """See Sink: a layout that is replaced is switched by its commit."""

    def _commits(self, windows: Sequence[Pending], *, again: bool) -> Iterator[list[Pending]]:
        """The windows of each commit."""
        left = list(windows)
        while left:
            some = left if self.replaces or (again and self._mode == "append") else one_commit(left)
            yield some
            left = left[len(some) :]

    def _require_replayable(self, windows: Sequence[Pending]) -> None:
        table = self._layout.table
        if self.replaces:
            raise SpecError(f"the lake table {table} is replaced as a whole", hint=f"Run `shardlake run {self._view.name}`.")
        if self._mode == "append" and self._supply.lake.glue and (self._layout.projection or not self._layout.partition_by):
            why = "a projected partition" if self._layout.projection else "a table without partitions"
            raise SpecError(
                f"the lake table {table} cannot be replayed: {why} has one place, which cannot be switched",
                hint="Give the layout another table name: it is filled from raw.",
            )
        if gone := [w.window_id for w in windows if w.removed]:
            raise ContractError(
                f"{self._view.name}: the raw files of {len(gone)} windows are gone ({', '.join(map(str, gone[:10]))}{', …' if gone[10:] else ''}),"
                f" which the lake table {table} holds",
                hint="Replay the others, or read their ranges again with `shardlake backfill`.",
            )
