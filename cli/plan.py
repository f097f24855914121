"""`shardlake plan`."""

from dataclasses import asdict
from typing import Annotated

import typer

from cli.presentation import console, show_json, table


def plan(
    view: Annotated[str, typer.Argument(help="The view, by name.", show_default=False)],
    full: Annotated[bool, typer.Option("--full", help="As `run --full` would do it.")] = False,
    shard: Annotated[list[str] | None, typer.Option("--shard", help="Only this shard; may be given several times.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print what a program would read, and nothing else.")] = False,
) -> None:
    """Show what a run would do, before it does it; reads no data.

    Windows, estimated rows, whether an index serves the cursor, the generated SELECT, what each column becomes, drift
    between shards and against the target, and the DDL that would be applied.

    For example:

        shardlake plan orders
    """
    from cli.connect import connect
    from shardlake.run.job import open_job
    from shardlake.run.preview import preview
    from shardlake.settings import views_folder
    from shardlake.view.view_file import find_view

    job = open_job(find_view(views_folder(), view), connect)
    found = preview(job, shard, full=full)
    if as_json:
        show_json({**asdict(found), "ok": found.ok})
        raise typer.Exit(0 if found.ok else 1)
    rows = [
        [
            s.shard, s.lower or "the beginning", s.upper or "the end", "unfinished" if s.unfinished else "", s.window_rows, s.table_rows,
            s.index or ("none: whole table" if s.full_scan else ""), s.error or ("" if s.anything else "nothing new"),
        ]
        for s in found.shards
    ]  # fmt: skip
    titles = ["shard", "from", "to", "", "rows (about)", "table (about)", "index", "verdict"]
    console.print(table(f"{view}: windows", titles, rows, ("rows (about)", "table (about)")))
    console.print(table("columns", ["column", "from", "source", "target", "fits"], [[*t.values()] for t in found.types]))
    if found.unused:
        console.print(f"not read: {', '.join(found.unused)}", markup=False, highlight=False)
    select = next((s.select for s in found.shards if s.select), "")
    console.print(f"\n{select}\n", markup=False, highlight=False, soft_wrap=True, style="cyan")
    for statement in found.ddl:
        console.print(f"{statement};", markup=False, highlight=False, soft_wrap=True)
    for note in dict.fromkeys(n for s in found.shards for n in s.notes):
        console.print(f"note: {note}", markup=False, highlight=False, style="yellow", soft_wrap=True)
    if found.ddl_error:
        console.print(found.ddl_error, markup=False, highlight=False, style="red", soft_wrap=True)
    if not found.ok:
        raise typer.Exit(1)
