"""Reads a CSV file in blocks that end where a record does, so that memory stays bounded, and accounts for each record."""

from collections.abc import Iterator
from typing import BinaryIO

from shardlake.source.files.csv.block import Block
from shardlake.source.files.csv.careful import Until
from shardlake.source.files.csv.cut import Cutter
from shardlake.source.files.csv.decode import Decoded
from shardlake.source.files.csv.dialect import Dialect
from shardlake.source.files.csv.grammar import LINE
from shardlake.source.files.csv.layout import AskLayout


def read_csv(
    stream: BinaryIO, dialect: Dialect, ask: AskLayout, *, block_bytes: int = 2 << 20, record_bytes: int = 64 << 20
) -> Iterator[Block]:
    """Read a file from its beginning; gzip is recognised by its first bytes. An empty file gives no block, nor does a header alone.

    - Each record is a row or a fault, but for the header. Where quotes are broken, a line is lost and not what follows it.
    - `ask` is called once, with the first record that can be read.
    - LF, CR LF and CR end a record. Blank lines are none, but for files of one column: there each is an empty text.
    - A record of more than `record_bytes` is a fault. Memory is a few times `block_bytes`, or the longest record if that is more.

    Raises AccountingError where two ways of counting the records do not agree, and whatever `ask` raises.
    """
    source, cutter = Decoded(stream, dialect.encoding), Cutter(dialect, ask)
    block_bytes = max(block_bytes, 1)
    most = max(record_bytes, block_bytes, 2)
    held, size = b"", block_bytes
    while True:
        held = source.fill(held, size)
        ended = source.ended and len(held) <= size
        until: Until = "end" if ended else "limit" if size >= most else "block"
        text = held if ended else held[:size].removesuffix(b"\r")  # its line feed may follow
        used, block = cutter.cut(text, until, source.tear if ended else None)
        if block:
            yield block
        if ended and used >= len(text):
            return
        held = held[used:]
        if used and text[used - 1] not in b"\r\n":
            held = _behind_line(held, source, block_bytes)
        size = block_bytes if used else min(size * 2, most)


def _behind_line(held: bytes, source: Decoded, size: int) -> bytes:
    """What follows a line that is too long to be held."""
    while (line := LINE.match(held)) is None or (held.endswith(b"\r") and line.end() == len(held)):
        if source.ended:
            return b""
        held = source.fill(b"\r" if held.endswith(b"\r") else b"", size)
    return held[line.end() :]
