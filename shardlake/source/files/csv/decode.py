"""The bytes of a file as UTF-8: gzip unpacked, the byte order mark taken away, other encodings turned into it.

What an encoding does not know comes out as bytes that are not UTF-8, so that it is the fault of one record, and not of the file.
"""

import codecs
from typing import BinaryIO

from shardlake.source.files.csv.gunzip import MAGIC, Gunzip, Tear

_MARKS = (  # that of utf-32-le begins as that of utf-16-le does
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_UNKNOWN = "shardlake.unknown"


def _unknown(error: UnicodeError) -> tuple[str, int]:
    """Half a surrogate pair for what cannot be decoded: no text has one, and no UTF-8."""
    assert isinstance(error, UnicodeDecodeError)
    return "\udcff", error.end


codecs.register_error(_UNKNOWN, _unknown)


class Decoded:
    """A file's text as UTF-8. `tear` is what is wrong with it, once it has `ended`."""

    def __init__(self, stream: BinaryIO, encoding: str) -> None:
        self.ended = False
        self.tear: Tear | None = None
        head = _read(stream, len(MAGIC))
        self._packed = Gunzip(stream, head) if head == MAGIC else None
        self._stream: BinaryIO | Gunzip = self._packed or stream
        self._head = b"" if self._packed else head
        self._head += _read(self._stream, 4 - len(self._head))
        name = encoding_of(self._head) or codecs.lookup(encoding).name
        mark = next((mark for mark, _ in _MARKS if self._head.startswith(mark)), b"")
        self._head = self._head[len(mark) :]
        name = {"utf-8-sig": "utf-8", "utf-16": "utf-16-le"}.get(name, name)  # what Windows writes; Python would ask the machine
        self._decoder = None if name == "utf-8" else codecs.getincrementaldecoder(name)(_UNKNOWN)

    def fill(self, held: bytes, size: int) -> bytes:
        """`held` and what follows it, `size` bytes or a little over; fewer at the end alone."""
        pieces, have = [held], len(held)
        while have < size and not self.ended:
            raw = self._head or self._stream.read(size - have)
            self._head, self.ended = b"", not raw
            piece = self._decoder.decode(raw, not raw).encode("utf-8", "surrogatepass") if self._decoder else raw
            pieces.append(piece)
            have += len(piece)
        if self.ended and self._packed:
            self.tear = self._packed.tear
        return b"".join(pieces)


def encoding_of(head: bytes) -> str | None:
    """The encoding that a byte order mark names; None without one.

    >>> encoding_of(bytes([0xFF, 0xFE]) + "id".encode("utf-16-le"))
    'utf-16-le'
    """
    return next((name for mark, name in _MARKS if head.startswith(mark)), None)


def _read(stream: "BinaryIO | Gunzip", size: int) -> bytes:
    found = b""
    while len(found) < size and (piece := stream.read(size - len(found))):
        found += piece
    return found
