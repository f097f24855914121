"""Reading a window in keyset chunks sized by bytes; each chunk is one statement and one raw file."""

import time
from dataclasses import dataclass, field
from typing import Any

import connectorx
import pyarrow as pa
import pyarrow.compute as pc

from shardlake.connection.connection import Lake, Shard
from shardlake.errors import ShardlakeError, SourceFailed
from shardlake.failpoints import failpoint
from shardlake.raw import files as raw
from shardlake.raw.store import open_store
from shardlake.source.sql.dialect import Dialect, dialect
from shardlake.source.sql.select import CURSOR, Relation, chunk_sql, describe, takes_nulls
from shardlake.source.sql.window import Position, Window
from shardlake.view.view import View

_FEWEST, _MOST = 100, 250_000
"""Rows of a chunk, whatever its bytes; fewer than the fewest only where those would be wider than _SPARE bytes."""
_SPARE = 4 << 20
_UNKNOWN = 200
"""Rows of a first chunk where nothing is known of their width: a join's rows may be of megabytes."""
_EXPECTED = 1024
"""Bytes of a row at least, before any is read: after a bulk load a server's own estimate may be too small a hundredfold."""
_GROWTH = 4
"""How much longer a chunk may be than the one before it, since wide rows may follow narrow ones."""


@dataclass(frozen=True, slots=True)
class Request:
    """What a worker needs to read a window. Holds a password: it goes to the worker over a pipe, and nowhere else."""

    view: View
    shard: Shard
    lake: Lake
    window: Window
    window_id: int
    folder: str
    as_null: tuple[str, ...] = ()
    chunk_bytes: int = 4 << 20


@dataclass(slots=True)
class Extracted:
    """What was read: files in order, where it stopped if it stopped early, and the seconds of writing."""

    files: list[raw.RawFile] = field(default_factory=list)
    until: Position | None = None
    write_seconds: float = 0.0
    rowwise_chunks: int = 0


def extract(request: Request) -> Extracted:
    """Read the window into raw. Raises SourceUnavailable, SourceTimeout, SourceFailed, ContractError, LakeUnavailable."""
    speaker = dialect(request.shard.dialect)
    with speaker.connect(request.shard) as connection:
        try:
            relation = without(describe(request.view, speaker, connection, request.shard.name), request.as_null)
            session = speaker.session(connection, request.shard)
            width = speaker.estimate(connection, request.view.source.table)[1] if request.view.source.table else 0
        except speaker.errors as error:  # a table may go between the plan and the reading
            raise speaker.failure(error, request.shard) from None
    reader = _Reader(
        request, speaker, relation, session, Extracted(), _limit(request.chunk_bytes, max(width, _EXPECTED)) if width else _UNKNOWN
    )
    reader.read(nulls=False)
    if reader.result.until is None and takes_nulls(request.view, relation, request.window):
        reader.read(nulls=True)
    return reader.result


def without(relation: Relation, names: tuple[str, ...]) -> Relation:
    """The relation with some columns treated as missing: they are filled with NULL."""
    kept = tuple(c for c in relation.columns if c.name not in names)
    return Relation(relation.text, kept, relation.available, tuple(dict.fromkeys((*relation.missing, *names))))


def _limit(chunk_bytes: int, width: float) -> int:
    """Rows of a chunk whose rows are `width` bytes wide: as many as fit, and not so few that round trips are what it costs."""
    return max(1, min(_MOST, max(int(chunk_bytes / width), min(_FEWEST, int(_SPARE / width)))))


@dataclass(slots=True)
class _Reader:
    request: Request
    dialect: Dialect
    relation: Relation
    session: list[str]
    result: Extracted
    limit: int
    store: Any = None

    def read(self, *, nulls: bool) -> None:
        """One phase: along the window's order, or through the rows that have no cursor."""
        request = self.request
        self.store = self.store or open_store(request.lake)
        after = None if nulls else request.window.after
        size = 0
        while True:
            sql = chunk_sql(request.view, self.dialect, self.relation, request.window, after=after, limit=self.limit, nulls=nulls)
            table, limit = self._chunk(sql), self.limit
            if table.num_rows:
                size += table.nbytes
                self._write(table)
                failpoint("extract.chunk")
            if table.num_rows < limit:
                return
            after = self._last(table, by_cursor=request.window.order == "cursor" and not nulls)
            self.limit = min(limit * _GROWTH, _limit(request.chunk_bytes, max(table.nbytes, 1) / table.num_rows))
            if size >= request.view.source.window and not nulls:
                self.result.until = after
                return

    def _chunk(self, sql: str) -> pa.Table:
        try:
            table = connectorx.read_sql(
                self.dialect.url(self.request.shard), sql, return_type="arrow", protocol="binary", pre_execution_query=self.session
            )
        except Exception as error:  # noqa: BLE001 - connectorx raises RuntimeError for all
            failure = self.dialect.failure(error, self.request.shard)
            if not isinstance(failure, SourceFailed):
                raise failure from None
            table = self._rowwise(sql)
        except BaseException as error:  # connectorx's panics are no Exceptions
            if type(error).__name__ != "PanicException":
                raise
            table = self._rowwise(sql)
        for name in self.relation.missing:
            table = table.append_column(name, pa.nulls(table.num_rows, pa.string()))
        return table

    def _rowwise(self, sql: str) -> pa.Table:
        """What connectorx cannot read, a plain driver can: slower, and right on every type."""
        self.result.rowwise_chunks += 1
        rows = self.dialect.rowwise(self.request.shard, self.session, sql)
        kinds = {c.name: c.kind for c in self.relation.columns}
        if len(self.request.view.source.cursors) > 1:
            kinds[CURSOR] = kinds[self.request.view.source.cursors[0]]
        arrays = []
        for place, kind in enumerate(kinds.values()):
            wanted = self.dialect.arrow_type(kind)
            values = [_convert(row[place], wanted) for row in rows]
            wide = wanted == pa.int64() and any(v is not None and v > 2**63 - 1 for v in values)
            arrays.append(pa.array(values, pa.uint64() if wide else wanted))
        return pa.table(dict(zip(kinds, arrays, strict=True)))

    def _write(self, table: pa.Table) -> None:
        started = time.perf_counter()
        number = len(self.result.files)
        self.result.files.append(
            raw.write_chunk(self.store, self.request.folder, self.request.window_id, number, table, self.relation.kinds())
        )
        self.result.write_seconds += time.perf_counter() - started

    def _last(self, table: pa.Table, *, by_cursor: bool) -> Position:
        source = self.request.view.source
        names = [CURSOR if len(source.cursors) > 1 else source.cursors[0]] if by_cursor else []
        values = [table.column(name)[-1] for name in (*names, *source.primary_key)]
        if any(v.as_py() is None for v in values):
            raise SourceFailed(
                f"{self.request.shard.name}: a row has NULL in its primary_key ({', '.join(source.primary_key)})",
                hint="Choose a key that is never NULL, or filter such rows in extract.sql.",
            )
        return tuple(_text(v) for v in values)


def _convert(value: Any, wanted: pa.DataType) -> Any:
    if value is None:
        return None
    if pa.types.is_integer(wanted):
        return int(value)
    if pa.types.is_floating(wanted):
        return float(value)
    if pa.types.is_large_binary(wanted):
        return value if isinstance(value, bytes) else str(value).encode()
    return value.decode() if isinstance(value, bytes) else str(value)


def _text(value: pa.Scalar) -> str:
    if pa.types.is_binary(value.type) or pa.types.is_large_binary(value.type):
        return bytes(value.as_py()).hex()
    if pa.types.is_floating(value.type):
        raise ShardlakeError("a float cannot order rows as a key", hint="Choose another primary_key.")
    return str(pc.cast(value, pa.string()).as_py())
