"""A commit: windows that a layout does not hold yet, written as one. What a reader sees changes when it is published, last.

open (windows fixed) ─▶ encode, record (keys), put, in portions ─▶ settle ─▶ tell ─▶ publish. Broken off before it is settled, the
next run finds the open commit, removes what its keys name, and begins it again with the same windows under the same names; broken
off later, it is finished as it was settled (`switch.py`).
"""

import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import polars as pl
import psycopg
import pyarrow as pa
from obstore.store import ObjectStore

from shardlake.errors import AccountingError, LakeUnavailable
from shardlake.failpoints import failpoint
from shardlake.ledger import lake as ledger
from shardlake.ledger import sinks, windows
from shardlake.ledger.lake import Commit, LakeFile
from shardlake.ledger.sinks import Applied, layout_sink
from shardlake.raw.store import address, open_store, remove
from shardlake.rows.spool import scratched
from shardlake.rows.supply import Supply
from shardlake.sink.door import Committed
from shardlake.sink.lake.account import Account
from shardlake.sink.lake.current import CurrentTable, merge_batch
from shardlake.sink.lake.files import encode, stored
from shardlake.sink.lake.history import Replacing
from shardlake.sink.lake.later import read_later
from shardlake.sink.lake.partition import Values, folder, unfit
from shardlake.sink.lake.rewrite import Rewrite
from shardlake.sink.lake.rows import batches, chunks
from shardlake.sink.lake.switch import Switch, finish, restore, settle
from shardlake.sink.lake.tables import LakeTable, from_json, latest_of, planned
from shardlake.sink.lake.upload import upload
from shardlake.view.columns import TargetColumn
from shardlake.view.layout import Layout
from shardlake.view.view import View

Connection = psycopg.Connection[Any]


@dataclass(frozen=True, slots=True)
class New:
    """What a commit changes: files that come and that go, and where partitions are from here on (with `whole` no others)."""

    files: list[LakeFile] = field(default_factory=list)
    replaced: list[str] = field(default_factory=list)
    places: dict[tuple[str | None, ...], str] = field(default_factory=dict)
    columns: list[str] | None = None
    whole: bool = False


@contextmanager
def guarded(layout: Layout) -> Iterator[None]:
    """A local disk that fails as one of our errors."""
    try:
        yield
    except OSError as error:
        raise LakeUnavailable(
            f"the temporary folder {tempfile.gettempdir()} did not take {layout.table} ({error.strerror or type(error).__name__})",
            hint="Make room there, or set TMPDIR; nothing was published, and it is tried again.",
        ) from None


def carry_out(connection: Connection, supply: Supply, layout: Layout, commit: Commit) -> Committed:
    """Write and publish a commit that the ledger knows as open, in the session that holds the layout's lock."""
    started, view = time.perf_counter(), supply.view
    if not commit.settled:
        _write(connection, supply, layout, commit, started)
    first = layout.mode == "append" and ledger.table(connection, view.lake.database, layout.table) is None
    finish(connection, supply, layout, commit)
    if supply.spool:
        supply.spool.drop(ledger.in_all(connection, view.name, [t.table for t in view.lake.layouts], commit))
    failpoint("lake.published")
    counts = {
        w.window_id: sinks.applied(connection, view.name, layout_sink(layout.table), w.window_id) or Applied() for w in commit.windows
    }
    files = ledger.files_of(connection, commit.commit_id)
    return Committed(counts, len(files), sum(f.bytes for f in files), time.perf_counter() - started, _notes(view, layout) if first else ())


def _notes(view: View, layout: Layout) -> tuple[str, ...]:
    """What is said of a history when it is first filled: it looks like a table of current rows, and counts more."""
    if view.warehouse.write != "merge":
        return ()
    table = f"{view.lake.database}.{layout.table}"
    return (f"{table} is a history: it holds every version of a row that was read; {table}_latest shows the newest of each",)


def _write(connection: Connection, supply: Supply, layout: Layout, commit: Commit, started: float) -> None:
    """Write a commit's rows, and settle what readers are to be told."""
    failpoint("lake.opened")
    table = _table(connection, supply, layout, commit)
    pa.default_memory_pool().release_unused()
    account = Account(f"{supply.view.name}, lake table {layout.table}, commit {commit.commit_id}")
    new = _changes(connection, supply, layout, commit, account)
    tables = [table, *([latest_of(supply.view, layout, table)] if layout.mode == "append" else [])]
    switch = Switch(tables, new.places if layout.partition_by else {}, new.whole, new.whole, new.replaced)
    columns = [n for n, _ in table.columns] if new.columns is None else new.columns
    seconds = time.perf_counter() - started
    with connection.transaction():
        ledger.record_rejects(connection, supply.view.name, layout.table, commit, account.rejects)
        settle(connection, commit.commit_id, switch, account.total(), columns, seconds, account.windows())


def _changes(connection: Connection, supply: Supply, layout: Layout, commit: Commit, account: Account) -> New:
    """Write the commit's rows in the layout's way. Raises AccountingError that names the commit, its windows and the place."""
    if not commit.windows:  # a compaction that was broken off: its files go, and nothing comes
        cleared(connection, supply, layout, commit)
        return New()
    way = {"merge": _merge, "rewrite": _rewrite}.get(layout.mode_in(supply.view.warehouse.write), _files)
    try:
        new = way(connection, supply, layout, commit, account)
    except AccountingError as error:
        of = ", ".join(str(w.window_id) for w in commit.windows)
        raise AccountingError(f"{account.name} of windows {of}: {error.message}", hint=error.hint) from None
    account.require()
    return new


def _merge(connection: Connection, supply: Supply, layout: Layout, commit: Commit, account: Account) -> New:
    """Merge the commit's rows into a table of current rows, batch by batch; a batch that is there already changes nothing."""
    table = _current(supply, layout, location(supply, layout, commit))
    later = read_later(supply, layout_sink(layout.table), commit)
    with scratched() as folder:
        for batch in batches(chunks(supply, commit, account, folder)):
            fitting = _fit(supply.view, layout, batch, account) if layout.format == "delta" else batch
            merge_batch(connection, supply.view, layout_sink(layout.table), table, fitting, account, later)
            failpoint("lake.merged")
    return New()


def _fit(view: View, layout: Layout, frame: pl.DataFrame, account: Account) -> pl.DataFrame:
    """A batch without the rows whose values cannot name a partition: they are rejects of this layout."""
    for transform in layout.partition_by:
        column = frame.get_column(transform.column)
        bad = [v for v in column.unique().to_list() if unfit(v)] if transform.unit == "identity" and column.dtype == pl.String else []
        wrong = column.is_in(bad).fill_null(False)
        for row in frame.filter(wrong).iter_rows(named=True):
            account.reject_partition(view, row, transform.column)
        frame = frame.filter(~wrong)
    return frame


def _current(supply: Supply, layout: Layout, folder: str) -> CurrentTable:
    """The table behind its format's library, which is loaded where it is needed."""
    uri = address(supply.lake, folder)
    if layout.format == "delta":
        from shardlake.sink.lake.delta import Delta

        return Delta(supply.view, layout, supply.lake, uri)
    from shardlake.sink.lake.iceberg import Iceberg

    return Iceberg(supply.view, layout, supply.lake, supply.ledger.spec, uri)


def _files(connection: Connection, supply: Supply, layout: Layout, commit: Commit, account: Account) -> New:
    """Encode, record and put the commit's files. Those of a try that was broken off go first."""
    store, view = cleared(connection, supply, layout, commit), supply.view
    prefix, stem = location(supply, layout, commit), f"c{commit.commit_id:08d}"
    live = ledger.live_files(connection, view.name, layout.table) if commit.replay or layout.mode == "replace" else []
    with scratched() as scratch:
        found = list(chunks(supply, commit, account, scratch))
        if commit.replay:
            old = Replacing(layout, store, live, [w.window_id for w in commit.windows], prefix, stem)
            if found:
                old.with_columns_of(stored(layout, found[0].whole(found[0].read().slice(0, 0))))
            encoded = old.files(encode(view, layout, found, old.place, stem, account, schema=old.schema))
            files = upload(store, encoded, recorder(connection, supply, layout, commit))
            return New(files, old.replaced, old.places, columns=old.schema.names, whole=True)
        moved = ledger.partition_locations(connection, view.name, layout.table) if layout.mode == "append" else {}

        def place(values: Values) -> str:
            return moved.get(values) or "/".join(filter(None, (prefix, folder(layout.partition_by, values))))

        files = upload(store, encode(view, layout, found, place, stem, account), recorder(connection, supply, layout, commit))
    replaced = [f.key for f in live]
    return New(files, replaced, {tuple(f.partition): f.key.rpartition("/")[0] for f in files}, whole=layout.mode == "replace")


def _rewrite(connection: Connection, supply: Supply, layout: Layout, commit: Commit, account: Account) -> New:
    """Merge the commit's rows into partitions of plain Parquet, which are written anew where they change."""
    store = cleared(connection, supply, layout, commit)
    columns = _columns(connection, supply, commit)
    live = ledger.live_files(connection, supply.view.name, layout.table)
    later = read_later(supply, layout_sink(layout.table), commit)
    with scratched() as folder:
        table = Rewrite(supply.view, layout, columns, store, live, folder)
        for batch in batches(chunks(supply, commit, account, folder)):
            fitting = _fit(supply.view, layout, batch, account)
            merge_batch(connection, supply.view, layout_sink(layout.table), table, fitting, account, later)
        encoded = table.files(location(supply, layout, commit), f"c{commit.commit_id:08d}", layout.file_size)
        files = upload(store, encoded, recorder(connection, supply, layout, commit))
    gone = set(table.replaced)
    places = {tuple(f.partition): f.key.rpartition("/")[0] for f in live if f.key not in gone} | table.places
    return New(files, table.replaced, _growing_first(places, files, live), columns=table.columns, whole=bool(table.replaced))


def _growing_first(places: dict[Values, str], files: list[LakeFile], live: list[LakeFile]) -> dict[Values, str]:
    """Partitions in the order in which readers are told of them: a row that goes from one to another comes there before it is gone here."""
    grown = Counter[Values]()
    for file in files:
        grown[tuple(file.partition)] += file.rows
    for file in live:
        grown[tuple(file.partition)] -= file.rows
    return dict(sorted(places.items(), key=lambda place: -grown[place[0]]))


def cleared(connection: Connection, supply: Supply, layout: Layout, commit: Commit) -> ObjectStore:
    """The store, without what a try of the commit that was broken off has left there. Nobody was told of it; where an older version
    did so, the catalogue is brought back before.
    """
    store = open_store(supply.lake)
    stale = [f.key for f in ledger.files_of(connection, commit.commit_id)]
    if stale:
        restore(connection, supply, layout)
    remove(store, stale)
    ledger.forget_files(connection, stale)
    return store


def give_up(connection: Connection, supply: Supply, layout: Layout, commit: Commit) -> None:
    """Remove a commit that was begun and is not settled, with its files: no reader has seen any of it."""
    cleared(connection, supply, layout, commit)
    ledger.forget_commit(connection, commit.commit_id)


def recorder(connection: Connection, supply: Supply, layout: Layout, commit: Commit) -> Callable[[list[LakeFile]], None]:
    """What writes down a commit's files, in whatever portions they come."""
    return lambda files: ledger.record_files(connection, supply.view.name, layout.table, commit.commit_id, files)


@contextmanager
def alone(supply: Supply, layout: Layout) -> Iterator[Connection | None]:
    """A session that holds the layout's lock; None where another run holds it."""
    with supply.ledger.session() as connection:
        name = (f"shardlake.lake.{supply.view.name}.{layout.table}",)
        row = connection.execute("SELECT pg_try_advisory_lock(hashtextextended(%s, 0))", name).fetchone()
        yield connection if row and row[0] else None  # the lock goes with the session


def location(supply: Supply, layout: Layout, commit: Commit) -> str:
    """The folder of a layout's files, under the lake's URL; a replaced table has a new one each time."""
    home = f"{supply.view.lake.database}/{layout.table}"
    return f"{home}/v{commit.commit_id:08d}" if layout.mode_in(supply.view.warehouse.write) == "replace" else home


def _table(connection: Connection, supply: Supply, layout: Layout, commit: Commit) -> LakeTable:
    """The layout's table as this commit makes it. Raises ContractError before anything is written."""
    known = ledger.table(connection, supply.view.lake.database, layout.table)
    if not commit.windows and known:  # a compaction that was broken off: its files go, and nothing comes
        return from_json(supply.view.lake.database, layout.table, known[2])
    return planned(connection, supply.view, layout, _columns(connection, supply, commit), location(supply, layout, commit))


def _columns(connection: Connection, supply: Supply, commit: Commit) -> tuple[TargetColumn, ...]:
    return supply.columns(windows.load(connection, commit.windows[0].window_id))
