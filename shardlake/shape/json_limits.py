"""JSON documents that must not reach a bulk cast, and numbers that a bulk extraction would round.

A cheap pattern finds the few documents that *may* be trouble; each of those is read strictly here. What it finds is a
reason to reject the row, or a document to be taken apart exactly, number by number as it was written.
"""

import json
import re
from dataclasses import dataclass
from typing import Any

import orjson

from shardlake.view.source import JsonLimits

SUSPICIOUS = r"[0-9]{8}[.eE]|\.[0-9]{8}|\\u(?:0000|[dD][89a-fA-F])|(?i:nan|inf|infinity)\s*(?:[,}\]]|$)|,\s*[}\]]|\x00"
"""A document without a match, and no longer than `harmless`, holds no NUL, no surrogate, no NaN, no comma too many (the
extraction forgives both), and no number with a fraction of more than 15 digits (which it reads as a double)."""

MARK = "\ue000\ue001number:"
"""Stands before a number that travels as a string through the taking apart of an array's elements."""

FINE = "is not JSON that can be taken apart"
MALFORMED = object()
"""What `parse_exact` gives for text that is no JSON."""

_NUL = re.compile(r"(?<!\\)(?:\\\\)*\\u0000")
_LONG_NUMBER = re.compile(r"-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?")


@dataclass(frozen=True, slots=True)
class Number:
    """A number as it was written."""

    text: str


class Members(dict[str, Any]):
    """An object with all its members as they were written; of two with one key the first counts, as in the extraction."""

    def __init__(self, pairs: list[tuple[str, Any]]) -> None:
        super().__init__(reversed(pairs))
        self.pairs = pairs


@dataclass(frozen=True, slots=True)
class Verdict:
    """Why a document is rejected, or the document itself where it must be taken apart exactly."""

    reason: str | None = None
    exact: Any = None


def harmless(limits: JsonLimits) -> int:
    """Bytes up to which a document can break no limit: a level costs two, a key five."""
    return min(2 * limits.depth, 5 * limits.keys, limits.bytes)


def examine(document: str, limits: JsonLimits) -> Verdict | None:
    """Read a document strictly. None where it is fine as it is.

    >>> examine('{"a": "\\\\u0000"}', JsonLimits()).reason
    'holds a NUL character (\\\\u0000), which Postgres cannot store'
    """
    if 4 * len(document) > limits.bytes and len(document.encode()) > limits.bytes:
        return Verdict(f"is larger than {limits.bytes} bytes")
    if "\0" in document or _NUL.search(document):
        return Verdict("holds a NUL character (\\u0000), which Postgres cannot store")
    depth = _depth(document)
    if depth > limits.depth:
        return Verdict(f"is nested {depth} deep, past the limit of {limits.depth}")
    try:
        orjson.loads(document)
    except orjson.JSONDecodeError as error:
        reason = "holds half of a surrogate pair" if "surrogate" in str(error) else f"is not JSON ({error.msg} at {error.pos})"
        return Verdict(reason)
    parsed = parse_exact(document)
    keys = _keys(parsed)
    if keys > limits.keys:
        return Verdict(f"has {keys} keys, past the limit of {limits.keys}")
    return Verdict(exact=parsed) if may_round(document) else None


def why_malformed(document: str) -> str:
    """The reason for a document that the extraction could not read."""
    if not document.strip():
        return "is not JSON (it is empty)"
    try:
        orjson.loads(document)
    except orjson.JSONDecodeError as error:
        return f"is not JSON ({error.msg} at {error.pos})"
    return FINE


def parse_exact(document: str) -> Any:
    """A document with its numbers as they were written, or MALFORMED."""
    try:
        return json.loads(document, parse_float=Number, parse_int=Number, object_pairs_hook=Members)
    except ValueError:
        return MALFORMED


def extract_exact(document: Any, steps: tuple[str | int, ...], *, as_json: bool, marked: bool = False) -> str | None:
    """What a path finds in an `exact` document: text as ->> gives it, or JSON text; None where nothing is.

    `marked` makes strings of the numbers inside, each behind MARK.
    """
    found = document
    for step in steps:
        if isinstance(found, Members):
            found = found.get(str(step))
        elif isinstance(found, list) and str(step) in map(str, range(len(found))):  # a JSON pointer tells no 0 from "0"
            found = found[int(step)]
        else:
            return None
    if found is None:
        return None
    if marked:
        return dumps(found, marked=True)
    if isinstance(found, Number):
        return found.text
    if isinstance(found, str) and not as_json:
        return found
    return dumps(found)


def dumps(value: Any, *, marked: bool = False) -> str:
    """JSON text with numbers as they were written."""
    if isinstance(value, Number):
        return f'"{MARK}{value.text}"' if marked else value.text
    if isinstance(value, Members):
        return "{" + ",".join([f"{json.dumps(k, ensure_ascii=False)}:{dumps(v, marked=marked)}" for k, v in value.pairs]) + "}"
    if isinstance(value, list):
        return "[" + ",".join([dumps(v, marked=marked) for v in value]) + "]"
    return json.dumps(value, ensure_ascii=False)


def may_round(document: str) -> bool:
    """Whether reading a document's numbers as doubles could change one (or what looks like one in a text)."""
    return any(rounds(n) for n in _LONG_NUMBER.findall(document))


def any_rounds(value: Any) -> bool:
    """Whether a number in a document as `parse_exact` gives it, or in a part of one, could be changed by reading it as a double."""
    if isinstance(value, Members):
        return any(any_rounds(v) for _, v in value.pairs)
    if isinstance(value, list):
        return any(map(any_rounds, value))
    return isinstance(value, Number) and rounds(value.text)


def rounds(number: str) -> bool:
    """Whether reading it as a double could change it; whole numbers of any size are kept as they are."""
    digits = re.sub(r"[eE].*|[-.]", "", number).lstrip("0")
    return len(digits) > 15 and not number.lstrip("-").isdigit()


def _depth(document: str) -> int:
    depth = deepest = 0
    for token in re.finditer(r'"(?:[^"\\]|\\.)*"|[\[{]|[\]}]', document, re.DOTALL):
        if token[0] in "[{":
            depth += 1
            deepest = max(deepest, depth)
        elif token[0] in "]}":
            depth -= 1
    return deepest


def _keys(value: Any) -> int:
    count, todo = 0, [value]
    while todo:
        item = todo.pop()
        if isinstance(item, Members):
            count += len(item.pairs)
            todo += [value for _, value in item.pairs]
        elif isinstance(item, list):
            todo += item
    return count
