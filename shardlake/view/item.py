"""`item:`: which items of a table are a view's, as in `sk begins_with 'FIN#' and customer.kind = "retail"`.

condition = comparison, then `and` and another, as often as wanted
comparison = path = value | path begins_with 'text' | path exists
path = attributes and keys as in a column's `from`: status, customer.kind, tags[0], "odd name"
value = 'text' (a quote inside is written twice), a number as in 7, -1.50 or 1e-7, true or false
"""

import re
from dataclasses import dataclass
from decimal import Decimal
from typing import Literal

from shardlake.view import jsonpath

_TOKEN = re.compile(
    r"""\s*(?:(?P<text>'(?:[^']|'')*')|(?P<path>(?:"(?:[^"\\]|\\.)*"|[^\s'"=]+)+)|(?P<equals>=))""",
    re.DOTALL,
)
_NUMBER = re.compile(r"-?\d+(\.\d+)?([eE][+-]?\d{1,3})?", re.ASCII)
_DIGITS, _LEAST, _MOST = 38, -130, 125
"""Digits of a number of DynamoDB's, and the powers of ten of the first of them."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """One thing that must hold of an item. `value` is what follows it: the text of a string, a number in one spelling
    (`7`, `0.0000001`), `true`, `false`; None for `exists`.

    `kind` says what the attribute must be: the text "1" is not the number 1.
    """

    path: jsonpath.Path
    verb: Literal["=", "begins_with", "exists"]
    value: str | None = None
    kind: Literal["text", "number", "boolean", "any"] = "any"


def parse(text: str) -> tuple[Comparison, ...]:
    """A condition's comparisons, all of which must hold. Raises ValueError that says what would be right.

    >>> [(str(c.path), c.verb, c.value, c.kind) for c in parse("sk begins_with 'FIN#' and customer.age = 7 and deleted exists")]
    [('sk', 'begins_with', 'FIN#', 'text'), ('customer.age', '=', '7', 'number'), ('deleted', 'exists', None, 'any')]
    """
    tokens, place = list[tuple[str, str]](), 0
    while text[place:].strip():
        found = _TOKEN.match(text, place)
        if found is None:
            raise ValueError(f"cannot be read at {text[place:].strip()[:30]!r}; {_HOW}")
        tokens.append((str(found.lastgroup), found[str(found.lastgroup)]))
        place = found.end()
    comparisons = [_comparison(tokens)]
    while tokens:
        if tokens.pop(0) != ("path", "and"):
            raise ValueError(f"comparisons are joined by `and`; {_HOW}")
        comparisons.append(_comparison(tokens))
    return tuple(comparisons)


_HOW = "it reads like `sk begins_with 'FIN#' and status = 'paid' and deleted exists`"


def _comparison(tokens: list[tuple[str, str]]) -> Comparison:
    if len(tokens) < 2 or tokens[0][0] != "path":
        raise ValueError(f"a comparison begins with an attribute; {_HOW}")
    path, (kind, verb) = jsonpath.parse(tokens.pop(0)[1]), tokens.pop(0)
    if verb == "exists" and kind == "path":
        return Comparison(path, "exists")
    if verb not in ("=", "begins_with") or kind == "text":
        raise ValueError(f"{verb!r} is none of =, begins_with and exists; {_HOW}")
    if not tokens:
        raise ValueError(f"{path} {verb}: a value is missing; {_HOW}")
    kind, value = tokens.pop(0)
    if kind == "text":
        return Comparison(path, "=" if verb == "=" else "begins_with", value[1:-1].replace("''", "'"), "text")
    if verb == "=" and value in ("true", "false"):
        return Comparison(path, "=", value, "boolean")
    if verb == "=" and _NUMBER.fullmatch(value):
        return Comparison(path, "=", canonical(value), "number")
    raise ValueError(f"{path} {verb} {value}: the value is a text in single quotes{', a number, true or false' if verb == '=' else ''}")


def canonical(number: str) -> str:
    """A number in the one spelling that all its spellings share. Raises ValueError for one that no attribute can be.

    >>> [canonical(n) for n in ("07", "1.0", "-0", "1e-7", "100", "12345678901234567.89")]
    ['7', '1', '0', '0.0000001', '100', '12345678901234567.89']
    """
    found = Decimal(number)
    if not found:
        return "0"
    if len("".join(map(str, found.as_tuple().digits)).strip("0")) > _DIGITS or not _LEAST <= found.adjusted() <= _MOST:
        raise ValueError(f"{number}: a number of DynamoDB's has {_DIGITS} digits at most, and lies between 1e{_LEAST} and 1e{_MOST + 1}")
    text = format(found, "f")
    return text.rstrip("0").rstrip(".") if "." in text else text
