"""`shardlake run` and `shardlake replay`."""

import logging
import os
from typing import Annotated, Any

import typer

from cli.shown import console, run_table, show_json

Views = Annotated[list[str], typer.Argument(help="The views to run, by name.", show_default=False)]
OnlyShards = Annotated[list[str] | None, typer.Option("--shard", help="Only this shard; may be given several times.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print what a program would read, and nothing else.")]


def run(views: Views, full: Annotated[bool, typer.Option("--full", help="Read everything anew, not only what has changed.")] = False, shard: OnlyShards = None, as_json: AsJson = False) -> None:
    """Bring views up to now: read what is new on every shard, and merge it.

    A shard that fails does not stop the others; the command then ends with 1 and names it. What was left unfinished by
    an earlier run is finished first.

        shardlake run orders
        shardlake run orders customers --shard shop_03 --json
    """
    from shardlake.view_file import find_view
    from blocks.resolve import views_folder

    for view in views:
        find_view(views_folder(), view)
    _quiet(as_json)
    from flows.sync_views import sync_views

    state = sync_views(views, shard, full, return_state=True)
    reports = _reports(state)
    if reports is None:
        error = state.result(raise_on_failure=False)
        raise error if isinstance(error, BaseException) else RuntimeError(state.message)
    _show(reports, as_json)


def replay(view: Annotated[str, typer.Argument(help="The view, by name.", show_default=False)], shard: OnlyShards = None, as_json: AsJson = False) -> None:
    """Run raw again through shape, stage and merge, after the view was mended. The source is not read.

        shardlake replay orders
    """
    from blocks.resolve import connect, views_folder
    from shardlake.job import open_job
    from shardlake.replay import replay as replay_raw
    from shardlake.view_file import find_view

    report = replay_raw(open_job(find_view(views_folder(), view), connect), shard)
    _show([report.as_json()], as_json)


def _show(reports: list[dict[str, Any]], as_json: bool) -> None:
    if as_json:
        show_json({"ok": all(r["ok"] for r in reports), "views": reports})
    for report in [] if as_json else reports:
        console.print(run_table(report))
        console.print(report["message"], markup=False, highlight=False, style="green" if report["ok"] else "red", soft_wrap=True)
        for note in dict.fromkeys(n for s in report["shards"] for n in s["notes"]):
            console.print(f"note: {note}", markup=False, highlight=False, style="yellow", soft_wrap=True)
        if report["totals"]["rejected"]:
            console.print(f"next: shardlake rejects {report['view']}", markup=False, highlight=False)
    if not all(r["ok"] for r in reports):
        raise typer.Exit(1)


def _reports(state: Any) -> list[dict[str, Any]] | None:
    data = getattr(state.data, "result", state.data)
    return data if isinstance(data, list) else None


def _quiet(as_json: bool) -> None:
    """Prefect's log goes to standard error; in JSON mode only its warnings do."""
    os.environ.setdefault("PREFECT_LOGGING_LEVEL", "WARNING")
    if as_json:
        logging.getLogger("prefect").setLevel(logging.ERROR)


def stop_workers() -> None:
    """End the extracting processes, if any were started."""
    import sys

    worker = sys.modules.get("shardlake.extract.worker")
    if worker is not None and worker.pool.cache_info().currsize:
        worker.pool().stop()
        worker.pool().join(timeout=2)
