"""`make demo` as it is: the story comes out, with leftovers of an earlier one lying about, and leaves nothing running."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
from pathlib import Path
from urllib.parse import urlsplit

import psutil
import yaml

from tests.world import ROOT


def test_the_demo_tells_its_story_and_leaves_nothing_running(tmp_path: Path) -> None:
    home = tmp_path / ".demo"
    for name in ("connections.yaml", "views/orders/view.yaml", "lake/raw/old.parquet", "postgres/data/PG_VERSION", "junk"):
        (home / name).parent.mkdir(parents=True, exist_ok=True)
        (home / name).write_text("left behind")
    # what a user has set for other work must not lead the demo elsewhere
    environment = {**os.environ, "COLUMNS": "120", "SHARDLAKE_VIEWS": "/nowhere", "PREFECT_API_URL": "http://127.0.0.1:1/api"}
    command = [sys.executable, "-m", "demo", "--folder", str(tmp_path)]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=180, check=False)
    lines = [" ".join(line.replace("│", " ").split()) for line in done.stdout.splitlines()]
    text = "\n".join(lines)

    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stderr == ""
    assert "3 postgres shards with 60,008 rows" in text

    runs = text.split("$ shardlake run orders")[1:]
    assert len(runs) == 4
    first, second, down, back = ([line.split() for line in run.splitlines() if line.startswith("shop_")][:3] for run in runs)
    # order 999999 stands on two shards; its older version on shop_00 is superseded when it comes second
    assert first[0][:-1] in (["shop_00", "merged", "20,003", *counts, "2"] for counts in (["20,001", "0", "0"], ["20,000", "0", "1"]))
    assert [row[:-1] for row in first[1:]] == [
        ["shop_01", "merged", "20,003", "20,001", "0", "0", "2"],
        ["shop_02", "merged", "20,002", "20,001", "0", "0", "1"],
    ]
    assert [row[:2] for row in second] == [["shop_00", "merged"], ["shop_01", "merged"], ["shop_02", "no"]]
    assert [row[:4] for row in second[:2]] == [["shop_00", "merged", "100", "100"], ["shop_01", "merged", "1", "1"]]
    assert [row[1] for row in down] == ["merged", "merged", "failed"]
    assert "2/3 shards merged; shop_02: (127.0.0.1:" in runs[2]
    assert [row[:4] for row in back[2:]] == [["shop_02", "merged", "3", "3"]]

    rows = text.split("Five rows of analytics.orders")[1]
    assert "999999 moved here 2.00" in rows
    assert "5000000 new 42.00" in rows
    rejects = text.split("$ shardlake rejects orders")[1]
    assert "orders: 5 rejects" in rejects
    for key in ("id=900000", "id=900001", "id=900010", "id=900011", "id=900020"):
        assert key in rejects
    status, lake = text.split("$ shardlake status")[1].split("The lake's folders")
    assert [line.split()[:3] for line in status.splitlines() if line.startswith("orders")] == [
        ["orders", f"shop_0{n}", "fresh"] for n in range(3)
    ]
    assert "analytics/orders/ dt=2026-01-01, dt=2026-01-02, dt=2026-01-03, … (29 folders)" in lake
    assert re.search(r"read .* of 2 of 31 files", lake)
    assert re.search(r"read .* of 31 of 31 files", lake)
    assert "60003" in lake.split("FROM orders_now")[1]
    for words in (
        "plan orders",
        "run orders --shard shop_01 --json",
        "rejects orders",
        "replay orders",
        "discover postgres-shards/shop orders",
    ):
        assert any(line.startswith(".venv/bin/shardlake ") and line.endswith(words) for line in lines), words

    assert not (home / "junk").exists()
    connections = yaml.safe_load((home / "connections.yaml").read_text())
    urls = [*connections["postgres-shards/shop"]["shards"].values(), connections["postgres-warehouse/main"]["url"]]
    for port in {urlsplit(url).port for url in urls}:
        with socket.socket() as probe:
            assert probe.connect_ex(("127.0.0.1", port or 0)) != 0, "a server of the demo's still answers"
    assert [p.info["cmdline"] for p in psutil.process_iter(["cmdline"]) if str(home) in " ".join(p.info["cmdline"] or [])] == []


def test_a_source_that_there_is_not_is_told_with_those_that_there_are(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "demo", "oracle", "--folder", str(tmp_path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 2
    assert "invalid choice: 'oracle'" in done.stderr
    assert "postgres" in done.stderr
    assert "mysql" in done.stderr
    assert not (tmp_path / ".demo").exists()


def test_the_demo_of_files_tells_of_drops_that_are_late_cut_off_and_wrong(tmp_path: Path) -> None:
    environment = {**os.environ, "COLUMNS": "200", "SHARDLAKE_VIEWS": "/nowhere", "PREFECT_API_URL": "http://127.0.0.1:1/api"}
    command = [sys.executable, "-m", "demo", "files", "--folder", str(tmp_path)]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=240, check=False)
    text = "\n".join(" ".join(line.replace("│", " ").split()) for line in done.stdout.splitlines())

    assert done.returncode == 0, done.stdout + done.stderr
    assert "CSV files of 3 shards in a bucket with 60,008 rows" in text
    assert "orders: 60,008 rows read, 60,003 merged, 5 rejected; 3/3 shards merged" in text
    assert "orders: 103 rows read, 102 merged, 1 superseded; 3/3 shards merged" in text
    assert "shop_02: shop_02/orders/20260201-100300000.csv has 3 fields, where 5 are declared, and Op before them" in text
    assert "(record)" in text.split("$ shardlake rejects orders")[1]
    rows = text.split("Rows of analytics.orders")[1]
    assert "4 newest 4.00" in rows
    assert "5 mended 5.00" in rows
    assert "\n2 " not in rows
    assert [p.info["cmdline"] for p in psutil.process_iter(["cmdline"]) if str(tmp_path) in " ".join(p.info["cmdline"] or [])] == []


def test_the_demo_of_dynamodb_tells_of_one_scan_for_three_views_deletes_keys_that_end_and_a_mended_view(tmp_path: Path) -> None:
    environment = {**os.environ, "COLUMNS": "200", "SHARDLAKE_VIEWS": "/nowhere", "PREFECT_API_URL": "http://127.0.0.1:1/api"}
    command = [sys.executable, "-m", "demo", "dynamodb", "--folder", str(tmp_path)]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=240, check=False)
    text = "\n".join(" ".join(line.replace("│", " ").split()) for line in done.stdout.splitlines())

    assert done.returncode == 0, done.stdout + done.stderr
    assert "a table of DynamoDB Local, Amazon's emulator, with 5,680 items" in text
    assert re.findall(r"asked for (\d+) pages", text)[:2] == ["4", "4"]  # one of each segment, for three views
    assert re.findall(r"(?m)^(\w+): (.*); 4/4 shards merged", text)[:6] == [
        ("customers", "5,680 rows read, 800 merged, 4,880 of others"),
        ("orders", "5,680 rows read, 3,198 merged, 2 rejected, 2,480 of others"),
        ("invoices", "5,680 rows read, 1,599 merged, 1 rejected, 4,080 of others"),
        ("customers", "5,682 rows read, 801 merged, 4,881 of others"),  # two that are new; seven that are gone are told, too
        ("orders", "5,682 rows read, 3,199 merged, 2 rejected, 2,481 of others"),
        ("invoices", "5,682 rows read, 1,599 merged, 1 rejected, 4,082 of others"),
    ]
    rejects = text.split("$ shardlake rejects orders")[1]
    assert "pk=CUSTOMER#00003, sk=ORDER#000013 amount 19.999 would be rounded to fit numeric(12,2)" in rejects
    assert "pk=CUSTOMER#00003, sk=ORDER#000012 amount on request is not numeric(12,2)" in rejects
    assert "3/4 shards merged; 2-of-4: platform, 2-of-4: the keys of dynamodb/platform have ended (ExpiredTokenException)" in text
    assert "DynamoDB was asked for 0 pages of items: a replay reads no source" in text
    rows = text.split("Orders in the warehouse")[1]
    for row in ("ORDER#000012 new 12.00", "ORDER#000013 paid 20.00", "ORDER#000032 late change 32.32", "ORDER#000001 refunded 1.01"):
        assert f"\n{row} " in rows, row
    assert "\nINVOICE#000020 12345678901234567890123456789012345678 DE000000020" in rows
    assert "all 12 shards of 3 views are fresh" in rows
    accounts = re.findall(
        r"(?m)^(customers|invoices|orders) ([\d,]+) ([\d,]+) ([\d,]+) ([\d,]+) ([\d,]+) ([\d,]+)$", rows.split("The accounts")[1]
    )
    numbers = {view: [int(n.replace(",", "")) for n in counts] for view, *counts in accounts}
    assert {view: (counts[4], counts[5]) for view, counts in numbers.items()} == {
        "customers": (800, 800), "invoices": (1598, 1598), "orders": (3197, 3197),
    }  # fmt: skip
    assert all(read == sum(kinds) for read, *kinds, _, _ in numbers.values())
    assert "discover dynamodb/platform platform" in text
    assert [p.info["cmdline"] for p in psutil.process_iter(["cmdline"]) if str(tmp_path) in " ".join(p.info["cmdline"] or [])] == []
