"""`shardlake rerun`."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from cli.presentation import console, show_json, show_table

if TYPE_CHECKING:
    from flows.fleet.again import Crash


def rerun(
    views: Annotated[list[str] | None, typer.Argument(help="The views, by name; the whole fleet where none is named.")] = None,
    crashed: Annotated[bool, typer.Option("--crashed", help="The runs that crashed, and that no later run made up for.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Begin nothing; show what would be begun.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print what a program would read, and nothing else.")] = False,
) -> None:
    """Begin runs of the Prefect server again that crashed in the last seven days: the newest of each deployment, once.

    What is under way, or has arrived since, is not begun again. Scheduled runs come back by themselves once; this is for those
    that crashed again, for runs by hand, and for an evening on which many did. For example:

        shardlake rerun --crashed --dry-run
        shardlake rerun --crashed orders customers
    """
    from cli.connect import connect
    from shardlake.errors import SpecError
    from shardlake.run.job import open_job
    from shardlake.settings import project_file, views_folder
    from shardlake.view.view_file import find_view

    if not crashed:
        raise typer.BadParameter("say which runs: --crashed")
    for view in views or []:
        find_view(views_folder(), view)
    if not project_file().is_file():
        raise SpecError(f"there is no {project_file()}, which names the project", hint="Write it, or name it with --project.")
    from deployments.project import read_project

    tags = read_project(project_file()).tags
    from prefect.client.orchestration import get_client

    from deployments.server import Server
    from flows.fleet.again import begin_again, by_ledger, found
    from flows.fleet.project_runs import ProjectRuns

    with Server.reached(tags), get_client(sync_client=True) as client:
        runs = ProjectRuns(client, tags)
        ledger = by_ledger(lambda view: open_job(find_view(views_folder(), view), connect, infers=False))
        lost = [crash for crash in found(runs, ledger) if not views or set(views) & set(crash.views)]
        begun = {crash.run.id: begin_again(runs, crash) for crash in lost if not (dry_run or crash.under_way)}
    lines = [_line(crash, begun[crash.run.id].name if crash.run.id in begun else None) for crash in lost]
    if as_json:
        show_json({"ok": True, "runs": lines})
        return
    rows = [[line["deployment"], line["crashed_at"][:16].replace("T", " "), line["message"], _done(line)] for line in lines]
    show_table("", ["deployment", "crashed (UTC)", "why", "again"], rows, folds=("why", "again"))
    waits = len(lost) - sum(crash.under_way for crash in lost)
    said = f"{waits} would be begun again" if dry_run else f"{len(begun)} begun again"
    console.print(f"{len(lost)} crashed and not made up for by a later run; {said}", highlight=False)


def _line(crash: "Crash", begun: str | None) -> dict[str, Any]:
    at = crash.run.end_time
    return {
        "deployment": crash.deployment.name, "views": crash.views, "run": crash.run.name, "id": str(crash.run.id),
        "crashed_at": at.isoformat() if at else "", "message": crash.message, "under_way": crash.under_way, "begun": begun,
    }  # fmt: skip


def _done(line: dict[str, Any]) -> str:
    return "a later one is under way" if line["under_way"] else line["begun"] or "not yet"
