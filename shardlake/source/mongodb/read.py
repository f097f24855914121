"""Reading a window into raw: a first load by ranges of `_id`, several at once; a later window along the cursor."""

import threading
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from bson import decode

from shardlake.connection.mongodb import MongoDB
from shardlake.errors import SourceTimeout
from shardlake.failpoints import failpoint
from shardlake.ledger.extent import Reading
from shardlake.raw.files import RawTarget, RawWriter
from shardlake.source.mongodb.client import LENIENT, collection_of, connect, failures
from shardlake.source.mongodb.cursor import Bound, version_text
from shardlake.source.mongodb.exact import Walk
from shardlake.source.mongodb.position import Interval, Window, behind, id_of, spelt_id
from shardlake.source.mongodb.query import filter_of, projection_of
from shardlake.source.mongodb.rows import KEY, RowMaker, envelope_of, kinds_of
from shardlake.source.mongodb.waiting import TooLate, ahead, apart
from shardlake.view.mongodb import MongoCollection
from shardlake.view.view import View

_EXPECTED, _FEWEST = 1024, 100
"""Bytes of a document, by which as many are asked for at once as a chunk has, and how few at least; the server sends 16 MB at most."""


@dataclass(frozen=True, slots=True)
class Request:
    """What is to be read, and where to."""

    view: View
    source: MongoCollection
    spec: MongoDB
    partition: str
    window: Window
    raw: RawTarget
    threads: int
    smaller: int = 1


def extract(request: Request) -> Reading:
    """Read the window into raw. Raises SourceUnavailable, SourceTimeout, SourceFailed, AccessRefused, LakeUnavailable."""
    source, window = request.source, request.window
    threads = min(request.threads, len(window.intervals)) or 1
    raw = request.raw.writer(kinds_of(request.view, window.by), envelope_of(request.view, window.by))
    seconds = source.deadline.total_seconds()
    with failures(request.partition, request.spec), connect(request.spec, pool=threads) as client:
        reader = _Reader(request, collection_of(client, request.partition, source.collection), raw, deque(window.intervals))
        read = reader.by_id if window.intervals else reader.by_cursor
        try:
            apart([read] * threads, seconds, on_end=reader.stop)
        except TooLate:
            raise SourceTimeout(
                f"{request.partition} ({request.spec.address.shown}): the window was not read in {seconds:g} s; reading was ended",
                hint="Check the server, or raise source.deadline.",
            ) from None
    left = tuple(interval for interval in window.intervals if interval.upper in reader.left)
    left = tuple(reader.left[interval.upper] for interval in left)
    return Reading(
        tuple(raw.files),
        reader.rows,
        behind(window, left, reader.reached).json() if left or reader.reached else None,
        # behind a first load, which may have taken hours, there is more by now
        more=bool(left or reader.reached) or (window.goes_on and window.by is not None),
        ends_snapshot=bool(window.intervals) and not left,
        seconds={"raw": raw.seconds},
    )


@dataclass(slots=True)
class _Reader:
    """What the threads of one window share. `left` are the intervals that were not read to their end, by that end."""

    request: Request
    collection: Any
    raw: RawWriter
    waiting: deque[Interval]
    left: dict[str, Interval] = field(default_factory=dict)
    rows: int = 0
    size: int = 0
    reached: str | None = None
    stopped: threading.Event = field(default_factory=threading.Event)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def stop(self) -> None:
        """Let nothing more be written. Without the lock: a thread may hold it while the lake takes a file, and nobody waits for that."""
        self.stopped.set()

    @property
    def full(self) -> bool:
        """Whether the window is as large as one may be."""
        return self.size >= self.request.source.window and not self.request.window.whole

    def by_id(self) -> None:
        """One thread: an interval behind the other, until none waits or the window is full."""
        maker = self._maker()
        while (interval := self._next()) is not None:
            for _ in self._chunks(maker, self._interval(interval)):
                if self.full:
                    self._leave(Interval(spelt_id(maker.last), interval.upper, on=True, until=interval.until))
                    return
        self._write(maker)

    def _next(self) -> Interval | None:
        with self._lock:
            if self.stopped.is_set() or not self.waiting:
                return None
            if self.full:
                self.left |= {interval.upper: interval for interval in self.waiting}
                self.waiting.clear()
                return None
            return self.waiting.popleft()

    def _leave(self, interval: Interval) -> None:
        with self._lock:
            self.left[interval.upper] = interval
            self.left |= {waits.upper: waits for waits in self.waiting}
            self.waiting.clear()

    def _interval(self, interval: Interval) -> Iterator[bytes]:
        """The documents of an interval, in the order of `_id` as the index has it, types of all kinds among them."""
        request = self.request
        cursor = self.collection.find_raw_batches(filter_of(request.source, request.window), projection_of(request.source, request.view))
        if not (request.window.whole and interval == Interval()):  # as it comes: what is no plain collection has no index
            cursor = cursor.sort("_id", 1).hint([("_id", 1)])
        if interval.lower:
            cursor = cursor.min([("_id", id_of(interval.lower))])
        if interval.upper:
            cursor = cursor.max([("_id", id_of(interval.upper))])
        read, until = interval.lower if interval.on else "", interval.until
        for document in self._documents(cursor):
            if read or until:
                own = spelt_id(decode(Walk(document).only({KEY}), LENIENT)[KEY])
                known, read = own == read, ""  # the first alone can be the one that was read last
                if known:
                    continue
                if own == until:
                    yield document
                    return
            yield document

    def by_cursor(self) -> None:
        """The one thread of a later window. One that is closed early ends behind all documents that have one value of the cursor."""
        window, maker = self.request.window, self._maker()
        cursor = self.collection.find_raw_batches(
            filter_of(self.request.source, window), projection_of(self.request.source, self.request.view)
        )
        if window.ordered:
            cursor = cursor.sort(str(self.request.source.cursor), 1)
        edge: Bound | None = None
        for document in self._documents(cursor):
            if edge is not None and self._behind(edge, document, maker):
                self.reached = edge.text
                break
            maker.add(document)
            if maker.size >= self._chunk:
                version = version_text(maker.value, window.by) if window.by else None
                self._write(maker)
                if self.full and window.ordered and window.by and version is not None:
                    reached = Bound(window.by, version)
                    # a bound may be less than the value that it stands for: then the last value is read again, and is no progress
                    edge = reached if window.bound(str(window.lower)).precedes(reached) else None
        self._write(maker)

    def _behind(self, edge: Bound, document: bytes, maker: RowMaker) -> bool:
        """Whether a document's cursor is another than that of the last one that was written. One may be an array, which has none."""
        version = maker.version_of(document)
        return version is not None and edge.precedes(Bound(edge.by, version))

    def _maker(self) -> RowMaker:
        return RowMaker.of(self.request.view, self.request.source, self.request.window.by, self.request.window.ids)

    @property
    def _chunk(self) -> int:
        return max(1, self.request.source.chunk // self.request.smaller)

    def _chunks(self, maker: RowMaker, documents: Iterator[bytes]) -> Iterator[None]:
        """Rows of documents, written chunk by chunk; what is less than a chunk stays in the maker."""
        for document in documents:
            maker.add(document)
            if maker.size >= self._chunk:
                self._write(maker)
                yield

    def _documents(self, cursor: Any) -> Iterator[bytes]:
        """A cursor's documents, cut out of what the server sends at once."""
        source = self.request.source
        with cursor.max_time_ms(int(source.deadline.total_seconds() * 1000)).batch_size(max(_FEWEST, source.chunk // _EXPECTED)):
            for batch in ahead(iter(cursor)):
                at, end = 0, len(batch)
                while at < end:
                    size = int.from_bytes(batch[at : at + 4], "little")
                    yield batch[at : at + size]
                    at += size
                if self.stopped.is_set():
                    return

    def _write(self, maker: RowMaker) -> None:
        size = maker.size
        if not len(maker):
            return
        table = maker.take()
        with self._lock:
            if self.stopped.is_set():
                return
            self.raw.write(table)
            if self.stopped.is_set():  # meanwhile: nobody counts the file
                self.raw.take_back(len(self.raw.files) - 1)
                return
            self.rows += table.num_rows
            self.size += size
        failpoint("extract.chunk")
