"""Cuts a file's text into blocks, one after the other, and keeps count of lines and records."""

from bisect import bisect_left

import pyarrow as pa
import pyarrow.compute as pc

from shardlake.errors import AccountingError
from shardlake.source.files.csv.block import Block, Fault, excerpt
from shardlake.source.files.csv.careful import Span, Until, spans
from shardlake.source.files.csv.dialect import Dialect
from shardlake.source.files.csv.grammar import grammar
from shardlake.source.files.csv.gunzip import Tear
from shardlake.source.files.csv.layout import AskLayout, First, Layout, fields_of
from shardlake.source.files.csv.records import Loss, Records, records_of, rows_of, why_undecoded
from shardlake.source.files.csv.structure import structure


class Blocks:
    """What has been read of a file so far."""

    def __init__(self, dialect: Dialect, ask: AskLayout) -> None:
        self._dialect, self._ask = dialect, ask
        self._layout: Layout | None = None
        self._lines = self._records = 0

    def cut(self, text: bytes, until: Until, tear: Tear | None = None) -> tuple[int, Block | None]:
        """The records that are whole at the beginning of a text, and how many bytes they take: 0 where more of the file is needed.

        At the `end` of the file they take all, and a `tear` is a fault of its own or that of the record which it cuts off.
        """
        whole = not text or text[-1] in b"\r\n"
        if until == "end" and not whole:
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
        cut = spans(text, grammar(self._dialect), until, len(self._layout.names) if self._layout else None)
        if tear is not None:
            cut = _torn(cut, tear, len(text), whole)
        return (cut[-1].end if cut else 0), self._block(*self._apart(text, cut))

    def _apart(self, text: bytes, cut: list[Span]) -> tuple[Records, list[Loss]]:
        """The records that can be read, one behind the other, and the lines that cannot."""
        kept, lines, losses, at = [], [], list[Loss](), 0
        for span in cut:
            if span.start != at:
                raise AccountingError(
                    f"behind line {self._lines}: {span.start - at} bytes belong to no record",
                    hint="Nothing of it counts; please report it.",
                )
            at = span.end
            piece, line = text[span.start : span.end], self._lines + 1
            self._lines += piece.count(b"\n") + piece.count(b"\r") - piece.count(b"\r\n") + (piece[-1:] not in (b"\r", b"\n"))
            if span.fault is None:
                kept.append(piece)
                lines.append(line)
            else:
                losses.append(Loss(line, excerpt(piece), span.fault))
        return records_of(b"".join(kept), pa.array(lines, pa.int64()), self._dialect), losses

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


def _torn(cut: list[Span], tear: Tear, size: int, whole: bool) -> list[Span]:
    """The tear as a fault: of the record that it cuts off, or of its own behind the last."""
    last = cut[-1] if cut else None
    if last and tear.cut and (not whole or (last.fault and last.end == size)):
        reason = f"{last.fault}; {tear.reason}" if last.fault else tear.reason
        return [*cut[:-1], Span(last.start, last.end, reason)]
    return [*cut, Span(size, size, tear.reason)]
