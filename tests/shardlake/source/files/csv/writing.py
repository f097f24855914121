"""Writes CSV files for tests, and reads them: by code that shares nothing with what is tested."""

from __future__ import annotations

import io
import random
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from shardlake.source.files.csv.block import Fault
from shardlake.source.files.csv.dialect import Dialect
from shardlake.source.files.csv.layout import First, Layout
from shardlake.source.files.csv.read import read_csv

Row = Sequence[str | None]
COMMA = Dialect()


@dataclass
class Read:
    """A whole file as it was read."""

    rows: list[tuple[str | None, ...]] = field(default_factory=list)
    lines: list[int] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)
    records: int = 0
    first: First | None = None

    @property
    def reasons(self) -> list[tuple[int, int, str]]:
        return [(fault.record, fault.line, fault.reason) for fault in self.faults]


def read(data: bytes, dialect: Dialect = COMMA, *, header: bool = False, names: Sequence[str] = (), **limits: int) -> Read:
    """Read a file; without `names` the columns are as many as the first record has fields."""
    found = Read()

    def ask(first: First) -> Layout:
        assert found.first is None
        found.first = first
        return Layout(tuple(names or (f"c{i}" for i in range(len(first.fields)))), header)

    for block in read_csv(io.BytesIO(data), dialect, ask, **limits):
        found.rows += zip(*(column.to_pylist() for column in block.table.columns), strict=True)
        found.lines += block.lines.to_pylist()
        found.faults += block.faults
        found.records += block.records
    assert found.records == len(found.rows) + len(found.faults)
    return found


def written(rows: Sequence[Row], dialect: Dialect, line_end: str = "\n", chance: random.Random | None = None) -> str:
    """A file of rows, with quotes where they have to be and, by chance, where they may be."""
    chance = chance or random.Random(0)
    lines = [dialect.delimiter.join(_field(text, dialect, chance) for text in row) for row in rows]
    return "".join(line + line_end for line in lines)


def first_lines(rows: Sequence[Row], dialect: Dialect, line_end: str, chance: random.Random) -> list[int]:
    """The line on which each of the rows begins, as `written` writes them with the same chance."""
    found, line = [], 1
    for row in rows:
        found.append(line)
        line += len(re.findall(r"\r\n|\r|\n", written([row], dialect, line_end, chance)))
    return found


def _field(text: str | None, dialect: Dialect, chance: random.Random) -> str:
    if text is None:
        return chance.choice(dialect.null)
    signs = [dialect.delimiter, "\n", "\r", *filter(None, (dialect.quote, dialect.escape))]
    special = any(sign in text for sign in signs)
    if dialect.quote is None or (dialect.escape and text and text not in dialect.null and chance.random() < 0.3):
        return "".join(f"{dialect.escape}{sign}" if sign in signs else sign for sign in text)
    if not special and text not in dialect.null and chance.random() < 0.6:
        return text
    if dialect.escape:
        text = text.replace(dialect.escape, dialect.escape * 2)
    twice = dialect.quote if not dialect.escape or chance.random() < 0.5 else dialect.escape
    return dialect.quote + text.replace(dialect.quote, twice + dialect.quote) + dialect.quote


def texts(found: Read) -> list[Any]:
    """Rows of a single column without their tuples."""
    return [row[0] for row in found.rows]
