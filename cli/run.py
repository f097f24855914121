"""`shardlake run` and `shardlake replay`."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from cli.carry_out import carry_out
from cli.presentation import console, errors, sentence, show_json, show_layouts, show_run

if TYPE_CHECKING:
    from shardlake.run.report import RunReport

Views = Annotated[list[str], typer.Argument(help="The views to run, by name.", show_default=False)]
OnlyShards = Annotated[list[str] | None, typer.Option("--shard", help="Only this shard; may be given several times.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print what a program would read, and nothing else.")]
AsFlow = Annotated[bool, typer.Option("--flow", help="As a flow of Prefect's, also where no server is named: one is started for it.")]


def run(
    views: Views,
    full: Annotated[bool, typer.Option("--full", help="Read everything anew, not only what has changed.")] = False,
    shard: OnlyShards = None,
    as_json: AsJson = False,
    flow: AsFlow = False,
) -> None:
    """Bring views up to now: read what is new on every shard, merge it, and write it to the lake.

    A shard that fails does not stop the others; the command then ends with 1 and names it. What was left unfinished by
    an earlier run is finished first. Where a Prefect server is named (PREFECT_API_URL, or a profile) it is a flow there; else it
    runs in this process, at once. For example:

        shardlake run orders
        shardlake run orders customers --shard shop_03 --json
    """
    from shardlake.settings import views_folder
    from shardlake.view.view_file import find_view

    found = [find_view(views_folder(), view) for view in dict.fromkeys(views)]

    def as_flow() -> list[dict[str, Any]]:
        from flows.sync_views import sync_views

        return reports_of(sync_views([v.name for v in found], shard, full, return_state=True))

    def here() -> "list[RunReport]":
        from cli.in_process import run_view

        return [run_view(view, shard, full) for view in found]

    show_reports(carry_out(found, here, as_flow, flow=flow, silent=as_json), as_json)


def replay(
    view: Annotated[str, typer.Argument(help="The view, by name.", show_default=False)], shard: OnlyShards = None, as_json: AsJson = False
) -> None:
    """Run raw again through shape, stage and merge, after you corrected the view. The source is not read.

    For example:

        shardlake replay orders
    """
    from shardlake.settings import views_folder
    from shardlake.view.view_file import find_view

    found = find_view(views_folder(), view)

    def here() -> "list[RunReport]":
        from cli.connect import connect
        from shardlake.run.job import open_job
        from shardlake.run.replay import replay as replay_raw

        return [replay_raw(open_job(found, connect), shard)]

    show_reports(carry_out([found], here, silent=as_json), as_json, again=f"shardlake replay {view}")


def show_reports(reports: list[dict[str, Any]], as_json: bool, *, again: str | None = None) -> None:
    """The reports of runs, for people or programs. Ends the command with 1 where not all is well; `again` is what to type then."""
    if as_json:
        show_json({"ok": all(r["ok"] for r in reports), "views": reports})
    for report in [] if as_json else reports:
        if not report["shards"] or (report["error"] and all(s["state"] == "nothing" for s in report["shards"])):  # it could not begin
            errors.print(f"{report['view']}: {report['message']}", markup=False, highlight=False, style="red", soft_wrap=True)
            continue
        show_run(report)
        if report["lake"]:
            show_layouts(report)
        for note in dict.fromkeys(n for part in (*report["shards"], *report["lake"], report) for n in part["notes"]):
            console.print(f"note: {note}", markup=False, highlight=False, style="yellow", soft_wrap=True)
        said = sentence(report, again or f"shardlake run {report['view']}")
        console.print(said, markup=False, highlight=False, style="green" if report["ok"] else "red", soft_wrap=True)
    if not all(r["ok"] for r in reports):
        raise typer.Exit(1)


def reports_of(state: Any) -> list[dict[str, Any]]:
    """The reports in a flow's final state. Raises what ended a flow that has none."""
    from flows.ending import ViewsFailed

    data = getattr(state.data, "result", state.data)
    if isinstance(data, ViewsFailed) and data.reports:
        return data.reports
    if isinstance(data, list):
        return data
    failure = state.result(raise_on_failure=False)
    raise failure if isinstance(failure, BaseException) else RuntimeError(state.message)


def stop_workers() -> None:
    """End the extracting processes, if any were started."""
    import sys

    worker = sys.modules.get("shardlake.source.sql.worker")
    if worker is not None:
        worker.stop()
