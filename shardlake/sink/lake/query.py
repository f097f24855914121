"""SQL over the lake: DuckDB on the files that the ledger says are published, and what a query read of them."""

import re
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from threading import Lock
from typing import Any
from urllib.parse import unquote

import duckdb
import obstore
import pyarrow as pa
from fsspec import AbstractFileSystem
from fsspec.spec import AbstractBufferedFile
from obstore.store import ObjectStore

from shardlake.connection.lake import Lake
from shardlake.errors import SpecError
from shardlake.ledger import lake as ledger
from shardlake.ledger import lake_raw
from shardlake.ledger.database import Warehouse
from shardlake.quoting import ansi, ansi_text
from shardlake.raw.store import address, open_store
from shardlake.sink.lake.hive import duck
from shardlake.sink.lake.tables import LakeTable, from_json

_SCHEME = "lake"


@dataclass(slots=True)
class Scanned:
    """What a query read: `files` of `of_files` that its tables have, and bytes, as Athena bills them."""

    files: int = 0
    of_files: int = 0
    bytes: int = 0
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Answer:
    """A query's rows, and what it read for them."""

    rows: pa.Table
    scanned: Scanned


@dataclass(slots=True)
class _Reads:
    """Bytes read, by file."""

    bytes: dict[str, int] = field(default_factory=dict)
    lock: Any = field(default_factory=Lock)

    def add(self, key: str, size: int) -> None:
        with self.lock:
            self.bytes[key] = self.bytes.get(key, 0) + size


class _Counting(AbstractFileSystem):  # type: ignore[misc]  # fsspec is untyped
    """The lake's store as a file system for DuckDB that counts what is read."""

    protocol = _SCHEME
    cachable = False

    def __init__(self, store: ObjectStore, sizes: dict[str, int], reads: _Reads) -> None:
        super().__init__()
        self._store, self._sizes, self._reads = store, sizes, reads

    def info(self, path: str, **_: Any) -> dict[str, Any]:
        key = str(self._strip_protocol(path))
        return {"name": key, "size": self._sizes[key], "type": "file"}

    def glob(self, path: str, **_: Any) -> list[str]:
        return [str(self._strip_protocol(path))]

    def exists(self, path: str, **_: Any) -> bool:
        return str(self._strip_protocol(path)) in self._sizes

    def modified(self, path: str) -> datetime:
        return datetime(2026, 1, 1, tzinfo=UTC)  # files never change under their name

    @classmethod
    def _strip_protocol(cls, path: str) -> str:
        return path.removeprefix(f"{_SCHEME}://")

    def _open(self, path: str, mode: str = "rb", **_: Any) -> "_File":
        return _File(self, str(self._strip_protocol(path)), mode, cache_type="none")

    def read(self, key: str, start: int, end: int) -> bytes:
        """A range of an object."""
        self._reads.add(key, end - start)
        return bytes(obstore.get_range(self._store, key, start=start, end=end))


class _File(AbstractBufferedFile):  # type: ignore[misc]  # fsspec is untyped
    def _fetch_range(self, start: int, end: int) -> bytes:
        found: bytes = self.fs.read(self.path, start, end)
        return found


def query(warehouse: Warehouse, lake: Lake, sql: str) -> Answer:
    """Answer a SELECT over the tables of the lake, by name or `database.name`. Raises SpecError with DuckDB's own words."""
    connection, reads, started = duckdb.connect(), _Reads(), time.perf_counter()
    try:
        statements = connection.extract_statements(sql)
        if len(statements) != 1 or statements[0].type != duckdb.StatementType.SELECT:
            raise SpecError("shardlake query takes one SELECT", hint="The lake is read here, never written.")
        names = {_unquoted(name) for name in connection.get_table_names(sql, qualified=True)}
        sizes = _attach(connection, warehouse, lake, names, reads)
        rows = connection.sql(sql).to_arrow_table()
    except duckdb.Error as error:
        raise SpecError(f"the query cannot be answered: {str(error).splitlines()[0]}", hint="`shardlake lake` lists the tables.") from None
    finally:
        connection.close()
    return Answer(rows, Scanned(len(reads.bytes), len(sizes), sum(reads.bytes.values()), time.perf_counter() - started))


def _attach(
    connection: duckdb.DuckDBPyConnection, warehouse: Warehouse, lake: Lake, wanted: set[tuple[str, ...]], reads: _Reads
) -> dict[str, int]:
    """Make the tables that a query names, as views on their files; returns the files' sizes. A file is opened when it is read."""
    sizes: dict[str, int] = {}

    def numbered(table: LakeTable) -> Callable[[str], str | None]:
        return lambda paths: _numbered(warehouse, lake, table, paths)

    with warehouse.connection() as session:
        known = {(d, n): (from_json(d, n, definition), v, layout) for d, n, v, layout, definition in ledger.tables(session)}
        chosen = {place for place in known if _is_named(place, wanted)}
        chosen |= {(known[c][0].database, known[c][2]) for c in chosen if known[c][0].format == "view"}
        files = {}
        for database, table in chosen:
            found, view, layout = known[database, table]
            if found.format != "view":
                files[database, table] = (
                    _open_format(warehouse, lake, found)
                    if found.format != "parquet"
                    else (lake_raw.raw_files(session, view) if database == "raw" else ledger.files_by_columns(session, view, layout))
                )
    for groups in files.values():
        sizes |= {key: size for _, keys, bytes_ in groups for key, size in zip(keys, bytes_, strict=True)}
    connection.register_filesystem(_Counting(open_store(lake), sizes, reads))
    connection.execute("SET enable_external_file_cache = false")
    for place in sorted(chosen, key=lambda c: known[c][0].format == "view"):
        table_ = known[place][0]
        connection.execute(f"CREATE SCHEMA IF NOT EXISTS {ansi(table_.database)}")
        connection.execute(
            f"CREATE VIEW {ansi(table_.database)}.{ansi(table_.name)} AS {_select(table_, files.get(place, []), numbered(table_))}"
        )
    if databases := dict.fromkeys(database for database, _ in sorted(chosen, key=lambda c: c[0] == "raw")):
        connection.execute(f"SET search_path = {ansi_text(','.join(databases))}")
    return sizes


def _open_format(warehouse: Warehouse, lake: Lake, table: LakeTable) -> list[tuple[list[str], list[str], list[int]]]:
    """The files of a Delta or Iceberg table, as its own metadata has them. They are written whole: no file holds deletes."""
    if table.format == "delta":
        from shardlake.sink.lake import delta

        found = [(f"{table.location}/{unquote(path)}", size) for path, _, size in delta.files(lake, address(lake, table.location))]
    else:
        from shardlake.sink.lake import iceberg

        root = address(lake, "")
        paths = iceberg.files(lake, warehouse.spec, table.database, table.name)
        found = [(path.removeprefix("file://").removeprefix(root).strip("/"), size) for path, _, size in paths]
    return [([], [key for key, _ in found], [size for _, size in found])] if found else []


def _unquoted(name: str) -> tuple[str, ...]:
    """The parts of a name as DuckDB spells it: words of SQL and odd names in quotes.

    >>> _unquoted('analytics."current"'), _unquoted('"a.""b"')
    (('analytics', 'current'), ('a."b',))
    """
    parts = re.findall(r'"((?:[^"]|"")*)"|([^".]+)', name)
    return tuple((quoted.replace('""', '"') or plain).lower() for quoted, plain in parts)


def _is_named(place: tuple[str, str], wanted: set[tuple[str, ...]]) -> bool:
    """Whether a query names a table: as `database.name`, or by its name alone where it is not of raw."""
    return place in wanted or (place[0] != "raw" and place[1:] in wanted)


def _numbered(warehouse: Warehouse, lake: Lake, table: LakeTable, paths: str) -> str | None:
    """What to select from in place of an Iceberg table's files, where a name is spelt otherwise there."""
    if table.format != "iceberg":
        return None
    from shardlake.sink.lake import iceberg, iceberg_read

    return iceberg_read.by_number(iceberg.schema(lake, warehouse.spec, table.database, table.name), paths)


def _select(table: LakeTable, groups: list[tuple[list[str], list[str], list[int]]], numbered: Callable[[str], str | None]) -> str:
    if table.format == "view":
        return table.sql
    every = (*table.columns, *table.partitions)
    if not groups:
        return f"SELECT {', '.join(f'CAST(NULL AS {duck(t)}) AS {ansi(n)}' for n, t in every)} WHERE false"
    types = ", ".join(f"{ansi_text(n)}: {duck(t)}" for n, t in table.partitions)
    hive = f"hive_partitioning = true, hive_types = {{{types}}}" if types else "hive_partitioning = false"
    parts = []
    for columns, keys, _ in groups:
        there = {*columns, *(n for n, _ in table.partitions)} if columns else {n for n, _ in every}
        names = ", ".join(ansi(n) if n in there else f"CAST(NULL AS {duck(t)}) AS {ansi(n)}" for n, t in every)
        paths = ", ".join(ansi_text(f"{_SCHEME}://{key}") for key in keys)
        union = "" if columns else ", union_by_name = true"
        parts.append(f"SELECT {names} FROM {numbered(f'[{paths}]') or f'read_parquet([{paths}], {hive}{union})'}")
    return " UNION ALL ".join(parts)
