"""Raw: the rows as they were read, as zstd Parquet under the lake's URL, one file a chunk.

`raw/<feed>/load_date=2026-11-20/shard=shop_03/w000000042-a001-00000.parquet`: the window, the attempt at reading it, the
chunk. A file is there whole or not at all, on a disk as on S3, and explains itself: what its columns hold, and which of
them are the envelope by which shape, sinks and ledger know a row.
"""

import json
import re
import time
from dataclasses import asdict, dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from obstore.store import ObjectStore

from shardlake.connection.lake import Lake
from shardlake.envelope import Envelope
from shardlake.errors import AccountingError, FileGone
from shardlake.ledger.extent import RawFile
from shardlake.raw.store import get, open_store, put, remove

_COMPRESSION = 1
"""zstd level: 3 costs twice the time of 1 for 3% of the bytes on JSON rows."""

KINDS = "shardlake.kinds"
ENVELOPE = "shardlake.envelope"


@dataclass(frozen=True, slots=True)
class RawTarget:
    """Where one attempt at a window is written. It goes to the process that reads, and holds the lake's keys: never show it. The local
    file `tally`, where there is one, is told how many rows are written so far.
    """

    lake: Lake = field(repr=False)
    folder: str
    window_id: int
    attempt: int
    tally: Path | None = None

    def writer(self, kinds: dict[str, str], envelope: Envelope) -> "RawWriter":
        """What writes the chunks; `kinds` say what each column holds. Raises LakeUnavailable."""
        return RawWriter(self, open_store(self.lake), kinds, envelope)


class RawWriter:
    """Writes an attempt's chunks one behind the other, and keeps count."""

    def __init__(self, target: RawTarget, store: ObjectStore, kinds: dict[str, str], envelope: Envelope) -> None:
        self.files: list[RawFile] = []
        self.seconds = 0.0
        self._target, self._store = target, store
        self._kinds, self._envelope = kinds, json.dumps(asdict(envelope))

    def write(self, table: pa.Table, kinds: dict[str, str] | None = None) -> None:
        """One chunk, of `kinds` of its own where chunks differ. Raises LakeUnavailable with nothing visible left behind, AccountingError
        where the file lacks rows.
        """
        started = time.perf_counter()
        sink = pa.BufferOutputStream()
        metadata = {KINDS: json.dumps(kinds or self._kinds), ENVELOPE: self._envelope}
        with pq.ParquetWriter(
            sink, table.schema.with_metadata(metadata), compression="zstd", compression_level=_COMPRESSION, use_dictionary=False
        ) as writer:
            writer.write_table(table.replace_schema_metadata(metadata))
        data = sink.getvalue()
        key = f"{self._target.folder}/w{self._target.window_id:09d}-a{self._target.attempt:03d}-{len(self.files):05d}.parquet"
        rows = writer.writer.metadata.num_rows
        if rows != table.num_rows:
            raise AccountingError(
                f"{key}: {table.num_rows} rows were read, the file holds {rows}", hint="Nothing of it counts; please report it."
            )
        put(self._store, key, data)
        self.files.append(RawFile(key, rows, data.size))
        if self._target.tally:
            self._target.tally.write_text(str(sum(file.rows for file in self.files)))
        self.seconds += time.perf_counter() - started

    def take_back(self, count: int) -> None:
        """Leave `count` chunks, and remove those behind them: their rows do not count. Raises LakeUnavailable."""
        remove(self._store, [file.key for file in self.files[count:]])
        del self.files[count:]


def folder_of(feed: str, partition: str, day: date) -> str:
    """Where a window's files lie, under the lake's URL."""
    assert re.fullmatch(r"[a-z][a-z0-9_]*", feed)
    assert re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.-]*", partition)
    return f"raw/{feed}/load_date={day.isoformat()}/shard={partition}"


@dataclass(frozen=True, slots=True)
class RawChunk:
    """Raw rows with what their columns hold and, unless the file is older than envelopes are, which of them are the envelope."""

    table: pa.Table
    kinds: dict[str, str]
    envelope: Envelope | None


def read_chunk(store: ObjectStore, file: RawFile) -> RawChunk:
    """Read one chunk. Raises FileGone where it is not there any more, LakeUnavailable where it is not what the ledger says."""
    data = get(store, file.key)
    try:
        # one thread: a pool of Arrow's own costs four times the reading on files of this size
        table = pq.ParquetFile(pa.BufferReader(data)).read(use_threads=False)
    except pa.ArrowException as error:
        raise FileGone(
            f"{file.key} cannot be read ({type(error).__name__})", hint="If it was removed, `shardlake run --full` reads the shard anew."
        ) from None
    if table.num_rows != file.rows:
        raise FileGone(f"{file.key} holds {table.num_rows} rows, the ledger says {file.rows}", hint="Run with --full.")
    metadata: dict[bytes, bytes] = table.schema.metadata or {}
    envelope = _envelope(json.loads(metadata[ENVELOPE.encode()])) if ENVELOPE.encode() in metadata else None
    return RawChunk(table, json.loads(metadata.get(KINDS.encode(), b"{}")), envelope)


def _envelope(found: dict[str, Any]) -> Envelope:
    return Envelope(tuple(found["key"]), found["version"], found["version_kind"], found["op"], found.get("change"))


def with_null(table: pa.Table, name: str) -> pa.Table:
    """Raw rows with a column that they did not have, of NULLs."""
    return table.append_column(name, pa.nulls(table.num_rows, pa.string()))
