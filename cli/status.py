"""`shardlake status`."""

from typing import TYPE_CHECKING, Annotated

import typer
from rich.text import Text

from cli.presentation import console, errors, fits, show_json, show_table

if TYPE_CHECKING:
    from shardlake.ledger.backfills import Unfinished
    from shardlake.ledger.status import ShardStatus


def status(as_json: Annotated[bool, typer.Option("--json", help="Print what a program would read, and nothing else.")] = False) -> None:
    """Show every view × shard: watermark, lag, last run, last error; what holds one back, rows that no window takes; and backfills
    that have not come to their end.

    Ends with 1 when a view is staler than its `freshness`, a shard never arrived, or the last run failed.

    For example, to be told by cron:

        shardlake status || mail -s "a view is late" data-team@example.com
    """
    from cli.connect import connect
    from shardlake.errors import ShardlakeError
    from shardlake.ledger.backfills import Unfinished, all_unfinished
    from shardlake.ledger.status import ShardStatus
    from shardlake.ledger.status import status as of_view
    from shardlake.run.job import open_job
    from shardlake.settings import views_folder
    from shardlake.view.view_file import load_view, view_names

    lines: list[ShardStatus] = []
    left: list[Unfinished] = []
    unknown: dict[str, str] = {}
    for name in view_names(views_folder()):
        try:
            job = open_job(load_view(views_folder() / name), connect)
            with job.ledger.connection() as connection:
                replaces = job.warehouse.replaces
                lines += of_view(connection, name, job.feed, list(job.partitions), list(job.sinks), job.view.freshness, replaces=replaces)
                left += all_unfinished(connection, name)
        except ShardlakeError as error:
            unknown[name] = str(error)
    problems = [line for line in lines if line.problem]
    if as_json:
        show_json({
            "ok": not problems and not unknown, "shards": [line.as_json() for line in lines],
            "backfills": [b.as_json() for b in left], "unknown": unknown,
        })  # fmt: skip
    else:
        _show(lines)
        for note in _notes(lines):
            console.print(note, markup=False, highlight=False, soft_wrap=True)
        if left:
            _backfills(left)
        for name, message in unknown.items():
            errors.print(f"{name}: {message}", markup=False, highlight=False, style="red", soft_wrap=True)
    if problems or unknown:
        raise typer.Exit(1)


def _show(lines: "list[ShardStatus]") -> None:
    """The shards, in one table, and what they failed of below; a table for each view where one is too wide."""
    titles = ["view", "shard", "state", "watermark", "lag", "rejects", "last run"]
    rows = [
        [
            line.view, line.shard, Text(line.problem, "red") if line.problem else Text("fresh", "green"),
            (line.watermark or "").removesuffix(".000000")[:19], "" if line.lag is None else str(line.lag).split(".")[0],
            line.open_rejects, f"{line.last_run:%m-%d %H:%M:%S}" if line.last_run else "",
        ]
        for line in lines
    ]  # fmt: skip
    if fits(titles, rows, numbers := ("rejects",)):
        show_table("", titles, rows, numbers)
    else:
        for view in dict.fromkeys(line.view for line in lines):
            show_table(view, titles[1:], [row[1:] for row in rows if row[0] == view], numbers)


def _notes(lines: "list[ShardStatus]") -> list[str]:
    """What partitions failed of, what holds them back, and what of them no window takes; what several say alike, once."""
    said: dict[tuple[str, str], list[str]] = {}
    for line in lines:
        whys = [line.last_error.removeprefix(line.shard).lstrip(":, ")] if line.last_error else []
        whys += [f"held by {line.held_by}"] if line.held_by and line.held_by != line.last_error else []
        whys += [f"{count:,} rows have {why}: no window takes them" for why, count in line.unreachable.items()]
        for why in whys:
            said.setdefault((line.view, why), []).append(line.shard)
    return [f"{view}, {', '.join(shards)}: {why}" for (view, why), shards in said.items()]


def _backfills(left: "list[Unfinished]") -> None:
    rows = []
    for b in left:
        state = "under way, or broken off" if b.state == "running" else (b.message or b.state)
        shards = ", ".join(b.shards)
        rows.append([b.name, b.view, b.lower, b.upper, shards, f"{b.done}/{b.slices}", f"{b.started_at:%m-%d %H:%M:%S}", state])
    titles = ["id", "view", "from", "to", "shards", "slices", "started", "state"]
    show_table("Backfills that are not finished; the same command again goes on", titles, rows, ("slices",), ("state", "shards"))
