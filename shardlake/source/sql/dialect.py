"""What the engine asks of a kind of SQL server. `mysql.py` and `postgres.py` answer."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, Protocol

import pyarrow as pa

from shardlake.connection.address import Shard
from shardlake.errors import ShardlakeError

Kind = Literal[
    "int", "float", "decimal", "bool", "text", "json", "bytes", "date", "datetime", "instant", "time", "array",
    "geometry", "null", "other",
]  # fmt: skip
"""What a source column holds, whatever the server calls it. `instant` is a datetime that knows its zone."""

CURSOR_KINDS: tuple[Kind, ...] = ("int", "decimal", "date", "datetime", "instant")
KEY_KINDS: tuple[Kind, ...] = ("int", "decimal", "bool", "text", "bytes", "date", "datetime", "instant", "time")


@dataclass(frozen=True, slots=True)
class ColumnType:
    """A type of a server: what its values are to the engine, and the type that a draft declares for them.

    Values of the kind `other` are not read, and have no target; `advice` says what to write in extract.sql instead. `ordered` is
    false where ORDER BY goes by something else than the text that the column is compared as, or cannot be.
    """

    kind: Kind
    target: str | None = None
    advice: str = ""
    ordered: bool = True


@dataclass(frozen=True, slots=True)
class SourceColumn:
    """A column of a shard's table or query. `declared` is the server's own name for its type, for people.

    `sorts_as_it_compares`, `target` and `advice` are its type's (see ColumnType). `encoded` is false where the server does not know in which
    encoding its text is. `on_update` says that the server writes it whenever
    the row changes, `flag` that it is declared as what is mostly true or false and may hold other numbers.
    """

    name: str
    kind: Kind
    declared: str
    nullable: bool = True
    sorts_as_it_compares: bool = True
    encoded: bool = True
    target: str | None = None
    advice: str = ""
    on_update: bool = False
    flag: bool = False


@dataclass(frozen=True, slots=True)
class Index:
    """An index that can serve an order: its columns, up to the first part that is no whole column. `unique` is by just these columns."""

    columns: tuple[str, ...]
    unique: bool = False

    @classmethod
    def of(cls, parts: Sequence[str | None], *, unique: bool) -> "Index":
        """The index of these parts; None is one that is no whole column, such as an expression."""
        whole = tuple(part for n, part in enumerate(parts) if part and None not in parts[:n])
        return cls(whole, unique and len(whole) == len(parts))


@dataclass(frozen=True, slots=True)
class Clock:
    """A shard's own time, UTC; `bound` is how far a window may reach; `notes` say what could not be seen.

    `oldest` is when the oldest transaction began that is open and may write; None where none is. `prepared` are those of which nobody
    knows when they began: two-phase commits wait in them. `behind` says that a replica has not applied all that its primary had when it
    was asked. `held` is what keeps a window from reaching further, where that is known by its name.
    """

    now: datetime
    bound: datetime
    notes: tuple[str, ...] = ()
    oldest: datetime | None = None
    prepared: tuple[str, ...] = ()
    behind: bool = False
    held: str | None = None


CATCH_UP = 5.0
"""Seconds that a replica is given to apply what its primary had committed when it was asked."""
UNSEEN = (
    "the open transactions of the replica's primary cannot be seen (name it as `primary`): late commits are caught by the lookback alone"
)


def lagging(seconds: float | None) -> str:
    """The note on a replica that has not applied what its primary had committed."""
    by = f" by {seconds:.0f} s" if seconds else ""
    return f"the replica is behind its primary{by}: transactions that have ended there meanwhile are caught by the lookback alone"


@dataclass(frozen=True, slots=True)
class Access:
    """How the server would read: rows it expects to look at, the index it takes, and whether it reads the whole table."""

    rows: int
    index: str | None
    full_scan: bool


class Dialect(Protocol):
    """One kind of SQL server. Connections are DB-API ones, in autocommit, read-only, with timeouts set."""

    name: str
    errors: tuple[type[Exception], ...]
    """What the driver raises; `failure` makes ours of it."""

    def connect(self, shard: Shard) -> Any:
        """Open a session fit for short questions. Raises SourceUnavailable or AccessRefused."""

    def failure(self, error: BaseException, shard: Shard) -> ShardlakeError:
        """A driver's or connectorx's error as one of ours, without data or secrets."""

    def quote(self, name: str) -> str:
        """An identifier, quoted."""

    def literal(self, kind: Kind, value: str) -> str:
        """A value as a typed literal that needs no escaping. Raises SpecError for what is not of that kind."""

    def columns(self, connection: Any, relation: str) -> list[SourceColumn]:
        """The columns of a quoted table, those that `SELECT *` does not show among them, or of a query in parentheses."""

    def tables(self, connection: Any, database: str) -> list[str]:
        """The tables and views of the shard's database."""

    def databases(self, connection: Any) -> list[str]:
        """The databases of the server, without its own."""

    def primary_key(self, connection: Any, table: str) -> list[str]:
        """The columns of a table's primary key, in order."""

    def indexes(self, connection: Any, table: str) -> list[Index]:
        """The indexes of a table that a reading in order can use: not those of a part of its rows, invisible ones, or of another method."""

    def unique_keys(self, connection: Any, table: str) -> list[list[str]] | None:
        """The columns of each index that holds them to be unique and never NULL. None for what cannot say so: a view."""

    def clock(self, connection: Any, shard: Shard) -> Clock:
        """The shard's time, bounded by its oldest open transaction; on a replica by its primary's, and by what was applied."""

    def estimate(self, connection: Any, table: str) -> tuple[int, int]:
        """About how many rows a table has, and bytes a row."""

    def explain(self, connection: Any, sql: str) -> Access:
        """How the server would run `sql`."""

    def safe(self, column: SourceColumn, quoted: str) -> str:
        """The expression that brings a column over exactly."""

    def untimed(self, cursor: str, kind: Kind | None) -> str | None:
        """The condition that a cursor of times is none: it lies before every window and is read as NULL is. None where there is no such."""

    def finite(self, cursor: str, kind: Kind | None) -> str | None:
        """The condition that a cursor of numbers is one, and not behind all of them. None where there is no such."""

    def nulls_first(self) -> str:
        """What ORDER BY needs after a nullable column, so that NULLs come first."""

    def url(self, shard: Shard) -> str:
        """The address for connectorx; it holds the password: never show it."""

    def session(self, connection: Any, shard: Shard) -> list[str]:
        """Statements that make a connectorx session read-only, UTC and limited in time."""

    def rowwise(self, shard: Shard, session: Sequence[str], sql: str) -> list[tuple[Any, ...]]:
        """The rows of `sql`, by a driver that converts nothing: slower, for what connectorx cannot read. Text that is not UTF-8
        comes as bytes; other text may.
        """

    def arrow_type(self, kind: Kind) -> pa.DataType:
        """The Arrow type in which a column of that kind arrives."""
