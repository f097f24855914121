"""Ranges that were read later, in the words of the version's type: what has no offset in the ledger is UTC where versions are instants."""

from __future__ import annotations

from shardlake.rows.later import ranges
from shardlake.view.columns import target_columns
from shardlake.view.view import View
from tests.world import orders_view

DAY = ("2026-01-01 00:00:00", "2026-01-02 00:00:00")


def of(type_: str, kind: str) -> tuple[tuple[str | None, str | None], ...]:
    view = View.model_validate(orders_view(columns={"id": "bigint", "updated_at": type_}))
    return ranges(view, target_columns(view, type_), [(kind, *DAY), (kind, None, DAY[1]), (kind, *DAY)])


def test_the_edges_of_instants_are_in_utc_whatever_the_connections_zone() -> None:
    utc = tuple(f"{edge}+00" for edge in DAY)
    assert of("timestamptz", "instant") == (utc, (None, utc[1]))
    assert of("timestamptz", "datetime") == (DAY, (None, DAY[1]))


def test_ranges_on_another_scale_are_left_out() -> None:
    assert of("timestamp", "int") == ()
    assert of("bigint", "datetime") == ()
