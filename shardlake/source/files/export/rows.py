"""Rows of a data file: items of a full export as they were, changes of an incremental one; a line that is neither is a reject."""

from collections.abc import Iterator, Mapping
from typing import Any, BinaryIO

import orjson
import pyarrow as pa

from shardlake.source.files.export.lines import Lines, lines
from shardlake.source.files.export.manifest import Expected
from shardlake.source.files.export.unique import Unique
from shardlake.source.files.order import MOST_TIME
from shardlake.source.files.raw_rows import CHANGE, RECORD, Bad, Part
from shardlake.source.item.key import column_kind
from shardlake.source.item.plain import document, key_value
from shardlake.view.files import Files

_EXCERPT = 500
_KEY_TYPES = ("S", "N", "B")
Row = tuple[dict[str, Any], str | None, int | None]
"""The key as DynamoDB spells it, the item as JSON (None where it is deleted), and the microseconds of its change."""


class Unread(ValueError):
    """A line is no row."""


def export_rows(stream: BinaryIO, source: Files, place: str, expected: Expected) -> Iterator[Part]:
    """The rows of a data file, block by block. Raises SourceFailed where the file is not what its manifest says, ContractError where two
    items of a full export have one key; both at its end at the latest.
    """
    types, unique = dict[str, str](), Unique(source.primary_key, place)
    for block in lines(stream, expected, place):
        part = _part(block, source.primary_key, types, incremental=expected.incremental)
        if part.table.num_rows and not expected.incremental:  # changes have their whole key in Keys
            unique.add(part.table, part.lines)
        yield part
    unique.require()


def read_line(line: bytes, key: tuple[str, ...], *, incremental: bool) -> Row:
    """A line as a row. Raises Unread that says why it is none."""
    try:
        found = orjson.loads(line)
    except orjson.JSONDecodeError:
        raise Unread("is not JSON") from None
    if not isinstance(found, dict):
        raise Unread("is no object of JSON")
    try:
        return _change(found, key) if incremental else _item(found, key)
    except Unread:
        raise
    except (ValueError, TypeError, LookupError, AttributeError, RecursionError) as error:
        raise Unread(f"holds an item that cannot be read: {error}") from None


def _item(found: dict[str, Any], key: tuple[str, ...]) -> Row:
    item = found.get("Item")
    if not isinstance(item, dict):
        raise Unread("has no Item, as each line of a full export has")
    return _key(item, key), document(item), None


def _change(found: dict[str, Any], key: tuple[str, ...]) -> Row:
    keys, image = found.get("Keys"), found.get("NewImage")
    if not isinstance(keys, dict) or "Metadata" not in found:
        raise Unread("has no Keys or no Metadata, as each line of an incremental export has")
    if set(keys) != set(key):
        raise Unread(f"has the key {', '.join(sorted(keys))}, and not that of the view (primary_key)")
    written = found["Metadata"]["WriteTimestampMicros"]["N"]
    if not isinstance(written, str) or not (written.isascii() and written.isdecimal()) or int(written) >= MOST_TIME:
        raise Unread(f"has no time: WriteTimestampMicros is {written!r}")
    if image is not None and any(image.get(name) != value for name, value in keys.items()):
        raise Unread("has another key in NewImage than in Keys")
    return _key(keys, key), None if image is None else document(image), int(written)


def _key(item: dict[str, Any], key: tuple[str, ...]) -> dict[str, Any]:
    for name in key:
        if name not in item:
            raise Unread(f"has no {name} (primary_key)")
        if len(item[name]) != 1 or next(iter(item[name])) not in _KEY_TYPES or not isinstance(next(iter(item[name].values())), str):
            raise Unread(f"has a {name} that is no text, number or binary, as a key's attribute is")
    return {name: item[name] for name in key}


def types_of(key: Mapping[str, Any]) -> dict[str, str]:
    """The types of a key's attributes."""
    return {name: next(iter(value)) for name, value in key.items()}


def _part(block: Lines, names: tuple[str, ...], types: dict[str, str], *, incremental: bool) -> Part:
    """A block's rows. `types` are those of the key's attributes, by the first row of the file."""
    keys: dict[str, list[Any]] = {name: [] for name in names}
    documents, times, numbers, bad = list[str | None](), list[int | None](), list[int](), list[Bad]()
    for number, line in enumerate(block.texts, block.first):
        if not line or line.isspace():
            continue
        try:
            key, text, written = read_line(line, names, incremental=incremental)
            if (theirs := types_of(key)) != types:
                if types:
                    raise Unread(f"has a key of the types {theirs}, and those before it of {types}")
                types.update(theirs)
            values = {name: key_value(value) for name, value in key.items()}
        except ValueError as error:  # base64 that is none, too
            bad.append(Bad(number, RECORD, line[:_EXCERPT].decode(errors="replace"), str(error)))
            continue
        for name, value in values.items():
            keys[name].append(value)
        documents.append(text)
        times.append(written)
        numbers.append(number)
    columns = {name: pa.array(found, pa.large_binary() if types.get(name) == "B" else pa.large_string()) for name, found in keys.items()}
    gone = pa.array(["d" if text is None else None for text in documents], pa.string())
    changes = pa.array(["1"] * len(documents) if incremental else [None] * len(documents), pa.large_string())
    table = pa.table({**columns, "document": pa.array(documents, pa.large_string()), CHANGE: changes})
    kinds = {**{name: column_kind(types.get(name, "S")) for name in names}, "document": "json", CHANGE: "text"}
    return Part(table, pa.array(numbers, pa.int64()), bad, block.count, None, kinds, pa.array(times, pa.int64()), gone)
