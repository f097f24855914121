"""Records of sound quoting, and what becomes of each: a row, or a fault."""

import codecs
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from shardlake.errors import AccountingError
from shardlake.source.files.csv.block import excerpt
from shardlake.source.files.csv.dialect import Dialect
from shardlake.source.files.csv.grammar import grammar
from shardlake.source.files.csv.parse import NotUtf8, parse
from shardlake.source.files.csv.structure import Structure, structure


@dataclass(frozen=True, slots=True)
class Loss:
    """What cannot be read, and the line of the file on which it begins."""

    line: int
    text: str
    reason: str


@dataclass(frozen=True, slots=True)
class Records:
    """Records one behind the other: where each starts and ends in the text, and the line of the file on which it begins (all int64).

    The text may go on behind the last, and holds nothing but blank lines between them.
    """

    text: bytes
    starts: Any
    ends: Any
    lines: Any

    def __len__(self) -> int:
        return len(self.starts)

    def __getitem__(self, place: int) -> bytes:
        return self.text[self.starts[place].as_py() : self.ends[place].as_py()]

    def behind(self, line: int) -> "Records":
        """Those that begin behind a line."""
        place = int(pc.sum(pc.less_equal(self.lines, line), min_count=0).as_py())
        return Records(self.text, self.starts[place:], self.ends[place:], self.lines[place:])

    def span(self) -> bytes:
        """The text from the first to the last, with the blank lines between them."""
        return self.text[self.starts[0].as_py() : self.ends[-1].as_py()] if len(self) else b""

    def filled(self) -> "Records":
        """Those that are not blank lines."""
        sizes = pc.subtract(self.ends, self.starts)
        filled = pc.greater(sizes, 1)
        if b"\r" in self.text:
            octets = pa.Array.from_buffers(pa.uint8(), len(self.text), [None, pa.py_buffer(self.text)])
            carriage_return = pc.equal(pc.take(octets, self.starts), ord("\r"))
            filled = pc.and_not(filled, pc.and_(carriage_return, pc.equal(sizes, 2)))
        return Records(self.text, self.starts.filter(filled), self.ends.filter(filled), self.lines.filter(filled))

    def without(self, places: Iterable[int], dialect: Dialect) -> "Records":
        """The others. Raises AccountingError where a record other than these would be lost."""
        out = set(places)
        kept = [place for place in range(len(self)) if place not in out]
        text = b"".join(self[place] for place in kept)
        found = sound_structure(text, dialect)
        if len(found.starts) != len(kept):
            raise AccountingError(f"{len(kept)} records became {len(found.starts)}", hint="Nothing of it counts; please report it.")
        return Records(text, found.starts, found.ends, self.lines.take(pa.array(kept, pa.int64())))

    def loss(self, place: int, reason: str) -> Loss:
        """A record that is lost."""
        return Loss(self.lines[place].as_py(), excerpt(self[place]), reason)


def sound_structure(text: bytes, dialect: Dialect) -> Structure:
    """The structure of a text that is known to be whole records. Raises AccountingError where it is not."""
    found = structure(text, dialect)
    if found.broken is not None or found.end() != len(text):
        raise AccountingError("what was taken for whole records is none", hint="Nothing of it counts; please report it.")
    return found


def rows_of(records: Records, dialect: Dialect, names: tuple[str, ...]) -> tuple[pa.Table, Any, list[Loss]]:
    """The rows, the line of each, and the records that are none: a wrong number of fields, or bytes that are no text."""
    losses: list[Loss] = []
    try:
        table, wrong = parse(records.span(), dialect, names)
    except NotUtf8:
        undecoded = _undecoded(records)
        losses = [records.loss(place, why_undecoded(records[place], dialect, names)) for place in undecoded]
        records = records.without(undecoded, dialect)
        table, wrong = parse(records.span(), dialect, names)
    losses += [records.loss(place, f"has {_fields(count)}, not {len(names)}") for place, count in wrong.items()]
    lines = records.lines.filter(pa.array(place not in wrong for place in range(len(records)))) if wrong else records.lines
    return table, lines, losses


def _fields(count: int) -> str:
    return "1 field" if count == 1 else f"{count} fields"


def _undecoded(records: Records) -> list[int]:
    """The records that are not UTF-8. An error is within one record: line ends begin and end no character."""
    found: list[int] = []
    at, end = records.starts[0].as_py(), records.ends[-1].as_py()
    text = memoryview(records.text)[:end]
    while True:
        try:
            str(text[at:], "utf-8")
        except UnicodeDecodeError as error:
            place = pc.search_sorted(records.ends, pa.array([at + error.start]), side="right")[0].as_py()
            found.append(place)
            at = records.ends[place].as_py()
        else:
            return found


def why_undecoded(record: bytes, dialect: Dialect, names: tuple[str, ...]) -> str:
    """Which field of a record is not UTF-8, by its column where that is known."""
    for place, (text, _) in enumerate(grammar(dialect).fields(record)):
        try:
            text.decode()
        except UnicodeDecodeError as error:
            column = names[place] if place < len(names) else f"field {place + 1}"
            if codecs.lookup(dialect.encoding).name != "utf-8":  # the bytes here are not those of the file
                return f"{column}: it holds bytes that are not {dialect.encoding}"
            return f"{column}: its bytes {text[error.start : error.end].hex(' ')} are not utf-8"
    return f"it holds bytes that are not {dialect.encoding}"  # with an escape between them
