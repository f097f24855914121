"""stage: a window's view rows into its own unlogged all-text table, streamed by COPY, chunk by chunk.

A first load may go direct: rows whose values are all certain (see `types.py`) are copied into the target itself, and
only the unresolved ones into staging. That saves a write and a read of every row, a third of Postgres's work. It happens
inside the merge's transaction, and is given up for the ordinary way at the first key that is there already.
"""

import json
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

import psycopg
import pyarrow as pa
import pyarrow.compute as pc

from shardlake.errors import ContractError
from shardlake.failpoints import failpoint
from shardlake.ledger.migrate import STAGING
from shardlake.quoting import ansi, ansi_list
from shardlake.shape.chunk import Shaped
from shardlake.sink.postgres.accounting import growth, place_of, require_copied, require_grown
from shardlake.sink.postgres.encode import HEADER, TRAILER, NotEncodable, can_encode, encode
from shardlake.sink.postgres.names import staging, staging_rejects
from shardlake.view.types import Type
from shardlake.view.view import View

Connection = psycopg.Connection[Any]
_UNRESOLVED = 16 << 20
"""Bytes of unresolved rows that a window may hold back in memory while the others go direct."""


@dataclass(frozen=True, slots=True)
class Staged:
    """What is in staging: rows by kind, and the seconds of shaping and copying.

    `direct` rows are in the target already. `put_off` says that nothing is staged yet: the merge is to do it.
    """

    window_id: int
    raw_rows: int = 0
    shaped: int = 0
    shape_rejected: int = 0
    staged: int = 0
    view_rows: int = 0
    uncertain: int = 0
    direct: int = 0
    shape_seconds: float = 0.0
    stage_seconds: float = 0.0
    put_off: bool = False


class NoDirectCopy(Exception):
    """A window cannot go direct into its target: too many of its rows are unresolved, or one is beyond what is encoded."""


@dataclass(frozen=True, slots=True)
class DirectCopy:
    """Where certain rows go at once: the table, its columns' types, the zone of times without an offset, and the rows' shard."""

    into: str
    types: Mapping[str, Type]
    zone: str
    shard: str


def staging_columns(view: View) -> tuple[str, ...]:
    """The columns of staging, in the order of `shape_query`."""
    return (*view.columns, *(("_cursor",) if view.version_column == "_cursor" else ()), "_op", "_uncertain")


def can_copy_directly(view: View) -> bool:
    """Whether its values can be sent as they are: arrays, units and a few rare types need the merge's statements."""
    return not (view.explode or (view.deletes and view.deletes.mode == "apply")) and all(can_encode(c.type) for c in view.columns.values())


def stage(connection: Connection, view: View, window_id: int, chunks: Iterable[Shaped], direct: DirectCopy | None = None) -> Staged:
    """COPY shaped chunks into a fresh staging table; memory holds one chunk.

    Raises psycopg.Error; the caller's `Warehouse.connection` makes ours of it. With `direct`, UniqueViolation,
    DataError and NoDirectCopy ask for the ordinary way.
    """
    counted = _Counted(view)
    started = time.perf_counter()
    with connection.transaction():
        create_staging(connection, view, window_id)
        columns = staging_columns(view)
        unresolved: list[pa.Table] = []
        own = tuple(c for c in columns if c not in ("_op", "_uncertain"))
        into, names = (direct.into, (*own, "_shard")) if direct else (staging(window_id), columns)
        before = growth(connection, into) if direct else None
        with _copying(connection, into, names, direct) as copied:
            for chunk in counted.through(chunks):
                rows = chunk.rows
                if direct:
                    doubt = pc.is_valid(rows.column("_uncertain"))
                    if pc.any(doubt).as_py():
                        unresolved.append(rows.filter(doubt))
                        rows = rows.filter(pc.invert(doubt))
                        if sum(d.nbytes for d in unresolved) > _UNRESOLVED:
                            raise NoDirectCopy
                    rows = rows.select(own).append_column("_shard", pa.repeat(pa.scalar(direct.shard), rows.num_rows))
                copied.write(rows)
        held_back = sum(rows.num_rows for rows in unresolved)
        place = partial(_place, connection, view, window_id)
        require_copied(place, into, sent=counted.rows - held_back, taken=copied.taken)
        if before is not None:
            after = growth(connection, into)
            require_grown(place, into, grown=None if after is None else after - before, copied=copied.taken)
        if unresolved:
            with _copying(connection, staging(window_id), columns) as rest:
                for rows in unresolved:
                    rest.write(rows)
            require_copied(place, staging(window_id), sent=held_back, taken=rest.taken)
        if counted.rejected:
            with connection.cursor() as cursor:
                with cursor.copy(f"COPY {staging_rejects(window_id)} FROM STDIN") as copy:
                    for line in counted.reject_lines():
                        copy.write_row(line)
                require_copied(place, staging_rejects(window_id), sent=counted.rejected, taken=cursor.rowcount)
    failpoint("stage.copied")
    staged, gone_direct = (held_back, copied.taken) if direct else (copied.taken, 0)
    return counted.staged(window_id, staged, gone_direct, time.perf_counter() - started)


def _place(connection: Connection, view: View, window_id: int) -> str:
    """Where a figure is from; only a message asks for it."""
    row = connection.execute("SELECT shard FROM shardlake.windows WHERE window_id = %s", (window_id,)).fetchone()
    return place_of(view.name, row[0] if row else "", window_id)


class _Counted:
    """What was sent: the counts of the chunks that pass, and the seconds that shaping them takes."""

    def __init__(self, view: View) -> None:
        self._view, self._columns = view, staging_columns(view)
        self.raw_rows = self.shaped = self.rows = self.marks = self.uncertain = 0
        self.rejected = 0
        self._lines = tempfile.SpooledTemporaryFile(max_size=1 << 20, mode="w+", encoding="utf-8")  # noqa: SIM115 - ends with us
        self._seconds = 0.0

    def through(self, chunks: Iterable[Shaped]) -> Iterator[Shaped]:
        """Pass the chunks on."""
        waited = time.perf_counter()
        for chunk in chunks:
            self._seconds += time.perf_counter() - waited
            if tuple(chunk.rows.column_names) != self._columns:
                raise ContractError("the shaped columns are not those of staging")
            self.shaped += chunk.shaped
            self.raw_rows += chunk.shaped + len(chunk.rejects)
            self.rows += chunk.rows.num_rows
            self.uncertain += chunk.rows.num_rows - chunk.rows.column("_uncertain").null_count
            if self._view.explode:  # a parent without elements is a mark in staging, not a row of the view
                self.marks += chunk.rows.num_rows - chunk.rows.column("_op").null_count
            self.rejected += len(chunk.rejects)
            for reject in chunk.rejects:
                self._lines.write(json.dumps([json.dumps(reject.key), reject.column, reject.value, reject.reason]) + "\n")
            yield chunk
            waited = time.perf_counter()
        self._seconds += time.perf_counter() - waited

    def reject_lines(self) -> Iterator[list[str | None]]:
        """The rejects as rows of their table; a window of nothing but bad rows is on disk, not in memory."""
        self._lines.seek(0)
        for line in self._lines:
            yield json.loads(line)

    def staged(self, window_id: int, staged: int, direct: int, seconds: float) -> Staged:
        """The sums, with the rows that COPY took into staging and direct into the target."""
        return Staged(
            window_id, self.raw_rows, self.shaped, self.rejected, staged, self.rows - self.marks,
            self.uncertain, direct, self._seconds, seconds - self._seconds,
        )  # fmt: skip


def create_staging(connection: Connection, view: View, window_id: int) -> None:
    """A window's staging tables, empty. One call to the server: where little has changed, calls are what a window costs."""
    lines = ", ".join(f"{ansi(c)} text" for c in staging_columns(view))
    connection.execute(
        f"DROP TABLE IF EXISTS {staging(window_id)}, {staging_rejects(window_id)};"
        f" CREATE UNLOGGED TABLE {staging(window_id)} ({lines}) WITH (autovacuum_enabled = false);"
        f" CREATE UNLOGGED TABLE {staging_rejects(window_id)} (row_key jsonb, column_name text, value text, reason text)"
    )


class _Copy:
    """A COPY under way: `write` takes rows of text, and `taken` is what the server says it took, once it is at its end."""

    def __init__(self, write: Callable[[pa.Table], None]) -> None:
        self.write = write
        self.taken = 0


@contextmanager
def _copying(connection: Connection, table: str, columns: tuple[str, ...], direct: DirectCopy | None = None) -> Iterator[_Copy]:
    """A COPY into a table of text, or direct into a target, of rows of text in the order of `columns`."""
    kinds, zone = (direct.types, direct.zone) if direct else ({}, "UTC")
    with connection.cursor() as cursor:
        with cursor.copy(f"COPY {table} ({ansi_list(columns)}) FROM STDIN (FORMAT binary)") as copy:

            def write(rows: pa.Table) -> None:
                for part in encode(rows, kinds, zone):
                    copy.write(part)

            copied = _Copy(write)
            copy.write(HEADER)
            try:
                yield copied
            except NotEncodable:
                raise NoDirectCopy from None
            copy.write(TRAILER)
        copied.taken = cursor.rowcount


def drop_orphans(connection: Connection, view: View, shards: list[str]) -> None:
    """Remove the staging tables of windows that are at their end: a run or a replay that was killed leaves them behind.

    The caller holds the claims on the shards, so that nobody else is about to merge from them.
    """
    rows = connection.execute(
        "SELECT w.window_id FROM pg_tables t JOIN shardlake.windows w ON w.window_id = substring(t.tablename FROM '^w(\\d+)$')::bigint"
        " WHERE t.schemaname = %s AND w.view = %s AND w.shard = ANY(%s) AND w.status NOT IN ('open', 'extracted')", (STAGING, view.name, shards)
    ).fetchall()  # fmt: skip
    for (window_id,) in rows:
        drop_staging(connection, window_id)


def drop_staging(connection: Connection, window_id: int) -> None:
    """Remove a window's staging tables."""
    connection.execute(f"DROP TABLE IF EXISTS {staging(window_id)}, {staging_rejects(window_id)}")
