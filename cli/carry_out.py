"""Carrying out what a command was asked for: in this process, or as a flow of Prefect's; watched, and ended by Ctrl-C or SIGTERM."""

import os
from collections.abc import Callable
from contextlib import nullcontext
from typing import TYPE_CHECKING, Any

import typer

from cli.beforehand import look_ahead
from cli.prefect_api import named_api
from cli.presentation import errors

if TYPE_CHECKING:
    from shardlake.run.report import RunReport
    from shardlake.view.view import View

_OF_FLOWS = ("SHARDLAKE_DASK", "SHARDLAKE_TIMEOUT")
"""Variables that only a flow obeys: where one is set, a flow is meant."""


def carry_out(
    views: "list[View]",
    here: "Callable[[], list[RunReport]]",
    as_flow: Callable[[], list[dict[str, Any]]] | None = None,
    *,
    flow: bool = False,
    silent: bool = False,
) -> list[dict[str, Any]]:
    """The reports of `here`, or of `as_flow` where `flow` says so, or a Prefect server is named. Where not `silent`, a terminal shows
    what is done while it is done. Raises what `look_ahead` finds before anything is started.
    """
    api = named_api()
    flows = as_flow if as_flow and (flow or api or any(os.environ.get(name) for name in _OF_FLOWS)) else None
    notes = look_ahead(views, api if flows else None)
    if flows and not silent:
        for note in notes:
            errors.print(f"{note}; the run goes on without it", markup=False, highlight=False, style="yellow", soft_wrap=True)
    from cli.in_process import Ended, ended_by_sigterm
    from cli.progress import shown
    from shardlake.ending import heed_signals
    from shardlake.run.watch import watched

    names = ", ".join(view.name for view in views)
    try:
        heed_signals()
        with ended_by_sigterm() if not flows else nullcontext(), shown(names, silent=silent) as watch, watched(watch):
            return flows() if flows else [report.as_json() for report in here()]
    except (KeyboardInterrupt, Ended) as end:
        errors.print(f"{names}: broken off; the next run goes on from where it stopped", markup=False, highlight=False, soft_wrap=True)
        raise typer.Exit(130 if isinstance(end, KeyboardInterrupt) else 143) from None
