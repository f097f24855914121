"""`shardlake infer`."""

from typing import Annotated, Any

import typer

from cli.presentation import console, errors, show_json


def infer(
    views: Annotated[
        list[str] | None,
        typer.Argument(help="The views, by name; all that say `columns: inferred` where none is named.", show_default=False),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print what a program would read, and nothing else.")] = False,
) -> None:
    """Renew the schema of views whose columns are inferred: look at their source, and keep what is new or wider in the lake.

    Columns are added and types widened, never the other way round. The next run that brings rows has them in the targets;
    `shardlake replay VIEW` fills them for rows that are there. A view that fails does not stop the others. The deployment `infer-schemas` does the same every week.
    For example:

        shardlake infer
        shardlake infer finances
    """
    from cli.connect import connect
    from shardlake.errors import ShardlakeError
    from shardlake.run.renew import inferred_views, renew
    from shardlake.settings import views_folder

    done: list[dict[str, Any]] = []
    found, wrong = inferred_views(views_folder(), views)
    for name, view in found.items():
        try:
            renewal = renew(view, connect)
        except ShardlakeError as error:
            wrong[name] = str(error)
            continue
        done.append(renewal.as_json())
        if not as_json:
            console.print(renewal.headline(), markup=False, highlight=False, style="green", soft_wrap=True)
            for line in (*renewal.changes(), *renewal.remarks):
                console.print(f"  {line}", markup=False, highlight=False, soft_wrap=True)
    if as_json:
        show_json({"ok": not wrong, "views": done, "failed": wrong})
    else:
        for name, why in wrong.items():
            errors.print(f"{name}: {why.removeprefix(f'{name}: ')}", markup=False, highlight=False, style="red", soft_wrap=True)
        if not found and not wrong:
            console.print("no view says `columns: inferred`", highlight=False)
    if wrong:
        raise typer.Exit(1)
