"""Raw: the rows as they were read, as zstd Parquet under the lake's URL. One file a chunk, names that repeat.

`raw/<view>/load_date=2026-11-20/shard=shop_03/w000000042-00000.parquet`: a window that is read again overwrites what
its first try left. A file is there whole or not at all, on a disk as on S3.
"""

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import obstore
import pyarrow as pa
import pyarrow.parquet as pq
from obstore.store import LocalStore, ObjectStore, S3Store

from shardlake.connection import Lake
from shardlake.errors import LakeUnavailable

_COMPRESSION = 1
"""zstd level: 3 costs twice the time of 1 for 3% of the bytes on JSON rows."""


KINDS = "shardlake.kinds"


@dataclass(frozen=True, slots=True)
class RawFile:
    """A file of raw rows: its key under the lake's URL, rows and bytes."""

    key: str
    rows: int
    bytes: int


def open_store(lake: Lake) -> ObjectStore:
    """The store behind a lake's URL. Raises LakeUnavailable."""
    try:
        if not lake.url.startswith("s3://"):
            folder = Path(lake.url).expanduser().resolve()
            folder.mkdir(parents=True, exist_ok=True)
            return LocalStore(folder, automatic_cleanup=False)
        bucket, _, prefix = lake.url.removeprefix("s3://").strip("/").partition("/")
        options: dict[str, Any] = {"region": lake.region} if lake.region else {}
        if lake.endpoint:
            options |= {"endpoint": lake.endpoint, "client_options": {"allow_http": lake.endpoint.startswith("http://")}}
        if lake.access_key_id and lake.secret_access_key:
            options |= {
                "access_key_id": lake.access_key_id.get_secret_value(),
                "secret_access_key": lake.secret_access_key.get_secret_value(),
            }
        return S3Store(bucket, prefix=prefix or None, **options)
    except Exception as error:  # noqa: BLE001 - obstore's errors share no base, and may hold settings
        raise LakeUnavailable(
            f"{lake.url} cannot be opened ({type(error).__name__})", hint="Check the folder or bucket and the rights to it."
        ) from None


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
    try:
        obstore.put(store, key, memoryview(data).cast("B"))
    except Exception as error:  # noqa: BLE001 - obstore's errors share no base
        raise LakeUnavailable(f"{key} cannot be written ({type(error).__name__})", hint="Check space and rights of the lake.") from None
    return RawFile(key, table.num_rows, data.size)


def read_chunk(store: ObjectStore, file: RawFile) -> pa.Table:
    """Read one chunk. Raises LakeUnavailable where it is gone or is not what the ledger says."""
    try:
        # one thread: a pool of Arrow's own costs four times the reading on files of this size
        table = pq.ParquetFile(pa.BufferReader(bytes(obstore.get(store, file.key).bytes()))).read(use_threads=False)
    except Exception as error:  # noqa: BLE001 - as above
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


def remove(store: ObjectStore, keys: Iterable[str]) -> None:
    """Remove files; those that are gone already do not matter."""
    for key in keys:
        try:
            obstore.delete(store, key)
        except FileNotFoundError:
            continue
