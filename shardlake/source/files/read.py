"""Reading a window: its files one after the other, as raw rows in chunks; and the rows of those that are gone."""

import io
from collections.abc import Iterable, Iterator
from dataclasses import astuple, dataclass, field
from datetime import timedelta
from typing import Any

import pyarrow as pa

from shardlake import cancellation
from shardlake.errors import SourceFailed
from shardlake.failpoints import failpoint
from shardlake.ledger.extent import Item
from shardlake.raw.files import RawWriter
from shardlake.source.files.columns import lacking
from shardlake.source.files.csv_rows import HEAD, csv_rows, dialect_of
from shardlake.source.files.export.manifest import Expected
from shardlake.source.files.export.rows import export_rows
from shardlake.source.files.jsonl_rows import jsonl_rows
from shardlake.source.files.order import EPOCH, Order, micros_of, role
from shardlake.source.files.parquet_rows import parquet_rows
from shardlake.source.files.pattern import hive_values
from shardlake.source.files.raw_rows import InFile, Part, raw_rows
from shardlake.source.files.store import Listed, Moved, Store
from shardlake.source.files.transactions import transaction_rows
from shardlake.view.files import Files

CHUNK = 8 << 20
"""Bytes of rows that are written as one raw file: those of small files are put together."""
OWN_KINDS = {"_file": "text", "_line": "int", "_version": "decimal", "_op": "text"}


@dataclass(frozen=True, slots=True)
class Planned:
    """A file of a window, as its plan has it."""

    file: Listed
    order: Order
    expected: Expected | None = None

    def as_json(self) -> list[Any]:
        """For the ledger."""
        at = self.file
        more = [astuple(self.expected)] if self.expected else []
        return [at.name, at.mark, at.bytes, micros_of(at.modified), *astuple(self.order), *more]

    @classmethod
    def of(cls, found: list[Any]) -> "Planned":
        """From the ledger."""
        name, mark, size, modified, time, number, timed, least, *more = found
        file = Listed(name, mark, size, EPOCH + timedelta(microseconds=modified))
        return cls(file, Order(time, number, timed, least), Expected(*more[0]) if more else None)

    @property
    def item(self) -> Item:
        """As the inventory has it; a data file of an export is known by the checksum in its manifest, wherever it was copied to."""
        return Item(self.file.name, self.expected.md5 if self.expected else self.file.mark, self.file.bytes)


class Chunks:
    """Raw rows on their way. Those of small files are written together; those of a file that moved as it was read are taken back."""

    def __init__(self, writer: RawWriter, size: int) -> None:
        self._writer, self._size = writer, size
        self._held: list[pa.Table] = []
        self._kinds: dict[str, str] = {}
        self._mark: tuple[int, int] | None = None

    def begin_file(self) -> None:
        """From here on rows are a file's."""
        self._mark = (len(self._writer.files), len(self._held))

    def take_back(self) -> None:
        """The rows of the file do not count."""
        assert self._mark is not None
        files, held = self._mark
        self._writer.take_back(files)
        del self._held[held:]

    def add(self, table: pa.Table, kinds: dict[str, str]) -> None:
        """Some rows. Raises LakeUnavailable, AccountingError."""
        if self._held and (self._held[-1].schema != table.schema or self._kinds != kinds):
            self._flush_others()
        if self._held and (self._held[-1].schema != table.schema or self._kinds != kinds):
            self.flush()
        self._held.append(table)
        self._kinds = kinds
        if sum(part.nbytes for part in self._held) >= self._size:
            self._flush_others()
            self.flush()

    def _flush_others(self) -> None:
        """Write the rows of earlier files apart from those of the file under way, which may be taken back."""
        if self._mark and self._mark[1]:
            others, self._held = self._held[: self._mark[1]], self._held[self._mark[1] :]
            self._write(others)
            self._mark = (len(self._writer.files), 0)

    def flush(self) -> None:
        """Write what is held."""
        held, self._held = self._held, []
        if held:
            self._write(held)

    def _write(self, tables: list[pa.Table]) -> None:
        self._writer.write(pa.concat_tables(tables), self._kinds)
        failpoint("extract.chunk")


@dataclass(slots=True)
class Window:
    """What reading a window's files came to: records by the readers' own count, the files that were read, and those that have moved."""

    records: int = 0
    items: list[Item] = field(default_factory=list)
    moved: list[str] = field(default_factory=list)


def read_files(
    store: Store, planned: Iterable[Planned], source: Files, wanted: tuple[str, ...], partition: str, zone: str, chunks: Chunks,
    as_null: tuple[str, ...] = (),
) -> Window:  # fmt: skip
    """Read files into raw, one after the other; columns in `as_null` are filled with NULL. Raises ContractError, SourceFailed, SourceUnavailable, AccessRefused, AccountingError."""
    done = Window()
    for one in planned:
        place = f"{partition}: {one.file.name}"
        in_file = InFile(one.file.name, one.order, hive_values(one.file.name), source.format == "dms" and role(one.file.name) == "load")
        records = 0
        chunks.begin_file()
        if done.moved and source.of_export and not one.expected:  # a manifest counts as read with all of its files
            done.moved.append(one.file.name)
            continue
        try:
            for part in parts(store, one, source, partition):
                cancellation.check()
                there = [*part.table.column_names, *in_file.folders]
                filled = lacking(there, wanted, place, fill=source.drift != "stop")
                lacking(there, (source.timestamp,) if source.timestamp and not in_file.loaded else (), place, fill=False)
                rows = raw_rows(part, in_file, source, zone, filled)
                for name in (n for n in as_null if n in rows.column_names):
                    rows = rows.set_column(rows.column_names.index(name), name, pa.nulls(rows.num_rows, pa.large_string()))
                kinds = {**dict.fromkeys([*filled, *in_file.folders], "text"), **part.kinds, **dict.fromkeys(as_null, "text"), **OWN_KINDS}
                records += part.records
                chunks.add(rows, kinds)
        except Moved:
            chunks.take_back()
            done.moved.append(one.file.name)
            continue
        done.records += records
        done.items.append(one.item)
    return done


def peek(stream: io.BufferedReader) -> bytes:
    """The first bytes of a stream, which stay in it."""
    return stream.peek(HEAD)[:HEAD]


def parts(store: Store, planned: Planned, source: Files, partition: str) -> Iterator[Part]:
    """The rows of a file as it was listed. Raises Moved where it is not, at its end at the latest."""
    place = f"{partition}: {planned.file.name}"
    parquet = source.format == "parquet" or planned.file.name.endswith(".parquet")
    stream = store.seekable(planned.file) if parquet else store.stream(planned.file)
    with stream:
        if planned.expected:
            try:
                yield from export_rows(stream, source, place, planned.expected)
            except SourceFailed:
                if planned.expected.is_said_still(store) and store.still(planned.file):
                    raise
                raise Moved(planned.file.name) from None
        elif source.of_export:
            pass  # a manifest has no rows of its own
        elif parquet:
            yield from parquet_rows(stream, source, place)
        elif source.format == "jsonl":
            yield from jsonl_rows(stream, source)
        elif source.format == "dms" and role(planned.file.name) == "transactions":
            yield from transaction_rows(stream, dialect_of(source, b""), source, place)
        else:
            yield from csv_rows(stream, peek(stream), source, place, planned.file.name)
    if not store.still(planned.file):
        raise Moved(planned.file.name)
