"""Planning a shard's next window, and comparing what the shards have. Reads catalogues and clocks, and no data."""

import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any

from shardlake.connection.connection import Shard
from shardlake.errors import ContractError, SourceUnavailable, WatermarkRefused
from shardlake.source.sql.dialect import Clock, Dialect, Kind, dialect
from shardlake.source.sql.select import Relation, bind, chunk_sql, cursor_expression, describe, takes_nulls
from shardlake.source.sql.window import Position, Watermark, Window, next_window, upper_bound
from shardlake.view.view import View

PATIENCE = 10.0
"""Seconds that a plan waits for open transactions, where the cursor is a number."""
LOWEST = str(-(2**63))
"""The watermark of an empty table whose cursor is a number."""


@dataclass(frozen=True, slots=True)
class ShardPlan:
    """What a shard is to be read for: the window, the kinds of its columns, whether there is anything, and notes."""

    shard: str
    window: Window
    kinds: dict[str, str]
    anything: bool
    notes: tuple[str, ...] = ()


def plan_window(view: View, shard: Shard, mark: Watermark | None, *, resume: Position | None = None) -> ShardPlan:
    """Ask the shard for its columns and its clock, and plan the window after `mark`.

    `resume` is where a scan without a cursor goes on. Raises SourceUnavailable, AccessRefused, ContractError,
    WatermarkRefused.
    """
    speaker = dialect(shard.dialect)
    with speaker.connect(shard) as connection:
        try:
            relation = describe(view, speaker, connection, shard.name)
            window, notes = _next(view, speaker, connection, shard, relation, mark, resume)
            anything = _anything(view, speaker, connection, relation, window)
        except speaker.errors as error:
            raise speaker.failure(error, shard) from None
    return ShardPlan(shard.name, window, relation.kinds(), anything, notes)


def plan_slice(view: View, shard: Shard, window: Window) -> ShardPlan:
    """A window that is given, with the kinds of the shard's columns and whether it holds a row. Raises as `plan_window` does."""
    speaker = dialect(shard.dialect)
    with speaker.connect(shard) as connection:
        try:
            relation = describe(view, speaker, connection, shard.name)
            return ShardPlan(shard.name, window, relation.kinds(), _anything(view, speaker, connection, relation, window))
        except speaker.errors as error:
            raise speaker.failure(error, shard) from None


@dataclass(frozen=True, slots=True)
class Reach:
    """How far a shard can be read: up to `upper` of its cursor. `latest` is its clock less the lag, None for numbers."""

    shard: str
    kind: Kind
    upper: str
    latest: str | None
    kinds: dict[str, str]
    notes: tuple[str, ...] = ()


def reach(view: View, shard: Shard, mark: Watermark | None, end: str) -> Reach:
    """Ask the shard for its columns, its cursor's kind, and how far it can be read. Raises as `plan_window` does.

    Numbers that the watermark has passed need no waiting for open transactions: where `end` is one, that is far enough.
    """
    speaker = dialect(shard.dialect)
    with speaker.connect(shard) as connection:
        try:
            relation = describe(view, speaker, connection, shard.name)
            kind = cursor_kind(view, relation)
            assert kind is not None
            if kind in ("int", "decimal"):
                if mark is not None and mark.kind == kind and mark.cursor is not None and _at_most(end, mark.cursor):
                    return Reach(shard.name, kind, mark.cursor, None, relation.kinds())
                upper, notes = _settled(view, speaker, connection, shard, relation, kind, None)
                return Reach(shard.name, kind, upper, None, relation.kinds(), notes)
            clock = speaker.clock(connection, shard)
        except speaker.errors as error:
            raise speaker.failure(error, shard) from None
    upper = upper_bound(kind, clock, view.source.safety_lag, shard.timezone)
    latest = upper_bound(kind, Clock(clock.now, clock.now), view.source.safety_lag, shard.timezone)
    return Reach(shard.name, kind, upper, latest, relation.kinds(), clock.notes)


def _at_most(number: str, bound: str) -> bool:
    try:
        return Decimal(number) <= Decimal(bound)
    except InvalidOperation:
        return False


def cursor_kind(view: View, relation: Relation) -> Kind | None:
    """The kind of the view's cursor on a shard. Raises ContractError where a greatest mixes kinds."""
    kinds = {relation.column(c).kind for c in view.source.cursors}
    if len(kinds) > 1:
        raise ContractError(
            f"source.cursor: the columns are of several kinds ({', '.join(sorted(kinds))})", hint="Convert them to one in extract.sql."
        )
    return kinds.pop() if kinds else None


def _next(
    view: View, speaker: Dialect, connection: Any, shard: Shard, relation: Relation, mark: Watermark | None, resume: Position | None
) -> tuple[Window, tuple[str, ...]]:
    kind = cursor_kind(view, relation)
    if kind is None:
        return Window(None, None, None, "key", resume), ()
    if kind in ("int", "decimal"):
        upper, notes = _settled(view, speaker, connection, shard, relation, kind, mark)
    else:
        clock = speaker.clock(connection, shard)
        upper, notes = upper_bound(kind, clock, view.source.safety_lag, shard.timezone), clock.notes
    window = next_window(kind, mark, upper, view.source.lookback, shard.timezone)
    if window.after is not None and len(window.after) != len(view.source.primary_key) + (window.order == "cursor"):
        raise WatermarkRefused(
            f"the watermark's position {list(window.after)} is not one on {', '.join(view.source.primary_key)}",
            hint="Run with --full to begin anew.",
        )
    return window, notes


def _settled(
    view: View, speaker: Dialect, connection: Any, shard: Shard, relation: Relation, kind: Kind, mark: Watermark | None
) -> tuple[str, tuple[str, ...]]:
    """The greatest number under which no other can come any more.

    A number may have been drawn by a transaction that is still open while greater ones are committed; so those that are
    open when the greatest is read are waited for. A transaction that takes too long holds the window where it is.
    """
    greatest = _greatest(view, speaker, connection, relation, kind)
    asked = clock = speaker.clock(connection, shard)
    waited_from = time.monotonic()
    while clock.oldest is not None and clock.oldest <= asked.now:
        if time.monotonic() - waited_from > PATIENCE:
            if mark is None or mark.cursor is None:
                raise SourceUnavailable(
                    f"{shard.name}: a transaction has been open for long, which may hold numbers under the greatest",
                    hint="Wait for it, or end it.",
                )
            return mark.cursor, (
                *clock.notes,
                "a transaction has been open for long, which may hold numbers under the greatest: what is new waits for its end",
            )
        time.sleep(0.2)
        clock = speaker.clock(connection, shard)
    return greatest or (mark.cursor if mark and mark.cursor else LOWEST), clock.notes


def _greatest(view: View, speaker: Dialect, connection: Any, relation: Relation, kind: Kind) -> str | None:
    cursor = connection.cursor()
    text = f"{relation.text} AS q" if view.source.table else f"({bind(str(view.sql_text), Window(kind, None, None, 'key'), speaker)}) AS q"
    cursor.execute(f"SELECT MAX({cursor_expression(view, speaker)}) FROM {text}")
    value = cursor.fetchone()[0]
    return None if value is None else str(value)


def _anything(view: View, speaker: Dialect, connection: Any, relation: Relation, window: Window) -> bool:
    """Whether the window holds a row: a 1 by the index, in place of a process that finds nothing. No value leaves the shard."""
    cursor = connection.cursor()
    phases = [False, True] if takes_nulls(view, relation, window) else [False]
    for nulls in phases:
        cursor.execute(
            f"SELECT 1 FROM ({chunk_sql(view, speaker, relation, window, after=None if nulls else window.after, limit=1, nulls=nulls)}) AS probe"
        )
        if cursor.fetchone() is not None:
            return True
    return False


def drift(view: View, kinds: Mapping[str, Mapping[str, str]], contract: Mapping[str, str] | None) -> dict[str, ContractError]:
    """The shards whose columns are not what `contract` says, or what most shards have where there is none yet."""
    if contract is None:
        votes = Counter(tuple(sorted(found.items())) for found in kinds.values())
        contract = dict(votes.most_common(1)[0][0]) if votes else {}
    odd: dict[str, ContractError] = {}
    for shard, found in kinds.items():
        different = [c for c in view.source_columns if c in contract and c in found and found[c] != contract[c]]
        if different:
            column = different[0]
            odd[shard] = ContractError(
                f"{shard}, {view.source.table or view.source.sql}.{column}: is {found[column]} here and {contract[column]} on the other shards",
                hint="Make the shards alike, convert it in extract.sql, or say `source.drift: null` to fill it with NULL.",
            )
    return odd


def columns_as_null(view: View, kinds: Mapping[str, str], contract: Mapping[str, str] | None) -> tuple[str, ...]:
    """With `drift: null`, the shard's columns that are of another kind than the contract's."""
    if view.source.drift != "null" or contract is None:
        return ()
    needed = (*view.source.primary_key, *view.source.cursors)
    return tuple(c for c, kind in kinds.items() if c not in needed and contract.get(c, kind) != kind)
