"""`make demo`: a first load, changes, a run that reads only these, and a run with a shard down; then what came of it."""

import argparse
import os
import shlex
import shutil
import subprocess
import sys
import threading
import time
from contextlib import ExitStack
from pathlib import Path

from rich.console import Console
from rich.rule import Rule
from rich.table import Table

from demo.data import document
from demo.servers import SHARDS, DemoServers, demo_servers, environment_without, write_environment, write_project
from embedded import NoServer

HOUSE = Path(__file__).parent.parent
console = Console(highlight=False)


def main() -> int:
    """Run the demo; 0 when each step came out as it should."""
    parser = argparse.ArgumentParser(prog="python -m demo", description=__doc__)
    parser.add_argument("source", nargs="?", default="postgres", choices=["postgres", "mysql"])
    parser.add_argument("--keep", action="store_true", help="leave the servers running until Ctrl-C")
    parser.add_argument("--folder", type=Path, default=HOUSE, help="where to make .demo, which is emptied first; the checkout by default")
    arguments = parser.parse_args()
    started = time.monotonic()
    folder = arguments.folder.resolve() / ".demo"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    with ExitStack() as stack:
        servers, environment = _start(stack, folder, arguments.source)
        story = Story(servers, folder, environment)
        story.tell()
        console.print(Rule(f"[bold]{time.monotonic() - started:.0f} s in all", style="dim"))
        _next_steps(arguments.keep, folder, environment)
        if arguments.keep:
            _wait()
    return 1 if story.surprises else 0


def _start(stack: ExitStack, folder: Path, kind: str) -> tuple[DemoServers, dict[str, str]]:
    with console.status("starting the databases …"):
        try:
            servers = stack.enter_context(demo_servers(folder, kind))
        except NoServer as error:
            console.print(f"[red]{error}[/]")
            raise SystemExit(1) from None
        count = servers.fill()
        secrets = write_project(servers, folder)
    console.print(f"[green]✓[/] {len(SHARDS)} {kind} shards with {count:,} rows; a Postgres warehouse")
    return servers, secrets | {"PREFECT_API_URL": ""}  # no server, whatever a profile says: the runs need none


_BY_CITY = "SELECT city, count(*) AS orders FROM orders"
_GROUPED = "GROUP BY city ORDER BY orders DESC LIMIT 3"


def _errors() -> int | None:
    """Where a command's standard error goes: beside its output, unless that is a terminal, which shows both by itself."""
    return None if sys.stdout.isatty() else subprocess.STDOUT


class Story:
    """The demo's steps, each the real command as a user would give it."""

    def __init__(self, servers: DemoServers, folder: Path, environment: dict[str, str]) -> None:
        self.servers, self.folder = servers, folder
        self.environment = environment_without("SHARDLAKE_", "PREFECT_") | environment
        self.surprises = 0

    def tell(self) -> None:
        """The whole story."""
        self._step("1. A first load: every row of three shards, JSON taken apart, in one table", "run", "orders")
        changed = self._change()
        self._step(f"2. {changed} rows have changed: a second run reads these, and not the rest", "run", "orders")
        for shard in SHARDS:
            self.servers.on(shard, f"UPDATE orders SET status = 'cancelled', updated_at = {self._now()} WHERE id < 10")
        self.servers.of(SHARDS[-1]).stop()
        time.sleep(1.2)
        self._step("3. The server of shop_02 is down: the others go on, the run fails and says why", "run", "orders", expect=1)
        self.servers.of(SHARDS[-1]).start()
        self._step("4. It is back: the next run takes what it missed", "run", "orders")
        self._rows()
        self._step("The rejects: nothing is lost, each bad row says why", "rejects", "orders")
        self._step("How fresh every shard is", "status")
        self._folders()
        self._step("The lake: two histories by partition, and the rows as they are now", "lake", "orders")
        self._step("A query of one day reads one day's files …", "query", f"{_BY_CITY} WHERE dt = date '2026-01-07' {_GROUPED}")
        self._step("… and one of every day reads them all", "query", f"{_BY_CITY} {_GROUPED}")
        self._step("The current rows, from Iceberg", "query", "SELECT count(*) AS orders, sum(amount) AS amount FROM orders_now")

    def _folders(self) -> None:
        console.print(Rule("[bold]The lake's folders", align="left"))
        root = self.folder / "lake"
        for table in sorted(p for p in root.glob("*/*") if p.is_dir()):
            places = sorted({f.parent.relative_to(table) for f in table.rglob("*.parquet")})
            shown = ", ".join(str(p) for p in places[:3]) + (f", … ({len(places)} folders)" if len(places) > 3 else "")
            console.print(f"  {table.relative_to(root)}/  [dim]{shown}[/]", soft_wrap=True)

    def _step(self, title: str, *words: str, expect: int = 0) -> None:
        console.print(Rule(f"[bold]{title}", align="left"))
        console.print(f"$ shardlake {shlex.join(words)}", style="dim", markup=False)
        program = Path(sys.executable).parent / "shardlake"
        options = ["--views", str(self.folder / "views"), "--connections", str(self.folder / "connections.yaml")]
        sys.stdout.flush()
        done = subprocess.run([str(program), *options, *words], env=self.environment, stderr=_errors())
        if done.returncode != expect:
            self.surprises += 1
            console.print(f"[red]ended with {done.returncode}, not {expect}[/]")

    def _change(self) -> int:
        self.servers.on(SHARDS[0], f"UPDATE orders SET status = 'refunded', updated_at = {self._now()} WHERE id <= 300")
        name = document(7, name="New customer 🎉").replace("'", "''").replace("\\", "\\\\" if self.servers.kind == "mysql" else "\\")
        self.servers.on(SHARDS[1], f"INSERT INTO orders VALUES (5000000, 'new', 42.00, {self._now()}, '{name}')")
        time.sleep(1.2)  # the view's safety lag is a second
        return 101

    def _now(self) -> str:
        return "utc_timestamp(6)" if self.servers.kind == "mysql" else "clock_timestamp() at time zone 'UTC'"

    def _rows(self) -> None:
        console.print(Rule("[bold]Five rows of analytics.orders", align="left"))
        columns = "id, status, amount, to_char(updated_at, 'HH24:MI') AS updated, customer_name, customer_age AS age, city, _shard"
        found = self.servers.warehouse.execute(
            f"SELECT {columns} FROM analytics.orders WHERE id IN (1, 5, 6, 999999, 5000000) ORDER BY id", database="warehouse"
        )
        table = Table("id", "status", "amount", "updated", "customer_name", "age", "city", "_shard")
        for row in found:
            table.add_row(*("" if cell is None else str(cell) for cell in row))
        console.print(table)
        console.print("order 999999 stood on two shards: the newer version won, whichever shard came first", style="dim")


def _next_steps(kept: bool, folder: Path, environment: dict[str, str]) -> None:
    here = folder.relative_to(HOUSE) if folder.is_relative_to(HOUSE) else folder
    if kept:
        write_environment(folder, environment)
        console.print(f"In another terminal:  . {here}/env.sh\nthen, for example:")
    else:
        console.print("To try these yourself, run [bold]make demo KEEP=1[/], which leaves the servers up:")
    options = f".venv/bin/shardlake --views {here}/views --connections {here}/connections.yaml"
    for words in (
        "plan orders",
        "run orders --shard shop_01 --json",
        "rejects orders",
        "replay orders",
        "compact orders",
        "discover SOURCE orders",
    ):
        console.print(f"  {options} {words.replace('SOURCE', 'postgres-shards/shop')}", soft_wrap=True)


def _wait() -> None:
    console.print("The servers run until Ctrl-C.")
    try:
        threading.Event().wait()
    except KeyboardInterrupt:
        console.print("stopping …")


if __name__ == "__main__":
    os.environ.setdefault("DO_NOT_TRACK", "1")
    sys.exit(main())
