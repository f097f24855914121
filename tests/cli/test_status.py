"""`shardlake status`, the real program: what is fresh, what is late, what never came; the exit code says it to cron."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.world import ORDERS_TABLE, World, WorldMaker, orders_view


@pytest.fixture
def shop(world: WorldMaker) -> World:
    """Two shards, loaded a moment ago."""
    w = world(["shop_00", "shop_01"], view=orders_view(freshness="10m"))
    w.on_all(ORDERS_TABLE)
    w.on("shop_01", "INSERT INTO orders VALUES (1, 'new', 1, '2026-01-01', '{\"cut off'), (2, 'new', 1, '2026-01-01', '{}')")
    w.must_sync()
    return w


def status(w: World, code: int) -> dict[str, dict[str, Any]]:
    done = w.command("status", "--json")
    assert (done.returncode, done.stderr) == (code, "")
    found = json.loads(done.stdout)
    assert (found["ok"], found["unknown"]) == (code == 0, {})
    return {line["shard"]: line for line in found["shards"]}


def test_fresh_shards_end_with_0(shop: World) -> None:
    lines = status(shop, 0)
    assert {name: (line["view"], line["problem"], line["last_error"], line["rejects"]) for name, line in lines.items()} == {
        "shop_00": ("orders", None, None, 0),
        "shop_01": ("orders", None, None, 1),
    }
    marks = shop.watermarks()
    assert {name: line["watermark"] for name, line in lines.items()} == marks
    assert all(0 <= line["lag_seconds"] < 300 for line in lines.values())
    assert [line["last_state"] for line in lines.values()] == ["nothing", "merged"]
    shown = shop.command("status")
    assert (shown.returncode, shown.stderr) == (0, "")
    assert [" ".join(line.split())[:31] for line in shown.stdout.splitlines() if "shop_" in line] == [
        f"orders {name} fresh {marks[name][:10]}" for name in shop.shards
    ]


def test_a_run_that_crashed_of_a_deployment_without_a_view_ends_with_1_as_the_check_does(shop: World) -> None:
    shop.warehouse("INSERT INTO shardlake.alarms (view, shard, kind, message) VALUES ('compact-lake', '', 'crashed', 'it crashed twice')")
    status(shop, 1)
    shown = shop.command("status")
    assert (shown.returncode, shown.stdout.splitlines()[-2:]) == (
        1, ["compact-lake: it crashed twice", "all 2 shards of 1 view are fresh, 1 run crashed"]
    )  # fmt: skip
    shop.warehouse("UPDATE shardlake.alarms SET ended_at = now()")
    status(shop, 0)


def test_a_shard_that_is_staler_than_the_views_freshness_ends_with_1(shop: World) -> None:
    shop.warehouse("UPDATE shardlake.positions SET complete_to = now() - interval '11 minutes' WHERE partition = 'shop_01'")
    lines = status(shop, 1)
    assert {name: line["problem"] for name, line in lines.items()} == {"shop_00": None, "shop_01": "staler than 10m"}
    assert 660 <= lines["shop_01"]["lag_seconds"] < 700


def test_a_shard_that_never_arrived_ends_with_1(shop: World) -> None:
    shop.shards.append("shop_02")
    shop.create_shard("shop_02")
    line = status(shop, 1)["shop_02"]
    assert (line["problem"], line["watermark"], line["lag_seconds"], line["last_run"]) == ("never arrived", None, None, None)


def test_a_shard_whose_last_run_failed_ends_with_1_and_shows_why(shop: World) -> None:
    shop.on("shop_01", "DROP TABLE orders")
    assert not shop.sync().ok
    line = status(shop, 1)["shop_01"]
    assert (line["problem"], line["last_state"]) == ("failed", "failed")
    assert line["last_error"].startswith("shop_01 ")
    shown = shop.command("status")
    assert shown.returncode == 1
    assert f"orders, shop_01: {line['last_error'].removeprefix('shop_01 ')}" in shown.stdout.splitlines()


def test_a_run_that_was_due_and_never_began_ends_with_1_for_a_view_that_is_watched(shop: World) -> None:
    shop.view["schedule"] = "every 1h"
    shop.ledger("UPDATE shardlake.runs SET started_at = started_at - interval '3 hours', ended_at = ended_at - interval '3 hours'")
    assert status(shop, 0).keys() == {"shop_00", "shop_01"}
    shop.ledger("INSERT INTO shardlake.watched VALUES ('orders', now() - interval '9 days')")
    done = shop.command("status", "--json")
    found = json.loads(done.stdout)
    assert (done.returncode, found["message"]) == (1, "all 2 shards of 1 view are fresh, 1 run not started")
    assert [(w["view"], w["shard"], w["kind"]) for w in found["wrong"]] == [("orders", "", "not started")]


def test_a_view_that_cannot_be_asked_about_is_named_and_the_others_are_still_shown(shop: World) -> None:
    home = shop.folder / "views" / "broken"
    home.mkdir(parents=True)
    (home / "view.yaml").write_text("name: [")
    done = shop.command("status")
    assert done.returncode == 1
    assert "shop_01" in done.stdout
    assert done.stderr.startswith(f"broken: {home / 'view.yaml'}, line 1: ")
    found = json.loads(shop.command("status", "--json").stdout)
    assert (found["ok"], list(found["unknown"]), len(found["shards"])) == (False, ["broken"], 2)


def test_a_view_that_has_never_run_ends_with_1(world: WorldMaker) -> None:
    lines = status(world(["shop_00"]), 1)
    assert {name: line["problem"] for name, line in lines.items()} == {"shop_00": "never arrived"}


BACKFILL = ("backfill", "orders", "--from", "2026-01-01", "--to", "2026-01-11", "--step", "1d")


def half_a_backfill(w: World) -> dict[str, str]:
    """A backfill during which shop_01 is down, and stays so; returns the shards as they were."""
    known: dict[str, str] = w.connections()["mysql-shards/shop"]["shards"]
    w.connection_changes = {"shards": {**known, "shop_01": f"mysql://root@127.0.0.1:1/{w.database('shop_01')}"}}
    assert w.command(*BACKFILL).returncode == 1
    return known


def test_a_backfill_that_is_not_finished_is_shown_until_it_is(shop: World) -> None:
    w = shop
    half_a_backfill(w)
    w.connection_changes = {}
    (left,) = json.loads(w.command("status", "--json").stdout)["backfills"]
    assert (left["view"], left["from"][:10], left["to"][:10], left["step"], left["done"], left["slices"], left["state"]) == (
        "orders", "2026-01-01", "2026-01-11", "86400s", 10, 20, "failed",
    )  # fmt: skip
    shown = w.command("status").stdout
    assert "Backfills that are not finished; the same command again goes on" in shown
    assert "10/20" in shown
    assert w.command(*BACKFILL).returncode == 0
    assert json.loads(w.command("status", "--json").stdout)["backfills"] == []
    assert "Backfills" not in w.command("status").stdout


def test_a_backfill_that_nobody_wants_any_more_is_given_up_without_its_source(shop: World) -> None:
    w, known = shop, half_a_backfill(shop)
    (left,) = json.loads(w.command("status", "--json").stdout)["backfills"]
    wrong = w.command("backfill", "orders", "--give-up", "zzz")
    assert wrong.returncode == 1
    assert f"no unfinished backfills have an id that begins with 'zzz'; there are: {left['id'][:8]}" in wrong.stderr
    w.connection_changes = {"shards": {name: f"mysql://root@127.0.0.1:1/{name}" for name in known}}
    done = w.command("backfill", "orders", "--give-up", left["id"][:8])
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == f"backfill {left['id'][:8]} of orders is given up: 10 of 20 slices are merged, and stay so\n"
    w.connection_changes = {}
    assert json.loads(w.command("status", "--json").stdout)["backfills"] == []
    assert w.command(*BACKFILL).returncode == 0
    assert w.warehouse("SELECT state FROM shardlake.backfills ORDER BY started_at") == [("given up",), ("completed",)]


def test_a_backfill_needs_both_ends(shop: World) -> None:
    done = shop.command("backfill", "orders", "--from", "2026-01-01")
    assert done.returncode == 2
    assert "a backfill needs both --from and --to" in " ".join(done.stderr.split())
