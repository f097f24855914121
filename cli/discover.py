"""`shardlake discover`."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from cli.presentation import console
from shardlake.errors import SpecError


def discover(
    connection: Annotated[str, typer.Argument(help="The source, as in mysql-shards/shop.", show_default=False)],
    table: Annotated[str, typer.Argument(help="The table, as the shards call it.", show_default=False)],
    write: Annotated[bool, typer.Option("--write", help="Write the draft to view.yaml in its folder, which must hold none yet.")] = False,
) -> None:
    """Draft a view from the live table of all shards: columns, types, key, cursor, and the JSON found in a sample.

    The draft is one that `shardlake check` accepts. It is printed, or written to a view.yaml of its own. A table that holds several
    kinds of items, as one of DynamoDB may, has a view drafted for each.

    For example:

        shardlake discover mysql-shards/shop orders --write
    """
    from cli.checking import checked
    from cli.connect import connect
    from shardlake.connection.connection_file import connection_names
    from shardlake.run.discover import discover_kinds as draft
    from shardlake.settings import connections_file, views_folder
    from shardlake.source.door import open_source
    from shardlake.view.view_file import view_names

    file = connections_file()
    known = connection_names(file) if file else []
    made = {d.view.name: d for d in draft(connection, open_source(connect(connection), connection), table, known)}
    views = views_folder()
    for name in made if write else ():
        if (target := views / name / "view.yaml").exists():
            raise SpecError(f"{target} is there already", hint="Move it away, or print the draft (without --write) and take from it.")
    others = [other for other in (view_names(views) if any(views.glob("*/view.yaml")) else []) if other not in made]
    found = checked(others, {name: one.view for name, one in made.items()})
    for name, one in made.items():
        wanted = {one.view.warehouse.connection, one.view.lake.connection} - set(known)  # the draft says itself that they are to come
        if problems := [p for p in found.of(name) if not any(f"has no connection {w!r}" in p for w in wanted)]:
            raise SpecError(
                "the draft would not pass `shardlake check`\n" + "\n".join(problems), hint="Change what is named, then draft again."
            )
    if not write:
        sys.stdout.write("---\n".join(one.text for one in made.values()))
        return
    for name, one in made.items():
        _write(views / name / "view.yaml", one.text)
        for line in one.text.splitlines():
            if line.startswith("# "):
                console.print(line[2:], markup=False, highlight=False, soft_wrap=True)
        console.print(f"wrote {views / name / 'view.yaml'}", markup=False, highlight=False, soft_wrap=True)


def _write(target: Path, text: str) -> None:
    """Whole, or not at all; never over a file that is there."""
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with target.open("x", encoding="utf-8") as file:
            try:
                file.write(text)
                file.flush()
            except OSError:
                target.unlink()
                raise
    except OSError as error:
        raise SpecError(f"{target} cannot be written: {error.strerror}", hint="Check the folder, or name another with --views.") from None
