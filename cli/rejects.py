"""`shardlake rejects`."""

from dataclasses import asdict
from typing import Annotated

import typer

from cli.presentation import console, show_json, table


def rejects(
    view: Annotated[str, typer.Argument(help="The view, by name.", show_default=False)],
    shard: Annotated[str | None, typer.Option(help="Only this shard.")] = None,
    limit: Annotated[int, typer.Option(help="How many to show, newest first.", min=1)] = 20,
    every: Annotated[bool, typer.Option("--all", help="Also those whose row was read again since.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print what a program would read, and nothing else.")] = False,
) -> None:
    """Show the rows that could not be taken: where they are, the column, the value, and the reason.

    Mend them at the source (the next run takes them, and they leave this list), or mend the view and run `shardlake replay VIEW`.

    For example:

        shardlake rejects orders --shard shop_03 --limit 5
    """
    from cli.connect import connect
    from shardlake.ledger.status import reject_count
    from shardlake.ledger.status import rejects as of_view
    from shardlake.run.job import open_job
    from shardlake.settings import views_folder
    from shardlake.view.view_file import find_view

    job = open_job(find_view(views_folder(), view), connect)
    with job.ledger.connection() as connection:
        lines, total = of_view(connection, view, shard, limit, every=every), reject_count(connection, view, every=every)
    if as_json:
        show_json({"view": view, "total": total, "rejects": [asdict(line) for line in lines]})
        return
    rows = [
        [
            line.shard,
            ", ".join(f"{k}={v}" for k, v in line.row_key.items()),
            line.column_name,
            (line.value or "NULL")[:30],
            line.reason,
            f"{line.seen_at:%m-%d %H:%M:%S}",
            *([f"{line.read_again_at:%m-%d %H:%M:%S}" if line.read_again_at else ""] if every else []),
        ]
        for line in lines
    ]
    console.print(
        table(
            f"{view}: {total} rejects",
            ["shard", "key", "column", "value", "reason", "seen", *(["read again"] if every else [])],
            rows,
            whole=("shard", "key", "column", "seen"),
        )
    )
