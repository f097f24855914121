"""The command itself: global options, and errors as one clear message on standard error."""

import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from cli import backfill, check, discover, infer, lake, plan, publish, rejects, rerun, run, status
from cli.prefect_api import quiet_prefect
from cli.presentation import console, errors
from shardlake import __version__
from shardlake.errors import ShardlakeError, shown
from shardlake.quiet import hush_at_exit, hush_drivers
from shardlake.version import running_version

app = typer.Typer(
    name="shardlake",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
    help="""Keep a Postgres warehouse and an Athena lake in step with sharded databases, with every row accounted for.

    A **view** is a folder with a view.yaml: which table on which shards, which JSON fields become columns, where it
    goes. Begin with `shardlake discover CONNECTION TABLE`, which drafts one; then `check`, `plan`, `run`, `status`.
    """,
)
app.command("run")(run.run)
app.command("plan")(plan.plan)
app.command("check")(check.check)
app.command("discover")(discover.discover)
app.command("infer")(infer.infer)
app.command("status")(status.status)
app.command("rejects")(rejects.rejects)
app.command("rerun")(rerun.rerun)
app.command("replay")(run.replay)
app.command("publish")(publish.publish)
app.command("backfill")(backfill.backfill)
app.command("query")(lake.query)
app.command("lake")(lake.lake)
app.command("compact")(lake.compact)
app.command("sweep")(lake.sweep)


def _version(wanted: bool) -> None:
    if wanted:
        build = running_version()
        console.print(f"shardlake {__version__}" + (f" ({build})" if build != __version__ else ""), highlight=False)
        raise typer.Exit


@app.callback()
def options(
    views: Annotated[Path | None, typer.Option(envvar="SHARDLAKE_VIEWS", help="The folder of your views; `views` here by default.")] = None,
    connections: Annotated[
        Path | None,
        typer.Option(
            envvar="SHARDLAKE_CONNECTIONS",
            help="Your connections file; `connections.yaml` here by default, and Prefect's blocks where there is none.",
        ),
    ] = None,
    project: Annotated[
        Path | None, typer.Option(envvar="SHARDLAKE_PROJECT", help="The project's prefect.yaml; the one here by default.")
    ] = None,
    _version_asked: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show which version this is.")
    ] = False,
) -> None:
    """Options that every command takes; they reach flows and their processes through the environment."""
    if views is not None:
        os.environ["SHARDLAKE_VIEWS"] = str(views)
    if connections is None and "SHARDLAKE_CONNECTIONS" not in os.environ:  # set and empty, it says: Prefect's blocks
        connections = next((here for here in (Path("connections.yaml"),) if here.is_file()), None)
    if connections is not None:
        os.environ["SHARDLAKE_CONNECTIONS"] = str(connections)
    if project is not None:
        os.environ["SHARDLAKE_PROJECT"] = str(project)


def main() -> None:
    """Run the command. A failure that Shardlake names is a message, not a traceback."""
    hush_at_exit()
    hush_drivers()
    quiet_prefect()
    code = 0
    try:
        app(standalone_mode=True)
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else 1
    except ShardlakeError as error:
        code = _say(type(error).__name__, str(error))
    except Exception as error:
        if os.environ.get("SHARDLAKE_TRACEBACK"):
            raise
        if "Failed to reach API" in str(error):
            code = _say("Prefect", f"{error}. Start it, or unset PREFECT_API_URL: the command then does its work by itself.")
        else:
            code = _say(shown(error), "Please report it; with SHARDLAKE_TRACEBACK=1 the command shows where it was.")
    run.stop_workers()
    sys.exit(code)


def _say(what: str, message: str) -> int:
    errors.print(f"[bold red]{what}[/] ", end="")
    errors.print(message, markup=False, highlight=False, soft_wrap=True)
    return 1
