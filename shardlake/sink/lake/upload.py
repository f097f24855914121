"""A commit's encoded files on their way into the store, several at once, while others are still encoded.

Their keys are written down before they are put; so whatever breaks off, the next try knows what to remove.
"""

from collections import deque
from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress

from obstore.store import ObjectStore

from shardlake.errors import ShardlakeError
from shardlake.failpoints import failpoint
from shardlake.ledger.lake import LakeFile
from shardlake.raw.store import put, remove
from shardlake.sink.lake.files import Encoded

AT_ONCE = 8
"""Objects put at once."""
FILES, BYTES = 32, 8 << 20
"""So many files, or bytes of them, are written down together."""
MEMORY = 16 << 20
"""Bytes on their way, past which encoding waits."""


def upload(store: ObjectStore, encoded: Iterable[Encoded], record: Callable[[list[LakeFile]], None]) -> list[LakeFile]:
    """Put files as they are encoded; `record` writes them down. Where one cannot be put, or made, those that were go again.

    Raises LakeUnavailable, and what `encoded` and `record` raise.
    """
    uploads = _Uploads(store, record)
    try:
        for one in encoded:
            uploads.add(one)
        uploads.finish()
    except BaseException:  # whatever ends it, a cancelled run included: nothing may stay that no commit holds
        uploads.take_back()
        raise
    return uploads.files


class _Uploads:
    def __init__(self, store: ObjectStore, record: Callable[[list[LakeFile]], None]) -> None:
        self.files: list[LakeFile] = []
        self._store, self._record = store, record
        self._pool = ThreadPoolExecutor(AT_ONCE)
        self._waiting: list[Encoded] = []
        self._bytes = 0
        self._under_way: deque[tuple[Future[None], int]] = deque()

    def add(self, encoded: Encoded) -> None:
        self._waiting.append(encoded)
        if len(self._waiting) >= FILES or sum(len(e.data) for e in self._waiting) >= BYTES:
            self._send()

    def _send(self) -> None:
        batch, self._waiting = self._waiting, []
        self._record([e.file for e in batch])
        failpoint("lake.recorded")
        self.files += [e.file for e in batch]
        for encoded in batch:
            self._under_way.append((self._pool.submit(put, self._store, encoded.file.key, encoded.data), len(encoded.data)))
            self._bytes += len(encoded.data)
        while self._under_way and (self._bytes > MEMORY or self._under_way[0][0].done()):
            future, size = self._under_way.popleft()
            future.result()
            self._bytes -= size

    def finish(self) -> None:
        failpoint("lake.encoded")
        self._send()
        for future, _ in self._under_way:
            future.result()
        self._pool.shutdown()
        failpoint("lake.put")

    def take_back(self) -> None:
        """Remove what was put; what cannot be removed now, the next try removes."""
        self._pool.shutdown(cancel_futures=True)
        with suppress(ShardlakeError):
            remove(self._store, [f.key for f in self.files])
