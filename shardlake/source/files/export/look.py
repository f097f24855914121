"""A look at the first lines of data files: of which types the key's attributes are, and whether the view names the key."""

from collections.abc import Iterator, Sequence

import orjson

from shardlake.errors import ContractError
from shardlake.source.files.csv.gunzip import Gunzip
from shardlake.source.files.export.rows import Unread, read_line, types_of
from shardlake.source.files.read import Planned
from shardlake.source.files.store import Listed, Store
from shardlake.source.item.key import column_kind, require_comparable
from shardlake.view.files import Files

_HEAD = 1 << 20
"""Bytes that are unpacked of a file."""


def export_kinds(store: Store, source: Files, planned: Sequence[Planned], partition: str) -> dict[str, str]:
    """What the columns of the key hold, by the first line of a window that can be read; nothing where there is none.

    Raises ContractError where a change has another key, or `item` compares the key with what it is not; Moved.
    """
    for one in planned:
        if not one.expected or not one.expected.items:
            continue
        place = f"{partition}: {one.file.name}"
        for line in first_lines(store, one.file):
            try:
                _require_key(line, source, place)
                key, _, _ = read_line(line, source.primary_key, incremental=one.expected.incremental)
            except Unread:
                continue
            types = types_of(key)
            require_comparable(place, types, source)
            return {name: column_kind(kind) for name, kind in types.items()}
    return {}


def first_lines(store: Store, file: Listed) -> Iterator[bytes]:
    """The lines that a data file begins with. Raises Moved."""
    with store.stream(file) as stream:
        text, head = Gunzip(stream), b""
        while len(head) < _HEAD and (piece := text.read(_HEAD - len(head))):
            head += piece
        ended = len(head) < _HEAD and not text.tear
    whole, _, rest = head.rpartition(b"\n")
    yield from (line for line in [*whole.split(b"\n"), *([rest] if ended else [])] if line.strip())


def _require_key(line: bytes, source: Files, place: str) -> None:
    """That a change has the key that the view names. A full export does not say which its key is."""
    try:
        found = orjson.loads(line)
    except orjson.JSONDecodeError:
        return
    keys = found.get("Keys") if isinstance(found, dict) else None
    if isinstance(keys, dict) and keys and set(keys) != set(source.primary_key):
        raise ContractError(
            f"{place}: the table's key is {' and '.join(sorted(keys))}, and the view names {' and '.join(source.primary_key)}",
            hint=f"Write `primary_key: [{', '.join(sorted(keys))}]`.",
        )
