"""Waiting for transactions that may still write rows of the past: those that hold lower numbers, and those that are prepared."""

import time
from dataclasses import replace
from decimal import Decimal
from typing import Any

from shardlake import cancellation
from shardlake.connection.address import Shard
from shardlake.errors import SourceUnavailable
from shardlake.source.sql.dialect import Clock, Dialect, Kind
from shardlake.source.sql.select import Relation, cursor_expression, within
from shardlake.source.sql.window import Watermark, Window
from shardlake.view.view import View

PATIENCE = 10.0
"""Seconds that a plan waits for transactions, where it does not know what to make of them before they end."""
LOWEST = str(-(2**63))
"""The watermark of an empty table whose cursor is a number."""
_HINT = "Wait for it, or end it."


def awaited(speaker: Dialect, connection: Any, shard: Shard, mark: Watermark | None) -> Clock:
    """The shard's clock, for a cursor of times. Nobody knows since when a prepared transaction is open: its end is waited for.

    One that takes too long holds the window where it is: the clock is `held` then. All earlier windows end before it began, since it
    was open or prepared then, too. Raises SourceUnavailable where there is no earlier one.
    """
    asked = clock = speaker.clock(connection, shard)
    waited_from = time.monotonic()
    while waiting := {*asked.prepared} & {*clock.prepared}:
        if mark is not None and mark.in_scan:  # its bounds are of an earlier plan
            break
        if time.monotonic() - waited_from > PATIENCE:
            held = (
                f"a prepared transaction on {shard.name} ({', '.join(sorted(waiting))[:80]}), of which nobody knows since when it is open"
            )
            if mark is None or mark.cursor is None:
                raise SourceUnavailable(f"{held}: its rows may be older than any that are read", hint=_HINT)
            return replace(asked, held=held, notes=(*asked.notes, f"{held}: what is new waits for its end"))
        cancellation.pause(0.2)
        clock = speaker.clock(connection, shard)
    return asked


def settled(
    view: View, speaker: Dialect, connection: Any, shard: Shard, relation: Relation, kind: Kind, mark: Watermark | None
) -> tuple[str, Clock, tuple[str, ...]]:
    """The greatest number under which no other can come any more, and the clock by which it is so.

    A number may have been drawn by a transaction that is still open while greater ones are committed; so those that are
    open when the greatest is read are waited for, and a replica has to apply them. A transaction that takes too long holds the
    window where it is: the clock's bound then lies before its now.
    """
    greatest = _greatest(view, speaker, connection, relation, kind)
    asked = clock = speaker.clock(connection, shard)
    waited_from, was_open, prepared = time.monotonic(), True, {*asked.prepared}
    while True:
        still_open = clock.oldest is not None and clock.oldest <= asked.now
        if still_open or was_open:  # one of them may have been prepared since
            prepared |= {*clock.prepared}
        if not (still_open or clock.behind or prepared & {*clock.prepared}):
            break
        was_open = still_open
        if time.monotonic() - waited_from > PATIENCE:
            who = "a transaction has been open for long, which may hold numbers under the greatest"
            if clock.behind and not still_open:
                who = "the replica is behind its primary, where numbers under the greatest may have been written"
            if mark is None or mark.cursor is None:
                raise SourceUnavailable(f"{shard.name}: {who}", hint=_HINT)
            bound = clock.oldest or asked.bound
            held = replace(clock, now=asked.now, bound=bound, held=None if still_open else f"{shard.name}: {who}")
            return mark.cursor, held, (*clock.notes, f"{who}: what is new waits for its end")
        cancellation.pause(0.2)
        clock = speaker.clock(connection, shard)
    return greatest or (mark.cursor if mark and mark.cursor else LOWEST), Clock(asked.now, asked.now, clock.notes), clock.notes


def _greatest(view: View, speaker: Dialect, connection: Any, relation: Relation, kind: Kind) -> str | None:
    cursor, name = connection.cursor(), cursor_expression(view, speaker)
    finite = speaker.finite(name, kind)
    where = f" WHERE {finite}" if finite else ""
    cursor.execute(f"SELECT MAX({name}) FROM {within(view, speaker, relation, Window(kind, None, None, 'key'))}{where}")
    value = cursor.fetchone()[0]
    return format(value, "f") if isinstance(value, Decimal) else None if value is None else str(value)
