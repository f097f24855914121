"""The pages that people look at, in a real browser on a real Prefect server; pictures of them are left in build/screenshots."""

from __future__ import annotations

import html
import re
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
import yaml

from embedded.chromium import Chromium, obtain_chromium
from embedded.machine import NoServer
from flows.check_freshness import check_freshness
from flows.pages.run_page import page, sentence
from flows.sync_view import sync_view
from shardlake.ledger.history import PastRun
from shardlake.run.report import RunReport, ShardReport
from tests.pages import plain, tables
from tests.prefect_api import PrefectApi
from tests.world import ORDERS_TABLE, ROOT, World, WorldMaker, orders_view

PICTURES = ROOT / "build" / "screenshots"


@pytest.fixture(scope="module")
def browser() -> Chromium:
    try:
        return obtain_chromium()
    except NoServer as none:
        pytest.skip(str(none))


def fleet(world: WorldMaker) -> World:
    """Three views: `orders` has run well for hours, and of its last run a shard failed and another's rows were rejected; `customers`
    has just arrived; `users` is new and has not arrived yet.
    """
    layouts = [{"table": "orders_by_day", "partition_by": ["day(updated_at)"]}]
    promise: dict[str, Any] = {"freshness": "4h", "schedule": "every 1h"}
    w = world([f"shop_{n:02d}" for n in range(5)], view=orders_view(lake={"connection": "athena-lake/main", "layouts": layouts}, **promise))
    w.on_all(ORDERS_TABLE)
    w.on_all("INSERT INTO orders SELECT seq, 'new', 1, '2026-01-01', '{\"customer\": {\"name\": \"Ada\"}}' FROM seq_1_to_1234")
    for number, shard in enumerate(w.shards):
        w.on(shard, "UPDATE orders SET id = id + %s", number * 10_000)
    for _ in range(4):
        w.must_sync()
        w.on_all("UPDATE orders SET updated_at = utc_timestamp(6) WHERE id % 5 = 0")
    w.write_files()
    for name in ("customers", "users"):
        home = w.folder / "views" / name
        home.mkdir(parents=True)
        (home / "view.yaml").write_text(yaml.safe_dump(orders_view(name=name, warehouse={"table": f"analytics.{name}"}, **promise)))
    age = (
        "(interval '1 hour' * (SELECT count(*) FROM shardlake.runs later WHERE later.started_at > runs.started_at) + interval '40 minutes')"
    )
    w.ledger(f"UPDATE shardlake.runs SET started_at = started_at - {age}, ended_at = ended_at - {age}")
    w.on("shop_01", "UPDATE orders SET payload = '{cut off', updated_at = utc_timestamp(6) WHERE id % 5 = 0")
    w.on("shop_03", "RENAME TABLE orders TO elsewhere")
    return w


def shown(document: str) -> str:
    """The words of a document."""
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", re.sub(r"<(style|script)\b.*?</\1>", " ", document, flags=re.DOTALL))).split())


@pytest.mark.timeout(600)
def test_what_people_see_of_a_run_and_of_the_fleet(world: WorldMaker, prefect_api: PrefectApi, browser: Chromium) -> None:
    w = fleet(world)
    with prefect_api.here(w):
        run = sync_view("orders", return_state=True)
        w.on("shop_03", "RENAME TABLE elsewhere TO orders")
        assert sync_view("customers", return_state=True).is_completed()
        check = check_freshness(return_state=True)
        single = sync_view("orders", ["shop_00"], return_state=True)
    PICTURES.mkdir(parents=True, exist_ok=True)
    ui, ids = prefect_api.server.ui_url, {}
    for state in (run, check, single):
        ids |= {key: found["id"] for key, found in prefect_api.artifacts(str(state.state_details.flow_run_id)).items()}
    assert {"orders-run", "orders-shards", "fleet"} <= ids.keys()  # a run of one shard leaves the view's page as it was

    seen = shown(browser.open(f"{ui}/v2/artifacts/artifact/{ids['orders-run']}", PICTURES / "run.png", until="The lake"))
    assert "3 of 5 shards of orders arrived, shop_01 and shop_03 did not:" in seen
    assert "Next: look at what was rejected with shardlake rejects orders , read why in the log of shop_03 , mend it;" in seen
    assert "The last 5 runs" in seen
    seen = shown(browser.open(f"{ui}/v2/artifacts/artifact/{ids['fleet']}", PICTURES / "fleet.png", until="Views"))
    assert "8 of 15 shards of 3 views are fresh, 1 failed, 1 with every row rejected, 5 not arrived yet." in seen
    assert "Next: open orders below: its last run says what did not arrive; or type shardlake status ." in seen
    assert re.search(r"orders ✗ failed 3/5 .* customers ✓ fresh 5/5", seen)
    assert re.search(r"[▁▂▃▄▅▆▇█]{4}", seen)  # its delay over the day
    seen = shown(browser.open(f"{ui}/artifacts/artifact/{ids['fleet']}", PICTURES / "fleet-v1.png", until="Views"))
    assert "8 of 15 shards of 3 views are fresh" in seen
    log = re.search(r"/runs/task-run/[-0-9a-f]+", prefect_api.artifacts(str(run.state_details.flow_run_id))["orders-run"]["description"])
    assert log
    seen = shown(browser.open(f"{ui}{log[0]}", PICTURES / "log.png", until="Task run failed"))
    assert "shop_03" in seen
    name = prefect_api.flow_run(check)["name"]
    assert name == "8 of 15 shards of 3 views are fresh, 1 failed, 1 with every row rejected, 5 not arrived yet: orders"
    assert {png.name: png.read_bytes()[:8] for png in PICTURES.glob("*.png")} == dict.fromkeys(
        ("run.png", "fleet.png", "fleet-v1.png", "log.png"), b"\x89PNG\r\n\x1a\n"
    )


def report(count: int, **failed: str) -> RunReport:
    made = RunReport("orders", uuid4(), {f"shop_{n:03d}": ShardReport(f"shop_{n:03d}") for n in range(count)}, seconds=38.2)
    for shard in made.shards.values():
        shard.windows, shard.read, shard.merged, shard.upper = 1, 1234567, 1234567, "2026-11-27 20:48:35.410786"
        shard.error = failed.get(shard.shard)
    return made


def test_the_sentence_says_what_came_what_did_not_and_what_is_next() -> None:
    assert plain(sentence(report(3), {})) == (
        "**All 3 shards of orders arrived:** 3,703,701 rows read, 3,703,701 merged, in 38 s. **Next:** nothing is to be done."
    )
    down = report(3, shop_001="shop_001 cannot be reached")
    assert plain(sentence(down, {"shop_001": "http://prefect/log"})).startswith("**2 of 3 shards of orders arrived, shop_001 did not:**")
    assert "read why in [the log of shop\\_001](http://prefect/log), mend it; the next run goes on" in sentence(
        down, {"shop_001": "http://prefect/log"}
    )
    all_down = report(20, **{f"shop_{n:03d}": "is down" for n in range(5)})
    assert "15 of 20 shards of orders arrived, shop_000, shop_001, shop_002 and 2 more did not:" in plain(sentence(all_down, {}))
    began = RunReport("orders", uuid4(), {}, error="no view 'orders' in views; there are: users. Check the name, or --views.")
    assert plain(sentence(began, {})).startswith("**orders did not arrive:** no view 'orders' in views;")


def test_a_page_is_bounded_however_many_shards_there_are_and_no_reason_is_markup() -> None:
    bad = report(1000, shop_777="shop_777: 'a|b' <img src=x> [x](http://evil) `code`\nand more")
    made = page(bad, {})
    (rows,) = tables(made)
    assert (len(rows), rows[0]["shard"], rows[0]["state"]) == (100, "shop_777", "✗ failed")
    assert rows[1] == {
        "shard": "shop_000",
        "state": "✓ merged",
        "read": "1,234,567",
        "merged": "1,234,567",
        "up to": "27 Nov 2026, 20:48:35",
    }
    assert "and 900 more that went well" in made
    assert r"- **shop\_777**: 'a\|b' \<img src=x\> \[x\](http://evil) `code` and more" in made.splitlines()
    assert len(made) < 20_000


def test_the_last_runs_are_a_chart_that_says_how_many_did_not_go_well() -> None:
    noon = datetime(2026, 1, 1, 12, tzinfo=UTC)
    past = [
        PastRun(noon + timedelta(hours=n), noon + timedelta(hours=n, seconds=10 * n + 1), "failed" if n == 2 else "completed", 1000)
        for n in range(4)
    ]
    made = page(report(1), {}, past)
    assert "![4 runs, 1 of them not well](data:image/svg+xml;base64," in made
    assert "As high as they took long, 31.0 s at most; red is what did not arrive whole." in made
    assert "they read 4,000 rows." in made
