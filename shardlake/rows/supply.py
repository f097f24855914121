"""Where sinks have a view's rows from: a window's raw files, shaped chunk by chunk, each of which is accounted for."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from uuid import UUID

from shardlake.connection.lake import Lake
from shardlake.envelope import Envelope
from shardlake.errors import AccountingError, ContractError, FileGone
from shardlake.failpoints import failpoint
from shardlake.ledger import rejects, runs, sinks, windows
from shardlake.ledger.database import Warehouse
from shardlake.ledger.sinks import Applied, Brought
from shardlake.ledger.windows import Window
from shardlake.raw import files as raw
from shardlake.raw.store import open_store
from shardlake.rows.account import record, require_claim
from shardlake.rows.spool import Spool
from shardlake.rows.window_rows import WindowRows, of_others
from shardlake.shape.chunk import Shaped, shape
from shardlake.shape.own_rows import Takes
from shardlake.view.columns import TargetColumn, target_columns, version_type
from shardlake.view.item import parse
from shardlake.view.view import View


@dataclass(frozen=True, slots=True)
class Supply:
    """A view's rows, for its sinks: its ledger and raw, the zone of times that name none, and what keeps rows that pass."""

    view: View
    feed: str
    zone: str
    ledger: Warehouse
    lake: Lake
    envelope: Callable[[View, Mapping[str, str]], Envelope]
    keep: Callable[[Window, Iterator[Shaped]], Iterator[Shaped]] | None = field(default=None, repr=False)
    spool: Spool | None = field(default=None, repr=False)

    def window(self, window_id: int) -> Window:
        """A window as the ledger has it."""
        with self.ledger.connection() as connection:
            return windows.load(connection, window_id)

    def is_whole(self, window: Window) -> bool:
        """Whether raw holds all of a window, as it was written. Looks at each file."""
        if window.raw_removed:
            return False
        store = open_store(self.lake)
        try:
            for file in window.files:
                raw.read_chunk(store, file)
        except FileGone:
            return False
        return True

    def columns(self, window: Window) -> tuple[TargetColumn, ...]:
        """The columns of the view's sinks, by what the window's versions are."""
        return target_columns(self.view, version_type(window.extent.version_kind or ""))

    def rows(self, window: Window, *, everything: bool = False, printing: bool | None = None, lacking_is_null: bool = False) -> WindowRows:
        """The window's rows as every sink gets them: shaped, and judged where no rule is sure; `everything` has all judged.

        With `printing` those that were judged come as Postgres prints them, as they do for a lake. Raises FileGone where the
        ledger does not know all of the window's files any more, and what `chunks` raises as they are gone through.
        """
        if window.raw_removed or sum(file.rows for file in window.files) != window.raw_rows:
            raise FileGone(
                f"{self._place(window)}: its raw files are gone",
                hint="A run reads it again; a replay takes the windows of which raw is there.",
            )
        with self.ledger.connection() as connection:
            taken = [parse(text) if text else None for text in runs.taken(connection, self.feed)] if self.view.source.takes else []
            settles = rejects.any_open(connection, self.view.name, window.partition, window.window_id)
        chunks = partial(self.chunks, window, lacking_is_null=lacking_is_null, taken=taken)
        return WindowRows(
            self.view, window, self.columns(window), self.zone, self.ledger, chunks,
            everything=everything, printing=bool(self.view.lake.layouts) if printing is None else printing, settles=settles,
        )  # fmt: skip

    def applied(self, window: Window, rows: WindowRows, *, merged: int, unchanged: int, superseded: int, removed: int = 0) -> Applied:
        """What became of a window's rows, which were gone through; the verdicts are the sink's own counts. Raises AccountingError."""
        if not rows.gone_through:
            raise AccountingError(f"{self._place(window)}: its rows were not gone through to their end", hint="Nothing was committed.")
        return Applied(
            rows.raw_rows,
            rows.shaped,
            rows.shape_rejected,
            rows.view_rows,
            merged,
            unchanged,
            superseded,
            rows.rejected,
            removed,
            rows.others,
        )

    def may_commit(self, window: Window, run_id: UUID, applied: Applied) -> None:
        """The last thing before a sink's own commit, where that is not the ledger's. Raises AccountingError, ClaimLost."""
        applied.require(self._place(window))
        with self.ledger.connection() as connection:
            require_claim(connection, window, run_id)
        failpoint("merge.before_commit")

    def record(self, sink: str, window: Window, run_id: UUID, rows: WindowRows, applied: Applied) -> None:
        """Behind a sink's own commit: write it down in the ledger. Of a window that an earlier run has applied and not written down
        the rows are gone through once more, for the rejects. Raises ClaimLost, AccountingError.
        """
        failpoint("merge.committed")
        if not rows.gone_through:
            for _ in rows:
                pass
        with self.ledger.connection() as connection, connection.transaction():
            record(connection, self.view.name, sink, window, run_id, rows, applied)
        failpoint("merge.recorded")

    def ledger_id(self) -> UUID:
        """What tells this ledger from another, for the marks of a sink's own."""
        with self.ledger.connection() as connection:
            return sinks.ledger_id(connection)

    def brought(self, sink: str, run_id: UUID) -> list[Brought]:
        """What the run's windows brought into the sink, by the ledger: what the switch of a replace is counted against."""
        with self.ledger.connection() as connection:
            return sinks.brought(connection, self.view.name, sink, run_id)

    def _place(self, window: Window) -> str:
        return f"{self.view.name}, {window.partition}, window {window.window_id}"

    def passing(self, window: Window, rows: WindowRows) -> Iterator[Shaped]:
        """The rows on their way to a sink, of which what passes is kept for others."""
        return self.keep(window, iter(rows)) if self.keep else iter(rows)

    def chunks(self, window: Window, *, lacking_is_null: bool = False, taken: Sequence[Takes] = ()) -> Iterator[Shaped]:
        """The window's rows, one raw file at a time. A source column that raw does not hold is an error, or NULL; `taken` is what the
        views on the feed take of it.

        Raises FileGone, LakeUnavailable, ContractError, AccountingError.
        """
        store = open_store(self.lake)
        for file in window.files:
            chunk = raw.read_chunk(store, file)
            table = chunk.table
            for name in (c for c in self.view.source_columns if c not in table.column_names):
                if not lacking_is_null:
                    raise ContractError(
                        f"the raw files of window {window.window_id} do not hold the column {name!r}",
                        hint="Run with --full: the view did not read it then.",
                    )
                table = raw.with_null(table, name)
            shaped = shape(self.view, table, chunk.kinds, chunk.envelope or self.envelope(self.view, chunk.kinds), taken)
            if file.rows != shaped.shaped + len(shaped.rejects) + shaped.others:
                raise AccountingError(
                    f"{self._place(window)}: shape was given {file.rows} rows of {file.key}, and made view"
                    f" rows of {shaped.shaped} and rejects of {len(shaped.rejects)}{of_others(shaped.others)}",
                    hint="Nothing was committed. Please report it.",
                )
            found = shaped.rows.num_rows
            if found != len(shaped.places) or found != shaped.due:
                of = f"{shaped.due} elements" if self.view.explode else f"{shaped.shaped} rows"
                raise AccountingError(
                    f"{self._place(window)}: shape made {found} rows in {len(shaped.places)} places of {of} of {file.key}",
                    hint="Nothing was committed. Please report it.",
                )
            yield shaped
