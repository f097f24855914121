"""A first load of many windows through the flow: it comes into the lake as it goes."""

from __future__ import annotations

import pytest

from shardlake.sink import door
from tests.flows.test_sync_view import run
from tests.prefect_api import PrefectApi
from tests.shardlake.sink.lake.test_first_load import LAYOUTS, commits, long
from tests.world import WorldMaker


def test_layouts_are_written_between_the_windows_of_a_long_load(
    world: WorldMaker, prefect_api: PrefectApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(door, "COMMIT_BYTES", 10_000)
    w = long(world, LAYOUTS)
    state = run(prefect_api, w)
    assert state.type.value == "COMPLETED", state.message
    assert all(len(found) >= 2 for found in commits(w).values()), commits(w)
    assert {sum(found) for found in commits(w).values()} == {5}
    assert w.query("SELECT count(*) FROM now") == [(450,)]
    assert w.query("SELECT count(*), count(DISTINCT id) FROM orders") == [(450, 450)]
