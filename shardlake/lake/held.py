"""A commit's encoded files, until all of them are there and put."""

from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

from obstore.store import ObjectStore

from shardlake.errors import ShardlakeError
from shardlake.lake.files import Encoded
from shardlake.ledger.lake import LakeFile
from shardlake.store import put, remove

MEMORY = 16 << 20
"""Bytes of encoded files that wait in memory."""
PUTS = 8
"""Objects put at once."""


class Held:
    """A commit's encoded files until all are there: in memory, and past MEMORY on the local disk."""

    def __init__(self, folder: Path) -> None:
        self.files: list[LakeFile] = []
        self._folder, self._data, self._size = folder, dict[int, bytes](), 0

    def add(self, encoded: Encoded) -> None:
        """Keep a file."""
        number = len(self.files)
        self.files.append(encoded.file)
        if self._size + len(encoded.data) > MEMORY:
            (self._folder / str(number)).write_bytes(encoded.data)
        else:
            self._data[number] = encoded.data
            self._size += len(encoded.data)

    def data(self, number: int) -> bytes:
        """A file's bytes."""
        found = self._data.get(number)
        return (self._folder / str(number)).read_bytes() if found is None else found


def put_all(store: ObjectStore, held: Held) -> None:
    """Put every file, several at once. Where one cannot be put, those that were go again."""
    try:
        with ThreadPoolExecutor(PUTS) as pool:
            puts = [pool.submit(lambda n=n: put(store, held.files[n].key, held.data(n))) for n in range(len(held.files))]  # type: ignore[misc]  # mypy infers no type of a lambda's default
            for done in puts:
                done.result()
    except ShardlakeError:
        with suppress(ShardlakeError):
            remove(store, [f.key for f in held.files])
        raise
