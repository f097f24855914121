"""A story that the demo tells: steps, each the real command as a user would give it, and what came of them."""

import shlex
import subprocess
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.rule import Rule
from rich.table import Table

from demo.servers import environment_without
from embedded.postgres import Postgres

console = Console(highlight=False)
BY_CITY, GROUPED = "SELECT city, count(*) AS orders FROM orders", "GROUP BY city ORDER BY orders DESC LIMIT 3"


class Story:
    """What all stories share. `surprises` counts the steps that did not end as they should; `to_try` are commands for a reader to go on with."""

    to_try: Sequence[str] = ()

    def __init__(self, warehouse: Postgres, folder: Path, environment: dict[str, str]) -> None:
        self.warehouse, self.folder = warehouse, folder
        self.environment = environment_without("SHARDLAKE_", "PREFECT_") | environment
        self.surprises = 0

    def tell(self) -> None:
        """The whole story."""
        raise NotImplementedError

    def step(self, title: str, *words: str, expect: int = 0) -> None:
        """A command, with what it prints."""
        console.print(Rule(f"[bold]{title}", align="left"))
        console.print(f"$ shardlake {shlex.join(words)}", style="dim", markup=False)
        program = Path(sys.executable).parent / "shardlake"
        options = ["--views", str(self.folder / "views"), "--connections", str(self.folder / "connections.yaml")]
        sys.stdout.flush()
        done = subprocess.run([str(program), *options, *words], env=self.environment, stderr=_errors())
        if done.returncode != expect:
            self.surprises += 1
            console.print(f"[red]ended with {done.returncode}, not {expect}[/]")

    def ask(self, query: str) -> list[tuple[Any, ...]]:
        """Rows of the warehouse."""
        return list(self.warehouse.execute(query, database="warehouse"))

    def rows(self, title: str, columns: Sequence[str], ids: Sequence[int]) -> None:
        """Some rows of the warehouse's table."""
        names = [column.rpartition(" AS ")[2] for column in columns]
        found = self.ask(f"SELECT {', '.join(columns)} FROM analytics.orders WHERE id IN ({', '.join(map(str, ids))}) ORDER BY id, _shard")
        self.show(title, names, found)

    def show(self, title: str, names: Sequence[str], found: Iterable[tuple[Any, ...]]) -> None:
        """A table."""
        console.print(Rule(f"[bold]{title}", align="left"))
        table = Table(*names)
        for row in found:
            table.add_row(*("" if cell is None else str(cell) for cell in row))
        console.print(table)

    def folders(self) -> None:
        """The lake's tables and their partitions."""
        console.print(Rule("[bold]The lake's folders", align="left"))
        root = self.folder / "lake"
        for table in sorted(p for p in root.glob("*/*") if p.is_dir()):
            places = sorted({f.parent.relative_to(table) for f in table.rglob("*.parquet")})
            shown = ", ".join(str(p) for p in places[:3]) + (f", … ({len(places)} folders)" if len(places) > 3 else "")
            console.print(f"  {table.relative_to(root)}/  [dim]{shown}[/]", soft_wrap=True)


def _errors() -> int | None:
    """Where a command's standard error goes: beside its output, unless that is a terminal, which shows both by itself."""
    return None if sys.stdout.isatty() else subprocess.STDOUT
