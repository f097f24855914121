"""Raw rows of BSON documents: the key, the version, whether it is gone, the document as JSON, and a fault where it cannot be held."""

import json
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa
from bson import decode
from bson.errors import BSONError

from shardlake.envelope import FAULT, Envelope
from shardlake.source.mongodb.client import LENIENT, OPTIONS
from shardlake.source.mongodb.cursor import By, value_at, version_kind, version_text
from shardlake.source.mongodb.exact import Unreadable, Walk
from shardlake.source.mongodb.json_text import json_text
from shardlake.source.mongodb.key import Ids, key_text
from shardlake.view.mongodb import DOCUMENT, MongoCollection
from shardlake.view.view import View

KEY, VERSION = "_id", "_version"
Path = tuple[str, ...]


def kinds_of(view: View, by: By | None) -> dict[str, str]:
    """What raw's columns hold, where the cursor is of that type. The field that tells what is deleted is a column of its own."""
    version = {VERSION: version_kind(by)} if by else {}
    gone = {view.deletes.column: "text"} if view.deletes else {}
    return {KEY: "text", **version, **gone, DOCUMENT: "json"}


def envelope_of(view: View, by: By | None) -> Envelope:
    """The envelope of raw rows."""
    gone = view.deletes.column if view.deletes and view.deletes.mode == "apply" else None
    return Envelope((KEY,), VERSION if by else None, version_kind(by) if by else None, gone)


@dataclass(slots=True)
class RowMaker:
    """Makes rows of documents, chunk by chunk. `size` is how much BSON the chunk under way has; `last` the newest row's `_id`."""

    by: By | None
    ids: Ids
    cursor: Path
    deletes: str | None
    size: int = 0
    last: Any = None
    value: Any = None
    _rows: tuple[list[Any], ...] = field(default_factory=lambda: ([], [], [], [], []))

    @classmethod
    def of(cls, view: View, source: MongoCollection, by: By | None, ids: Ids) -> "RowMaker":
        """The maker for a view's rows."""
        return cls(by, ids, _path(source.cursor), view.deletes.column if view.deletes else None)

    def __len__(self) -> int:
        return len(self._rows[0])

    def add(self, bson: bytes) -> None:
        """One document more."""
        fault = None
        try:
            document = decode(bson, OPTIONS)
            text = json_text(document, bson)
        except (BSONError, TypeError, ValueError, OverflowError):
            document, text, fault = self._carefully(bson)
        if KEY not in document and fault is None:  # a view of the server's may leave it out: all such rows would be one
            fault = json.dumps([DOCUMENT, text[:250].decode("utf-8", "replace"), "has no _id", {KEY: None}])
        self.last, self.value = document.get(KEY), value_at(document, self.cursor) if self.cursor else None
        version = version_text(self.value, self.by) if self.by else None
        told = value_at(document, _path(self.deletes)) if self.deletes else None
        gone = "d" if told is not None and told is not False else None  # 0 == False, and is a value
        for column, item in zip(self._rows, (key_text(self.last, self.ids), version, gone, text, fault), strict=True):
            column.append(item)
        self.size += len(bson)

    def version_of(self, bson: bytes) -> str | None:
        """A document's version, without a row of it."""
        document = decode(Walk(bson).only(set(self.cursor[:1])), OPTIONS)
        return version_text(value_at(document, self.cursor), self.by) if self.by else None

    def _carefully(self, bson: bytes) -> tuple[dict[str, Any], bytes, str | None]:
        """A document that the driver does not decode: what rows are made of, and why it is a reject, where it is one."""
        walk = Walk(bson)
        try:
            text = walk.json_text()
            heads = {path[0] for path in (self.cursor, _path(self.deletes)) if path} | {KEY}
            document = decode(walk.only(heads), LENIENT)
        except (Unreadable, BSONError, TypeError, ValueError, OverflowError, RecursionError) as error:
            return (
                {},
                b"null",
                json.dumps([DOCUMENT, bson[:250].hex(), f"is not BSON that can be read ({type(error).__name__})", {KEY: None}]),
            )
        fault = json.dumps([f"{DOCUMENT}.{walk.fault[0]}", walk.fault[1], "is not UTF-8"]) if walk.fault else None
        return document, text, fault

    def take(self) -> pa.Table:
        """The rows so far as a chunk; the next one begins empty."""
        names = (KEY, VERSION if self.by else None, self.deletes, DOCUMENT, FAULT if any(self._rows[4]) else None)
        columns = {name: pa.array(values, pa.large_string()) for name, values in zip(names, self._rows, strict=True) if name}
        table = pa.table(columns)
        for column in self._rows:
            column.clear()
        self.size = 0
        return table


def _path(text: str | None) -> Path:
    return tuple(text.split(".")) if text else ()
