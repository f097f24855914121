"""Gzip with nothing lost: all that can be unpacked before a fault comes out, and the fault is told."""

import zlib
from dataclasses import dataclass
from typing import BinaryIO

MAGIC = b"\x1f\x8b"
_PIECE = 64 << 10


@dataclass(frozen=True, slots=True)
class Tear:
    """Why a file cannot be read to its end, and whether what was read stops in the middle of it (`cut`)."""

    reason: str
    cut: bool


class Gunzip:
    """Unpacks a stream of one gzip member or several. `tear` is what is wrong with it, once the end is reached."""

    def __init__(self, stream: BinaryIO, head: bytes = b"") -> None:
        self.tear: Tear | None = None
        self._stream, self._packed, self._member = stream, head, zlib.decompressobj(31)
        self._fresh, self._members = True, 0

    def read(self, size: int) -> bytes:
        """At most `size` bytes; none at the end."""
        while not self.tear:
            if not self._packed and not self._member.unconsumed_tail:
                self._packed = self._stream.read(_PIECE)
                if not self._packed:
                    if self._fresh:
                        return b""
                    self.tear = Tear("the file ends in the middle of its gzip data", cut=True)
                    return self._member.flush()
            if self._fresh and self._between():
                continue
            found = self._unpack(size)
            if found:
                return found
        return b""

    def _between(self) -> bool:
        """Whether there is nothing to unpack yet where a member should begin. Zeros behind the last are padding."""
        if self._members:
            self._packed = self._packed.lstrip(b"\0")
        if not self._packed:
            return True
        if len(self._packed) < len(MAGIC):
            self._packed += self._stream.read(_PIECE)
        if self._members and not self._packed.startswith(MAGIC):
            self.tear = Tear("what follows the gzip data is not gzip", cut=False)
            return True
        return False

    def _unpack(self, size: int) -> bytes:
        packed, self._packed, self._fresh = self._member.unconsumed_tail + self._packed, b"", False
        before = self._member.copy()
        try:
            found = self._member.decompress(packed, size)
        except zlib.error as error:
            return self._rescue(before, packed, error)
        if self._member.eof:
            self._packed, self._member = self._member.unused_data, zlib.decompressobj(31)
            self._fresh, self._members = True, self._members + 1
        return found

    def _rescue(self, member: "zlib._Decompress", packed: bytes, error: zlib.error) -> bytes:
        """What comes out before the byte at which it breaks, since zlib withholds all of a call that fails."""
        found = bytearray()
        for byte in packed:
            try:
                found += member.decompress(bytes((byte,)))
            except zlib.error:
                break
        if "data check" in str(error) or "length check" in str(error):
            self.tear = Tear(
                "the checksum of the gzip data is wrong: what was read may be damaged, and nothing behind it is read", cut=False
            )
        else:
            self.tear = Tear("the gzip data is damaged here, and nothing behind it is read", cut=True)
        return bytes(found)
