"""What is too wide for a terminal: a table where it fits, and else a block a row. Nothing is cut, and no number is broken."""

from collections.abc import Sequence

from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, RenderableType, RenderResult
from rich.table import Table
from rich.text import Text

from cli.presentation import table

Cell = Text | str | None
_SMALLEST = 20
"""Columns of the screen that a value gets at least."""


class Fitted:
    """Rows as a table where the screen has room for it, else turned: a block a row, a line a value.

    `numbers` are set to the right. Cells of None are left out of a block. With `named` a block begins with the row's first cell, else
    with the row's number.
    """

    def __init__(
        self, title: str, columns: Sequence[str], rows: Sequence[Sequence[Cell]], numbers: Sequence[str] = (), *, named: bool = False
    ) -> None:
        self._title, self._columns, self._numbers, self._named = title, [_shown(c) for c in columns], numbers, named
        self._rows = [[cell if isinstance(cell, Text) or cell is None else Text(_shown(cell)) for cell in row] for row in rows]

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        yield self._table() if self._width() <= options.max_width else self._blocks(options.max_width)

    def _width(self) -> int:
        """The columns that the table takes, with a blank behind each."""
        cells = [[cell_len(cell.plain) if cell else 0 for cell in row] for row in self._rows]
        return sum(1 + max([cell_len(name), *(row[n] for row in cells)]) for n, name in enumerate(self._columns))

    def _table(self) -> Table:
        names = tuple(str(n) for n in range(len(self._columns)))  # two columns may have one name
        numbers = tuple(n for n, c in zip(names, self._columns, strict=True) if c in self._numbers)
        rows = [[Text("") if cell is None else cell for cell in row] for row in self._rows]
        made = table(self._title, list(names), rows, numbers, names)
        for column, name in zip(made.columns, self._columns, strict=True):
            column.header = Text(name)
        return made

    def _blocks(self, width: int) -> RenderableType:
        """The rows one below the other."""
        heads = self._columns[1:] if self._named else self._columns
        margin = min(max(map(cell_len, heads), default=0), max(8, width // 3)) + 2
        lines = Text()
        if self._title:
            lines.append(f"{self._title}\n", "bold")
        for n, row in enumerate(self._rows):
            head, cells = (row[0] or Text(""), row[1:]) if self._named else (Text(f"row {n + 1:,}"), row)
            lines.append("\n" if n or self._title else "").append(head.plain, "bold").append("\n")
            for name, cell in zip(heads, cells, strict=True):
                if cell is not None:
                    _line(lines, name, cell, margin, width)
        return lines


def _line(lines: Text, name: str, cell: Text, margin: int, width: int) -> None:
    """A value behind its column's name; what does not fit goes on below itself."""
    lines.append(name, "cyan")
    lines.append(" " * (margin - cell_len(name)) if cell_len(name) < margin else "\n" + " " * margin)
    for n, piece in enumerate(_folded(cell, max(_SMALLEST, width - margin))):
        lines.append(" " * margin if n else "").append_text(piece).append("\n")


def _folded(text: Text, room: int) -> list[Text]:
    """A text in pieces of so many columns, broken between words where there are some. A number stays whole."""
    if cell_len(text.plain) <= room:
        return [text]
    pieces: list[Text] = []
    while cell_len(text.plain) > room:
        at, width = 0, 0
        while width + cell_len(text.plain[at]) <= room:
            width += cell_len(text.plain[at])
            at += 1
        blank = text.plain.rfind(" ", 0, at) + 1
        cut = blank or _before_a_number(text.plain, at)
        head, text = text.divide([cut])
        pieces.append(head)
    return [*pieces, text]


def _before_a_number(plain: str, at: int) -> int:
    """Where a text without blanks is broken: not within a number, but one that fills the line."""
    start = at
    while 0 < start < len(plain) and plain[start] in "0123456789.," and plain[start - 1] in "0123456789.,-":
        start -= 1
    return start or at


def _shown(text: str) -> str:
    """A text as it is; what a terminal would obey is spelt out."""
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)
