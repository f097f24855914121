"""Cuts a file's text into blocks, one after the other, and keeps count of lines and records."""

from bisect import bisect_left

import pyarrow as pa
import pyarrow.compute as pc

from shardlake.source.files.csv.block import Block, Fault, excerpt
from shardlake.source.files.csv.careful import Broken, Until, broken_lines
from shardlake.source.files.csv.dialect import Dialect
from shardlake.source.files.csv.grammar import grammar
from shardlake.source.files.csv.gunzip import Tear
from shardlake.source.files.csv.layout import AskLayout, First, Layout, fields_of
from shardlake.source.files.csv.records import Loss, Records, rows_of, sound_structure, why_undecoded
from shardlake.source.files.csv.structure import structure


class Cutter:
    """Cuts one file, and knows how far it is."""

    def __init__(self, dialect: Dialect, ask: AskLayout) -> None:
        self._dialect, self._ask = dialect, ask
        self._layout: Layout | None = None
        self._lines = self._records = 0

    def cut(self, text: bytes, until: Until, tear: Tear | None = None) -> tuple[int, Block | None]:
        """The records that are whole at the beginning of a text, and how many bytes they take: 0 where more of the file is needed.

        At the `end` of the file they take all, and a `tear` is a fault of its own or that of the record which it cuts off.
        """
        if tear and tear.cut:
            until = "tear"
        elif until == "end" and text and text[-1] not in b"\r\n":
            text += b"\n"
        found = structure(text, self._dialect)
        if found.sound() and tear is None and (until != "end" or found.end() == len(text)):
            records = Records(text, found.starts, found.ends, pc.add(found.lines, self._lines + 1))
            if self._layout is None and until == "block" and not len(records.filled()):
                return 0, None  # in a file of one column these would be records
            self._lines += found.line_count
            return found.end(), self._block(records, [])
        if found.broken is None and until == "block":
            return 0, None
        lines, end = broken_lines(text, grammar(self._dialect), until, self._width(text))
        if tear and end == len(text):
            lines = _torn(lines, tear, end)
        return end, self._block(*self._apart(text, lines, end))

    def _width(self, text: bytes) -> int | None:
        """The number of fields of a record: that of the layout or, before there is one, of the first record if that can be read."""
        if self._layout:
            return len(self._layout.names)
        rules = grammar(self._dialect)
        first = rules.record.match(text, len(text) - len(text.lstrip(b"\r\n")))
        return len(rules.fields(first[0])) if first else None

    def _apart(self, text: bytes, broken: list[Broken], end: int) -> tuple[Records, list[Loss]]:
        """The records of a text up to an end, one behind the other, and the lines between them that cannot be read."""
        kept, losses = list[bytes](), list[Loss]()
        at = size = lines = gone = 0
        gaps, gone_ahead = list[int](), [0]  # where lines are missing in what is kept, and how many up to there
        for lost in broken:
            kept.append(text[at : lost.start])
            piece = text[lost.start : lost.end]
            size, lines = size + len(kept[-1]), lines + _line_count(kept[-1])
            losses.append(Loss(self._lines + lines + 1, excerpt(piece), lost.reason))
            lines, gone, at = lines + _line_count(piece), gone + _line_count(piece), lost.end
            gaps.append(size)
            gone_ahead.append(gone)
        kept.append(text[at:end])
        records = b"".join(kept)
        found = sound_structure(records, self._dialect)
        missing = pc.take(pa.array(gone_ahead, pa.int64()), pc.search_sorted(pa.array(gaps, pa.int64()), found.starts, side="right"))
        begun = pc.add(pc.add(found.lines, self._lines + 1), missing)
        self._lines += lines + _line_count(kept[-1])
        return Records(records, found.starts, found.ends, begun), losses

    def _block(self, records: Records, losses: list[Loss]) -> Block | None:
        """The rows of records, with their faults and the losses ahead of them or between."""
        header: list[int] = []
        if self._layout is None:
            records, unread, header = self._look(records, losses)
            losses = [*losses, *unread]
        elif len(self._layout.names) != 1:
            records = records.filled()
        taken = len(records) + len(losses)
        table, lines, unread = rows_of(records, self._dialect, self._layout.names if self._layout else ())
        losses = sorted([*losses, *unread], key=lambda loss: loss.line)
        faults: list[Fault] = []
        if losses:
            begun = sorted({*records.lines.to_pylist(), *(loss.line for loss in losses), *header})
            faults = [Fault(self._records + 1 + bisect_left(begun, it.line), it.line, it.text, it.reason) for it in losses]
        self._records += taken + len(header)
        return Block(table, lines, faults, taken) if taken else None

    def _look(self, records: Records, losses: list[Loss]) -> tuple[Records, list[Loss], list[int]]:
        """Ask for the layout with the first record that can be read. The records left to read, those that cannot be ahead of it, and the
        line of the header where it is one.
        """
        filled, unread = records.filled(), list[Loss]()
        for place in range(len(filled)):
            try:
                fields = fields_of(filled[place], self._dialect)
            except UnicodeDecodeError:
                unread.append(filled.loss(place, why_undecoded(filled[place], self._dialect, ())))
                continue
            line = filled.lines[place].as_py()
            number = self._records + place + 1 + sum(loss.line < line for loss in losses)
            self._layout = self._ask(First(fields, number, line))
            if len(self._layout.names) != 1:
                records = filled
            return (records.behind(line), unread, [line]) if self._layout.header else (records, [], [])
        return filled.behind(self._lines), unread, []


def _torn(broken: list[Broken], tear: Tear, end: int) -> list[Broken]:
    """The tear as well: with the record that it cuts off, or on its own behind the last."""
    last = broken[-1] if broken else None
    if tear.cut and last and last.end == end and last.unended:
        return [*broken[:-1], Broken(last.start, end, f"{last.reason}: {tear.reason}")]
    return [*broken, Broken(end, end, tear.reason)]


def _line_count(text: bytes) -> int:
    """The number of lines, with a last one that has no end."""
    return text.count(b"\n") + text.count(b"\r") - text.count(b"\r\n") + (text[-1:] not in (b"", b"\r", b"\n"))
