"""What people see at 80 columns: nothing is wider, no name and no number is broken or cut, no error is hidden."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from rich.cells import cell_len

from cli import presentation
from tests.world import World, WorldMaker, orders_view

VIEW = "customer_subscription_invoices"
SHARDS = [f"billing_eu_{n:02d}" for n in range(10)]
TABLE = (
    "CREATE TABLE orders (id bigint PRIMARY KEY, status varchar(40), amount decimal(12,2), updated_at timestamp NOT NULL, payload text);"
    " CREATE INDEX orders_updated_at_of_the_shop ON orders (updated_at)"
)


@pytest.fixture
def fleet(world: WorldMaker) -> World:
    """Ten shards under names as long as they are elsewhere, with a few rows each; the last one cannot be reached."""
    view = orders_view(name=VIEW, freshness="10m", source={"connection": "postgres-shards/shop"}, warehouse={"table": f"analytics.{VIEW}"})
    view["lake"] = {"connection": "athena-lake/main", "layouts": [{"table": f"{VIEW}_by_day", "partition_by": ["day(updated_at)"]}]}
    w = world(SHARDS, source="postgres", view=view)
    for number, shard in enumerate(SHARDS):
        w.on(shard, TABLE)
        w.on(
            shard,
            f"INSERT INTO orders SELECT {number} * 100 + n, 'new', 1, timestamp '2026-01-02 03:04:05.678901', NULL FROM generate_series(1, 3) n",
        )
    known = w.connections()["postgres-shards/shop"]["shards"]
    w.connection_changes = {"shards": {**known, SHARDS[-1]: "postgresql://postgres@127.0.0.1:1/billing"}}
    return w


def narrow(w: World, *words: str, code: int = 0) -> list[str]:
    """The lines of a command at 80 columns, those of a message apart, which the terminal itself wraps."""
    done = w.command(*words, COLUMNS="80")
    print(done.stdout)
    assert done.returncode == code, done.stdout + done.stderr
    lines = done.stdout.splitlines()
    assert [
        line for line in lines if cell_len(line.rstrip()) > 80 and not re.search(r"^note: |cannot be reached|SELECT|next: ", line)
    ] == []
    return [" ".join(line.split()) for line in lines]


def test_a_run_and_its_lake_table_fit(fleet: World) -> None:
    lines = narrow(fleet, "run", VIEW, code=1)
    assert [line.split(" ")[:4] for line in lines if line.startswith("billing_eu_0") and ": " not in line] == [
        *([shard, "merged", "3", "3"] for shard in SHARDS[:-1]), [SHARDS[-1], "failed", "0", "0"],
    ]  # fmt: skip
    assert any(re.match(rf"{VIEW}_by_day written 27 ", line) for line in lines)
    assert lines[-1].startswith(f"{VIEW}: 27 rows read, 27 merged; 9/10 shards merged; billing_eu_09: ")
    assert lines[-1].endswith(f"; next: shardlake run {VIEW}")


def test_status_has_whole_names_whole_numbers_and_the_last_error(fleet: World) -> None:
    assert not fleet.sync().ok
    fleet.ledger(
        "INSERT INTO shardlake.rejects (window_id, view, shard, stage, row_key, column_name, value, reason)"
        " SELECT 0, %s, 'billing_eu_03', 'merge', jsonb_build_object('id', n), 'amount', 'x', 'is not numeric' FROM generate_series(1, 12345) n",
        VIEW,
    )
    lines = narrow(fleet, "status", code=1)
    mark = str(fleet.watermarks()["billing_eu_03"])[:19]
    assert re.match(rf"{VIEW}(; last run .*)?$", lines[0])  # once, where it is the same for all
    (third,) = [line for line in lines if line.startswith("billing_eu_03 ")]
    assert re.fullmatch(rf"billing_eu_03 fresh {mark} 0:\d\d:\d\d 12,345( \d\d-\d\d \d\d:\d\d:\d\d)?", third)
    assert any(
        line.startswith(f"{VIEW}, billing_eu_09: (127.0.0.1:1/billing) cannot be reached or broke off") and line.endswith("from here.")
        for line in lines
    )


def test_plan_breaks_no_timestamp_and_no_estimate_and_says_once_what_repeats(fleet: World) -> None:
    assert not fleet.sync().ok
    for shard in SHARDS[:-1]:
        fleet.on(shard, "UPDATE orders SET status = 'paid', updated_at = timestamp '2026-02-03 04:05:06.123456' WHERE id % 100 = 1")
        fleet.on(shard, "UPDATE pg_class SET reltuples = 12345678, relpages = 1 WHERE oid = 'orders'::regclass")
    fleet.set_back("2026-01-30 00:00:00.000000")
    lines = narrow(fleet, "plan", VIEW, code=1)
    title = " ".join(lines[:3])
    assert title.startswith(f"{VIEW}: windows; from 2026-01-30 00:00:00; ")
    for once in ("rows (about) 61,728", "table (about) 12,345,678", "index orders_updated_at_of_the_shop"):
        assert once in title
    assert sum(bool(re.fullmatch(r"billing_eu_0\d( \d{4}-\d\d-\d\d \d\d:\d\d:\d\d)?", line)) for line in lines) == 9
    assert any(line.startswith("billing_eu_09 (127.0.0.1:1/billing) cannot be reached or broke off") for line in lines)
    assert [line for line in lines if line.startswith("customer_name ")] == [
        "customer_name payload.customer.name json path text every value"
    ]


def test_rejects_keep_key_and_column_whole_and_fold_value_and_reason(fleet: World) -> None:
    assert not fleet.sync().ok
    fleet.on(SHARDS[0], "INSERT INTO orders VALUES (1234567890123456789, 'new', 1, now(), %s)", '{"customer": {"name": "cut ' + "off " * 50)
    fleet.sync()
    lines = narrow(fleet, "rejects", VIEW)
    assert any("id=1234567890123456789" in line for line in lines)
    assert any(re.search(r"\bpayload\b", line) for line in lines)
    (found,) = json.loads(fleet.command("rejects", VIEW, "--json").stdout)["rejects"]
    assert found["sinks"] == ["warehouse", f"lake.{VIEW}_by_day"]


def report(**counts: int) -> dict[str, Any]:
    """A run's report of three shards with these counts each."""
    names = ("read", "merged", "unchanged", "superseded", "rejected")
    shard = {**dict.fromkeys(names, 0), **counts, "state": "merged", "seconds": {"extract": 1234.5}, "notes": [], "error": None}
    total = {name: 3 * shard[name] for name in names}  # type: ignore[operator]
    return {
        "view": VIEW,
        "shards": [{**shard, "shard": f"billing_eu_{n:02d}"} for n in range(3)],
        "totals": total,
        "seconds": 5678.9,
        "lake": [],
    }


@pytest.mark.parametrize("columns", [40, 60, 80, 100, 200])
def test_numbers_of_millions_stand_whole_at_every_width(
    columns: int, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from rich.console import Console

    monkeypatch.setattr(presentation, "console", Console(width=columns, color_system=None))
    presentation.show_run(report(read=123_456_789, merged=98_765_432, unchanged=24_691_357))
    said = capsys.readouterr().out
    for number in ("123,456,789", "98,765,432", "24,691,357", "370,370,367", "296,296,296", "1234.50", "5678.90"):
        assert re.search(rf"(?<![\d,]){re.escape(number)}(?![\d,])", said), (columns, said)
    assert [line for line in said.splitlines()[1:] if cell_len(line.rstrip()) > columns] == []
    assert "billing_eu_02" in said
