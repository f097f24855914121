"""Tables and JSON on standard output."""

import json
import sys
from typing import Any

from rich import box
from rich.cells import cell_len
from rich.console import Console
from rich.measure import Measurement
from rich.table import Table
from rich.text import Text

console = Console()
errors = Console(stderr=True)


def show_json(value: Any) -> None:
    """A value for a program, and nothing else on standard output."""
    sys.stdout.write(json.dumps(value, indent=2, ensure_ascii=False, default=str) + "\n")


def show_table(title: str, columns: list[str], rows: list[list[Any]], numbers: tuple[str, ...] = (), folds: tuple[str, ...] = ()) -> None:
    """Print a table that fits: no number and no name in it is cut or broken, and only the columns in `folds` go on in a second line.

    Where it is wider than the terminal, columns that say the same in every row stand once, in the title. Where that is not enough, each
    row is a paragraph that names what it holds. Nothing is printed where there is no row.
    """
    if not rows:
        return
    if not fits(columns, rows, numbers, folds):
        title, columns, rows = _without_repeats(title, columns, rows)
    if title:
        console.print(Text(title, "bold"))
    if fits(columns, rows, numbers, folds):
        console.print(table("", columns, rows, numbers, tuple(c for c in columns if c not in folds)))
        return
    for row in rows:
        console.print(_paragraph(columns, row, console.width))


_FOLDED = 18
"""Columns that a word of a cell that may be folded has at most before it is broken."""


def fits(columns: list[str], rows: list[list[Any]], numbers: tuple[str, ...] = (), folds: tuple[str, ...] = ()) -> bool:
    """Whether a table is no wider than the terminal."""
    made = table("", columns, _short(columns, rows, folds), numbers, tuple(columns))
    return Measurement.get(console, console.options.update(max_width=10_000), made).maximum <= console.width


def _short(columns: list[str], rows: list[list[Any]], folds: tuple[str, ...]) -> list[list[Any]]:
    """The rows for measuring: what may be folded takes few columns."""
    return [
        [
            Text("x" * min(max(map(cell_len, _cell(v).plain.split()), default=0), _FOLDED)) if c in folds else v
            for c, v in zip(columns, row, strict=True)
        ]
        for row in rows
    ]


def _without_repeats(title: str, columns: list[str], rows: list[list[Any]]) -> tuple[str, list[str], list[list[Any]]]:
    """The first column, and those that differ from row to row; what the others say goes into the title."""
    said = [[_cell(row[place]).plain for row in rows] for place in range(len(columns))]
    same = [p for p in range(1, len(columns)) if set(said[p]) == {"0"} or (len(rows) > 1 and len(set(said[p])) == 1)]
    once = [f"{columns[place]} {said[place][0]}".strip() for place in same if said[place][0]]
    kept = [place for place in range(len(columns)) if place not in same]
    return "; ".join([*filter(None, [title]), *once]), [columns[p] for p in kept], [[row[p] for p in kept] for row in rows]


def _paragraph(columns: list[str], row: list[Any], width: int) -> Text:
    """A row as ` first  name value  name value …`, broken between its items alone."""
    found, column = Text(no_wrap=True, overflow="ignore"), 0
    for place, (name, value) in enumerate(zip(columns, row, strict=True)):
        cell = _cell(value)
        if place and not cell.plain:
            continue
        item = Text.assemble((f"{name} ", "dim"), cell) if place and name else cell
        if column and column + 2 + item.cell_len > width:
            found.append("\n    ")
            column = 4
        elif column:
            found.append("  ")
            column += 2
        found.append_text(item)
        column += item.cell_len
    return found


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


def show_run(report: dict[str, Any]) -> None:
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
    show_table(f"{report['view']}: {len(report['shards'])} shards", ["shard", "state", *COUNTS], rows, COUNTS)


def show_layouts(report: dict[str, Any]) -> None:
    """A run's lake tables. Files are those that Shardlake itself wrote: Delta's and Iceberg's libraries write their own, which `lake` counts."""
    rows = []
    for part in report["lake"]:
        mark = Text("failed", "red") if part["error"] else Text("written", "green") if part["windows"] else Text("no news", "dim")
        rows.append(
            [part["table"], mark, *(part[c] for c in ("rows", "skipped", "rejected")), part["files"] or "", f"{part['seconds']:.2f}"]
        )
    numbers = ("rows", "skipped", "rejected", "files", "seconds")
    show_table(f"{report['view']}: the lake", ["table", "state", *numbers], rows, numbers)


def sentence(report: dict[str, Any], again: str) -> str:
    """A run in one sentence: what came, what was rejected, and what to type next; `again` where not all went well.

    >>> totals = {"read": 20003, "merged": 20001, "unchanged": 0, "superseded": 0, "rejected": 2}
    >>> lake = [{"table": "orders", "rejected_alone": 0}, {"table": "by_city", "rejected_alone": 1}]
    >>> report = {"view": "orders", "ok": True, "message": "3/3 shards merged", "totals": totals, "lake": lake}
    >>> sentence(report, "shardlake run orders")
    "orders: 20,003 rows read, 20,001 merged, 2 rejected, 1 more by the lake's by_city; 3/3 shards merged; next: shardlake rejects orders"
    """
    total, lake = report["totals"], dict[int, list[str]]()
    for part in report["lake"]:
        if part["rejected_alone"]:
            lake.setdefault(part["rejected_alone"], []).append(part["table"])
    counts = [f"{total[name]:,} {name}" for name in ("merged", "unchanged", "superseded", "rejected") if total[name]]
    counts += [f"{total['others']:,} of others"] if total.get("others") else []
    counts += [f"{count:,} more by the lake's {', '.join(names)}" for count, names in lake.items()]
    came = (
        ", ".join([f"{total['read']:,} rows read", *counts])
        if total["read"] or counts
        else "nothing new"
        if report["ok"]
        else "no rows read"
    )
    steps = [f"shardlake rejects {report['view']}"] if total["rejected"] or lake else []
    steps += [] if report["ok"] else [again]
    return f"{report['view']}: {came}; {report['message'].rstrip('.')}; next: {', then '.join(steps) or 'shardlake status'}"
