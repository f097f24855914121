"""The spool: a window's typed rows on the local disk, kept by `stage` as they pass, so that `write` need not shape again.

Nothing depends on it: rows that are not here are made from raw.
"""

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Lock
from weakref import finalize

import pyarrow as pa

from shardlake.shape.chunk import Shaped
from shardlake.sink.lake.typed import Split

MOST = 4 << 30
"""Bytes of a run's spool; windows past that are not kept."""


def scratch() -> Path:
    """A new temporary folder of this process. Those of processes that were killed are removed first."""
    for left in Path(tempfile.gettempdir()).glob("shardlake-*-*"):
        pid = left.name.split("-")[1]
        if pid.isdigit() and not _alive(int(pid)):
            shutil.rmtree(left, ignore_errors=True)
    return Path(tempfile.mkdtemp(prefix=f"shardlake-{os.getpid()}-"))


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


@contextmanager
def scratched() -> Iterator[Path]:
    """A temporary folder that goes at the end."""
    folder = scratch()
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


class Spool:
    """A run's spool, in a temporary folder that goes with it."""

    def __init__(self) -> None:
        self._folder = scratch()
        self._end = finalize(self, shutil.rmtree, self._folder, ignore_errors=True)
        self._sizes: dict[int, int] = {}
        self._making: dict[int, Lock] = {}
        self._lock = Lock()

    def close(self) -> None:
        """Remove the folder."""
        self._end()

    def keep(self, window_id: int, chunks: Iterator[Shaped], split: Callable[[Shaped, int], Split]) -> Iterator[Shaped]:
        """Pass chunks on, and keep them typed. A window that is not passed on to its end is not kept, nor one for which the disk
        has no room; one that was, is kept once.
        """
        with self._lock:
            full = window_id in self._sizes or sum(self._sizes.values()) >= MOST
        if full:
            yield from chunks
            return
        place = self._begin(window_id)
        base = size = 0
        kept = False
        try:
            for number, chunk in enumerate(chunks):
                try:
                    size += _keep(place, number, split(chunk, base))
                except OSError:  # a full disk: the rows are made of raw when they are written
                    shutil.rmtree(place, ignore_errors=True)
                    yield chunk
                    yield from chunks
                    return
                base += chunk.shaped + len(chunk.rejects)
                yield chunk
            self._end_of(window_id, place, size)
            kept = True
        finally:
            if not kept:  # broken off, by whom it was passed on to or by what it came from
                shutil.rmtree(place, ignore_errors=True)

    def files(self, window_id: int) -> list[Path] | None:
        """The kept chunks of a window: `….rows` are typed, `….unresolved` are text. None where the window is not kept."""
        with self._lock:
            if window_id not in self._sizes:
                return None
        return sorted((self._folder / str(window_id)).iterdir())

    def held(self, window_ids: list[int]) -> int:
        """Bytes that are kept of windows."""
        with self._lock:
            return sum(self._sizes.get(window_id, 0) for window_id in window_ids)

    def drop(self, window_ids: list[int]) -> None:
        """Windows that nobody will ask for again; their room is free."""
        for window_id in window_ids:
            with self._lock:
                self._sizes.pop(window_id, None)
            shutil.rmtree(self._folder / str(window_id), ignore_errors=True)

    def fill(self, window_ids: list[int], make: Callable[[int], Iterator[Split]]) -> None:
        """Keep windows that are not kept yet, each made once: layouts that are written at the same time share the work."""
        for wait in (False, True):
            for window_id in window_ids:
                with self._lock:
                    making = self._making.setdefault(window_id, Lock())
                if making.acquire(blocking=wait):
                    try:
                        self._make(window_id, make)
                    finally:
                        making.release()

    def _make(self, window_id: int, make: Callable[[int], Iterator[Split]]) -> None:
        with self._lock:
            if window_id in self._sizes or sum(self._sizes.values()) >= MOST:
                return
        place = self._begin(window_id)
        size = sum(_keep(place, number, found) for number, found in enumerate(make(window_id)))
        self._end_of(window_id, place, size)

    def _begin(self, window_id: int) -> Path:
        """A folder of its own: a window may be passed on to the warehouse while a layout makes it of raw."""
        return Path(tempfile.mkdtemp(prefix=f"{window_id}.", suffix=".part", dir=self._folder))

    def _end_of(self, window_id: int, place: Path, size: int) -> None:
        with self._lock:
            if window_id in self._sizes:  # another was faster, with the same rows
                shutil.rmtree(place, ignore_errors=True)
                return
            place.replace(self._folder / str(window_id))
            self._sizes[window_id] = size


def write_chunk(place: Path, stem: str, found: Split) -> list[Path]:
    """A chunk's files in a folder: `.rows` and `.unresolved`, where it has such."""
    paths = []
    for kind, table in (("rows", found.rows), ("unresolved", found.unresolved)):
        if table.num_rows:
            paths.append(place / f"{stem}.{kind}")
            write_table(paths[-1], table)
    return paths


def _keep(place: Path, number: int, found: Split) -> int:
    """Keep a chunk; returns its bytes."""
    return sum(path.stat().st_size for path in write_chunk(place, f"{number:06d}", found))


def write_table(path: Path, table: pa.Table) -> None:
    """Keep a table in a file."""
    with pa.OSFile(str(path), "w") as sink, pa.ipc.new_file(sink, table.schema) as writer:
        writer.write_table(table)


def read_table(path: Path) -> pa.Table:
    """A kept table, mapped rather than read: what is taken of it is copied, the rest never enters memory."""
    return pa.ipc.open_file(pa.memory_map(str(path))).read_all()
