"""`shardlake backfill`."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from cli.carry_out import carry_out
from cli.presentation import console
from cli.run import AsFlow, AsJson, OnlyShards, reports_of, show_reports

if TYPE_CHECKING:
    from shardlake.run.report import RunReport
    from shardlake.view.view import View


def backfill(
    view: Annotated[str, typer.Argument(help="The view, by name.", show_default=False)],
    start: Annotated[str | None, typer.Option("--from", help="Read the rows whose cursor lies behind this …", show_default=False)] = None,
    end: Annotated[str | None, typer.Option("--to", help="… up to and with this; not in the future.", show_default=False)] = None,
    shard: OnlyShards = None,
    parallel: Annotated[int, typer.Option(help="Slices under way at once; one connection is always left to the regular run.")] = 4,
    step: Annotated[str | None, typer.Option(help="How long a slice is: 6h, 1d, or a number.", show_default="at most 100 slices")] = None,
    as_json: AsJson = False,
    flow: AsFlow = False,
    leave: Annotated[
        str | None,
        typer.Option(
            "--give-up", metavar="ID", help="In place of all this: give up an unfinished one, by its id in `status`.", show_default=False
        ),
    ] = None,
) -> None:
    """Read a range of a view's cursor again, in parallel slices, and merge it; newest wins.

    No watermark moves, and the regular runs of the view go on meanwhile. Whatever ends it, the same command again goes on
    where it was. Bounds are dates, times (in the connection's zone where they name none) or numbers. For example:

        shardlake backfill orders --from 2026-01-01 --to 2026-02-01

        shardlake backfill events --from 0 --to 5000000 --step 500000 --shard shop_03 --json
    """
    from shardlake.settings import views_folder
    from shardlake.view.view_file import find_view

    found = find_view(views_folder(), view)
    if leave is not None:
        _give_up(found, leave)
        return
    if start is None or end is None:
        raise typer.BadParameter("a backfill needs both --from and --to")
    asked: Any = (start, end, shard, step, parallel)

    def as_flow() -> list[dict[str, Any]]:
        from flows.backfill import backfill as the_flow

        return reports_of(the_flow(view, *asked, return_state=True))

    def here() -> "list[RunReport]":
        from cli.in_process import run_backfill

        return [run_backfill(found, *asked)]

    show_reports(carry_out([found], here, as_flow, flow=flow, silent=as_json), as_json, again="the same command, which goes on")


def _give_up(view: "View", name: str) -> None:
    from cli.connect import connect
    from shardlake.run.give_up import give_up
    from shardlake.run.job import open_ledger

    gone = give_up(open_ledger(view, connect), view.name, name)
    console.print(f"backfill {gone.name} of {gone.view} is given up: {gone.done} of {gone.slices} slices are merged, and stay so")
