"""JSON documents that must not reach a bulk cast, and numbers that a bulk extraction would round.

A cheap pattern finds the few documents that *may* be trouble; each of those is read strictly here. What it finds is a
reason to reject the row, or a document to be taken apart exactly, number by number as it was written.
"""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import orjson

from shardlake.shape.numbers import LONGEST_FRACTION, Number, as_text, fits, may_round, rounds, written_out
from shardlake.view.source import JsonLimits

Steps: TypeAlias = tuple[str | int, ...]
"""A path into a document: keys, and places in arrays."""

SUSPICIOUS = (
    r"[0-9]{8}[.eE]|\.[0-9]{8}|[:,\[]\s*-?[0-9.]+[eE]|[0-9.][eE][-+]?[0-9]{5}|\.0000|-0(?:\.0+)?[,}\]\s]"
    r"|\\u(?:0000|[dD][89a-fA-F])|(?i:nan|inf|infinity)\s*(?:[,}\]]|$)|,\s*[}\]]|\x00"
)
"""A document without a match, and no longer than `harmless`, holds no NUL, no surrogate, no NaN, no comma too many (the
extraction forgives both), and inside it no number that the extraction, which reads fractions as doubles, would change
(`numbers.rounds`). How it is written decides about its speed: each alternative was measured."""

LONG_NUMBER = r"[0-9]{1000}"
"""What a document of `LONG` bytes must have if a number in it is longer than numeric holds."""
LONG = LONGEST_FRACTION
HUGE = 100 << 20
"""Bytes of a document that jsonb may not hold: its own limit is 256 MB, counted in another way."""

MARK = "\ue000\ue001number:"
"""Stands before a number that travels as a string through the taking apart of an array's elements."""

FINE = "is not JSON that can be taken apart"
MALFORMED = object()
"""What `parse_exact` gives for text that is no JSON."""

_NUL = re.compile(r"(?<!\\)(?:\\\\)*\\u0000")
_ENDLESS = re.compile(r"[0-9]{300,}")
_EXPONENT = re.compile(r"(?<=[0-9])[eE][+-]?[0-9]+")


class Members(dict[str, Any]):
    """An object. Of members with one key the last counts, as in jsonb; `count` is how many were written."""

    def __init__(self, pairs: list[tuple[str, Any]]) -> None:
        super().__init__(pairs)
        self.count = len(pairs)


@dataclass(frozen=True, slots=True)
class Verdict:
    """Why a document is rejected, or the document itself where it must be taken apart exactly; `judged` where jsonb may not hold it."""

    reason: str | None = None
    exact: Any = None
    judged: bool = False


def harmless(limits: JsonLimits) -> int:
    """Bytes up to which a document can break no limit: a level costs two, a key five."""
    return min(2 * limits.depth, 5 * limits.keys, limits.bytes)


def examine(document: str, limits: JsonLimits, paths: Sequence[Steps] = ()) -> Verdict | None:
    """Read a document strictly. None where it is fine as it is: no number would be changed, and on no path is a key there twice.

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
    if error := _error(document):
        return Verdict("holds half of a surrogate pair" if "surrogate" in str(error) else f"is not JSON ({error.msg} at {error.pos})")
    parsed = parse_exact(document)
    keys = _keys(parsed)
    if keys > limits.keys:
        return Verdict(f"has {keys} keys, past the limit of {limits.keys}")
    if written_out(document) > limits.bytes:
        return Verdict(f"is larger than {limits.bytes} bytes once its numbers are written out")
    judged = len(document) > HUGE or not _fit(parsed)
    exact = may_round(document) or any(twice(parsed, steps) for steps in paths)
    return Verdict(exact=parsed if exact else None, judged=judged) if exact or judged else None


def twice(value: Any, steps: Steps) -> bool:
    """Whether an object on the way of a path has the path's key more than once, as far as can be told without looking for the key."""
    for step in steps:
        if isinstance(value, Members):
            if value.count > len(value):
                return True
            value = value.get(str(step))
        elif isinstance(value, list) and str(step).isdigit() and int(step) < len(value):
            value = value[int(step)]
        else:
            return False
    return False


def why_malformed(document: str) -> str:
    """The reason for a document that the extraction could not read."""
    if not document.strip():
        return "is not JSON (it is empty)"
    error = _error(document)
    return f"is not JSON ({error.msg} at {error.pos})" if error else FINE


def _error(document: str) -> orjson.JSONDecodeError | None:
    """What is wrong with a document. That a number is past all doubles is not."""
    try:
        orjson.loads(document)
    except orjson.JSONDecodeError as error:
        if "infinity" not in error.msg:
            return error
        # zeros for an exponent's digits, as many, so that places and escapes such as \u1e23 stay
        finite = _ENDLESS.sub("1", _EXPONENT.sub(lambda found: "e" + "0" * (len(found[0]) - 1), document))
        return _error(finite) if finite != document else error
    return None


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
    if isinstance(found, Number) and not as_json:
        return as_text(found.text)
    if isinstance(found, str) and not as_json:
        return found
    return dumps(found)


def dumps(value: Any, *, marked: bool = False) -> str:
    """JSON text with numbers as they were written; `marked` ones, which may become text, as text has them."""
    if isinstance(value, Number):
        return f'"{MARK}{as_text(value.text)}"' if marked else value.text
    if isinstance(value, Members):
        return "{" + ",".join([f"{json.dumps(k, ensure_ascii=False)}:{dumps(v, marked=marked)}" for k, v in value.items()]) + "}"
    if isinstance(value, list):
        return "[" + ",".join([dumps(v, marked=marked) for v in value]) + "]"
    return json.dumps(value, ensure_ascii=False)


def any_rounds(value: Any) -> bool:
    """Whether a number in a document as `parse_exact` gives it, or in a part of one, could be changed by reading it as a double."""
    if isinstance(value, Members):
        return any(map(any_rounds, value.values()))
    if isinstance(value, list):
        return any(map(any_rounds, value))
    return isinstance(value, Number) and rounds(value.text)


def _fit(value: Any) -> bool:
    """Whether numeric holds every number in a document as `parse_exact` gives it."""
    if isinstance(value, Members):
        return all(map(_fit, value.values()))
    if isinstance(value, list):
        return all(map(_fit, value))
    return not isinstance(value, Number) or (len(value.text) <= LONGEST_FRACTION and not set("eE") & set(value.text)) or fits(value.text)


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
            count += item.count
            todo += item.values()
        elif isinstance(item, list):
            todo += item
    return count
