"""stage: a window's view rows into its own unlogged all-text table, streamed by COPY, chunk by chunk.

A first load may go direct: rows whose values are all certain (see `types.py`) are copied into the target itself, and
only the unresolved ones into staging. That saves a write and a read of every row, a third of Postgres's work. It happens
inside the merge's transaction, and is given up for the ordinary way at the first key that is there already.
"""

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any
from uuid import UUID

import psycopg
import pyarrow as pa
import pyarrow.compute as pc

from shardlake.errors import AccountingError, ContractError
from shardlake.failpoints import failpoint
from shardlake.ledger.migrate import STAGING
from shardlake.ledger.windows import Window
from shardlake.quoting import ansi, ansi_list
from shardlake.rows.binary_copy import HEADER, TRAILER, NotEncodable, can_encode, encode
from shardlake.rows.window_rows import WindowRows, uncertain_rows
from shardlake.shape.chunk import Shaped
from shardlake.sink.postgres.accounting import REPORT, growth, place_of, require_copied, require_grown
from shardlake.view.types import Type
from shardlake.view.view import View

Connection = psycopg.Connection[Any]
_UNRESOLVED = 16 << 20
"""Bytes of unresolved rows that a window may hold back in memory while the others go direct."""


@dataclass(frozen=True, slots=True)
class Staged:
    """What is staged of a window: `rows` in staging, and `direct` ones that are in the target already; `seconds` of copying."""

    window_id: int
    rows: int = 0
    direct: int = 0
    seconds: float = 0.0


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
    """Whether its values can be sent as they are: arrays, exploded rows and a few rare types need the merge's statements."""
    return not view.explode and all(can_encode(c.type) for c in view.columns.values())


def stage(
    connection: Connection,
    view: View,
    window: Window,
    table: str,
    rows: WindowRows,
    chunks: Iterable[Shaped],
    direct: DirectCopy | None = None,
) -> Staged:
    """COPY a window's chunks into its staging `table`, anew; memory holds one chunk. `rows` are what the chunks come from.

    Raises AccountingError where the server took other rows than were sent, and psycopg.Error; the caller's
    `Database.connection` makes ours of it. With `direct`, UniqueViolation, DataError and NoDirectCopy ask for the ordinary way.
    """
    started, place, sent = time.perf_counter(), partial(place_of, view.name, window.partition, window.window_id), 0
    with connection.transaction():
        create_staging(connection, view, table)
        columns = staging_columns(view)
        held_back: list[pa.Table] = []
        own = tuple(c for c in columns if c not in ("_op", "_uncertain"))
        into, names = (direct.into, (*own, "_shard")) if direct else (table, columns)
        before = growth(connection, into) if direct else None
        with _copying(connection, into, names, direct) as copied:
            for chunk in chunks:
                found = chunk.rows
                if tuple(found.column_names) != columns:
                    raise ContractError("the shaped columns are not those of staging")
                sent += found.num_rows
                copied.write(_certain(found, held_back, own, direct) if direct else found)
        later = sum(rows.num_rows for rows in held_back)
        if sent != rows.sent:
            raise AccountingError(f"{place()}: {rows.sent} rows were sent to {into}, and {sent} came", hint=REPORT)
        require_copied(place, into, sent=rows.sent - later, taken=copied.taken)
        if before is not None:
            after = growth(connection, into)
            require_grown(place, into, grown=None if after is None else after - before, copied=copied.taken)
        if held_back:
            with _copying(connection, table, columns) as rest:
                for found in held_back:
                    rest.write(found)
            require_copied(place, table, sent=later, taken=rest.taken)
    failpoint("stage.copied")
    staged, gone_direct = (later, copied.taken) if direct else (copied.taken, 0)
    return Staged(window.window_id, staged, gone_direct, time.perf_counter() - started - rows.seconds)


def _certain(rows: pa.Table, held_back: list[pa.Table], own: tuple[str, ...], direct: DirectCopy) -> pa.Table:
    """The rows that can be sent as values; the others are held back. Raises NoDirectCopy where those are too many, and for rows that are gone."""
    if rows.column("_op").null_count < rows.num_rows:
        raise NoDirectCopy
    doubt = uncertain_rows(rows)
    if pc.any(doubt).as_py():
        held_back.append(rows.filter(doubt))
        rows = rows.filter(pc.invert(doubt))
        if sum(found.nbytes for found in held_back) > _UNRESOLVED:
            raise NoDirectCopy
    return rows.select(own).append_column("_shard", pa.repeat(pa.scalar(direct.shard), rows.num_rows))


def create_staging(connection: Connection, view: View, table: str) -> None:
    """A window's staging table, empty. One call to the server: where little has changed, calls are what a window costs."""
    lines = ", ".join(f"{ansi(c)} text" for c in staging_columns(view))
    connection.execute(f"DROP TABLE IF EXISTS {table}; CREATE UNLOGGED TABLE {table} ({lines}) WITH (autovacuum_enabled = false)")


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


def staging_tables(connection: Connection, ledger: UUID, *, alone: bool) -> dict[str, int]:
    """The staging tables here of a ledger's windows; where it is `alone`, those of earlier versions, too, which did not name the ledger."""
    pattern = f"^w({ledger.hex[:8]}_){'?' if alone else ''}(\\d+)$"
    rows = connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = %s AND tablename ~ %s", (STAGING, pattern))
    return {f"{STAGING}.{name}": int(name.rpartition("_")[2].removeprefix("w")) for (name,) in rows.fetchall()}


def drop_staging(connection: Connection, table: str) -> None:
    """Remove a window's staging table."""
    connection.execute(f"DROP TABLE IF EXISTS {table}")
