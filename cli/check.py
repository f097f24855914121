"""`shardlake check`."""

from typing import Annotated

import typer

from cli.presentation import console, show_json


def check(as_json: Annotated[bool, typer.Option("--json", help="Print what a program would read, and nothing else.")] = False) -> None:
    """Validate every view, and the connections file where one is given. Reads files alone; no server is asked.

    For example:

        shardlake --views views --connections connections.yaml check
    """
    from cli.checking import checked
    from shardlake.settings import views_folder
    from shardlake.view.view_file import view_names

    done = checked(view_names(views_folder()))
    if as_json:
        show_json({"ok": not done.problems, "views": done.names, "problems": done.problems, "inferred": done.inferred})
    else:
        for problem in done.problems:
            console.print(problem, markup=False, highlight=False, style="red", soft_wrap=True)
        if done.inferred:
            said = (
                f"not checked are the columns of {', '.join(done.inferred)}: they come from the lake (columns: inferred), as `plan` shows"
            )
            console.print(said, markup=False, highlight=False, soft_wrap=True)
        console.print(f"{len(done.names)} views, {len(done.problems)} problems", style="red" if done.problems else "green", highlight=False)
    if done.problems:
        raise typer.Exit(1)
