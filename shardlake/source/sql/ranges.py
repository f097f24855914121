"""Ranges of a cursor that are read again: how far a shard can be read, and the windows of a slice of a backfill."""

from decimal import Decimal, InvalidOperation

from shardlake.connection.address import Shard
from shardlake.ledger.extent import Extent, Json
from shardlake.source.door import Reach
from shardlake.source.slices import before
from shardlake.source.sql.dialect import Clock, Kind
from shardlake.source.sql.dialects import dialect
from shardlake.source.sql.plan import cursor_kind, extent_of
from shardlake.source.sql.position import mark_of
from shardlake.source.sql.select import describe, tables
from shardlake.source.sql.transactions import awaited, settled
from shardlake.source.sql.window import Watermark, Window, upper_bound
from shardlake.view.view import View


def reach(view: View, shard: Shard, mark: Watermark | None, end: str) -> Reach:
    """Ask the shard for its columns, its cursor's kind, and how far it can be read. Raises as `plan_window` does.

    Numbers that the watermark has passed need no waiting for open transactions: where `end` is one, that is far enough.
    """
    speaker, lag = dialect(shard.dialect), tables(view).safety_lag
    with speaker.connect(shard) as connection:
        try:
            relation = describe(view, speaker, connection, shard.name)
            kind = cursor_kind(view, relation)
            assert kind is not None
            if kind in ("int", "decimal"):
                if mark is not None and mark.kind == kind and mark.cursor is not None and _at_most(end, mark.cursor):
                    return Reach(shard.name, kind, mark.cursor, None, relation.kinds())
                upper, _, notes = settled(view, speaker, connection, shard, relation, kind, None)
                return Reach(shard.name, kind, upper, None, relation.kinds(), notes)
            clock = awaited(speaker, connection, shard, None)
        except speaker.errors as error:
            raise speaker.failure(error, shard) from None
    upper = upper_bound(kind, clock, lag, shard.timezone)
    latest = upper_bound(kind, Clock(clock.now, clock.now), lag, shard.timezone)
    return Reach(shard.name, kind, upper, latest, relation.kinds(), clock.notes)


def _at_most(number: str, bound: str) -> bool:
    try:
        return Decimal(number) <= Decimal(bound)
    except InvalidOperation:
        return False


def slice_extent(view: View, kind: Kind, lower: str, upper: str, last: tuple[Extent, Json] | None) -> Extent | None:
    """The window of a slice `(lower, upper]` behind `last`, its newest with the position that it reached: the rest of that one,
    or what could not be read then. None where nothing is left.
    """
    after = None
    if last is not None:
        extent, reached = last
        mark = mark_of(reached)
        if mark is None or mark.after is None:
            lower = str(extent.to_version)
        elif len(mark.after) == 1 + len(tables(view).primary_key):  # else the view has another key by now
            lower, upper, after = str(extent.from_version), str(extent.to_version), mark.after
    if not before(kind, lower, upper):
        return None
    return extent_of(Window(kind, lower, upper, "cursor", after, ranged=True), None)
