"""Logs: one line an event; in containers as JSON, with view, shard, window and run as fields."""

from __future__ import annotations

import json
import re
import time
from collections import Counter
from itertools import permutations
from typing import Any

from flows.sync_view import sync_view
from tests.prefect_api import PrefectApi, drain
from tests.world import ORDERS_TABLE, ROOT, WorldMaker, orders_view


def test_every_event_is_a_line_of_json_with_its_fields(world: WorldMaker, prefect_api: PrefectApi) -> None:
    w = world(["shop_00", "shop_01"])
    w.on_all(ORDERS_TABLE)
    for number, shard in enumerate(w.shards):
        w.on(shard, f"INSERT INTO orders VALUES ({number}, 'new', 1, '2026-01-01', NULL)")
    setting = re.search(r"(PREFECT_LOGGING_\w+_FORMATTER)=(\w+)", (ROOT / "Dockerfile").read_text())
    assert setting
    done = prefect_api.command(w, "run", "orders", **{setting[1]: setting[2], "PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL": "INFO"})
    assert done.returncode == 0, done.stderr
    lines = [json.loads(line) for line in done.stderr.splitlines()]
    events = [(line["event"], line.get("shard")) for line in lines if line.get("event")]
    assert [event for event in events if event[0].startswith("window.")] in permuted([("window.merged", shard) for shard in w.shards])
    merged = [line for line in lines if line.get("event") == "window.merged"]
    assert {(line["view"], line["read"], line["merged"]) for line in merged} == {("orders", 1, 1)}
    assert len({line["run"] for line in merged}) == 1
    assert {line["window"] for line in merged} == {row[0] for row in w.warehouse("SELECT window_id FROM shardlake.windows")}
    (ended,) = [line for line in lines if line.get("event") == "run.ended"]
    assert events[-1][0] == "run.ended"
    said = {name: ended[name] for name in ("view", "state", "shards", "failed", "read", "merged", "unchanged", "superseded", "rejected")}
    assert said == {
        "view": "orders", "state": "completed", "shards": 2, "failed": 0, "read": 2, "merged": 2, "unchanged": 0, "superseded": 0, "rejected": 0,
    }  # fmt: skip


def permuted(events: list[tuple[str, str]]) -> list[list[tuple[str, str]]]:
    return [list(order) for order in permutations(events)]


def quantity(api: PrefectApi, state: Any) -> tuple[list[str], Counter[str]]:
    """The first words of the lines of a run that the server has, and its events by their names, when all have come."""
    flow_run = str(state.state_details.flow_run_id)
    deadline, before = time.monotonic() + 60, (0, 0)
    while time.monotonic() < deadline:
        drain()
        logs = [line["message"] for line in api.all("logs", logs={"flow_run_id": {"any_": [flow_run]}})]
        events = Counter(e["event"] for e in api.events() if flow_run in json.dumps(e))
        now = (len(logs), sum(events.values()))
        if now == before and any(line.startswith("Finished in state") for line in logs) and events["prefect.flow-run.Completed"]:
            break  # nothing more has come
        before = now
        time.sleep(1.2)  # the server writes down what it heard every half a second
    return [line.split()[0] for line in logs], events


def test_a_run_that_finds_nothing_new_says_five_lines_and_nine_events_however_many_shards_there_are(
    world: WorldMaker, prefect_api: PrefectApi
) -> None:
    w = world([f"shop_{n:02d}" for n in range(6)])
    w.on_all(ORDERS_TABLE)
    w.on_all("INSERT INTO orders VALUES (1, 'new', 1, '2026-01-01', NULL)")
    with prefect_api.here(w):
        first = sync_view("orders", return_state=True)
        second = sync_view("orders", return_state=True)
    lines, events = quantity(prefect_api, second)
    assert sorted(set(lines) - {"run.begins"}) == ["Beginning", "Finished", "run.ended", "view.arrived"]
    assert len(lines) <= 5
    assert {name: count for name, count in events.items() if "heartbeat" not in name} == {
        "prefect.flow-run.Pending": 1, "prefect.flow-run.Running": 1, "prefect.flow-run.Completed": 1,
        "prefect.task-run.Pending": 1, "prefect.task-run.Running": 1, "prefect.task-run.Completed": 1,
        "prefect.artifact.created": 1, "prefect.artifact-collection.updated": 1, "shardlake.view.arrived": 1,
    }  # fmt: skip
    lines, events = quantity(prefect_api, first)
    assert Counter(lines)["window.merged"] == 6
    assert len([line for line in lines if line != "run.begins"]) == 10  # a line a shard with news
    assert events["shardlake.window.merged"] == 6
    assert sum(count for name, count in events.items() if name.startswith("prefect.task-run.")) == 3 * (1 + 2 * 6)


def test_many_windows_of_a_shard_are_one_line_a_minute(world: WorldMaker, prefect_api: PrefectApi) -> None:
    w = world(["shop_00"], view=orders_view(source={"chunk": "64KB", "window": "1KB"}))
    w.on_all(ORDERS_TABLE)
    w.on_all("INSERT INTO orders SELECT seq, 'bulk', 1, '2026-01-01', concat('{\"a\": \"', repeat('x', 1000), '\"}') FROM seq_1_to_250")
    with prefect_api.here(w):
        state = sync_view("orders", return_state=True)
    lines, events = quantity(prefect_api, state)
    assert w.warehouse("SELECT count(*) FROM shardlake.windows") == [(3,)]
    assert (Counter(lines)["window.merged"], events["shardlake.window.merged"]) == (1, 1)
    assert "run.ended" in lines
