"""`shardlake check`."""

from typing import Annotated

import typer

from cli.presentation import console, show_json


def check(as_json: Annotated[bool, typer.Option("--json", help="Print what a program would read, and nothing else.")] = False) -> None:
    """Validate every view, and the connections file where one is given. Reads files alone; no server is asked.

    For example:

        shardlake --views views --connections connections.yaml check
    """
    from deployments.project import standing_names
    from shardlake.connection.connection_file import connection_names, ledger_reference, load_connection
    from shardlake.errors import ShardlakeError
    from shardlake.settings import connections_file, project_file, views_folder
    from shardlake.view.view_file import load_view, view_names
    from shardlake.view.view_set import contradictions

    problems: list[str] = []
    names = view_names(views_folder())
    file = connections_file()
    known: list[str] | None = None
    if file:
        try:
            known = connection_names(file)
            ledger_reference(file)
        except ShardlakeError as error:
            problems.append(str(error))
        for reference in known or []:
            try:
                load_connection(file, reference)
            except ShardlakeError as error:
                problems += str(error).splitlines()
    targets: dict[str, str] = {}
    views = {}
    for name in names:
        try:
            view = load_view(views_folder() / name)
        except ShardlakeError as error:
            problems += str(error).splitlines()
            continue
        views[name] = view
        for reference in (view.source.connection, view.warehouse.connection, view.lake.connection):
            if known is not None and reference not in known:
                problems.append(
                    f"{views_folder() / name / 'view.yaml'}: {file} has no connection {reference!r}; there are: {', '.join(known)}"
                )
        if other := targets.setdefault(view.warehouse.table.lower(), name) != name and targets[view.warehouse.table.lower()]:
            problems.append(
                f"{views_folder() / name / 'view.yaml'}: warehouse.table: {view.warehouse.table} is the table of the view {other} already"
            )
    try:
        standing = standing_names(project_file())
    except ShardlakeError as error:
        standing = []
        problems.append(str(error))
    problems += [f"{views_folder() / name / 'view.yaml'}: {why}" for name, why in contradictions(views, [*names, *standing]).items()]
    if as_json:
        show_json({"ok": not problems, "views": names, "problems": problems})
    else:
        for problem in problems:
            console.print(problem, markup=False, highlight=False, style="red", soft_wrap=True)
        console.print(f"{len(names)} views, {len(problems)} problems", style="red" if problems else "green", highlight=False)
    if problems:
        raise typer.Exit(1)
