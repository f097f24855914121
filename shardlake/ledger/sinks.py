"""What each sink of a view has applied: windows, with what became of their rows; and what it lacks.

A sink is `warehouse`, or `lake.` and a layout's table. It takes the windows that it does not hold yet, whoever read them.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from typing import Any
from uuid import UUID

import psycopg
from psycopg.rows import class_row
from psycopg.types.json import Jsonb

from shardlake.errors import AccountingError

Connection = psycopg.Connection[Any]
WAREHOUSE = "warehouse"
"""The sink that is the view's warehouse table."""


def layout_sink(table: str) -> str:
    """The name of the sink that is a layout."""
    return f"lake.{table}"


@dataclass(frozen=True, slots=True)
class Applied:
    """What a sink made of a window, counted on both sides by independent means.

    `raw_rows` = `shaped` + `shape_rejected` + `others` (rows of the feed that are not the view's); `view_rows` = `merged` + `unchanged` + `superseded` + `rejected`; `removed`
    rows left the sink. The ledger refuses what does not add up.
    """

    raw_rows: int = 0
    shaped: int = 0
    shape_rejected: int = 0
    view_rows: int = 0
    merged: int = 0
    unchanged: int = 0
    superseded: int = 0
    rejected: int = 0
    removed: int = 0
    others: int = 0
    seconds: Mapping[str, float] = field(default_factory=dict)

    def __add__(self, other: "Applied") -> "Applied":
        """The counts of several windows together, without seconds."""
        theirs = other.counts()
        found: dict[str, Any] = {name: count + theirs[name] for name, count in self.counts().items()}
        return Applied(**found)

    @property
    def adds_up(self) -> bool:
        """Whether every row that came in has one verdict."""
        return self.view_rows == self.merged + self.unchanged + self.superseded + self.rejected

    def require(self, place: str) -> None:
        """That both equations hold. Raises AccountingError with the `place` and the figures."""
        if self.raw_rows != self.shaped + self.shape_rejected + self.others or not self.adds_up:
            others = f", not the view's {self.others}" if self.others else ""
            raise AccountingError(
                f"{place}: rows do not add up: read {self.raw_rows}, shaped {self.shaped}, rejected in shape {self.shape_rejected}{others};"
                f" view rows {self.view_rows}, merged {self.merged}, unchanged {self.unchanged}, superseded {self.superseded},"
                f" rejected {self.rejected}",
                hint="Nothing was committed. Run it again; if it comes back, please report it.",
            )

    def counts(self) -> dict[str, int]:
        """The counts without the seconds."""
        found: dict[str, Any] = asdict(self)
        found.pop("seconds")
        return found


@dataclass(frozen=True, slots=True)
class Pending:
    """A window that is to be applied. Of one that was `removed` raw is gone."""

    window_id: int
    partition: str
    raw_rows: int
    raw_bytes: int
    removed: bool = False


_COUNTS = tuple(f.name for f in fields(Applied) if f.name != "seconds")


def applied(connection: Connection, view: str, sink: str, window_id: int) -> Applied | None:
    """What the sink made of a window; None where it does not hold it yet."""
    row = connection.execute(
        f"SELECT {', '.join(_COUNTS)}, seconds FROM shardlake.sink_windows WHERE view = %s AND sink = %s AND window_id = %s AND applied_at IS NOT NULL",
        (view, sink, window_id),
    ).fetchone()
    return Applied(**{n: v or 0 for n, v in zip(_COUNTS, row, strict=False)}, seconds=row[-1]) if row else None


def record_applied(connection: Connection, view: str, sink: str, window_id: int, found: Applied) -> None:
    """Write down what a sink made of a window; once more where it was applied again. The table's own checks refuse what does not add up."""
    values = {**found.counts(), "seconds": Jsonb({k: round(v, 4) for k, v in found.seconds.items()})}
    names = ", ".join(values)
    connection.execute(
        f"INSERT INTO shardlake.sink_windows (view, sink, window_id, applied_at, {names}) VALUES (%(view)s, %(sink)s, %(window_id)s, now(),"
        f" {', '.join(f'%({n})s' for n in values)}) ON CONFLICT (view, sink, window_id) DO UPDATE SET applied_at = now(),"
        f" {', '.join(f'{n} = excluded.{n}' for n in values)}",
        {**values, "view": view, "sink": sink, "window_id": window_id},
    )


def ledger_id(connection: Connection) -> UUID:
    """What tells this ledger from another: a sink elsewhere writes it into its marks."""
    row = connection.execute("SELECT ledger_id FROM shardlake.identity").fetchone()
    assert row is not None
    found: UUID = row[0]
    return found


_PENDING = "w.window_id, w.partition, coalesce(w.raw_rows, 0) AS raw_rows, coalesce(w.raw_bytes, 0) AS raw_bytes, w.raw_removed_at IS NOT NULL AS removed"
_LACKS = (
    "w.status = 'read' AND NOT EXISTS (SELECT FROM shardlake.sink_windows s WHERE s.view = %(view)s AND s.sink = %(sink)s"
    " AND s.window_id = w.window_id AND (s.applied_at IS NOT NULL OR NOT %(begun)s))"
)
_SUPERSEDED = (
    "w.raw_removed_at IS NOT NULL AND w.backfill_id IS NULL AND (SELECT count(*) FROM (SELECT FROM shardlake.windows e WHERE e.feed = w.feed"
    " AND e.partition = w.partition AND e.window_id >= w.window_id AND e.status = 'read' AND e.ends_snapshot AND e.backfill_id IS NULL LIMIT 2) e) = 2"
    " AND NOT EXISTS (SELECT FROM shardlake.windows h JOIN shardlake.sink_windows s USING (window_id) WHERE h.feed = w.feed"
    " AND h.partition = w.partition AND h.window_id < w.window_id AND s.view = %(view)s AND s.sink = %(sink)s)"
)
"""A window whose raw is gone, of a sink that has nothing from before it, and a whole snapshot begins behind it: that one has all there is."""


def pending(
    connection: Connection,
    view: str,
    sink: str,
    feed: str,
    partition: str | None = None,
    *,
    of_run: UUID | None = None,
    empty: bool = True,
    backfills: bool = True,
    begun: bool = True,
) -> list[Pending]:
    """The windows of a feed (or of one partition of it) that were read and that the sink lacks, oldest first; a sink that is new begins at
    the last whole snapshot where raw of those before it is gone.

    With `of_run` those that a run has read; without `empty` none that hold no row, without `backfills` none of theirs, without
    `begun` none of a commit that is under way or was broken off.
    """
    own = (" AND w.run_id = %(run)s" if of_run else "") + (" AND w.partition = %(partition)s" if partition else "")
    own += ("" if empty else " AND w.raw_rows > 0") + ("" if backfills else " AND w.backfill_id IS NULL")
    with connection.cursor(row_factory=class_row(Pending)) as cursor:
        return cursor.execute(
            f"SELECT {_PENDING} FROM shardlake.windows w WHERE w.feed = %(feed)s AND {_LACKS} AND NOT ({_SUPERSEDED}){own} ORDER BY w.window_id",
            {"view": view, "sink": sink, "feed": feed, "partition": partition, "run": of_run, "begun": begun},
        ).fetchall()


def has_any(connection: Connection, view: str, sink: str) -> bool:
    """Whether the sink has applied a window of the view, be it one without rows."""
    query = "SELECT 1 FROM shardlake.sink_windows WHERE view = %s AND sink = %s AND applied_at IS NOT NULL LIMIT 1"
    return connection.execute(query, (view, sink)).fetchone() is not None


def has_begun(connection: Connection, view: str, sink: str) -> bool:
    """Whether the sink has begun a commit in the ledger, of windows or of none, and not finished it."""
    query = "SELECT count(*) FROM shardlake.lake_commits WHERE view = %s AND 'lake.' || layout = %s AND status = 'open'"
    return connection.execute(query, (view, sink)).fetchone() != (0,)


def begun(connection: Connection, view: str, sink: str) -> list[int]:
    """The windows of a commit that the sink has begun in the ledger and not finished."""
    query = "SELECT window_id FROM shardlake.sink_windows WHERE view = %s AND sink = %s AND applied_at IS NULL ORDER BY 1"
    return [row[0] for row in connection.execute(query, (view, sink)).fetchall()]


def pick(connection: Connection, window_ids: list[int]) -> list[Pending]:
    """Windows as they are now, oldest first."""
    with connection.cursor(row_factory=class_row(Pending)) as cursor:
        query = f"SELECT {_PENDING} FROM shardlake.windows w WHERE window_id = ANY(%s) ORDER BY window_id"
        return cursor.execute(query, (window_ids,)).fetchall()


def first_missing(connection: Connection, view: str, sink: str, feed: str, *, replaces: bool) -> dict[str, int]:
    """By partition, the first window that is not in the sink (one of an open commit is not); not of backfills, which read again what the runs have read, nor (where
    each run `replaces` the table) one that a later run's has taken the place of.
    """
    later = (
        " AND NOT EXISTS (SELECT FROM shardlake.windows o JOIN shardlake.sink_windows s USING (window_id) WHERE o.feed = w.feed"
        " AND o.partition = w.partition AND o.window_id > w.window_id AND s.view = %(view)s AND s.sink = %(sink)s AND s.applied_at IS NOT NULL)"
    )
    rows = connection.execute(
        f"SELECT w.partition, min(w.window_id) FROM shardlake.windows w WHERE w.feed = %(feed)s AND w.status = 'read' AND w.raw_rows > 0"
        " AND NOT EXISTS (SELECT FROM shardlake.sink_windows s WHERE s.view = %(view)s AND s.sink = %(sink)s AND s.window_id = w.window_id"
        " AND s.applied_at IS NOT NULL)"
        f" AND w.backfill_id IS NULL AND NOT ({_SUPERSEDED}){later if replaces else ''} GROUP BY 1",
        {"view": view, "sink": sink, "feed": feed},
    )
    return dict(rows.fetchall())


def all_rejected(connection: Connection, view: str, sink: str, feed: str, partitions: list[str]) -> list[str]:
    """The partitions of which the sink has rejected every row that last came: all windows with rows of the run that read it."""
    rows = connection.execute(
        "SELECT p FROM unnest(%(partitions)s::text[]) p CROSS JOIN LATERAL ("
        " SELECT w.run_id, s.merged + s.unchanged + s.superseded + s.removed AS others FROM shardlake.windows w JOIN shardlake.sink_windows s USING (window_id) WHERE w.feed = %(feed)s AND w.partition = p"
        " AND w.raw_rows > 0 AND s.view = %(view)s AND s.sink = %(sink)s AND s.applied_at IS NOT NULL ORDER BY w.window_id DESC LIMIT 1) last"
        " CROSS JOIN LATERAL (SELECT sum(s.rejected + s.shape_rejected) AS rejected, sum(s.merged + s.unchanged + s.superseded + s.removed) AS others"
        " FROM shardlake.windows w JOIN shardlake.sink_windows s USING (window_id) WHERE w.run_id = last.run_id AND w.feed = %(feed)s AND w.partition = p"
        " AND s.view = %(view)s AND s.sink = %(sink)s AND s.applied_at IS NOT NULL AND last.others = 0) c WHERE c.rejected > 0 AND c.others = 0",
        {"view": view, "sink": sink, "feed": feed, "partitions": partitions},
    ).fetchall()  # fmt: skip
    return [row[0] for row in rows]


def held(connection: Connection, view: str, sink: str, feed: str, partitions: list[str]) -> list[Pending]:
    """The windows of partitions that the sink holds, oldest first, for a replay."""
    with connection.cursor(row_factory=class_row(Pending)) as cursor:
        return cursor.execute(
            f"SELECT {_PENDING} FROM shardlake.windows w JOIN shardlake.sink_windows s USING (window_id) WHERE w.feed = %s AND w.partition = ANY(%s)"
            " AND w.status = 'read' AND s.view = %s AND s.sink = %s AND s.applied_at IS NOT NULL ORDER BY window_id",
            (feed, partitions, view, sink),
        ).fetchall()


@dataclass(frozen=True, slots=True)
class Brought:
    """What a run's windows of a partition brought into a sink; `windows` names them."""

    partition: str
    merged: int
    removed: int
    windows: str


def brought(connection: Connection, view: str, sink: str, run_id: UUID) -> list[Brought]:
    """What a run's windows brought into a sink, partition by partition."""
    with connection.cursor(row_factory=class_row(Brought)) as cursor:
        return cursor.execute(
            "SELECT w.partition, sum(s.merged)::bigint AS merged, sum(s.removed)::bigint AS removed,"
            " string_agg(w.window_id::text, ', ' ORDER BY w.window_id) AS windows FROM shardlake.windows w JOIN shardlake.sink_windows s USING (window_id)"
            " WHERE w.run_id = %s AND s.view = %s AND s.sink = %s AND s.applied_at IS NOT NULL GROUP BY 1 ORDER BY 1", (run_id, view, sink)
        ).fetchall()  # fmt: skip


def abandon(connection: Connection, feed: str, partition: str) -> None:
    """Give up what was read and no sink holds: the partition is about to be read anew, as a whole. Backfills keep theirs."""
    connection.execute(
        "UPDATE shardlake.windows w SET status = 'abandoned' WHERE feed = %s AND partition = %s AND status = 'read' AND backfill_id IS NULL"
        " AND NOT EXISTS (SELECT FROM shardlake.sink_windows s WHERE s.window_id = w.window_id)",
        (feed, partition),
    )


def read_since(
    connection: Connection, view: str, sink: str, window_ids: list[int], also: Sequence[int] = ()
) -> dict[int, list[tuple[str, str | None, str | None]]]:
    """Of each window the ranges of versions (kind, from, to) of the same partition that were opened after it and are in the sink before
    it; of those that have any. `also` are windows that the sink has, and the ledger does not know of yet.
    """
    rows = connection.execute(
        "SELECT o.window_id, w.version_kind, w.from_version, w.to_version FROM shardlake.windows o JOIN shardlake.windows w USING (feed, partition)"
        " WHERE o.window_id = ANY(%s) AND w.window_id > o.window_id AND w.version_kind = o.version_kind"
        " AND w.backfill_id IS DISTINCT FROM o.backfill_id AND (w.window_id = ANY(%s) OR EXISTS (SELECT FROM shardlake.sink_windows s"
        " WHERE s.window_id = w.window_id AND s.view = %s AND s.sink = %s AND s.applied_at IS NOT NULL)) ORDER BY w.window_id",
        (window_ids, list(also), view, sink),
    ).fetchall()
    found: dict[int, list[tuple[str, str | None, str | None]]] = {}
    for window_id, kind, lower, upper in rows:
        found.setdefault(window_id, []).append((kind, lower, upper))
    return found
