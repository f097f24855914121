"""`make up`: a Prefect server and a worker on this machine, the demo's shards, and its views published, until Ctrl-C."""

import argparse
import os
import shutil
import subprocess
import sys
import threading
from contextlib import ExitStack
from pathlib import Path

from rich.console import Console
from rich.rule import Rule

from demo.servers import SHARDS, DemoServers, demo_servers, environment_without, write_environment
from embedded import NoServer
from embedded.prefect_server import PrefectServer
from embedded.prefect_worker import PrefectWorker

HOUSE = Path(__file__).parent.parent
POOL = "shardlake-local"
console = Console(highlight=False)


def main() -> int:
    """Bring it up, and wait."""
    parser = argparse.ArgumentParser(prog="python -m demo.up", description=__doc__)
    parser.add_argument("source", nargs="?", default="postgres", choices=["postgres", "mysql"])
    parser.add_argument("--folder", type=Path, default=HOUSE, help="where to make .up, which is emptied first; the checkout by default")
    arguments = parser.parse_args()
    folder = arguments.folder.resolve() / ".up"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    with ExitStack() as stack:
        with console.status("starting a Prefect server, the databases and a worker …"):
            prefect = stack.enter_context(PrefectServer(folder))
            try:
                servers = stack.enter_context(demo_servers(folder, arguments.source))
            except NoServer as error:
                console.print(f"[red]{error}[/]")
                return 1
            environment = prepare(servers, folder)
            program = [str(Path(sys.executable).parent / "shardlake"), "publish"]
            done = subprocess.run(program, env=prefect.client_environment() | environment, cwd=HOUSE, capture_output=True, text=True)
            sys.stdout.write(done.stdout)
            if done.returncode:
                sys.stderr.write(done.stderr)
                return 1
            stack.enter_context(PrefectWorker(prefect, folder, environment, pool=POOL))
        _say(prefect, folder, environment)
        try:
            threading.Event().wait()
        except KeyboardInterrupt:
            console.print("stopping …")
    return 0


def prepare(servers: DemoServers, folder: Path) -> dict[str, str]:
    """Fill the shards, write connections and views; returns what a worker and the command need to know."""
    servers.fill()
    secrets = servers.write_project(folder)
    kept = {k: v for k, v in environment_without("SHARDLAKE_").items() if k in ("PATH", "HOME", "LANG", "NO_PROXY")}
    files = {
        "SHARDLAKE_VIEWS": str(folder / "views"),
        "SHARDLAKE_CONNECTIONS": str(folder / "connections.yaml"),
        "SHARDLAKE_PROJECT": str(HOUSE / "prefect.yaml"),
    }
    return {**kept, **secrets, **files}


def _say(prefect: PrefectServer, folder: Path, environment: dict[str, str]) -> None:
    told = environment | {"PREFECT_API_URL": prefect.api_url}
    write_environment(folder, {k: v for k, v in told.items() if k not in ("PATH", "HOME", "LANG")})
    console.print(Rule("[bold]up", align="left"))
    console.print(f"Prefect's UI: [bold]{prefect.ui_url}[/]   {len(SHARDS)} shards, a warehouse and a lake in {folder.name}/")
    here = folder.relative_to(HOUSE) if folder.is_relative_to(HOUSE) else folder
    console.print(f"In another terminal:  . {here}/env.sh", soft_wrap=True)
    for words in ("prefect deployment run sync-view/orders --watch", "shardlake status", "shardlake publish --check"):
        console.print(f"  .venv/bin/{words}", soft_wrap=True)
    console.print("Ctrl-C ends it.")


if __name__ == "__main__":
    os.environ.setdefault("DO_NOT_TRACK", "1")
    sys.exit(main())
