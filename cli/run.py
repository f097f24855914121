"""`shardlake run` and `shardlake replay`."""

import os
from typing import Annotated, Any

import typer

from cli.presentation import console, errors, lake_table, run_table, show_json

Views = Annotated[list[str], typer.Argument(help="The views to run, by name.", show_default=False)]
OnlyShards = Annotated[list[str] | None, typer.Option("--shard", help="Only this shard; may be given several times.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print what a program would read, and nothing else.")]


def run(
    views: Views,
    full: Annotated[bool, typer.Option("--full", help="Read everything anew, not only what has changed.")] = False,
    shard: OnlyShards = None,
    as_json: AsJson = False,
) -> None:
    """Bring views up to now: read what is new on every shard, merge it, and write it to the lake.

    A shard that fails does not stop the others; the command then ends with 1 and names it. What was left unfinished by
    an earlier run is finished first. For example:

        shardlake run orders
        shardlake run orders customers --shard shop_03 --json
    """
    from shardlake.settings import views_folder
    from shardlake.view.view_file import find_view

    for view in views:
        find_view(views_folder(), view)
    quiet()
    from flows.sync_views import sync_views

    show_reports(reports_of(sync_views(views, shard, full, return_state=True)), as_json)


def replay(
    view: Annotated[str, typer.Argument(help="The view, by name.", show_default=False)], shard: OnlyShards = None, as_json: AsJson = False
) -> None:
    """Run raw again through shape, stage and merge, after the view was mended. The source is not read.

    For example:

        shardlake replay orders
    """
    from cli.connect import connect
    from shardlake.run.job import open_job
    from shardlake.run.replay import replay as replay_raw
    from shardlake.settings import views_folder
    from shardlake.view.view_file import find_view

    report = replay_raw(open_job(find_view(views_folder(), view), connect), shard)
    show_reports([report.as_json()], as_json)


def show_reports(reports: list[dict[str, Any]], as_json: bool) -> None:
    """The reports of a flow, for people or programs. Ends the command with 1 where not all is well."""
    if as_json:
        show_json({"ok": all(r["ok"] for r in reports), "views": reports})
    for report in [] if as_json else reports:
        if not report["shards"]:  # it could not begin
            errors.print(f"{report['view']}: {report['message']}", markup=False, highlight=False, style="red", soft_wrap=True)
            continue
        console.print(run_table(report))
        if report["lake"]:
            console.print(lake_table(report))
        console.print(report["message"], markup=False, highlight=False, style="green" if report["ok"] else "red", soft_wrap=True)
        for note in dict.fromkeys(n for s in report["shards"] for n in s["notes"]):
            console.print(f"note: {note}", markup=False, highlight=False, style="yellow", soft_wrap=True)
        if report["totals"]["rejected"]:
            console.print(f"next: shardlake rejects {report['view']}", markup=False, highlight=False)
    if not all(r["ok"] for r in reports):
        raise typer.Exit(1)


def reports_of(state: Any) -> list[dict[str, Any]]:
    """The reports in a flow's final state. Raises what ended a flow that has none."""
    data = getattr(state.data, "result", state.data)
    if isinstance(data, list):
        return data
    failure = state.result(raise_on_failure=False)
    raise failure if isinstance(failure, BaseException) else RuntimeError(state.message)


def quiet() -> None:
    """Prefect's log goes to its API; on the console it would say with tracebacks what the table says with names. And where no
    server is named, the one that Prefect starts for the run has as long as a busy machine takes, not 20 seconds.
    """
    os.environ.setdefault("PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL", "CRITICAL")
    os.environ.setdefault("PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS", "120")


def stop_workers() -> None:
    """End the extracting processes, if any were started."""
    import sys

    worker = sys.modules.get("shardlake.source.sql.worker")
    if worker is not None:
        worker.stop()
