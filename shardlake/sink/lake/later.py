"""Ranges of versions that a layout has from windows which were read later than those that come now, as numbers to compare by."""

from collections.abc import Mapping

import polars as pl

from shardlake.ledger import sinks
from shardlake.ledger.lake import Commit
from shardlake.quoting import postgres_text
from shardlake.rows.cast import cast
from shardlake.rows.later import Range, ranges
from shardlake.rows.supply import Supply
from shardlake.view.types import Type

Later = Mapping[int, tuple[tuple[int | None, int | None], ...]]
"""By window, ranges in millionths, as `version_number` has versions: behind the first, up to and with the second."""


def read_later(supply: Supply, sink: str, commit: Commit) -> Later:
    """The ranges of a commit's windows; none for a replay, whose rows count at the same version."""
    if commit.replay or not commit.windows:
        return {}
    with supply.ledger.connection() as connection:
        found = sinks.read_since(connection, supply.view.name, sink, [w.window_id for w in commit.windows])
    if not found:
        return {}
    columns = supply.columns(supply.window(commit.windows[0].window_id))
    wanted = {window_id: ranges(supply.view, columns, of) for window_id, of in found.items()}
    kind = next((c.type for c in columns if c.name == supply.view.version_column), None)
    edges = sorted({edge for of in wanted.values() for one in of for edge in one if edge is not None})
    if kind is None or not edges:
        return {window_id: ((None, None),) for window_id, of in wanted.items() if of}
    with supply.ledger.connection() as connection, connection.transaction():
        connection.execute("SELECT set_config('TimeZone', %s, true)", (supply.zone,))
        numbers = connection.execute(f"SELECT {', '.join(f'({_number(kind, edge)})::text' for edge in edges)}").fetchone()
    number = dict(zip(edges, map(int, numbers or ()), strict=True))
    return {window_id: tuple(_as_numbers(one, number) for one in of) for window_id, of in wanted.items()}


def _as_numbers(one: Range, number: Mapping[str, int]) -> tuple[int | None, int | None]:
    lower, upper = one
    return (None if lower is None else number[lower]), (None if upper is None else number[upper])


def _number(kind: Type, edge: str) -> str:
    value = cast(kind, postgres_text(edge))
    if kind.sizes == (38, 0):
        return f"{value}"
    if kind.name == "date":
        return f"({value} - date '1970-01-01')::bigint * 1000000"
    return f"round({f'extract(epoch FROM {value})' if kind.name.startswith('timestamp') else f'{value}::numeric'} * 1000000)"


def are_later(rows: pl.DataFrame, number: pl.Series, later: Later) -> pl.Series:
    """Of which rows (with `_window`) the table has a later reading, where it has the same version, which is `number`."""
    found = pl.Series([False], dtype=pl.Boolean).new_from_index(0, rows.height)
    for window_id, of in later.items():
        mine = rows.get_column("_window") == window_id
        for lower, upper in of:
            within = mine & number.is_not_null()
            for edge, sign in ((lower, "gt"), (upper, "le")):
                if edge is not None:
                    bound = pl.Series([edge], dtype=pl.Int128).new_from_index(0, rows.height)
                    within &= (number > bound) if sign == "gt" else (number <= bound)
            found |= within
    return found.fill_null(False)
