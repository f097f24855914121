"""`shardlake status`."""

from typing import Annotated

import typer

from cli.shown import console, show_json, table


def status(as_json: Annotated[bool, typer.Option("--json", help="Print what a program would read, and nothing else.")] = False) -> None:
    """Show every view × shard: watermark, lag, last run, last error.

    Ends with 1 when a view is staler than its `freshness`, a shard never arrived, or the last run failed.
    """
    from blocks.resolve import connect, views_folder
    from shardlake.job import open_job
    from shardlake.ledger.status import ShardStatus
    from shardlake.ledger.status import status as of_view
    from shardlake.view_file import load_view, view_names

    lines: list[ShardStatus] = []
    for name in view_names(views_folder()):
        job = open_job(load_view(views_folder() / name), connect)
        with job.warehouse.connection() as connection:
            lines += of_view(connection, name, list(job.shards), job.view.freshness)
    problems = [line for line in lines if line.problem]
    if as_json:
        show_json({"ok": not problems, "shards": [line.as_json() for line in lines]})
    else:
        rows = []
        for line in lines:
            verdict = f"[red]{line.problem}[/]" if line.problem else "[green]fresh[/]"
            mark = (line.watermark or "").removesuffix(".000000")[:19]
            lag = "" if line.lag is None else str(line.lag).split(".")[0]
            rows.append([line.view, line.shard, verdict, mark, lag, line.open_rejects, f"{line.last_run:%m-%d %H:%M:%S}" if line.last_run else "", line.last_error])
        console.print(table("", ["view", "shard", "state", "watermark", "lag", "rejects", "last run", "last error"], rows, ("rejects",), ("shard", "state", "watermark", "lag")))
    if problems:
        raise typer.Exit(1)
