"""`shardlake status`."""

from typing import TYPE_CHECKING, Annotated

import typer
from rich.text import Text

from cli.presentation import console, errors, fits, show_json, show_table

if TYPE_CHECKING:
    from shardlake.ledger.backfills import Unfinished
    from shardlake.ledger.status import ShardStatus
    from shardlake.run.freshness import Judgement


def status(as_json: Annotated[bool, typer.Option("--json", help="Print what a program would read, and nothing else.")] = False) -> None:
    """Show every view × shard, the worst first: watermark, lag, last run; what it failed of, what holds it back, rows that no window
    takes; and backfills that have not come to their end.

    Ends with 1 when anything is wrong, by the judgement that check-freshness has too: a view is staler than it promises, a shard never
    arrived, its last run failed, or a run that was due never began.

    For example, to be told by cron:

        shardlake status || mail -s "a view is late" data-team@example.com
    """
    from cli.connect import connect
    from shardlake.errors import ShardlakeError
    from shardlake.ledger.alarms import Alarm, crashed_elsewhere
    from shardlake.ledger.backfills import Unfinished, all_unfinished
    from shardlake.run.freshness import Judgement, judge
    from shardlake.run.job import open_job
    from shardlake.settings import views_folder
    from shardlake.view.view_file import readable_views

    found: list[Judgement] = []
    left: list[Unfinished] = []
    crashed: dict[Alarm, None] = {}
    views, unknown = readable_views(views_folder())
    for name, view in views.items():
        try:
            job = open_job(view, connect, infers=False)
            found.append(judge(job, views))
            with job.ledger.connection() as connection:
                left += all_unfinished(connection, name)
                crashed |= dict.fromkeys(crashed_elsewhere(connection, sorted(views.keys() | unknown.keys())))
        except ShardlakeError as error:
            unknown[name] = str(error)
    judged = Judgement.of([*found, Judgement([], list(crashed), [])], unknown)
    if as_json:
        show_json({
            "ok": judged.ok, "message": judged.headline(), "shards": [line.as_json() for line in judged.lines],
            "wrong": [{"view": w.view, "shard": w.shard, "kind": w.kind, "message": w.message} for w in judged.wrong],
            "backfills": [b.as_json() for b in left], "unknown": unknown,
        })  # fmt: skip
    else:
        _show(judged.lines)
        for note in _notes(judged):
            console.print(note, markup=False, highlight=False, soft_wrap=True)
        if left:
            _backfills(left)
        for name, message in unknown.items():
            errors.print(f"{name}: {message}", markup=False, highlight=False, style="red", soft_wrap=True)
        if found:  # else nothing is known, and why was said
            console.print(judged.headline(), style="green" if judged.ok else "red", markup=False, highlight=False, soft_wrap=True)
    if not judged.ok:
        raise typer.Exit(1)


def _show(lines: "list[ShardStatus]") -> None:
    """The shards, in one table, and what they failed of below; a table for each view where one is too wide."""
    titles = ["view", "shard", "state", "watermark", "lag", "rejects", "last run"]
    rows = [
        [
            line.view, line.shard, Text(line.state, "red" if line.problem else "green" if line.state == "fresh" else "yellow"),
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


def _notes(judged: "Judgement") -> list[str]:
    """What is wrong with views, what partitions failed of, what holds them back, and what of them no window takes; what several say
    alike, once.
    """
    said: dict[tuple[str, str], list[str]] = {}
    shown = {(line.view, line.shard) for line in judged.lines if line.problem}
    for wrong in judged.wrong:
        if wrong.kind != "unknown" and (wrong.view, wrong.shard) not in shown:
            said.setdefault((wrong.view, wrong.message.removeprefix(wrong.shard).lstrip(":, ")), []).append(wrong.shard)
    for line in judged.lines:
        whys = [line.last_error.removeprefix(line.shard).lstrip(":, ")] if line.last_error else []
        whys += [f"held by {line.held_by}"] if line.held_by and line.held_by != line.last_error else []
        whys += [f"{count:,} rows have {why}: no window takes them" for why, count in line.unreachable.items()]
        for why in whys:
            said.setdefault((line.view, why), []).append(line.shard)
    return [f"{', '.join([view, *filter(None, shards)])}: {why}" for (view, why), shards in said.items()]


def _backfills(left: "list[Unfinished]") -> None:
    rows = []
    for b in left:
        state = "under way, or broken off" if b.state == "running" else (b.message or b.state)
        shards = ", ".join(b.shards)
        rows.append([b.name, b.view, b.lower, b.upper, shards, f"{b.done}/{b.slices}", f"{b.started_at:%m-%d %H:%M:%S}", state])
    titles = ["id", "view", "from", "to", "shards", "slices", "started", "state"]
    show_table("Backfills that are not finished; the same command again goes on", titles, rows, ("slices",), ("state", "shards"))
