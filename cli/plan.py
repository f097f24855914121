"""`shardlake plan`."""

import re
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from cli.presentation import console, fits, show_json, show_table

if TYPE_CHECKING:
    from shardlake.run.preview import Preview, SchemaPreview


def plan(
    view: Annotated[str, typer.Argument(help="The view, by name.", show_default=False)],
    full: Annotated[bool, typer.Option("--full", help="As `run --full` would do it.")] = False,
    shard: Annotated[list[str] | None, typer.Option("--shard", help="Only this shard; may be given several times.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print what a program would read, and nothing else.")] = False,
) -> None:
    """Show what a run would do, before it does it; reads no data, but for a look at some rows where columns are inferred.

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
    found = preview(job, [job.partition(name) for name in shard or []] or None, full=full)
    if as_json:
        show_json({**asdict(found), "ok": found.ok})
        raise typer.Exit(0 if found.ok else 1)
    _show_windows(found)
    for s in found.shards:
        if s.error:
            console.print(s.error, markup=False, highlight=False, style="red", soft_wrap=True)
    show_table("columns", ["column", "from", "source", "target", "fits"], [[*t.values()] for t in found.types], folds=("source", "fits"))
    if found.schema:
        _show_schema(found.view, found.schema)
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


def _show_schema(view: str, schema: "SchemaPreview") -> None:
    """The version and date of inferred columns, and what the next one would bring."""
    first = ", inferred just now" if schema.new else ""
    lines = [f"the {schema.columns} columns are those of schema {schema.version} of {schema.at[:10]}{first}"]
    if schema.next:
        lines += [f"`shardlake infer {view}` would bring:", *(f"  {line}" for line in schema.next)]
    elif not schema.new:
        lines.append(f"the next one would not be told: {schema.error}" if schema.error else "`shardlake infer` would change nothing")
    for line in (*lines, *(f"  {remark}" for remark in schema.remarks)):
        console.print(line, markup=False, highlight=False, soft_wrap=True)


def _show_windows(found: "Preview") -> None:
    """The windows of the shards that can be read; where they are too wide, times without the fraction of their second, which is in --json."""
    rows = [
        [
            s.shard, s.lower or "the beginning", s.upper or "the end", "unfinished" if s.unfinished else "",
            s.window_rows if s.anything else "nothing new", s.table_rows,
            s.index or ("none: whole table" if s.full_scan else ""),
        ]
        for s in found.shards if not s.error
    ]  # fmt: skip
    titles, numbers = ["shard", "from", "to", "", "rows (about)", "table (about)", "index"], ("rows (about)", "table (about)")
    if not fits(titles, rows, numbers):
        for row in rows:
            row[1:3] = [re.sub(r"(?<=\d\d:\d\d)\.\d+", "", str(version)) for version in row[1:3]]
    show_table(f"{found.view}: windows", titles, rows, numbers)
