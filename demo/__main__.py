"""`make demo`: a first load, changes, and what goes wrong, told by the real command; then what came of it."""

import argparse
import os
import shutil
import sys
import threading
import time
from contextlib import ExitStack
from pathlib import Path

from rich.rule import Rule

from demo.files import FilesStory, file_servers
from demo.servers import SHARDS, demo_servers, write_environment, write_project
from demo.shards import ShardStory
from demo.story import Story, console
from embedded import NoServer

HOUSE = Path(__file__).parent.parent
SOURCES = ("postgres", "mysql", "files")
_TO_TRY = ("plan orders", "run orders --shard shop_01 --json", "rejects orders", "replay orders", "compact orders")


def main() -> int:
    """Run the demo; 0 when each step came out as it should."""
    parser = argparse.ArgumentParser(prog="python -m demo", description=__doc__)
    parser.add_argument("source", nargs="?", default="postgres", choices=SOURCES)
    parser.add_argument("--keep", action="store_true", help="leave the servers running until Ctrl-C")
    parser.add_argument("--folder", type=Path, default=HOUSE, help="where to make .demo, which is emptied first; the checkout by default")
    arguments = parser.parse_args()
    started = time.monotonic()
    folder = arguments.folder.resolve() / ".demo"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    with ExitStack() as stack:
        story, environment = _start(stack, folder, arguments.source)
        story.tell()
        console.print(Rule(f"[bold]{time.monotonic() - started:.0f} s in all", style="dim"))
        _next_steps(arguments.source, arguments.keep, folder, environment)
        if arguments.keep:
            _wait()
    return 1 if story.surprises else 0


def _start(stack: ExitStack, folder: Path, kind: str) -> tuple[Story, dict[str, str]]:
    with console.status("starting the servers …"):
        try:
            if kind == "files":
                drops = stack.enter_context(file_servers(folder))
                count = drops.fill()
                secrets = drops.write_project(folder)
            else:
                servers = stack.enter_context(demo_servers(folder, kind))
                count = servers.fill()
                secrets = write_project(servers, folder)
        except NoServer as error:
            console.print(f"[red]{error}[/]")
            raise SystemExit(1) from None
    where = "CSV files of 3 shards in a bucket" if kind == "files" else f"{len(SHARDS)} {kind} shards"
    console.print(f"[green]✓[/] {where} with {count:,} rows; a Postgres warehouse")
    environment = secrets | {"PREFECT_API_URL": ""}  # no server, whatever a profile says: the runs need none
    story: Story = FilesStory(drops, folder, environment) if kind == "files" else ShardStory(servers, folder, environment)
    return story, environment


def _next_steps(kind: str, kept: bool, folder: Path, environment: dict[str, str]) -> None:
    here = folder.relative_to(HOUSE) if folder.is_relative_to(HOUSE) else folder
    if kept:
        write_environment(folder, environment)
        console.print(f"In another terminal:  . {here}/env.sh\nthen, for example:")
    else:
        console.print("To try these yourself, run [bold]make demo KEEP=1[/], which leaves the servers up:")
    options = f".venv/bin/shardlake --views {here}/views --connections {here}/connections.yaml"
    drafted = "s3-files/landing '{shard}/orders/*.csv'" if kind == "files" else "postgres-shards/shop orders"
    for words in (*_TO_TRY, f"discover {drafted}"):
        console.print(f"  {options} {words}", soft_wrap=True)


def _wait() -> None:
    console.print("The servers run until Ctrl-C.")
    try:
        threading.Event().wait()
    except KeyboardInterrupt:
        console.print("stopping …")


if __name__ == "__main__":
    os.environ.setdefault("DO_NOT_TRACK", "1")
    sys.exit(main())
