"""A run shows what it does while it does it: on a terminal alone, and never in a pipe or in --json."""

from __future__ import annotations

import json

import pytest

from shardlake.run.report import RunReport
from shardlake.run.sync import sync
from shardlake.run.watch import Watch, watched
from tests.prefect_api import PrefectApi
from tests.terminal import Terminal
from tests.world import ORDERS_TABLE, World, WorldMaker, orders_view

LAKE = {"connection": "athena-lake/main", "layouts": [{"table": "orders"}]}


@pytest.fixture
def shop(world: WorldMaker) -> World:
    """Two shards of 3,000 and 20 orders, with a lake table."""
    w = world(["shop_00", "shop_01"], view=orders_view(lake=LAKE, warehouse={"key": ["_shard", "id"]}))
    w.on_all(ORDERS_TABLE)
    for shard, rows in (("shop_00", 3000), ("shop_01", 20)):
        w.on(shard, f"INSERT INTO orders SELECT seq, 'new', 1, '2026-01-02', NULL FROM seq_1_to_{rows}")
        w.on(shard, "ANALYZE TABLE orders")
    return w


def of(terminal: Terminal, name: str) -> list[str]:
    """What was drawn of a line, step by step."""
    found = [line.removeprefix(name).strip() for line in terminal.lines() if line.startswith(name)]
    return [line for number, line in enumerate(found) if line not in found[:number]]


def test_on_a_terminal_a_run_draws_a_line_a_shard_with_rows_rate_stage_and_bar_while_it_goes_on(shop: World) -> None:
    shop.must_sync()
    shop.warehouse("DELETE FROM analytics.orders")
    shop.on_all("UPDATE orders SET updated_at = '2026-01-03'")
    shop.set_back("2026-01-01")
    with shop.warehouse_server.connect(shop.warehouse_database, autocommit=False) as session:
        session.execute("LOCK TABLE analytics.orders IN EXCLUSIVE MODE")
        terminal = Terminal(shop, "run", "orders")
        terminal.wait_for(r"\nshop_00 merging 3,000 rows [\d,]+/s ━+\n")  # the bar is of what the server thinks the window holds
        terminal.wait_for(r"\nshop_01 (reading|merging) .*20 rows ")
        assert terminal.process.poll() is None
        assert "orders: 2 shards" not in terminal.text
        session.rollback()
    assert terminal.end() == 0
    assert of(terminal, "shop_00")[0] == "waiting"
    assert [line.split("/s")[0].rpartition(" ")[0] for line in of(terminal, "shop_00") if line.startswith("merged 3,000 rows")] == [
        "merged 3,000 rows"
    ]
    assert [line for line in of(terminal, "lake: orders") if line.startswith("written 3,020 rows")]
    assert terminal.lines()[-1] == "orders: 3,020 rows read, 3,020 merged; 2/2 shards merged; next: shardlake status"


def test_with_json_a_terminal_shows_json_and_nothing_else(shop: World) -> None:
    terminal = Terminal(shop, "run", "orders", "--json")
    assert terminal.end() == 0
    assert json.loads(terminal.text)["ok"] is True
    assert "\x1b" not in terminal.raw


def test_in_a_pipe_nothing_is_drawn_whatever_the_environment_says_of_colours(shop: World) -> None:
    done = shop.command("run", "orders", FORCE_COLOR="1", TTY_COMPATIBLE="1", TERM="xterm")
    assert (done.returncode, done.stderr) == (0, "")
    assert "merging" not in done.stdout
    assert "/s" not in done.stdout


def test_a_flow_that_the_command_runs_draws_the_same_lines(shop: World, prefect_api: PrefectApi) -> None:
    terminal = Terminal(shop, "run", "orders", **prefect_api.environment())
    assert terminal.end() == 0
    assert [line for line in of(terminal, "shop_00") if line.startswith("merged 3,000 rows")]
    assert [line for line in of(terminal, "lake: orders") if line.startswith("written 3,020 rows")]


def test_a_replay_and_a_backfill_draw_theirs(shop: World) -> None:
    shop.must_sync()
    replay = Terminal(shop, "replay", "orders")
    assert replay.end() == 0
    assert [line for line in of(replay, "shop_00") if line.startswith("merged 3,000 rows")]
    backfill = Terminal(shop, "backfill", "orders", "--from", "2026-01-01", "--to", "2026-01-03", "--step", "1d")
    assert backfill.end() == 0
    assert [line for line in backfill.lines() if line.startswith("backfill of orders") and line.endswith("4/4 slices")]


def test_who_watches_is_told_in_order_and_a_run_that_nobody_watches_asks_for_no_estimate(shop: World) -> None:
    told: list[tuple[object, ...]] = []

    class Note(Watch):
        """Notes what it is told of shop_00."""

        counts = True

        def begins(self, view: str, partitions: object) -> None:
            told.append(("begins", view, partitions))

        def expects(self, partition: str, rows: int) -> None:
            told.append(("expects", partition))
            assert rows > 0

        def reads(self, partition: str) -> None:
            told.append(("reads", partition))

        def merges(self, partition: str) -> None:
            told.append(("merges", partition))

        def merged(self, partition: str, shard: object) -> None:
            told.append(("merged", partition, shard.read))  # type: ignore[attr-defined]

        def ends(self, partition: str, shard: object) -> None:
            told.append(("ends", partition, shard.state))  # type: ignore[attr-defined]

        def writes(self, table: str) -> None:
            told.append(("writes", table))

        def wrote(self, table: str, layout: object) -> None:
            told.append(("wrote", table, layout.rows))  # type: ignore[attr-defined]

    def run() -> RunReport:
        return sync(shop.model(), shop.connect, shards=["shop_00"])

    with watched(Note()):
        assert run().ok
    assert told == [
        ("begins", "orders", ["shop_00"]), ("expects", "shop_00"), ("reads", "shop_00"), ("merges", "shop_00"),
        ("merged", "shop_00", 3000), ("ends", "shop_00", "merged"), ("writes", "orders"), ("wrote", "orders", 3000),
    ]  # fmt: skip
    told.clear()
    assert run().ok
    assert told == []
