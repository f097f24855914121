"""Tables and JSON on standard output."""

import json
import sys
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table

console = Console()


def show_json(value: Any) -> None:
    """A value for a program, and nothing else on standard output."""
    sys.stdout.write(json.dumps(value, indent=2, ensure_ascii=False, default=str) + "\n")


def table(title: str, columns: list[str], rows: list[list[Any]], numbers: tuple[str, ...] = (), whole: tuple[str, ...] = ()) -> Table:
    """A table; the columns in `numbers` are set to the right, and those and the ones in `whole` are never broken."""
    made = Table(title=title or None, title_justify="left", title_style="bold", box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    for column in columns:
        made.add_column(column, justify="right" if column in numbers else "left", overflow="fold", no_wrap=column in (*numbers, *whole))
    for row in rows:
        made.add_row(*("" if cell is None else f"{cell:,}" if isinstance(cell, int) and not isinstance(cell, bool) else str(cell) for cell in row))
    return made


COUNTS = ("read", "merged", "unchanged", "superseded", "rejected", "seconds")


def run_table(report: dict[str, Any]) -> Table:
    """A run, shard by shard."""
    rows = []
    for shard in report["shards"]:
        mark = {"merged": "[green]merged[/]", "nothing": "[dim]no news[/]", "failed": "[red]failed[/]"}[shard["state"]]
        rows.append([shard["shard"], mark, *(shard[c] for c in COUNTS[:-1]), f"{sum(shard['seconds'].values()):.2f}"])
    total = report["totals"]
    rows.append(["[bold]all[/]", "", *(total[c] for c in COUNTS[:-1]), f"{report['seconds']:.2f}"])
    return table(f"{report['view']}: {len(report['shards'])} shards", ["shard", "state", *COUNTS], rows, COUNTS, ("shard", "state"))
