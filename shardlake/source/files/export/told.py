"""What exports tell of a table's time: periods of changes, and before them the full export that they begin at. Pure.

A period that no export tells of is a gap: what was deleted then stays in the target, and what was written may be old.
"""

from collections.abc import Iterable
from datetime import timedelta
from itertools import pairwise

from shardlake.source.files.order import EPOCH

Period = tuple[int, int]
"""From inclusive to exclusive, in microseconds since 1970; a full export is a moment."""
_NAMED = 3
"""Gaps that are named."""


def told(before: Iterable[Iterable[int]], found: Iterable[Period]) -> list[list[int]]:
    """The periods that are told of, in order and put together; of moments the one that lies before all of them.

    >>> told([], [(5, 5), (7, 9), (5, 7), (8, 8)]), told([[5, 9]], [(2, 2), (12, 15)])
    ([[5, 9]], [[2, 2], [5, 9], [12, 15]])
    """
    periods = sorted([*(tuple(one) for one in before), *(one for one in found if one[0] < one[1])])
    first = min((one for one in found if one[0] == one[1]), default=None)
    if first and (not periods or first[0] < periods[0][0]):
        periods.insert(0, first)
    put_together = list[list[int]]()
    for since, until in periods:
        if put_together and since <= put_together[-1][1]:
            put_together[-1][1] = max(until, put_together[-1][1])
        else:
            put_together.append([since, until])
    return put_together


def gaps(periods: list[list[int]]) -> str | None:
    """A note of the gaps between periods, if there are any.

    >>> gaps([[2, 2], [60_000_000, 90_000_000]])
    'no export tells of 1970-01-01 00:00:00.000002 to 1970-01-01 00:01:00: what was deleted then stays; export these periods, too'
    >>> gaps([[2, 9]])
    """
    found = [f"{time_of(one[1])} to {time_of(other[0])}" for one, other in pairwise(periods)]
    if not found:
        return None
    more = f" and {len(found) - _NAMED} more periods" if len(found) > _NAMED else ""
    return f"no export tells of {', '.join(found[:_NAMED])}{more}: what was deleted then stays; export these periods, too"


def time_of(micros: int) -> str:
    """A moment as people read it, in UTC."""
    return str((EPOCH + timedelta(microseconds=micros)).replace(tzinfo=None))
