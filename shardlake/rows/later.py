"""Ranges of versions that were read after a window was, and are in a sink before it: at the same version what was read later stays.

That happens between a backfill and the regular runs alone: each by itself takes its windows of a range in turn.
"""

from collections.abc import Sequence

from shardlake.view.columns import TargetColumn
from shardlake.view.view import View

Range = tuple[str | None, str | None]
"""Behind the first, up to and with the second; None where there is no such end."""
_TIMES = ("timestamp", "timestamptz", "date")
_ON_ONE_SCALE = {"int": ("bigint", "numeric"), "decimal": ("numeric",), "date": _TIMES, "datetime": _TIMES, "instant": _TIMES}


def ranges(view: View, columns: Sequence[TargetColumn], found: Sequence[tuple[str, str | None, str | None]]) -> tuple[Range, ...]:
    """Ranges (kind, from, to) as the ledger has them, in the words of the version's type; those of another scale are left out."""
    if view.version_column is None:
        return ()
    kind = next(c.type.name for c in columns if c.name == view.version_column)
    fitting = [(of, lower, upper) for of, lower, upper in found if kind in _ON_ONE_SCALE.get(of, ())]
    return tuple(dict.fromkeys((_edge(of, lower), _edge(of, upper)) for of, lower, upper in fitting))


def _edge(kind: str, bound: str | None) -> str | None:
    return f"{bound}+00" if bound is not None and kind == "instant" else bound
