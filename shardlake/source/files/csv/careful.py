"""Finds the lines that cannot be read, in text whose quoting is broken.

A record that cannot be read loses its first line, and reading goes on at the next: a quote that nobody closed must not swallow
what follows.
"""

from dataclasses import dataclass
from typing import Literal

from shardlake.source.files.csv.grammar import LINE, Grammar

_LOOK_AHEAD = 1000
"""Records behind an unclosed quote that are looked at to tell what it is."""

Until = Literal["block", "limit", "end", "tear"]
"""What follows a text: more of the file, more of a record that is too long, nothing (then it ends with a line end), or what is lost."""


@dataclass(frozen=True, slots=True)
class Broken:
    """The bytes of what cannot be read, with the line end, and why. `unended` where its quote is open to the end of the text."""

    start: int
    end: int
    reason: str
    unended: bool = False


def broken_lines(text: bytes, grammar: Grammar, until: Until, width: int | None) -> tuple[list[Broken], int]:
    """What cannot be read of a text that begins with a record, and where reading stopped: between those, all are records.

    It stops at a last record that may go on behind the text, and behind one whose quote is never closed, since then a text may be
    long. `width` is the number of fields that a record should have, where it is known.
    """
    found: list[Broken] = []
    at = 0
    while at < len(text):
        at = _behind_records(text, at, grammar)
        if at and until == "limit":  # that was about the first record
            until = "block"
        line = _broken(text, at, grammar, until, width) if at < len(text) else None
        if not line:
            break
        found.append(line)
        at = line.end
        if line.unended:
            break
    return found, at


def _behind_records(text: bytes, at: int, grammar: Grammar) -> int:
    records = grammar.records.match(text, at)
    assert records
    return records.end()


def _broken(text: bytes, at: int, grammar: Grammar, until: Until, width: int | None) -> Broken | None:
    """The first line of a record that cannot be read; None where more of the file may mend it."""
    read = grammar.attempt.match(text, at)
    line = LINE.match(text, at)
    assert read
    unended = read.end() == len(text)
    if until == "block" and (line is None or unended):
        return None
    end = line.end() if line else len(text)
    place = grammar.place(text, at, read.end())
    if not unended:
        why = "a quote stands in a field that is not quoted" if read[1] is None else "something follows the quote that ends it"
        return Broken(at, end, f"field {place}: {why}")
    if until == "limit":
        return Broken(at, end, f"field {place}: it has no end within {len(text):,} bytes", unended=True)
    if read[2] is None and until == "tear":
        return Broken(at, len(text), "the last record is cut off", unended=True)
    if read[2] is None:
        return Broken(at, end, f"field {place}: the file ends behind an escape")
    why = f"field {place}: its quote is not closed before the file ends"
    return Broken(at, end if _stray(text, end, grammar, width) else len(text), why, unended=True)


def _stray(text: bytes, at: int, grammar: Grammar, width: int | None) -> bool:
    """Whether a quote that is not closed in the file is there by mistake: most lines that follow can be read as records.

    Where they cannot, they are the lines of a text in which the file was cut off.
    """
    records = lines = 0
    while at < len(text) and lines < _LOOK_AHEAD:
        record = grammar.record.match(text, at)
        read = record or LINE.match(text, at)
        if read is None:
            break
        records += record is not None and width in (None, len(grammar.fields(record[0])))
        lines, at = lines + 1, read.end()
    return records * 2 > lines
