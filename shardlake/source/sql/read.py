"""Reading a window in keyset chunks sized by bytes; each chunk is one statement and one raw file."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace

import connectorx
import pyarrow as pa
import pyarrow.compute as pc

from shardlake.connection.address import Shard
from shardlake.envelope import UNDECODED, Envelope
from shardlake.errors import ShardlakeError, SourceFailed
from shardlake.failpoints import failpoint
from shardlake.ledger.extent import Reading
from shardlake.raw.files import RawTarget, RawWriter
from shardlake.source.sql.dialect import Dialect
from shardlake.source.sql.dialects import dialect
from shardlake.source.sql.literal import BYTES, spelt_in_bytes
from shardlake.source.sql.position import position_of
from shardlake.source.sql.rowwise import as_table
from shardlake.source.sql.select import CURSOR, Relation, chunk_sql, count_sql, describe, tables, takes_nulls, tied_sql
from shardlake.source.sql.window import Position, Window
from shardlake.view.view import View

_FEWEST, _MOST = 100, 250_000
"""Rows of a chunk, whatever its bytes; fewer than the fewest only where those would be wider than _SPARE bytes."""
_SPARE = 4 << 20
_UNKNOWN = 200
"""Rows of a first chunk where nothing is known of their width: a join's rows may be of megabytes."""
_EXPECTED = 1024
"""Bytes of a row at least, before any is read: after a bulk load a server's own estimate may be too small a hundredfold."""
_TIED = 64 << 20
"""Bytes of rows that may have one key: they are read at once."""
_TOLD_APART = {"int", "bool", "bytes", "date", "datetime", "instant"}
"""Kinds of which two values are one to the server only where they are spelt alike."""
_TRIES = 3
"""How often rows are read that change meanwhile."""
_GROWTH = 4
"""How much longer a chunk may be than the one before it, since wide rows may follow narrow ones."""


@dataclass(frozen=True, slots=True)
class Request:
    """What a worker needs to read a window. Holds a password: it goes to the worker over a pipe, and nowhere else."""

    view: View
    shard: Shard
    window: Window
    raw: RawTarget
    as_null: tuple[str, ...] = ()
    chunk_bytes: int = 4 << 20


def envelope_of(view: View, kinds: Mapping[str, str]) -> Envelope:
    """The envelope of raw rows: the cursor is their version, and the deletes column tells what is gone, where that is applied."""
    source = tables(view)
    gone = view.deletes.column if view.deletes and view.deletes.mode == "apply" else None
    if not source.cursors:
        return Envelope(source.primary_key, op=gone)
    version = CURSOR if len(source.cursors) > 1 else source.cursors[0]
    return Envelope(source.primary_key, version, kinds.get(source.cursors[0], "text"), gone)


def extract(request: Request) -> Reading:
    """Read the window into raw. Raises SourceUnavailable, SourceTimeout, SourceFailed, ContractError, LakeUnavailable."""
    speaker, table = dialect(request.shard.dialect), tables(request.view).table
    with speaker.connect(request.shard) as connection:
        try:
            relation = without(describe(request.view, speaker, connection, request.shard.name), request.as_null)
            session = speaker.session(connection, request.shard)
            width = speaker.estimate(connection, table)[1] if table else 0
        except speaker.errors as error:  # a table may go between the plan and the reading
            raise speaker.failure(error, request.shard) from None
    limit = _limit(request.chunk_bytes, max(width, _EXPECTED)) if width else _UNKNOWN
    raw = request.raw.writer(relation.kinds(), envelope_of(request.view, relation.kinds()))
    reader = _Reader(request, speaker, relation, session, raw, limit)
    until = reader.read(nulls=False)
    if until is None and request.window.until is None and takes_nulls(request.view, relation, request.window, speaker):
        reader.read(nulls=True)
    window = request.window
    return Reading(
        tuple(raw.files),
        reader.rows,
        None if until is None else position_of(window, until, window.complete_to),
        # behind a scan of several windows, which may have taken hours, there is more by now
        more=until is not None or (window.kind is not None and window.after is not None),
        ends_snapshot=window.is_snapshot and until is None,
        seconds={"raw": raw.seconds},
    )


def without(relation: Relation, names: tuple[str, ...]) -> Relation:
    """The relation with some columns treated as missing: they are filled with NULL."""
    kept = tuple(c for c in relation.columns if c.name not in names)
    return replace(relation, columns=kept, missing=tuple(dict.fromkeys((*relation.missing, *names))))


def _limit(chunk_bytes: int, width: float) -> int:
    """Rows of a chunk whose rows are `width` bytes wide: as many as fit, and not so few that round trips are what it costs."""
    return max(1, min(_MOST, max(int(chunk_bytes / width), min(_FEWEST, int(_SPARE / width)))))


@dataclass(slots=True)
class _Reader:
    request: Request
    dialect: Dialect
    relation: Relation
    session: list[str]
    raw: RawWriter
    limit: int
    rows: int = 0

    def read(self, *, nulls: bool) -> Position | None:
        """One phase: along the window's order, or through the rows that have no cursor. Returns where it was closed early."""
        request, size = self.request, 0
        after = None if nulls else request.window.after
        while True:
            limit, table, last = self.limit, *self._next(after, nulls=nulls)
            if table.num_rows:
                self.rows += table.num_rows
                size += table.nbytes
                self.raw.write(table)
                failpoint("extract.chunk")
            if last is None:
                return None
            after = last
            self.limit = min(limit * _GROWTH, _limit(request.chunk_bytes, max(table.nbytes, 1) / table.num_rows))
            if size >= tables(request.view).window and not nulls and request.window.until is None:
                return after

    def _sql(self, after: Position | None, limit: int, *, up_to: Position | None = None, nulls: bool) -> str:
        request = self.request
        return chunk_sql(request.view, self.dialect, self.relation, request.window, after=after, up_to=up_to, limit=limit, nulls=nulls)

    def _next(self, after: Position | None, *, nulls: bool) -> tuple[pa.Table, Position | None]:
        """The chunk behind a position, and its last row's position; None where nothing is left.

        Where the primary_key may not be unique, one row more is asked for: it tells whether the chunk ends between two positions.
        """
        more = 0 if self.relation.unique else 1
        table = self._chunk(self._sql(after, self.limit + more, nulls=nulls))
        if table.num_rows < self.limit + more:
            return table, None
        by_cursor = self.request.window.order == "cursor" and not nulls
        found, following = (self._steps(table, row, by_cursor=by_cursor) for row in (self.limit - 1, self.limit - 1 + more))
        last = self._position(found)
        table = table.slice(0, self.limit)
        alike = {self.relation.column(name).kind for name in tables(self.request.view).primary_key} <= _TOLD_APART
        return (table if not more or (alike and last != following) else self._with_ties(table, after, last, nulls=nulls)), last

    def _with_ties(self, table: pa.Table, after: Position | None, last: Position, *, nulls: bool) -> pa.Table:
        """A chunk with all rows that are at its last row's position: the next one begins behind that. Nearly always there is one.

        What is read anew is held against the server's own count. Raises SourceFailed where those rows are too many for the memory, or
        fewer come than there are.
        """
        view, window, read = self.request.view, self.request.window, table.num_rows
        tied = self._count(tied_sql(view, self.dialect, self.relation, window, at=last, nulls=nulls))
        if tied <= 1:
            return table
        key = ", ".join(tables(view).primary_key)
        place = f"{self.request.shard.name}, {tables(view).named}"
        if tied * table.nbytes / read > _TIED:
            raise SourceFailed(
                f"{place}: {tied} rows have one {key} (primary_key), {', '.join(last)[:80]}, and more than {_TIED >> 20} MB",
                hint="Choose a primary_key that is unique.",
            )
        for _ in range(_TRIES):
            table = self._chunk(self._sql(after, read + tied, up_to=last, nulls=nulls))
            there = self._count(count_sql(view, self.dialect, self.relation, window, after=after, up_to=last, nulls=nulls))
            if table.num_rows >= there:
                return table
        raise SourceFailed(
            f"{place}: {table.num_rows} rows were read up to {key} (primary_key) {', '.join(last)[:80]}, and there are {there}",
            hint="Nothing of it counts; run again, or choose a primary_key that is unique.",
        )

    def _count(self, sql: str) -> int:
        try:
            return int(self._read(sql).column(0)[0].as_py())
        except Exception as error:  # noqa: BLE001 - connectorx raises RuntimeError for all
            raise self.dialect.failure(error, self.request.shard) from None

    def _read(self, sql: str) -> pa.Table:
        url = self.dialect.url(self.request.shard)
        return connectorx.read_sql(url, sql, return_type="arrow", protocol="binary", pre_execution_query=self.session)

    def _chunk(self, sql: str) -> pa.Table:
        try:
            table = self._read(sql)
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
        rows = self.dialect.rowwise(self.request.shard, self.session, sql)
        kinds = {c.name: c.kind for c in self.relation.columns}
        if len(cursors := tables(self.request.view).cursors) > 1:
            kinds[CURSOR] = kinds[cursors[0]]
        return as_table(rows, kinds, self.dialect)

    def _position(self, steps: tuple[str | None, ...]) -> Position:
        """A row's steps as a position. Raises SourceFailed where one is NULL: nothing can be told to lie behind it."""
        found = tuple(step for step in steps if step is not None)
        if len(found) < len(steps):
            key = ", ".join(tables(self.request.view).primary_key)
            raise SourceFailed(
                f"{self.request.shard.name}: a row has NULL in its primary_key ({key})",
                hint="Choose a key that is never NULL, or filter such rows in extract.sql.",
            )
        return found

    def _steps(self, table: pa.Table, row: int, *, by_cursor: bool) -> tuple[str | None, ...]:
        """The row's cursor, where rows are in its order, and key."""
        source = tables(self.request.view)
        names = [CURSOR if len(source.cursors) > 1 else source.cursors[0]] if by_cursor else []
        found = [(name, table.column(name)[row]) for name in (*names, *source.primary_key)]
        marks = table.column(UNDECODED)[row].as_py() if UNDECODED in table.column_names else None
        undecoded = json.loads(marks or "[]")
        unknown = [c.name for c in self.relation.columns if c.kind == "text" and not c.encoded]
        return tuple(None if v.as_py() is None else _text(v, undecoded=n in undecoded, unknown=n in unknown) for n, v in found)


def _text(value: pa.Scalar, *, undecoded: bool = False, unknown: bool = False) -> str:
    """A value as a step of a position. Text that is `undecoded`, or of an `unknown` encoding, is spelt by its bytes."""
    if pa.types.is_binary(value.type) or pa.types.is_large_binary(value.type):
        return bytes(value.as_py()).hex()
    if pa.types.is_floating(value.type):
        raise ShardlakeError("a float cannot order rows as a key", hint="Choose another primary_key.")
    text = str(pc.cast(value, pa.string()).as_py())
    if undecoded:
        return spelt_in_bytes(text.removeprefix("\\x"))
    return spelt_in_bytes(text.encode().hex()) if unknown or text.startswith(BYTES) else text
