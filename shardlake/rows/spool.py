"""The spool: a window's typed rows on the local disk, kept by `stage` as they pass, so that `write` need not shape again.

Nothing depends on it: rows that are not here are made from raw.
"""

import fcntl
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import astuple, dataclass
from pathlib import Path
from threading import Lock
from weakref import finalize

import pyarrow as pa

from shardlake.shape.chunk import Shaped


@dataclass(frozen=True, slots=True)
class Made:
    """What became of raw rows before they came to a sink: `shaped` gave the `rows` that came and those that the judge `rejected`;
    `others` are not the view's."""

    shaped: int = 0
    shape_rejected: int = 0
    rejected: int = 0
    rows: int = 0
    others: int = 0

    @classmethod
    def of(cls, chunk: Shaped) -> "Made":
        """A chunk's."""
        return cls(chunk.shaped, len(chunk.rejects), len(chunk.judged), chunk.rows.num_rows, chunk.others)

    def __add__(self, other: "Made") -> "Made":
        return Made(*(mine + theirs for mine, theirs in zip(astuple(self), astuple(other), strict=True)))


@dataclass(frozen=True, slots=True)
class Split:
    """A chunk as it is kept: typed rows, and others as text, which Postgres has yet to print. Both have `_op` and their place."""

    rows: pa.Table
    unresolved: pa.Table


@dataclass(frozen=True, slots=True)
class Kept:
    """A window on the local disk: the files of its chunks (`….rows` are typed, `….unresolved` are text), and what they were made of."""

    paths: list[Path]
    made: Made


_PREFIX, _LOCK = "shardlake-scratch-", ".lock"
_YOUNG = 60.0
"""Seconds that a folder without a held lock is left alone."""
MOST = 4 << 30
"""Bytes of a run's spool; windows past that are not kept."""
SPOOLED = MOST // 2
"""Bytes of the spool that wait for a layout until it is written: other chains go on filling it meanwhile."""


class Scratch:
    """A new temporary folder, locked for as long as this object or its process lives: its name alone says nothing to another
    container that shares the disk. Folders whose lock is free are of processes that were killed, and are removed first.
    """

    def __init__(self) -> None:
        for left in Path(tempfile.gettempdir()).glob(f"{_PREFIX}*"):
            _remove_leftover(left)
        folder = Path(tempfile.mkdtemp(prefix=_PREFIX))
        lock = _locked(folder)
        self._end = finalize(self, _remove, folder, lock)
        self.path = folder / "files"
        """Where files may be put: the lock lies beside it."""
        self.path.mkdir()

    def close(self) -> None:
        """Remove the folder."""
        self._end()


def _locked(folder: Path) -> int:
    try:
        lock = os.open(folder / _LOCK, os.O_CREAT | os.O_RDWR, 0o600)
    except OSError:
        folder.rmdir()
        raise
    fcntl.flock(lock, fcntl.LOCK_EX)
    return lock


def _remove(folder: Path, lock: int) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    with suppress(OSError):
        os.close(lock)


def _remove_leftover(folder: Path) -> None:
    """Remove a folder that nobody holds. One that was made just now may be about to be locked."""
    with suppress(OSError):  # another process removes it, or it is another user's
        if time.time() - folder.stat().st_mtime < _YOUNG:
            return
        if not (folder / _LOCK).exists():
            folder.rmdir()
        lock = os.open(folder / _LOCK, os.O_RDWR)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(lock)
            return
        _remove(folder, lock)


@contextmanager
def scratched() -> Iterator[Path]:
    """A temporary folder that goes at the end."""
    scratch = Scratch()
    try:
        yield scratch.path
    finally:
        scratch.close()


class Spool:
    """A run's spool. It keeps windows from `open` to `close`, which are for whoever runs the run to call: in another process of
    the run, where nobody does, it keeps nothing.
    """

    def __init__(self) -> None:
        self._scratch: Scratch | None = None
        self._sizes: dict[int, int] = {}
        self._made: dict[int, Made] = {}
        self._making: dict[int, Lock] = {}
        self._lock = Lock()

    @property
    def _folder(self) -> Path:
        assert self._scratch is not None
        return self._scratch.path

    def open(self) -> None:
        """Make the folder."""
        with self._lock:
            self._scratch = self._scratch or Scratch()

    def close(self) -> None:
        """Remove the folder, and keep no more."""
        with self._lock:
            scratch, self._scratch = self._scratch, None
            self._sizes.clear()
            self._made.clear()
        if scratch:
            scratch.close()

    def _full(self, window_id: int) -> bool:
        """Whether a window is not to be kept: it is already, or there is no room."""
        return self._scratch is None or window_id in self._sizes or sum(self._sizes.values()) >= MOST

    def keep(self, window_id: int, chunks: Iterator[Shaped], split: Callable[[Shaped, int], Split]) -> Iterator[Shaped]:
        """Pass chunks on, and keep them typed. A window that is not passed on to its end is not kept, nor one for which the disk
        has no room; one that was, is kept once.
        """
        with self._lock:
            full = self._full(window_id)
        if full:
            yield from chunks
            return
        place = self._begin(window_id)
        base = size = 0
        made = Made()
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
                made += Made.of(chunk)
                yield chunk
            self._end_of(window_id, place, size, made)
            kept = True
        finally:
            if not kept:  # broken off, by whom it was passed on to or by what it came from
                shutil.rmtree(place, ignore_errors=True)

    def kept(self, window_id: int) -> Kept | None:
        """A window as it is kept; None where it is not."""
        with self._lock:
            made = self._made.get(window_id)
        return None if made is None else Kept(sorted((self._folder / str(window_id)).iterdir()), made)

    def held(self, window_ids: list[int]) -> int:
        """Bytes that are kept of windows."""
        with self._lock:
            return sum(self._sizes.get(window_id, 0) for window_id in window_ids)

    def drop(self, window_ids: list[int]) -> None:
        """Windows that nobody will ask for again; their room is free."""
        for window_id in window_ids:
            with self._lock:
                if self._sizes.pop(window_id, None) is None:
                    continue
                del self._made[window_id]
            shutil.rmtree(self._folder / str(window_id), ignore_errors=True)

    def fill(self, window_ids: list[int], make: Callable[[int], Iterator[tuple[Split, Made]]]) -> None:
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

    def _make(self, window_id: int, make: Callable[[int], Iterator[tuple[Split, Made]]]) -> None:
        with self._lock:
            if self._full(window_id):
                return
        place = self._begin(window_id)
        size, total = 0, Made()
        for number, (found, made) in enumerate(make(window_id)):
            size += _keep(place, number, found)
            total += made
        self._end_of(window_id, place, size, total)

    def _begin(self, window_id: int) -> Path:
        """A folder of its own: a window may be passed on to the warehouse while a layout makes it of raw."""
        return Path(tempfile.mkdtemp(prefix=f"{window_id}.", suffix=".part", dir=self._folder))

    def _end_of(self, window_id: int, place: Path, size: int, made: Made) -> None:
        with self._lock:
            if window_id in self._sizes:  # another was faster, with the same rows
                shutil.rmtree(place, ignore_errors=True)
                return
            place.replace(self._folder / str(window_id))
            self._sizes[window_id], self._made[window_id] = size, made


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
