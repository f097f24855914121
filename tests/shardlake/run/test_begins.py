"""A run that comes to nothing before it has read anything."""

from __future__ import annotations

import pytest

from shardlake.errors import ShardlakeError
from shardlake.run.freshness import judge
from tests.world import ORDERS_TABLE, WorldMaker, orders_view


def test_a_run_that_cannot_begin_says_why_in_the_ledger_and_gives_its_claims_back(world: WorldMaker) -> None:
    """The ledger is there, and the warehouse is not: by the ledger alone it would seem to go on."""
    w = world(["shop_00"], view=orders_view(schedule="every 5m"), ledger_apart=True)
    w.on_all(ORDERS_TABLE)
    w.must_sync()
    warehouse, w.warehouse_database = w.warehouse_database, "nowhere"
    with pytest.raises(ShardlakeError, match="there is no database 'nowhere'") as refused:
        w.sync()
    w.warehouse_database = warehouse
    last = "SELECT state, ended_at IS NOT NULL, message FROM shardlake.runs ORDER BY started_at DESC LIMIT 1"
    assert w.ledger(last) == [("failed", True, str(refused.value))]
    job = w.job()
    [line] = judge(job, {"orders": job.view}).lines
    assert "there is no database 'nowhere'" in (line.last_error or "")
    w.must_sync()
