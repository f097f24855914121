"""BSON taken apart element by element: what the driver cannot decode, or decodes into something else than what stands there.

Slower than the driver by twenty times, and right on every document: on references, code with a scope and text that is no UTF-8.
"""

import struct
from base64 import b64encode
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import orjson
from bson.binary import UUID_SUBTYPE
from bson.decimal128 import Decimal128

from shardlake.source.mongodb.decimal128 import decimal_text
from shardlake.source.mongodb.moment import moment_text
from shardlake.source.mongodb.number import double

_FIXED = {0x01: 8, 0x06: 0, 0x07: 12, 0x08: 1, 0x09: 8, 0x0A: 0, 0x10: 4, 0x11: 8, 0x12: 8, 0x13: 16, 0x7F: 0, 0xFF: 0}
"""Bytes of a value, by the types that always have as many."""


class Unreadable(ValueError):
    """Bytes that are no BSON."""


@dataclass(slots=True)
class Walk:
    """A document's bytes on their way to JSON. `fault` is the first text that is not UTF-8, as its path and its bytes spelt out."""

    bson: bytes
    fault: tuple[str, str] | None = None
    _path: list[str] = field(default_factory=list)

    def json_text(self) -> bytes:
        """The document as JSON. Raises Unreadable."""
        try:
            return orjson.dumps(self._document(0))
        except (struct.error, IndexError, ValueError) as error:
            raise Unreadable(str(error)) from None

    def only(self, names: set[str]) -> bytes:
        """The document with those of its own fields alone, as BSON. Raises Unreadable."""
        try:
            found = [self.bson[start:end] for start, _, name, _, end in self._elements(0) if name in names]
        except (struct.error, IndexError, ValueError) as error:
            raise Unreadable(str(error)) from None
        body = b"".join(found)
        return struct.pack("<i", len(body) + 5) + body + b"\0"

    def _elements(self, at: int) -> Any:
        """Of each element of the document at a place: its start, type, name, where its value is and where it ends."""
        end = at + self._int(at) - 1
        at += 4
        while at < end:
            start, kind = at, self.bson[at]
            close = self.bson.index(0, at + 1)
            value = close + 1
            at = value + self._length(kind, value)
            yield start, kind, self._text(slice(start + 1, close)), value, at

    def _length(self, kind: int, at: int) -> int:
        if kind in _FIXED:
            return _FIXED[kind]
        if kind in (0x02, 0x0D, 0x0E):
            return 4 + self._int(at)
        if kind in (0x03, 0x04, 0x0F):
            return self._int(at)
        if kind == 0x05:
            return 5 + self._int(at)
        if kind == 0x0B:
            return self.bson.index(0, self.bson.index(0, at) + 1) + 1 - at
        if kind == 0x0C:
            return 16 + self._int(at)
        raise ValueError(f"type {kind:#04x}")

    def _int(self, at: int) -> int:
        found: int = struct.unpack_from("<i", self.bson, at)[0]
        if found < 0:
            raise ValueError("a length below 0")
        return found

    def _text(self, place: slice) -> str:
        try:
            return self.bson[place].decode()
        except UnicodeDecodeError:
            text = self.bson[place].decode("utf-8", "backslashreplace")
            self.fault = self.fault or (".".join(self._path), text)
            return text

    def _string(self, at: int) -> str:
        return self._text(slice(at + 4, at + 3 + self._int(at)))

    def _document(self, at: int) -> dict[str, Any]:
        found = {}
        for _, kind, name, value, _ in self._elements(at):
            self._path.append(name)
            found[name] = self._value(kind, value)
            self._path.pop()
        return found

    def _value(self, kind: int, at: int) -> Any:
        match kind:
            case 0x01:
                return double(struct.unpack_from("<d", self.bson, at)[0])
            case 0x02 | 0x0D | 0x0E:
                return self._string(at)
            case 0x03:
                return self._document(at)
            case 0x04:
                return list(self._document_in_order(at))
            case 0x05:
                return self._binary(at)
            case 0x06 | 0x0A:
                return None
            case 0x07:
                return self.bson[at : at + 12].hex()
            case 0x08:
                return self.bson[at] == 1
            case 0x09:
                return moment_text(struct.unpack_from("<q", self.bson, at)[0])
            case 0x0B:
                pattern = self.bson.index(0, at)
                flags = slice(pattern + 1, self.bson.index(0, pattern + 1))
                return f"/{self._text(slice(at, pattern))}/{''.join(sorted(self._text(flags)))}"
            case 0x0C:
                end = at + 4 + self._int(at)
                return {"$ref": self._string(at), "$id": self.bson[end : end + 12].hex()}
            case 0x0F:
                return {"code": self._string(at + 4), "scope": self._document(at + 8 + self._int(at + 4))}
            case 0x10 | 0x12:
                return struct.unpack_from("<i" if kind == 0x10 else "<q", self.bson, at)[0]
            case 0x11:
                inc, seconds = struct.unpack_from("<II", self.bson, at)
                return {"t": seconds, "i": inc}
            case 0x13:
                text = decimal_text(Decimal128.from_bid(self.bson[at : at + 16]))
                return orjson.Fragment(text) if text[-1].isdigit() else text
            case _:
                return {"$minKey": 1} if kind == 0xFF else {"$maxKey": 1}

    def _document_in_order(self, at: int) -> Any:
        for place, (_, kind, _, value, _) in enumerate(self._elements(at)):
            self._path.append(str(place))
            yield self._value(kind, value)
            self._path.pop()

    def _binary(self, at: int) -> str:
        size, subtype = self._int(at), self.bson[at + 4]
        data = self.bson[at + 5 : at + 5 + size]
        if subtype == 2:  # its own length stands once more before the bytes
            data = data[4:]
        return str(UUID(bytes=data)) if subtype == UUID_SUBTYPE and len(data) == 16 else b64encode(data).decode()
