"""Planning a shard's next window: what to read, whether there is anything, and how complete raw is behind it. Reads no data."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from shardlake.connection.address import Shard
from shardlake.errors import ContractError, WatermarkRefused
from shardlake.ledger.extent import Extent
from shardlake.source.door import Plan
from shardlake.source.sql.dialect import Clock, Dialect, Kind
from shardlake.source.sql.dialects import dialect
from shardlake.source.sql.position import mark_of, plan_of, position_of, window_of
from shardlake.source.sql.select import Relation, chunk_sql, cursor_expression, describe, tables, takes_nulls, within
from shardlake.source.sql.transactions import awaited, settled
from shardlake.source.sql.window import Watermark, Window, next_window, upper_bound
from shardlake.view.view import View

FUTURE = timedelta(days=1)
"""A cursor that is further ahead of the shard's clock than this is no time at which a row was written."""
COUNTED = 10_000
"""So many rows that no window takes are counted at most: the count is by the index, and a look at it, no census."""


def plan_window(view: View, shard: Shard, mark: Watermark | None) -> Plan:
    """Ask the shard for its columns and its clock, and plan the window after `mark`.

    Raises SourceUnavailable, AccessRefused, ContractError, WatermarkRefused.
    """
    speaker = dialect(shard.dialect)
    with speaker.connect(shard) as connection:
        try:
            relation = describe(view, speaker, connection, shard.name)
            window, clock, notes = _next(view, speaker, connection, shard, relation, mark)
            return _planned(view, speaker, connection, shard, relation, window, mark, clock, notes)
        except speaker.errors as error:
            raise speaker.failure(error, shard) from None


def plan_again(view: View, shard: Shard, extent: Extent) -> Plan:
    """A window that is given, with the kinds of the shard's columns and whether it holds a row; one that was closed early, up to
    where it was. Raises as `plan_window` does.
    """
    reached = mark_of(extent.end)
    window = window_of(extent.plan)
    if reached and reached.in_scan:
        window = replace(window, until=reached.after)
        extent = replace(extent, plan=plan_of(window))
    speaker = dialect(shard.dialect)
    with speaker.connect(shard) as connection:
        try:
            relation = describe(view, speaker, connection, shard.name)
            anything, _, _ = _probe(view, speaker, connection, relation, window, None)
            return Plan(shard.name, extent, relation.kinds(), anything)
        except speaker.errors as error:
            raise speaker.failure(error, shard) from None


def _planned(
    view: View, speaker: Dialect, connection: Any, shard: Shard, relation: Relation, window: Window, mark: Watermark | None, clock: Clock | None, notes: tuple[str, ...]
) -> Plan:  # fmt: skip
    live, nulls, ahead = _probe(view, speaker, connection, relation, window, clock)
    window = replace(window, nulls=nulls)
    held_by = _held_by(shard, clock, view) if clock else None
    extent = extent_of(window, mark, held_by)
    odd = "that is no number" if window.kind == "decimal" else "in the future"
    unreachable = {f"a cursor {odd} ({', '.join(tables(view).cursors)})": ahead} if ahead else {}
    if relation.unique is False:
        key = ", ".join(tables(view).primary_key)
        notes += (
            f"no unique index of {tables(view).table} holds that {key} (primary_key) is unique and never NULL: one row of a key stays",
        )
    notes += tuple(f"{count}{'+' if count > COUNTED else ''} rows have {why}: no window takes them" for why, count in unreachable.items())
    return Plan(shard.name, extent, relation.kinds(), live or nulls, notes, unreachable)


def extent_of(window: Window, mark: Watermark | None, held_by: str | None = None) -> Extent:
    """A window as the ledger knows it."""
    start = None
    if mark is not None:
        as_window = Window(mark.kind, mark.lower, mark.upper if mark.in_scan else mark.cursor, mark.order)
        start = position_of(as_window, mark.after, mark.complete_to)
    complete = datetime.fromisoformat(window.complete_to) if window.complete_to else None
    shown = "replaced" if window.kind is None else window.upper
    return Extent(
        plan_of(window),
        start,
        position_of(window, None),
        window.kind,
        window.lower,
        window.upper,
        window.is_snapshot,
        complete,
        held_by,
        shown,
    )


def _held_by(shard: Shard, clock: Clock, view: View) -> str | None:
    """What keeps a window from reaching up to now: its name, for people."""
    if clock.held:
        return clock.held
    if clock.bound >= clock.now - tables(view).safety_lag:
        return None
    if clock.oldest is not None and clock.oldest <= clock.bound + timedelta(seconds=2):
        return f"an open transaction on {(shard.primary or shard).name} since {clock.oldest.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"
    return f"{shard.name} is a replica that has applied what was written up to {clock.bound.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"


def cursor_kind(view: View, relation: Relation) -> Kind | None:
    """The kind of the view's cursor on a shard. Raises ContractError where a greatest mixes kinds."""
    kinds = {relation.column(c).kind for c in tables(view).cursors}
    if len(kinds) > 1:
        raise ContractError(
            f"source.cursor: the columns are of several kinds ({', '.join(sorted(kinds))})", hint="Convert them to one in extract.sql."
        )
    return kinds.pop() if kinds else None


def _next(
    view: View, speaker: Dialect, connection: Any, shard: Shard, relation: Relation, mark: Watermark | None
) -> tuple[Window, Clock | None, tuple[str, ...]]:
    kind, source = cursor_kind(view, relation), tables(view)
    if kind is None:
        after = mark.after if mark else None
        clock = None if after else speaker.clock(connection, shard)
        since = mark.complete_to if mark and not clock else clock.bound.isoformat() if clock and not clock.prepared else None
        return Window(None, None, None, "key", after, complete_to=since), clock, clock.notes if clock else ()
    complete: datetime | None
    if kind in ("int", "decimal"):
        upper, clock, notes = settled(view, speaker, connection, shard, relation, kind, mark)
        complete = clock.now - source.safety_lag if clock.bound is clock.now and not clock.held else None
    else:
        clock = awaited(speaker, connection, shard, mark)
        upper, notes = upper_bound(kind, clock, source.safety_lag, shard.timezone), clock.notes
        if clock.held and mark and mark.cursor is not None:
            upper = mark.cursor
        complete = None if clock.held else min(clock.now - source.safety_lag, clock.bound)
        if kind == "date" and complete:  # a day is written until it is over
            complete = min(complete, clock.now.replace(hour=0, minute=0, second=0, microsecond=0))
    window = next_window(kind, mark if mark and mark.kind is not None else None, upper, source.lookback, shard.timezone)
    if window.after is not None and len(window.after) != len(source.primary_key) + (window.order == "cursor"):
        raise WatermarkRefused(
            f"the watermark's position {list(window.after)} is not one on {', '.join(source.primary_key)}",
            hint="Run with --full to begin anew.",
        )
    if window.after is None:
        window = replace(window, complete_to=complete.isoformat() if complete else None)
    return window, clock, notes


def _probe(
    view: View, speaker: Dialect, connection: Any, relation: Relation, window: Window, clock: Clock | None
) -> tuple[bool, bool, int]:
    """Whether the window holds a row, whether one without a cursor, and how many lie in the future: one statement by the index."""
    live = chunk_sql(view, speaker, relation, window, after=window.after, limit=1)
    items = [f"(SELECT 1 FROM ({live}) AS live)"]
    with_nulls = takes_nulls(view, relation, window, speaker)
    nulls = chunk_sql(view, speaker, relation, window, after=None, limit=1, nulls=True) if with_nulls else ""
    items.append(f"(SELECT 1 FROM ({nulls}) AS untimed)" if with_nulls else "0")
    items.append(_counted_ahead(view, speaker, relation, window, clock) if clock is not None else "0")
    cursor = connection.cursor()
    cursor.execute(f"SELECT {', '.join(items)}")
    found = cursor.fetchone()
    return found[0] is not None, bool(found[1]), int(found[2] or 0)


def _counted_ahead(view: View, speaker: Dialect, relation: Relation, window: Window, clock: Clock) -> str:
    """How many rows have a cursor that lies in the future, or is no number, in SQL."""
    name, kind = cursor_expression(view, speaker) if tables(view).cursors else "", window.kind
    ahead = Window(kind, None, None, "cursor")
    if kind in ("date", "datetime", "instant"):
        ahead = replace(ahead, lower=upper_bound(kind, Clock(clock.now + FUTURE, clock.now + FUTURE), timedelta(), "UTC"))
        bound = f"{name} > {speaker.literal(kind, str(ahead.lower))}"
    elif finite := speaker.finite(name, kind):
        bound = f"NOT {finite}"
    else:
        return "0"
    return f"(SELECT COUNT(*) FROM (SELECT 1 FROM {within(view, speaker, relation, ahead)} WHERE {bound} LIMIT {COUNTED + 1}) AS ahead)"
