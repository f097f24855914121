"""What is read of a file at a time: rows, and the records that are none, with why."""

from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from shardlake.errors import AccountingError

_EXCERPT = 500


@dataclass(frozen=True, slots=True)
class Fault:
    """A record that cannot be read.

    `record` is its number in the file, `line` the line on which it begins. Both count from 1, a header included; blank lines have a
    line and no record. `text` is its beginning.
    """

    record: int
    line: int
    text: str
    reason: str


@dataclass(frozen=True, slots=True)
class Block:
    """Consecutive records of a file: one column of large_string a field, and the line (int64) on which each row begins.

    `records` is how many there are, told from quotes and line ends by other means than the parser's: the rows and the faults. Raises
    AccountingError where it is not.
    """

    table: pa.Table
    lines: Any
    faults: list[Fault]
    records: int

    def __post_init__(self) -> None:
        rows, faults = self.table.num_rows, len(self.faults)
        if self.records != rows + faults or len(self.lines) != rows:
            near = self.lines[0].as_py() if len(self.lines) else min((fault.line for fault in self.faults), default=0)
            raise AccountingError(
                f"around line {near}: {self.records} records in the file came to {rows} rows and {faults} faults",
                hint="Nothing of it counts; please report it.",
            )


def excerpt(record: bytes) -> str:
    """The beginning of a record, without its line end."""
    return record[: 4 * _EXCERPT].decode("utf-8", "replace").rstrip("\r\n")[:_EXCERPT]
