"""`shardlake rejects`."""

from dataclasses import asdict
from typing import Annotated

import typer

from cli.presentation import console, show_json, show_table


def rejects(
    view: Annotated[str, typer.Argument(help="The view, by name.", show_default=False)],
    shard: Annotated[str | None, typer.Option(help="Only this shard.")] = None,
    limit: Annotated[int, typer.Option(help="How many to show, newest first.", min=1)] = 20,
    every: Annotated[bool, typer.Option("--all", help="Also those whose row was read again since.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print what a program would read, and nothing else.")] = False,
) -> None:
    """Show the rows that could not be taken: where they are, the column, the value, the reason, and who rejected them.

    A row stands here once: `every sink` is the warehouse and all tables of the lake. NULL is no value, '' an empty text. Correct them at the source (the next run takes them, and they leave this list), or correct the view and run `shardlake replay VIEW`.

    For example:

        shardlake rejects orders --shard shop_03 --limit 5
    """
    from cli.connect import connect
    from shardlake.ledger.status import reject_count
    from shardlake.ledger.status import rejects as of_view
    from shardlake.run.job import open_job
    from shardlake.settings import views_folder
    from shardlake.view.view_file import find_view

    job = open_job(find_view(views_folder(), view), connect, infers=False)
    if shard is not None:
        job.partition(shard)
    sinks = list(job.sinks)
    with job.ledger.connection() as connection:
        lines, total = of_view(connection, view, sinks, shard, limit, every=every), reject_count(connection, view, every=every)
    if as_json:
        show_json({"view": view, "total": total, "rejects": [asdict(line) for line in lines]})
        return
    rows = [
        [
            line.shard,
            ", ".join(f"{k}={spelt(v)}" for k, v in line.row_key.items()),
            line.column_name,
            spelt(line.value, 40),
            line.reason,
            "every sink" if len(sinks) > 1 and {*line.sinks} >= {*sinks} else ", ".join(line.sinks),
            f"{line.seen_at:%m-%d %H:%M:%S}",
            *([f"{line.read_again_at:%m-%d %H:%M:%S}" if line.read_again_at else ""] if every else []),
        ]
        for line in lines
    ]
    more = f", the newest {len(lines)}" if len(lines) < total else ""
    titles = ["shard", "key", "column", "value", "reason", "rejected by", "seen", *(["read again"] if every else [])]
    if not lines:
        console.print(f"{view}: {total:,} rejects{' on other shards' if total else ''}", markup=False, highlight=False)
    show_table(f"{view}: {total:,} rejects{more}", titles, rows, folds=("value", "reason"))
    if lines:
        then = f"correct them at the source and run `shardlake run {view}`, or correct the view and run `shardlake replay {view}`"
        console.print(f"next: {then}", markup=False, highlight=False, soft_wrap=True)


def spelt(value: object, most: int = 500) -> str:
    """A value so that no two look alike: NULL is no text, and a text that could be taken for something else stands in quotes.

    >>> [spelt(v) for v in (None, "", "NULL", "a b", " a", "'")]
    ['NULL', "''", "'NULL'", 'a b', "' a'", "''''"]
    """
    if value is None:
        return "NULL"
    text = str(value)
    if len(text) > most:
        return f"{text[:most]}… ({len(text):,} characters)"
    odd = not text or text.upper() == "NULL" or text != text.strip() or text.startswith("'")
    return "'" + text.replace("'", "''") + "'" if odd else text
