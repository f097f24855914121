"""A sink that keeps a table in a SQLite file. A row that is deleted stays there as a version; a view shows the others."""

import json
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ClassVar
from uuid import UUID

from shardlake.connection.spec import ConnectionSpec
from shardlake.errors import AccountingError, SpecError, WarehouseUnavailable
from shardlake.ledger.sinks import WAREHOUSE, Applied, Pending
from shardlake.quoting import ansi_list
from shardlake.rows.supply import Supply
from shardlake.sink.door import Committed
from shardlake.view.columns import TargetColumn


class SqliteFile(ConnectionSpec):
    """A SQLite file."""

    slug: ClassVar[str] = "sqlite-file"
    path: Path


class SqliteSink:
    """The view's table. A bigint is an integer there; all else is the text that Postgres prints."""

    name = WAREHOUSE

    def __init__(self, connection: SqliteFile, supply: Supply) -> None:
        if supply.view.explode or supply.view.warehouse.write == "append":
            raise SpecError(f"{supply.view.name}: a SQLite file takes rows that are merged or replaced, and none that are exploded")
        self._path, self._supply, self._view, self._shown = connection.path, supply, supply.view, supply.view.warehouse.table_name
        self._table, self._key = f'"{self._shown}__rows"', ansi_list(self._view.key)
        self.replaces = self._view.warehouse.write == "replace"
        self._into = f'"{self._shown}__new"' if self.replaces else self._table

    def planned(self, columns: tuple[TargetColumn, ...]) -> list[str]:
        """See Sink."""
        with self._transaction() as db:
            return self._ddl(db, columns)

    def clear(self, partitions: list[str]) -> None:
        """See Sink."""
        with self._transaction() as db:
            db.execute(f'DROP TABLE IF EXISTS "{self._shown}__new"')

    def apply(self, windows: Sequence[Pending], run_id: UUID, *, again: bool = False) -> list[Committed]:
        """See Sink. The mark in the same transaction tells a later run that the window is here."""
        return [Committed({w.window_id: self._apply(w.window_id, run_id, again)}) for w in windows]

    def _apply(self, window_id: int, run_id: UUID, again: bool) -> Applied:
        window, mark = self._supply.window(window_id), (str(self._supply.ledger_id()), self._view.name, window_id)
        columns, rows = self._supply.columns(window), self._supply.rows(window, everything=True, printing=True)
        marks = "CREATE TABLE IF NOT EXISTS applied (ledger, view, window_id, counts, PRIMARY KEY (ledger, view, window_id))"
        view = f'CREATE VIEW IF NOT EXISTS "{self._shown}" AS SELECT * FROM {self._table} WHERE _op IS NULL'
        with self._transaction() as db:
            for statement in [*self._ddl(db, columns), marks, view]:
                db.execute(statement)
            found = None if again else db.execute("SELECT counts FROM applied WHERE (ledger, view, window_id) = (?, ?, ?)", mark).fetchone()
            applied = Applied(**json.loads(found[0])) if found else None
            if applied is None:
                merged = self._merge(db, window.partition, columns, self._supply.passing(window, rows))
                applied = self._supply.applied(window, rows, **merged)
                self._supply.may_commit(window, run_id, applied)
                db.execute("INSERT OR REPLACE INTO applied VALUES (?, ?, ?, ?)", (*mark, json.dumps(applied.counts())))
        self._supply.record(self.name, window, run_id, rows, applied)
        return applied

    def switch(self, run_id: UUID, arrived: Sequence[str], missing: Sequence[str]) -> None:
        """See Sink."""
        came = f"_shard NOT IN ({', '.join('?' * len(missing))})"  # of a partition that failed in its midst some rows may be there
        with self._transaction() as db:
            db.execute(f"DELETE FROM {self._table} WHERE {came}", tuple(missing))
            written = db.execute(f"INSERT INTO {self._table} SELECT * FROM {self._into} WHERE {came}", tuple(missing)).rowcount
            if written != (brought := sum(b.merged for b in self._supply.brought(self.name, run_id) if b.partition not in missing)):
                raise AccountingError(f"{self._view.name}: the switch wrote {written} rows, and its windows brought {brought}")
            db.execute(f"DROP TABLE {self._into}")

    def _ddl(self, db: sqlite3.Connection, columns: tuple[TargetColumn, ...]) -> list[str]:
        types, found = {f'"{c.name}"': "INTEGER" if str(c.type) == "bigint" else "TEXT" for c in columns} | {'"_op"': "TEXT"}, list[str]()
        for table in dict.fromkeys((self._table, self._into)):
            there = [f'"{row[1]}"' for row in db.execute(f"PRAGMA table_info({table})")]
            found += [] if there else [f"CREATE TABLE {table} ({', '.join(map(' '.join, types.items()))}, PRIMARY KEY ({self._key}))"]
            found += [f"ALTER TABLE {table} ADD COLUMN {name} {types[name]}" for name in types if there and name not in there]
        return found

    def _merge(self, db: sqlite3.Connection, partition: str, columns: Sequence[TargetColumn], chunks: Iterable[Any]) -> dict[str, int]:
        own, version = [*(c.name for c in columns if c.name != "_shard"), "_op"], self._view.version_column
        names = ansi_list((*own, "_shard"))
        db.execute(f"CREATE TEMP TABLE staged AS SELECT {names} FROM {self._into} WHERE false")  # columns keep their affinity
        for chunk in chunks:
            values = zip(*(chunk.rows.column(name).to_pylist() for name in own), strict=True)
            db.executemany(f"INSERT INTO staged VALUES ({'?, ' * len(own)}?)", ((*row, partition) for row in values))
        mine, its = (f'm."{version}"', f's."{version}"') if version else ("NULL", "NULL")
        met = f"EXISTS (SELECT 1 FROM {self._into} m WHERE " + " AND ".join(f'm."{k}" = s."{k}"' for k in self._view.key)
        older = f"({mine} > {its} OR {its} IS NULL AND {mine} IS NOT NULL OR {mine} IS {its} AND m._shard > s._shard)"
        alike = " AND ".join(f'm."{name}" IS s."{name}"' for name in [*own, "_shard"])
        last = f"SELECT first_value(rowid) OVER (PARTITION BY {self._key} ORDER BY {its} DESC NULLS LAST, rowid DESC) FROM staged s"
        superseded = db.execute(f"DELETE FROM staged WHERE rowid NOT IN ({last})").rowcount
        superseded += db.execute(f"DELETE FROM staged AS s WHERE {met} AND {older})").rowcount
        unchanged = db.execute(f"DELETE FROM staged AS s WHERE {met} AND {alike})").rowcount
        removed = db.execute(f"SELECT count(*) FROM staged s WHERE _op IS NOT NULL AND {met} AND m._op IS NULL)").fetchone()[0]
        merged = db.execute(f"INSERT OR REPLACE INTO {self._into} ({names}) SELECT {names} FROM staged").rowcount
        return {"merged": merged, "unchanged": unchanged, "superseded": superseded, "removed": removed}

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        db = sqlite3.connect(self._path, timeout=60, isolation_level=None)
        try:
            db.execute("BEGIN IMMEDIATE")
            yield db
            db.execute("COMMIT")
        except sqlite3.Error as error:
            raise WarehouseUnavailable(f"{self._path.name}: {error}") from None
        finally:
            db.close()  # what was not committed is gone with it
