"""Iceberg's files on S3, read and written by the lake's own store: its credentials, its retries, its KMS key.

pyiceberg's own ways to S3 keep the keys that they were given until these end, and the one of them that is installed here
cannot name a KMS key. pyiceberg makes a `StoreIO` of its properties, which are texts: one names the lake.
"""

import io
from types import TracebackType
from typing import Any, Self

import obstore
from obstore.store import ObjectStore
from pyiceberg.io import FileIO, InputFile, InputStream, OutputFile, OutputStream
from pyiceberg.typedef import EMPTY_DICT, Properties

from shardlake.connection.lake import Lake
from shardlake.raw.store import address, open_store, reader

_LAKE = "shardlake.lake"
_lakes: dict[str, Lake] = {}


def properties(lake: Lake) -> dict[str, str]:
    """What a catalogue is told, so that its tables are read and written here. No secret is among it."""
    if not lake.url.startswith("s3://"):
        return {}
    known = {found: key for key, found in _lakes.items()}
    key = known.get(lake, str(len(_lakes)))
    _lakes[key] = lake
    return {"py-io-impl": f"{__name__}.StoreIO", _LAKE: key}


class StoreIO(FileIO):
    """pyiceberg's door to files, over the store of the lake that its properties name."""

    def __init__(self, properties: Properties = EMPTY_DICT) -> None:
        super().__init__(properties)
        lake = _lakes[properties[_LAKE]]
        self._store, self._root = open_store(lake), address(lake, "")

    def new_input(self, location: str) -> "StoreFile":
        """A file to read."""
        return StoreFile(location, self._store, self._key(location))

    def new_output(self, location: str) -> "StoreFile":
        """A file to write."""
        return StoreFile(location, self._store, self._key(location))

    def delete(self, location: str | InputFile | OutputFile) -> None:
        """Remove a file."""
        obstore.delete(self._store, self._key(location if isinstance(location, str) else location.location))

    def _key(self, location: str) -> str:
        if not location.startswith(self._root):
            raise ValueError(f"{location} is not in the lake")
        return location.removeprefix(self._root)


class StoreFile(InputFile, OutputFile):
    """A file of the store, to be read or written."""

    def __init__(self, location: str, store: ObjectStore, key: str) -> None:
        super().__init__(location)
        self._store, self._key = store, key

    def __len__(self) -> int:
        return int(obstore.head(self._store, self._key)["size"])

    def exists(self) -> bool:
        """Whether it is there."""
        try:
            obstore.head(self._store, self._key)
        except FileNotFoundError:
            return False
        return True

    def to_input_file(self) -> "StoreFile":
        """The same file, to be read."""
        return self

    def open(self, seekable: bool = True) -> InputStream:
        """A stream of its bytes."""
        return reader(self._store, self._key)

    def create(self, overwrite: bool = False) -> OutputStream:
        """A stream that becomes the file when it is closed, as a whole or not at all."""
        return _Writer(self._store, self._key, overwrite)


class _Writer(io.BytesIO):
    def __init__(self, store: ObjectStore, key: str, overwrite: bool) -> None:
        super().__init__()
        self._store, self._key, self._overwrite = store, key, overwrite

    def close(self) -> None:
        if not self.closed:
            mode: dict[str, Any] = {} if self._overwrite else {"mode": "create", "use_multipart": False}
            with self.getbuffer() as data:  # getvalue would be a copy
                obstore.put(self._store, self._key, data, **mode)
        super().close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if kind is not None:
            super().close()  # nothing half-written
        self.close()
