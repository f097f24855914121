"""The lake's store: a folder or a bucket, one object whole or not at all. Where it fails, it says which object and why."""

import io
from collections.abc import Callable, Iterable
from datetime import timedelta
from pathlib import Path
from typing import Any, TypeVar

import obstore
import pyarrow as pa
import pyarrow.parquet as pq
from obstore.store import LocalStore, ObjectStore, S3Store

from shardlake.connection.bucket import Bucket
from shardlake.connection.lake import Lake
from shardlake.errors import FileGone, LakeUnavailable, SpecError

T = TypeVar("T")
RETRY: Any = {
    "max_retries": 8,
    "retry_timeout": timedelta(seconds=60),
    "backoff": {"init_backoff": timedelta(milliseconds=100), "max_backoff": timedelta(seconds=8), "base": 2},
}
"""503 SlowDown, 500, resets and lost replies: every request here may be sent again."""
_GONE = "If it was removed, `shardlake run --full` reads the shard anew."
_AHEAD = 256 << 10
"""Bytes of a request of `reader`; one who wants more gets more."""
_KEYS = timedelta(minutes=5)
"""How long keys are kept before they are asked for again: botocore hands out keys that end in ten minutes."""


def open_store(lake: Lake) -> ObjectStore:
    """The store behind a lake's URL. Raises LakeUnavailable."""
    try:
        if not lake.url.startswith("s3://"):
            folder = Path(lake.url).expanduser().resolve()
            folder.mkdir(parents=True, exist_ok=True)
            return LocalStore(folder, automatic_cleanup=False)
        bucket, _, prefix = lake.url.removeprefix("s3://").strip("/").partition("/")
        options = s3_options(lake) | ({"server_side_encryption": "aws:kms", "sse_kms_key_id": lake.kms_key} if lake.kms_key else {})
        return S3Store(bucket, prefix=prefix or None, retry_config=RETRY, **options)
    except SpecError:
        raise
    except Exception as error:  # noqa: BLE001 - obstore's errors share no base, and may hold settings
        raise LakeUnavailable(
            f"{lake.url} cannot be opened ({type(error).__name__})", hint="Check the folder or bucket and the rights to it."
        ) from None


def address(lake: Lake, key: str) -> str:
    """The whole address of a key: s3://…, or an absolute path."""
    return f"{lake.url.rstrip('/')}/{key}" if lake.url.startswith("s3://") else str(Path(lake.url).expanduser().resolve() / key)


def s3_options(bucket: Bucket) -> dict[str, Any]:
    """How a bucket is reached: region, endpoint and identity, as obstore has them."""
    options: dict[str, Any] = {"region": bucket.region} if bucket.region else {}
    if bucket.endpoint:
        options |= {"endpoint": bucket.endpoint, "client_options": {"allow_http": bucket.endpoint.startswith("http://")}}
    from obstore.auth.boto3 import Boto3CredentialProvider  # boto3 takes a tenth of a second

    from shardlake.connection.aws import session

    return {**options, "credential_provider": Boto3CredentialProvider(session(bucket), ttl=_KEYS)}


def put(store: ObjectStore, key: str, data: Any) -> None:
    """Write an object, in place of what was there. Raises LakeUnavailable with nothing half-written."""
    _guarded(key, "be written", "Check space and rights of the lake.", lambda: obstore.put(store, key, memoryview(data).cast("B")))


def get(store: ObjectStore, key: str) -> bytes:
    """Read an object. Raises FileGone where there is none, LakeUnavailable."""
    try:
        return bytes(obstore.get(store, key).bytes())
    except FileNotFoundError:
        raise FileGone(f"{key} cannot be read (FileNotFoundError)", hint=_GONE) from None
    except Exception as error:  # noqa: BLE001 - obstore's errors share no base, and may hold addresses
        raise LakeUnavailable(f"{key} cannot be read ({type(error).__name__})", hint=_GONE) from None


def parquet_schema(store: ObjectStore, key: str) -> pa.Schema:
    """The schema of a Parquet object, of which its footer alone is read. Raises LakeUnavailable."""
    return _guarded(key, "be read", _GONE, lambda: pq.read_schema(pa.BufferReader(_footer(store, key))))


def _footer(store: ObjectStore, key: str, most: int = 64 << 10) -> bytes:
    """A Parquet file without its rows: the magic bytes, and the footer, whose length stands before its last four bytes."""
    tail = bytes(obstore.get(store, key, options={"range": {"suffix": most}}).bytes())
    size = int.from_bytes(tail[-8:-4], "little") + 8
    if len(tail) < most and size > len(tail):  # no Parquet file: that was all of it
        return tail
    return b"PAR1" + tail[-size:] if size <= len(tail) else _footer(store, key, size)


def remove(store: ObjectStore, keys: Iterable[str]) -> None:
    """Remove objects; those that are gone already do not matter. Raises LakeUnavailable."""
    for key in keys:
        try:
            obstore.delete(store, key)
        except FileNotFoundError:
            continue
        except Exception as error:  # noqa: BLE001 - as above
            raise LakeUnavailable(f"{key} cannot be removed ({type(error).__name__})", hint="Check the rights to the lake.") from None


def _guarded(key: str, what: str, hint: str, call: Callable[[], T]) -> T:
    try:
        return call()
    except Exception as error:  # noqa: BLE001 - obstore's errors share no base, and may hold addresses
        raise LakeUnavailable(f"{key} cannot {what} ({type(error).__name__})", hint=hint) from None


def reader(store: ObjectStore, key: str) -> io.BufferedReader:
    """An object as a file of which only what is wanted is read. Raises LakeUnavailable, now and whenever it is read."""
    size = _guarded(key, "be read", _GONE, lambda: int(obstore.head(store, key)["size"]))
    return io.BufferedReader(_Reader(store, key, size), _AHEAD)


class Ranged(io.RawIOBase):
    """An object of `size` bytes as a file of which ranges are read: `fetch` gets one."""

    def __init__(self, size: int) -> None:
        self._size, self._at = size, 0

    def fetch(self, start: int, end: int) -> Any:
        """The bytes of a range."""
        raise NotImplementedError

    def readable(self) -> bool:
        """See RawIOBase."""
        return True

    def seekable(self) -> bool:
        """See RawIOBase."""
        return True

    def tell(self) -> int:
        """See RawIOBase."""
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """See RawIOBase."""
        self._at = offset + (0, self._at, self._size)[whence]
        return self._at

    def readinto(self, buffer: Any) -> int:
        """See RawIOBase."""
        end = min(self._at + len(buffer), self._size)
        if end <= self._at:
            return 0
        found = memoryview(self.fetch(self._at, end)).cast("B")
        size = len(found)
        buffer[:size] = found
        self._at += size
        return size


class _Reader(Ranged):
    def __init__(self, store: ObjectStore, key: str, size: int) -> None:
        super().__init__(size)
        self._store, self._key = store, key

    def fetch(self, start: int, end: int) -> Any:
        return _guarded(self._key, "be read", _GONE, lambda: obstore.get_range(self._store, self._key, start=start, end=end))
