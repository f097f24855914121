"""The ledger's backfills: the slices of a range, how far each is, and what their windows came to.

A slice's truth is in its windows, which are written by the same transactions as any; `done` is noted behind them, and
found out again where a run was killed in between.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, Protocol
from uuid import UUID, uuid4

import psycopg
from psycopg.rows import class_row

from shardlake.ledger import windows
from shardlake.ledger.windows import Window

Connection = psycopg.Connection[Any]
_LEFT = "state NOT IN ('completed', 'given up')"
_COUNTS = ("merged", "unchanged", "superseded", "rejected", "shape_rejected", "removed")


class Range(Protocol):
    """What a backfill reads again: `(lower, upper]` of a cursor, as text on the scale of its kind, and how it is cut. The source knows how."""

    @property
    def kind(self) -> str:
        """The cursor's kind."""

    @property
    def lower(self) -> str:
        """Where the range begins; the row there is not in it."""

    @property
    def upper(self) -> str:
        """Where the range ends; the row there is in it."""

    @property
    def step(self) -> str:
        """The length of a slice."""

    def slices(self) -> list[tuple[str, str]]:
        """The range cut into steps, in order."""


@dataclass(frozen=True, slots=True)
class Slice:
    """One shard's part of a backfill: `(lower, upper]` of the cursor."""

    backfill: UUID
    number: int
    shard: str
    kind: str
    lower: str
    upper: str

    def __str__(self) -> str:
        return f"slice ({self.lower}, {self.upper}]"


def unfinished(connection: Connection, view: str, found: Range, shards: list[str]) -> UUID | None:
    """The backfill of this view, range, step and shards that has not come to its end, if there is one."""
    row = connection.execute(
        "SELECT backfill_id FROM shardlake.backfills WHERE view = %s AND kind = %s AND lower_bound = %s AND upper_bound = %s AND step = %s"
        f" AND shards = %s AND {_LEFT} ORDER BY started_at DESC LIMIT 1",
        (view, found.kind, found.lower, found.upper, found.step, sorted(shards)),
    ).fetchone()
    return row[0] if row else None


@dataclass(frozen=True, slots=True)
class Unfinished:
    """A backfill that has not come to its end: under way, broken off, or with slices that failed."""

    id: UUID
    view: str
    lower: str
    upper: str
    step: str
    shards: list[str]
    done: int
    slices: int
    state: str
    started_at: datetime
    message: str | None

    @property
    def name(self) -> str:
        """As much of its id as people need."""
        return str(self.id)[:8]

    @property
    def lock(self) -> str:
        """The name of the lock that its runs hold."""
        return lock_name(self.view, self.lower, self.upper, self.step, self.shards)

    def as_json(self) -> dict[str, Any]:
        """As a program reads it."""
        return {
            "id": str(self.id), "view": self.view, "from": self.lower, "to": self.upper, "step": self.step, "shards": self.shards, "done": self.done,
            "slices": self.slices, "state": self.state, "started": self.started_at.isoformat(), "message": self.message,
        }  # fmt: skip


def all_unfinished(connection: Connection, view: str) -> list[Unfinished]:
    """The view's backfills that have not come to their end, oldest first. Of those of one range, step and shards the last counts."""
    with connection.cursor(row_factory=class_row(Unfinished)) as cursor:
        return cursor.execute(
            "SELECT backfill_id AS id, view, lower_bound AS lower, upper_bound AS upper, step, shards, d.done, d.slices, state, started_at, message"
            " FROM (SELECT DISTINCT ON (kind, lower_bound, upper_bound, step, shards) * FROM shardlake.backfills WHERE view = %s"
            " ORDER BY kind, lower_bound, upper_bound, step, shards, started_at DESC) b"
            " CROSS JOIN LATERAL (SELECT count(*) FILTER (WHERE s.state = 'done') AS done, count(*) AS slices"
            f" FROM shardlake.backfill_slices s WHERE s.backfill_id = b.backfill_id) d WHERE b.{_LEFT} ORDER BY started_at",
            (view,),
        ).fetchall()


def lock_name(view: str, lower: str, upper: str, step: str, shards: list[str]) -> str:
    """The name of the lock by which a backfill of this range runs once at a time."""
    return "shardlake.backfill." + " ".join([view, lower, upper, step, *sorted(shards)])


def create(connection: Connection, view: str, found: Range, steps: list[tuple[str, str]], shards: list[str]) -> UUID:
    """Write down a backfill and all its slices; shards take turns, so that neighbouring slices burden different ones."""
    backfill = uuid4()
    with connection.transaction(), connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO shardlake.backfills (backfill_id, view, kind, lower_bound, upper_bound, step, shards) VALUES (%s, %s, %s, %s, %s, %s, %s)",
            (backfill, view, found.kind, found.lower, found.upper, found.step, sorted(shards)),
        )
        with cursor.copy("COPY shardlake.backfill_slices (backfill_id, slice, shard, lower_bound, upper_bound) FROM STDIN") as copy:
            for n, (lower, upper) in enumerate(steps):
                for m, shard in enumerate(shards):
                    copy.write_row((backfill, n * len(shards) + m, shard, lower, upper))
    return backfill


def begin_again(connection: Connection, backfill: UUID) -> None:
    """A backfill goes on."""
    connection.execute(
        "UPDATE shardlake.backfills SET state = 'running', ended_at = NULL, message = NULL WHERE backfill_id = %s", (backfill,)
    )


def slices(connection: Connection, backfill: UUID) -> tuple[list[Slice], int]:
    """The slices that are not done yet, in order, and how many there are in all."""
    rows = connection.execute(
        "SELECT s.slice, s.shard, b.kind, s.lower_bound, s.upper_bound, s.state FROM shardlake.backfill_slices s JOIN shardlake.backfills b USING (backfill_id)"
        " WHERE backfill_id = %s ORDER BY s.slice", (backfill,)
    ).fetchall()  # fmt: skip
    return [Slice(backfill, n, shard, kind, low, up) for n, shard, kind, low, up, state in rows if state != "done"], len(rows)


def last_window(connection: Connection, part: Slice, view: str) -> tuple[Literal["open", "read", "applied"], Window] | None:
    """The newest window of a slice, and whether it is in the warehouse."""
    row = connection.execute(
        "SELECT w.window_id, CASE WHEN s.applied_at IS NOT NULL THEN 'applied' ELSE w.status END FROM shardlake.windows w"
        " LEFT JOIN shardlake.sink_windows s ON s.window_id = w.window_id AND s.view = %s AND s.sink = 'warehouse'"
        " WHERE backfill_id = %s AND slice = %s AND status <> 'abandoned' ORDER BY w.window_id DESC LIMIT 1",
        (view, part.backfill, part.number),
    ).fetchone()
    return (row[1], windows.load(connection, row[0])) if row else None


def end_slice(connection: Connection, part: Slice, state: Literal["waiting", "done", "failed"], error: str | None = None) -> None:
    """Note how a slice has come out."""
    connection.execute(
        "UPDATE shardlake.backfill_slices SET state = %s, error = %s, ended_at = now() WHERE backfill_id = %s AND slice = %s",
        (state, error, part.backfill, part.number),
    )


def close(connection: Connection, backfill: UUID, *, ok: bool, message: str) -> None:
    """Note how a backfill has come out."""
    connection.execute(
        "UPDATE shardlake.backfills SET state = %s, message = %s, ended_at = now() WHERE backfill_id = %s",
        ("completed" if ok else "failed", message, backfill),
    )


def give_up(connection: Connection, backfill: UUID) -> None:
    """A backfill that is not to go on, nor its windows that no sink has."""
    connection.execute("UPDATE shardlake.backfills SET state = 'given up', ended_at = now() WHERE backfill_id = %s", (backfill,))
    connection.execute(
        "UPDATE shardlake.windows w SET status = 'abandoned' WHERE backfill_id = %s AND (status = 'open' OR status = 'read' AND NOT EXISTS"
        " (SELECT FROM shardlake.sink_windows s WHERE s.window_id = w.window_id))",
        (backfill,),
    )


def merged(connection: Connection, backfill: UUID) -> dict[str, tuple[int, dict[str, int], dict[str, float]]]:
    """What a backfill has brought into the warehouse, by whatever runs of it, shard by shard: how many windows, the sums of their
    counts (with `raw_rows` and `raw_bytes`) and seconds.
    """
    sums = ", ".join(["sum(w.raw_rows)::bigint", "sum(w.raw_bytes)::bigint", *(f"sum(s.{c})::bigint" for c in _COUNTS)])
    done = "shardlake.windows w JOIN shardlake.sink_windows s ON s.window_id = w.window_id AND s.sink = 'warehouse' AND s.applied_at IS NOT NULL"
    counts = connection.execute(
        f"SELECT w.partition, count(*), {sums} FROM {done} WHERE w.backfill_id = %s GROUP BY w.partition", (backfill,)
    ).fetchall()
    seconds: dict[str, dict[str, float]] = {}
    for shard, stage, spent in connection.execute(
        f"SELECT w.partition, e.key, sum(e.value::float) FROM {done} CROSS JOIN LATERAL jsonb_each_text(w.seconds || s.seconds) e"
        " WHERE w.backfill_id = %s GROUP BY 1, 2", (backfill,)
    ).fetchall():  # fmt: skip
        seconds.setdefault(shard, {})[stage] = spent
    names = ("raw_rows", "raw_bytes", *_COUNTS)
    return {row[0]: (row[1], dict(zip(names, row[2:], strict=True)), seconds.get(row[0], {})) for row in counts}
