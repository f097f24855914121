"""The lines of a data file in bounded memory, held against what its manifest says of it."""

import base64
import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

from shardlake.errors import SourceFailed
from shardlake.source.files.csv.gunzip import Gunzip
from shardlake.source.files.export.manifest import Expected

_BLOCK = 4 << 20
"""Bytes of lines that are taken at once."""
_LONGEST = 64 << 20
"""Bytes of a line: two images of an item of 400 KB, each byte of it escaped, and far more."""
_PIECE = 1 << 20
_HINT = "Copy the export anew, or export again: what was read of it before stays, and nothing of this file counts."


@dataclass(frozen=True, slots=True)
class Lines:
    """Some consecutive lines, the number of the first, and how many of them are not blank."""

    texts: list[bytes]
    first: int
    count: int


class _Digested:
    """A stream whose bytes are digested as they are read."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream, self._md5 = stream, hashlib.md5(usedforsecurity=False)

    def read(self, size: int = -1) -> bytes:
        """At most `size` bytes."""
        found = self._stream.read(size)
        self._md5.update(found)
        return found

    def digest(self) -> str:
        """The MD5 of the whole, in base64."""
        while self.read(_PIECE):
            pass
        return base64.b64encode(self._md5.digest()).decode()


def lines(stream: BinaryIO, expected: Expected, place: str, block: int = _BLOCK) -> Iterator[Lines]:
    """The lines of a gzip file. Raises SourceFailed at its end where it is not what its manifest says."""
    packed = _Digested(stream)
    text, held, counted, number = Gunzip(packed), b"", 0, 1  # type: ignore[arg-type]
    while piece := text.read(block):
        held += piece
        if len(held) < block:
            continue
        whole, end, held = held.rpartition(b"\n")
        if end:
            yield (found := _lines(whole, number))
            counted, number = counted + found.count, number + len(found.texts)
        elif len(held) > _LONGEST:
            raise SourceFailed(f"{place}: line {number} is longer than {_LONGEST >> 20} MB, which no item is", hint=_HINT)
    if held:
        found = _lines(held.removesuffix(b"\n"), number)
        counted += found.count
        if not text.tear:
            yield found
    if (digest := packed.digest()) != expected.md5:
        raise SourceFailed(f"{place}: its MD5 is {digest}, and manifest-files.json says {expected.md5}", hint=_HINT)
    if text.tear:
        raise SourceFailed(f"{place}: {text.tear.reason}, though its MD5 is what manifest-files.json says", hint=_HINT)
    if counted != expected.items:
        raise SourceFailed(f"{place}: it holds {counted} lines, and manifest-files.json says {expected.items} items", hint=_HINT)


def _lines(text: bytes, first: int) -> Lines:
    texts = text.split(b"\n")
    return Lines(texts, first, sum(not text.isspace() and bool(text) for text in texts))
