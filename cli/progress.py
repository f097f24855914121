"""What a run does while it does it, on a terminal: a line a partition with rows, rate and stage, and a bar where there is an estimate."""

import os
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from shutil import rmtree

from rich.console import Console, ConsoleOptions, RenderResult
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from cli.presentation import errors
from shardlake.run.report import LayoutReport, ShardReport
from shardlake.run.watch import UNWATCHED, Watch

PER_SECOND = 5
_STYLE = {
    "failed": "red",
    "rejected": "red",
    "merged": "green",
    "written": "green",
    "reading": "cyan",
    "merging": "cyan",
    "writing": "cyan",
}
_LAST = ("merged", "no news", "rejected", "failed", "written")


@dataclass(slots=True)
class _Line:
    """A partition, or a table of the lake."""

    name: str
    stage: str = "waiting"
    rows: int = 0
    expected: int | None = None
    tally: Path | None = None
    since: float | None = None
    seconds: float = 0.0

    def begin(self, stage: str) -> None:
        self.stage, self.since = stage, self.since or time.monotonic()

    def end(self, stage: str) -> None:
        self.stage, self.tally = stage, None
        self.seconds = time.monotonic() - self.since if self.since else 0.0

    def now(self) -> tuple[int, float]:
        """Rows so far, and how many a second."""
        rows, found = self.rows, ""
        if self.tally:
            with suppress(OSError):
                found = self.tally.read_text()
        rows += int(found) if found.isdigit() else 0
        seconds = self.seconds or (time.monotonic() - self.since if self.since else 0.0)
        return rows, rows / seconds if seconds else 0.0


@dataclass(slots=True)
class Lines(Watch):
    """The lines of the view that runs now. It renders itself as often as it is asked."""

    folder: Path
    title: str = ""
    counts: bool = True
    _lines: dict[str, _Line] = field(default_factory=dict)
    _tables: dict[str, _Line] = field(default_factory=dict)
    _left: tuple[int, int] = (0, 0)
    _lock: threading.RLock = field(default_factory=threading.RLock)

    def begins(self, view: str, partitions: Sequence[str]) -> None:
        """See Watch."""
        with self._lock:
            self.title, self._tables = view, {}
            self._lines = {name: _Line(name) for name in partitions}
            self._left = (0, 0)

    def expects(self, partition: str, rows: int) -> None:
        """See Watch. Only what the first window of a run is thought to hold is known of a partition."""
        with self._lock:
            if (line := self._lines.get(partition)) and line.expected is None and not line.rows:
                line.expected = rows

    def reads(self, partition: str) -> Path | None:
        """See Watch."""
        with self._lock:
            if (line := self._lines.get(partition)) is None:
                return None
            line.begin("reading")
            line.tally = self.folder / partition
            line.tally.write_text("0")
            return line.tally

    def merges(self, partition: str) -> None:
        """See Watch."""
        with self._lock:
            if line := self._lines.get(partition):
                line.begin("merging")

    def merged(self, partition: str, shard: ShardReport) -> None:
        """See Watch."""
        with self._lock:
            if line := self._lines.get(partition):
                line.rows, line.tally = shard.read, None

    def ends(self, partition: str, shard: ShardReport) -> None:
        """See Watch."""
        with self._lock:
            if line := self._lines.get(partition):
                line.rows = shard.read
                line.end("no news" if shard.state == "nothing" else shard.state)

    def writes(self, table: str) -> None:
        """See Watch."""
        with self._lock:
            self._tables.setdefault(table, _Line(table)).begin("writing")

    def wrote(self, table: str, layout: LayoutReport) -> None:
        """See Watch."""
        with self._lock:
            line = self._tables.setdefault(table, _Line(table))
            line.rows = layout.rows + layout.skipped
            line.end("failed" if layout.error else "written" if layout.windows else "no news")

    def left(self, count: int, total: int) -> None:
        """See Watch."""
        self._left = (count, total)

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        with self._lock:
            yield from self._slices()
            lines = list(self._lines.values())
            room = max(5, console.height - 4 - len(self._tables))
            if len(lines) > room:  # what is under way first, as far as it fits
                lines.sort(key=lambda line: (line.stage in _LAST, line.stage == "waiting"))
            hidden, lines = lines[room:], lines[:room]
            table = Table(box=None, pad_edge=False, padding=(0, 1, 0, 0), show_header=False)
            table.add_column(no_wrap=True, overflow="ellipsis", max_width=30)
            table.add_column(no_wrap=True)
            table.add_column(no_wrap=True, justify="right")
            table.add_column(no_wrap=True, justify="right")
            table.add_column(no_wrap=True)
            for line in lines:
                table.add_row(*_cells(line))
            for line in self._tables.values():
                table.add_row(*_cells(line, "lake: "))
            yield table
            if hidden:
                done = sum(line.stage in _LAST for line in hidden)
                yield Text(f"and {len(hidden)} more, of which {done} have come to their end", "dim")

    def _slices(self) -> Iterator[Table]:
        """Of a backfill there is one line for its slices."""
        count, total = self._left
        if total and not self._lines:
            line = Table.grid(padding=(0, 1, 0, 0))
            line.add_row(f"backfill of {self.title}", ProgressBar(total, total - count, width=20), f"{total - count}/{total} slices")
            yield line


def _cells(line: _Line, prefix: str = "") -> list[Text | ProgressBar | str]:
    rows, rate = line.now()
    bar = ProgressBar(line.expected, min(rows, line.expected), width=12) if line.expected and line.stage not in _LAST else ""
    shown = f"{rows:,} rows" if rows or line.stage in _LAST else ""
    return [Text(prefix + line.name), Text(line.stage, _STYLE.get(line.stage, "dim")), shown, f"{rate:,.0f}/s" if rate else "", bar]


@contextmanager
def shown(title: str, *, silent: bool = False) -> Iterator[Watch]:
    """Within, what runs do is shown on standard error where that is a terminal, and taken away again at the end."""
    if silent or not sys.stderr.isatty() or os.environ.get("TERM") == "dumb":
        yield UNWATCHED
        return
    folder = Path(tempfile.mkdtemp(prefix="shardlake-"))
    lines = Lines(folder, title)
    try:
        with Live(lines, console=errors, refresh_per_second=PER_SECOND, transient=True):
            yield lines
    finally:
        rmtree(folder, ignore_errors=True)
