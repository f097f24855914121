"""`make demo`: a first load, changes, and what goes wrong, told by the real command; then what came of it."""

import argparse
import os
import shutil
import sys
import threading
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack
from functools import partial
from pathlib import Path
from typing import Any

from rich.rule import Rule

from demo.dynamodb import ItemsStory, item_servers
from demo.files import FilesStory, file_servers
from demo.servers import demo_servers, write_environment
from demo.shards import ShardStory
from demo.story import Story, console
from embedded import NoServer

HOUSE = Path(__file__).parent.parent
_KINDS: dict[str, tuple[Callable[[Path], AbstractContextManager[Any]], Callable[[Any, Path, dict[str, str]], Story]]] = {
    "postgres": (partial(demo_servers, kind="postgres"), ShardStory),
    "mysql": (partial(demo_servers, kind="mysql"), ShardStory),
    "files": (file_servers, FilesStory),
    "dynamodb": (item_servers, ItemsStory),
}
"""Of each source its servers, which are filled, and its story."""
_TO_TRY = ("plan orders", "rejects orders", "replay orders", "compact orders")


def main() -> int:
    """Run the demo; 0 when each step came out as it should."""
    parser = argparse.ArgumentParser(prog="python -m demo", description=__doc__)
    parser.add_argument("source", nargs="?", default="postgres", choices=list(_KINDS))
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
        _next_steps(story, arguments.keep, folder, environment)
        if arguments.keep:
            _wait()
    return 1 if story.surprises else 0


def _start(stack: ExitStack, folder: Path, kind: str) -> tuple[Story, dict[str, str]]:
    opened, story = _KINDS[kind]
    with console.status("starting the servers …"):
        try:
            servers = stack.enter_context(opened(folder))
        except NoServer as error:
            console.print(str(error), style="red", markup=False, soft_wrap=True)
            raise SystemExit(1) from None
        count = servers.fill()
        secrets = servers.write_project(folder)
    console.print(f"[green]✓[/] {servers.holds.format(f'{count:,}')}; a Postgres warehouse")
    environment = secrets | {"PREFECT_API_URL": ""}  # no server, whatever a profile says: the runs need none
    return story(servers, folder, environment), environment


def _next_steps(story: Story, kept: bool, folder: Path, environment: dict[str, str]) -> None:
    here = folder.relative_to(HOUSE) if folder.is_relative_to(HOUSE) else folder
    if kept:
        write_environment(folder, environment)
        console.print(f"In another terminal:  . {here}/env.sh\nthen, for example:")
    else:
        console.print("To try these yourself, run [bold]make demo KEEP=1[/], which leaves the servers up:")
    options = f".venv/bin/shardlake --views {here}/views --connections {here}/connections.yaml"
    for words in (*_TO_TRY, *story.to_try):
        console.print(f"  {options} {words}", soft_wrap=True, markup=False)


def _wait() -> None:
    console.print("The servers run until Ctrl-C.")
    try:
        threading.Event().wait()
    except KeyboardInterrupt:
        console.print("stopping …")


if __name__ == "__main__":
    os.environ.setdefault("DO_NOT_TRACK", "1")
    sys.exit(main())
