"""Logs: one line an event; in containers as JSON, with view, shard, window and run as fields."""

from __future__ import annotations

import json
import re

from tests.prefect_api import PrefectApi
from tests.world import ORDERS_TABLE, ROOT, WorldMaker


def test_every_event_is_a_line_of_json_with_its_fields(world: WorldMaker, prefect_api: PrefectApi) -> None:
    w = world(["shop_00", "shop_01"])
    w.on_all(ORDERS_TABLE)
    w.on_all("INSERT INTO orders VALUES (1, 'new', 1, '2026-01-01', NULL)")
    setting = re.search(r"(PREFECT_LOGGING_\w+_FORMATTER)=(\w+)", (ROOT / "Dockerfile").read_text())
    assert setting
    done = prefect_api.command(w, "run", "orders", **{setting[1]: setting[2], "PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL": "INFO"})
    assert done.returncode == 0, done.stderr
    lines = [json.loads(line) for line in done.stderr.splitlines()]
    events = [(line["event"], line["shard"]) for line in lines if line.get("event", "").startswith("window.")]
    assert sorted(events) == sorted((f"window.{what}", shard) for what in ("planned", "extracted", "merged") for shard in w.shards)
    merged = [line for line in lines if line.get("event") == "window.merged"]
    assert {(line["view"], line["read"], line["merged"] + line["unchanged"] + line["superseded"]) for line in merged} == {("orders", 1, 1)}
    assert len({line["run"] for line in merged}) == 1
    assert {line["window"] for line in merged} == {row[0] for row in w.warehouse("SELECT window_id FROM shardlake.windows")}
