"""A window's rows for a view's sinks: shaped and judged chunk by chunk, with an account of every raw row."""

import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import psycopg
import pyarrow as pa
import pyarrow.compute as pc

from shardlake.errors import AccountingError
from shardlake.ledger import rejects
from shardlake.ledger.database import Warehouse
from shardlake.ledger.windows import Window
from shardlake.quoting import ansi, ansi_list
from shardlake.rows.binary_copy import HEADER, TRAILER, encode
from shardlake.rows.judge import judge
from shardlake.rows.reject_log import KeyLog, RejectLog
from shardlake.shape.chunk import Shaped
from shardlake.view.columns import TargetColumn
from shardlake.view.view import View

Connection = psycopg.Connection[Any]


class WindowRows:
    """The rows. What stands here counts when they were gone through to their end, for the last time that they were.

    `raw_rows` are those of the window's files, `shaped` the raw rows that gave view rows, `others` those that are not the view's, `view_rows` those rows, of which
    `rejected` were rejected by the judge; `sent` went on to whoever goes through them, marks of units without rows among them.
    """

    def __init__(
        self, view: View, window: Window, columns: tuple[TargetColumn, ...], zone: str, ledger: Warehouse, chunks: Callable[[], Iterator[Shaped]],
        *, everything: bool, printing: bool, settles: bool,
    ) -> None:  # fmt: skip
        self._view, self._window, self._columns, self._zone, self._ledger = view, window, columns, zone, ledger
        self._chunks, self._everything, self._printing = chunks, everything, printing
        self._settles = settles
        self._begin()

    def _begin(self) -> None:
        self.raw_rows = sum(f.rows for f in self._window.files)
        self.shaped = self.shape_rejected = self.others = self.untaken = self.view_rows = self.rejected = self.sent = 0
        self.seconds = 0.0
        self.gone_through = False
        self._encoded: Counter[str] = Counter()
        self._rejects = RejectLog()
        self._keys: KeyLog | None = None

    def __iter__(self) -> Iterator[Shaped]:
        """The chunks, counted from the beginning. Raises what shaping and judging raise, AccountingError."""
        self._begin()
        view = self._view
        self._keys = KeyLog(rejects.key_names(view)) if self._settles else None
        with ExitStack() as stack:
            session: Connection | None = None
            started = time.perf_counter()
            for chunk in self._chunks():
                found = chunk
                if self._everything or chunk.rows.column("_uncertain").null_count < chunk.rows.num_rows:
                    session = session or stack.enter_context(self._ledger.session())
                    found = judge(session, view, self._columns, chunk, self._zone, everything=self._everything, printing=self._printing)
                self._count(chunk, found)
                self.seconds += time.perf_counter() - started
                yield found
                started = time.perf_counter()
            self.seconds += time.perf_counter() - started
        if self.raw_rows != self.shaped + self.shape_rejected + self.others:
            raise AccountingError(
                f"{view.name}, {self._window.partition}, window {self._window.window_id}: its files hold {self.raw_rows} rows; shape made view rows of"
                f" {self.shaped} and rejects of {self.shape_rejected}{of_others(self.others)}",
                hint="Nothing was committed. Please report it.",
            )
        self.gone_through = True

    def _count(self, shaped: Shaped, found: Shaped) -> None:
        marks = found.rows.num_rows - found.rows.column("_op").null_count if self._view.explode else 0
        if found.rows.num_rows + len(found.judged) != shaped.rows.num_rows:
            raise AccountingError(
                f"{self._view.name}, {self._window.partition}, window {self._window.window_id}: the judge was given {shaped.rows.num_rows} rows,"
                f" took {found.rows.num_rows} and rejected {len(found.judged)}",
                hint="Nothing was committed. Please report it.",
            )
        self.shaped += shaped.shaped
        self.shape_rejected += len(shaped.rejects)
        self.others += shaped.others
        self.untaken += shaped.untaken
        self.sent += found.rows.num_rows
        self.view_rows += found.rows.num_rows - marks + len(found.judged)
        self.rejected += len(found.judged)
        self._encoded.update(shaped.encoded)
        self._rejects.add("shape", shaped.rejects)
        self._rejects.add("merge", found.judged)
        if self._keys:
            self._keys.add(shaped.rows)

    @property
    def notes(self) -> tuple[str, ...]:
        """What people should know of the rows that were gone through."""
        nobodys = (f"{self.untaken} of {self.raw_rows} rows are of no view on {self._window.feed}",) if self.untaken else ()
        return nobodys + tuple(
            f"{count} documents of {column} are JSON texts inside a JSON string, in which paths find nothing; where such a column is read"
            f" by `sql: extract.sql`, JSON_UNQUOTE({column}) takes them out on MySQL, and {column} #>> '{{}}' on Postgres"
            for column, count in sorted(self._encoded.items())
        )

    def record(self, connection: Connection) -> None:
        """Write the window's rejects into the ledger, and settle those of earlier windows whose rows it has; within a transaction.

        Raises AccountingError where they are not as many as were counted.
        """
        view, window = self._view, self._window
        written = rejects.record(connection, view, window.partition, window.window_id, self._rejects)
        if written != self.shape_rejected + self.rejected:
            raise AccountingError(
                f"{view.name}, {window.partition}, window {window.window_id}: {written} rejects were written down, of {self.shape_rejected} of shape and"
                f" {self.rejected} of the judge",
                hint="Nothing was committed. Please report it.",
            )
        if self._keys is None:
            return
        names = self._keys.names
        connection.execute(f"DROP TABLE IF EXISTS {rejects.KEYS}")
        connection.execute(
            f"CREATE TEMP TABLE {rejects.KEYS.rpartition('.')[2]} ({', '.join(f'{ansi(n)} text' for n in names)}) ON COMMIT DROP"
        )
        with connection.cursor() as cursor, cursor.copy(f"COPY {rejects.KEYS} ({ansi_list(names)}) FROM STDIN (FORMAT binary)") as copy:
            copy.write(HEADER)
            for table in self._keys.tables():
                for part in encode(table, {}):
                    copy.write(part)
            copy.write(TRAILER)
        rejects.settle(connection, view, window.partition, window.window_id)


def of_others(count: int) -> str:
    """What an account says of rows that are other views', where there are such."""
    return f", and {count} are not the view's" if count else ""


def uncertain_rows(rows: pa.Table) -> pa.ChunkedArray:
    """Which rows hold a value that Postgres alone is sure of."""
    return pc.is_valid(rows.column("_uncertain"))
