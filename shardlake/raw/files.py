"""Raw: the rows as they were read, as zstd Parquet under the lake's URL. One file a chunk, names that repeat.

`raw/<view>/load_date=2026-11-20/shard=shop_03/w000000042-00000.parquet`: a window that is read again overwrites what
its first try left. A file is there whole or not at all, on a disk as on S3.
"""

import json
import re
from dataclasses import dataclass
from datetime import date

import pyarrow as pa
import pyarrow.parquet as pq
from obstore.store import ObjectStore

from shardlake.errors import LakeUnavailable
from shardlake.raw.store import get, put

_COMPRESSION = 1
"""zstd level: 3 costs twice the time of 1 for 3% of the bytes on JSON rows."""

KINDS = "shardlake.kinds"


@dataclass(frozen=True, slots=True)
class RawFile:
    """A file of raw rows: its key under the lake's URL, rows and bytes."""

    key: str
    rows: int
    bytes: int


def folder_of(view: str, shard: str, day: date) -> str:
    """Where a window's files lie, under the lake's URL."""
    assert re.fullmatch(r"[a-z][a-z0-9_]*", view)
    assert re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.-]*", shard)
    return f"raw/{view}/load_date={day.isoformat()}/shard={shard}"


def write_chunk(store: ObjectStore, folder: str, window_id: int, number: int, table: pa.Table, kinds: dict[str, str]) -> RawFile:
    """Write one chunk; `kinds` (what each source column holds) stand in the file's metadata, so that it explains itself.

    Raises LakeUnavailable with nothing visible left behind.
    """
    table = table.replace_schema_metadata({KINDS: json.dumps(kinds)})
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink, compression="zstd", compression_level=_COMPRESSION, use_dictionary=False)
    data = sink.getvalue()
    key = f"{folder}/w{window_id:09d}-{number:05d}.parquet"
    put(store, key, data)
    return RawFile(key, table.num_rows, data.size)


def read_chunk(store: ObjectStore, file: RawFile) -> pa.Table:
    """Read one chunk. Raises LakeUnavailable where it is gone or is not what the ledger says."""
    data = get(store, file.key)
    try:
        # one thread: a pool of Arrow's own costs four times the reading on files of this size
        table = pq.ParquetFile(pa.BufferReader(data)).read(use_threads=False)
    except pa.ArrowException as error:
        raise LakeUnavailable(
            f"{file.key} cannot be read ({type(error).__name__})", hint="If it was removed, `shardlake run --full` reads the shard anew."
        ) from None
    if table.num_rows != file.rows:
        raise LakeUnavailable(f"{file.key} holds {table.num_rows} rows, the ledger says {file.rows}", hint="Run with --full.")
    return table


def kinds_of(table: pa.Table) -> dict[str, str]:
    """What each source column of a raw chunk holds."""
    found: dict[str, str] = json.loads((table.schema.metadata or {}).get(KINDS.encode(), b"{}"))
    return found
