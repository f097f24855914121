"""`shardlake query`, `lake`, `compact` and `sweep`."""

import sys
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any

import typer

from cli.presentation import console, errors, show_json, table

AView = Annotated[str, typer.Argument(help="The view, by name.", show_default=False)]
AsJson = Annotated[bool, typer.Option("--json", help="Print what a program would read, and nothing else.")]


def query(
    sql: Annotated[str, typer.Argument(help="A SELECT over the tables of the lake, in DuckDB's SQL.", show_default=False)],
    view: Annotated[str | None, typer.Option(help="A view whose lake is meant, where your views have several.")] = None,
    as_json: AsJson = False,
    csv: Annotated[bool, typer.Option("--csv", help="Print CSV.")] = False,
    parquet: Annotated[Path | None, typer.Option(help="Write the rows to this file.")] = None,
) -> None:
    """Ask the lake: its tables are read where they lie, and only the files and columns that the question needs.

    The last line, on standard error, is what was read: the bytes that Athena would bill. For example:

        shardlake query "select city, count(*) from orders_latest group by city"
        shardlake query "select * from orders where dt >= date '2026-11-01'" --csv
    """
    from shardlake.sink.lake.query import query as ask

    job = _job(view)
    answer = ask(job.ledger, job.lake, sql)
    if parquet:
        import pyarrow.parquet as pq

        pq.write_table(answer.rows, parquet)
    elif csv:
        import pyarrow.csv as pc

        from cli.values import for_csv

        pc.write_csv(for_csv(answer.rows), sys.stdout.buffer)
    elif as_json:
        _show_rows(answer.rows, _scanned(answer.scanned))
    else:
        console.print(_shown(answer.rows.slice(0, 200)))
    found = answer.scanned
    shown = f", the first 200 of {answer.rows.num_rows:,} rows" if answer.rows.num_rows > 200 and not (csv or parquet or as_json) else ""
    errors.print(
        f"{answer.rows.num_rows:,} rows in {found.seconds:.2f} s; read {_size(found.bytes)} of {found.files} of {found.of_files} files{shown}",
        style="dim", highlight=False,
    )  # fmt: skip


def lake(view: AView, as_json: AsJson = False) -> None:
    """Show what a view has in the lake: layouts, partitions, files, bytes, small files, last write.

    For example:

        shardlake lake orders
    """
    from shardlake.sink.lake.overview import overview

    found = overview(_job(view).supply)
    if as_json:
        show_json({"view": view, "layouts": [layout.as_json() for layout in found]})
        return
    from cli.wide import Fitted

    rows = [
        [
            f.table, f.format, f.write, f.partition_by or None, f"{f.partitions:,}", f"{f.files:,}", f"{f.rows:,}", _size(f.bytes),
            f"{100 * f.small // max(1, f.files)}%", f"{f.pending:,}", f"{f.last_write:%Y-%m-%d %H:%M:%S}" if f.last_write else "never",
        ]
        for f in found
    ]  # fmt: skip
    columns = ["table", "format", "write", "partitioned by", "partitions", "files", "rows", "size", "small files", "pending", "last write"]
    numbers = ("partitions", "files", "rows", "size", "small files", "pending")
    console.print(Fitted(f"{view}: {len(found)} {'layout' if len(found) == 1 else 'layouts'}", columns, rows, numbers, named=True))


def compact(
    view: AView,
    closed: Annotated[int, typer.Option(help="Minutes since the last write of a partition before it is compacted.", min=0)] = 60,
    as_json: AsJson = False,
) -> None:
    """Rewrite the small files of closed partitions as few large ones, and switch readers over in one step.

    For example, every night:

        shardlake compact orders
    """
    from shardlake.sink.lake.compact import compact as rewrite

    job = _job(view)
    found = [rewrite(job.supply, layout, closed=timedelta(minutes=closed)) for layout in job.view.lake.layouts]
    if as_json:
        show_json({"view": view, "layouts": [{n: getattr(f, n) for n in f.__slots__} for f in found]})
        return
    rows: list[list[Any]] = [[f.table, f.partitions, f.before, f.after, f.note] for f in found]
    console.print(
        table(
            f"{view}: compaction", ["table", "partitions", "files before", "after", "note"], rows, ("partitions", "files before", "after")
        )
    )


def sweep(
    view: AView,
    grace: Annotated[
        float, typer.Option(help="Hours that a file stays which was replaced, or which the ledger does not know.", min=0)
    ] = 24,
    as_json: AsJson = False,
) -> None:
    """Remove what may go: raw files past the view's retention, files that compaction replaced, files that nothing knows.

    For example:

        shardlake sweep orders
    """
    from shardlake.sink.lake.sweep import sweep as remove

    found = remove(_job(view).supply, grace=timedelta(hours=grace))
    if as_json:
        show_json({"view": view, "raw": found.raw, "replaced": found.replaced, "orphans": found.orphans})
        return
    console.print(f"{view}: removed {found.raw} raw files, {found.replaced} replaced files, {found.orphans} orphans", highlight=False)


def _job(view: str | None) -> Any:
    """The job of a view, or of the first that there is: one that writes its columns, since others may have no schema yet."""
    from cli.connect import connect
    from shardlake.errors import SpecError
    from shardlake.run.job import open_job
    from shardlake.settings import views_folder
    from shardlake.view.view_file import find_view, readable_views, view_names

    names = [view] if view else view_names(views_folder())
    if not names:
        raise SpecError("there is no view yet, and so no lake", hint="Begin with `shardlake discover`.")
    if not view and (readable := readable_views(views_folder())[0]):
        return open_job(min(readable.values(), key=lambda found: found.inferred), connect, infers=False)
    return open_job(find_view(views_folder(), names[0]), connect, infers=False)


def _shown(rows: Any) -> Any:
    """Rows for people: numbers to the right, NULL told from an empty text."""
    import pyarrow as pa
    from rich.text import Text

    from cli.values import texts
    from cli.wide import Fitted

    columns = [[Text("NULL", "dim") if v is None else v for v in texts(column)] for column in rows.columns]
    names = rows.column_names
    numbers = [f.name for f in rows.schema if pa.types.is_integer(f.type) or pa.types.is_floating(f.type) or pa.types.is_decimal(f.type)]
    return Fitted("", names, list(zip(*columns, strict=True)), [n for n in numbers if names.count(n) == 1])


def _show_rows(rows: Any, scanned: dict[str, Any]) -> None:
    """Rows for a program, a line each."""
    import json

    from cli.values import rows_in_json

    sys.stdout.write('{\n  "rows": [')
    for n, row in enumerate(rows_in_json(rows)):
        sys.stdout.write(f"{',' if n else ''}\n    {row}")
    sys.stdout.write(f'{"" if rows.num_rows == 0 else chr(10) + "  "}],\n  "scanned": {json.dumps(scanned)}\n}}\n')


def _scanned(found: Any) -> dict[str, Any]:
    return {"files": found.files, "of_files": found.of_files, "bytes": found.bytes, "seconds": round(found.seconds, 3)}


def _size(size: float) -> str:
    for unit in ("B", "kB", "MB"):
        if size < 1000:
            return f"{size:,.0f} {unit}"
        size = size / 1000
    return f"{size:,.1f} GB"
