"""Replay: windows that a layout holds, made of raw again by the view as it is now, in the place of what is there.

A table of current rows takes them as it takes any: newest wins, and at the same version what comes replaces what is there.
Of a history the rows of these windows are replaced, all in one commit.
"""

from collections.abc import Iterable, Iterator
from uuid import UUID

from shardlake.errors import ContractError, LakeUnavailable, SpecError
from shardlake.ledger import lake as ledger
from shardlake.ledger.sinks import Pending
from shardlake.rows.supply import Supply
from shardlake.sink.lake import commit
from shardlake.sink.lake.commit import Written, alone, carry_out, guarded
from shardlake.view.layout import Layout


def replay_layout(supply: Supply, run_id: UUID, layout: Layout, window_ids: Iterable[int]) -> list[Written]:
    """Write those of the windows again that the layout holds; what it does not hold yet is for the next run.

    Broken off anywhere, the layout holds what it held or what it is to hold, and the next run or replay finishes the commit.
    Raises SpecError for a table that is replaced as a whole, ContractError where the raw files of a window are gone, and what
    `commit.write` raises.
    """
    mode = layout.mode_in(supply.view.warehouse.write)
    if mode == "replace":
        raise SpecError(f"the lake table {layout.table} is replaced as a whole", hint=f"Run `shardlake run {supply.view.name}`.")
    if mode == "append" and supply.lake.glue and (layout.projection or not layout.partition_by):
        why = "a projected partition" if layout.projection else "a table without partitions"
        raise SpecError(
            f"the lake table {layout.table} cannot be replayed: {why} has one place, which cannot be switched",
            hint="Give the layout another table name: it is filled from raw.",
        )
    with guarded(layout), alone(supply, layout) as connection:
        if connection is None:
            raise LakeUnavailable(f"another run is writing the lake table {layout.table}", hint="It is tried again.")
        written = []
        if (left := ledger.unfinished(connection, supply.view.name, layout.table)) is not None:
            written.append(carry_out(connection, supply, layout, left))
        windows, gone = ledger.held(connection, supply.view.name, layout.table, list(window_ids))
        if gone:
            raise ContractError(
                f"{supply.view.name}: the raw files of {len(gone)} windows are gone ({', '.join(map(str, gone[:10]))}{', …' if gone[10:] else ''}),"
                f" which the lake table {layout.table} holds",
                hint="Replay the others, or read their ranges again with `shardlake backfill`.",
            )
        for some in [windows] if mode == "append" else _portions(windows):
            if some:
                opened = ledger.open_commit(connection, run_id, supply.view.name, layout.table, some, replay=True)
                written.append(carry_out(connection, supply, layout, opened))
    return written


def _portions(windows: list[Pending]) -> Iterator[list[Pending]]:
    """Windows of as many bytes as a commit holds."""
    held: list[Pending] = []
    for window in windows:
        if held and sum(w.raw_bytes for w in held) + window.raw_bytes > commit.LARGEST:
            yield held
            held = []
        held.append(window)
    yield held
