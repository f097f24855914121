"""Tables and JSON on standard output."""

import json
import sys
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

console = Console()
errors = Console(stderr=True)


def show_json(value: Any) -> None:
    """A value for a program, and nothing else on standard output."""
    sys.stdout.write(json.dumps(value, indent=2, ensure_ascii=False, default=str) + "\n")


def table(title: str, columns: list[str], rows: list[list[Any]], numbers: tuple[str, ...] = (), whole: tuple[str, ...] = ()) -> Table:
    """A table; the columns in `numbers` are set to the right, and those and the ones in `whole` are never broken."""
    made = Table(title=title or None, title_justify="left", title_style="bold", box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    for column in columns:
        made.add_column(column, justify="right" if column in numbers else "left", overflow="fold", no_wrap=column in (*numbers, *whole))
    for row in rows:
        made.add_row(*(_cell(cell) for cell in row))
    return made


def _cell(value: Any) -> Text:
    """A value as it is: brackets in it are no markup, and an escape sequence is spelt out, not sent to the terminal."""
    if isinstance(value, Text):
        return value
    if isinstance(value, int) and not isinstance(value, bool):
        return Text(f"{value:,}")
    text = "" if value is None else str(value)
    return Text("".join(c if c.isprintable() else repr(c)[1:-1] for c in text))


COUNTS = ("read", "merged", "unchanged", "superseded", "rejected", "seconds")


def run_table(report: dict[str, Any]) -> Table:
    """A run, shard by shard."""
    rows = []
    for shard in report["shards"]:
        mark = {
            "merged": Text("merged", "green"),
            "nothing": Text("no news", "dim"),
            "rejected": Text("rejected", "red"),
            "failed": Text("failed", "red"),
        }[shard["state"]]
        rows.append([shard["shard"], mark, *(shard[c] for c in COUNTS[:-1]), f"{sum(shard['seconds'].values()):.2f}"])
    total = report["totals"]
    rows.append([Text("all", "bold"), "", *(total[c] for c in COUNTS[:-1]), f"{report['seconds']:.2f}"])
    return table(f"{report['view']}: {len(report['shards'])} shards", ["shard", "state", *COUNTS], rows, COUNTS, ("shard", "state"))


def lake_table(report: dict[str, Any]) -> Table:
    """A run's lake tables."""
    rows = []
    for part in report["lake"]:
        mark = Text("failed", "red") if part["error"] else Text("written", "green") if part["windows"] else Text("no news", "dim")
        rows.append([part["table"], mark, *(part[c] for c in ("rows", "skipped", "rejected", "files")), f"{part['seconds']:.2f}"])
    numbers = ("rows", "skipped", "rejected", "files", "seconds")
    return table(f"{report['view']}: the lake", ["table", "state", *numbers], rows, numbers, ("table", "state"))


def sentence(report: dict[str, Any], again: str) -> str:
    """A run in one sentence: what came, what was rejected, and what to type next; `again` where not all went well.

    >>> totals = {"read": 20003, "merged": 20001, "unchanged": 0, "superseded": 0, "rejected": 2}
    >>> lake = [{"table": "orders", "rejected": 0}, {"table": "by_city", "rejected": 1}, {"table": "now", "rejected": 1}]
    >>> report = {"view": "orders", "ok": True, "message": "3/3 shards merged", "totals": totals, "lake": lake}
    >>> sentence(report, "shardlake run orders")
    "orders: 20,003 rows read, 20,001 merged, 2 rejected, 1 more by the lake's by_city, now; 3/3 shards merged; next: shardlake rejects orders"
    """
    total, lake = report["totals"], dict[int, list[str]]()
    for part in report["lake"]:
        if part["rejected"]:
            lake.setdefault(part["rejected"], []).append(part["table"])
    counts = [f"{total[name]:,} {name}" for name in ("merged", "unchanged", "superseded", "rejected") if total[name]]
    counts += [f"{count:,} more by the lake's {', '.join(names)}" for count, names in lake.items()]
    came = ", ".join([f"{total['read']:,} rows read", *counts]) if total["read"] or counts else "nothing new"
    steps = [f"shardlake rejects {report['view']}"] if total["rejected"] or lake else []
    steps += [] if report["ok"] else [again]
    return f"{report['view']}: {came}; {report['message'].rstrip('.')}; next: {', then '.join(steps) or 'shardlake status'}"
