"""Tells the records that can be read from the lines that cannot, in text whose quoting is broken.

A record that cannot be read loses its first line, and reading goes on at the next: a quote that nobody closed must not swallow
what follows.
"""

from dataclasses import dataclass
from typing import Literal

from shardlake.source.files.csv.grammar import LINE, Grammar

_LOOK_AHEAD = 1000
"""Records behind an unclosed quote that are looked at to tell what it is."""

Until = Literal["block", "limit", "end"]
"""What follows a text: more of the file, more of a record that is too long, or nothing. The last one ends with a line end."""


@dataclass(frozen=True, slots=True)
class Span:
    """The bytes of a record or of a blank line, with the line end; with a `fault`, of what cannot be read."""

    start: int
    end: int
    fault: str | None = None


def spans(text: bytes, grammar: Grammar, until: Until, width: int | None) -> list[Span]:
    """Cut a text that begins with a record; a last record that may go on behind the text is left over.

    `width` is the number of fields that a record should have, where that is known already; otherwise the first one tells.
    """
    found: list[Span] = []
    at = 0
    while at < len(text):
        record = grammar.record.match(text, at)
        if record and width is None and record[0].strip(b"\r\n"):
            width = len(grammar.fields(record[0]))
        span = Span(at, record.end()) if record else _broken(text, at, grammar, until, width)
        if not span:
            break
        if span.fault and until == "limit":
            until = "block"
        found.append(span)
        at = span.end
    return found


def _broken(text: bytes, at: int, grammar: Grammar, until: Until, width: int | None) -> Span | None:
    """The first line of a record that cannot be read; None where more of the file may mend it."""
    read = grammar.attempt.match(text, at)
    line = LINE.match(text, at)
    assert read
    unended = read.end() == len(text)
    if until != "limit" and (line is None or (unended and until == "block")):
        return None
    end = line.end() if line else len(text)
    place = grammar.place(text, at, read.end())
    if read[1] is not None and not unended:
        return Span(at, end, f"field {place}: something follows the quote that ends it")
    if not unended:
        return Span(at, end, f"field {place}: a quote stands in a field that is not quoted")
    if until == "limit":
        return Span(at, end, f"field {place}: it has no end within {len(text) >> 20} MB")
    if read[2] is None:
        return Span(at, end, f"field {place}: the file ends behind an escape")
    return Span(at, end if _stray(text, end, grammar, width) else len(text), f"field {place}: its quote is not closed before the file ends")


def _stray(text: bytes, at: int, grammar: Grammar, width: int | None) -> bool:
    """Whether a quote that is not closed in the file is there by mistake: most lines that follow can be read as records.

    Where they cannot, they are the lines of a text in which the file was cut off.
    """
    records = lines = 0
    while at < len(text) and lines < _LOOK_AHEAD:
        record = grammar.record.match(text, at)
        read = record or LINE.match(text, at)
        assert read
        records += record is not None and width in (None, len(grammar.fields(record[0])))
        lines, at = lines + 1, read.end()
    return records * 2 > lines
