"""Nested types of the lake: `array<…>` and `struct<key: …>` over the types that Arrow has exactly. Spec only; `sink/lake/` fills them.

A column of type jsonb may say by `lake:` what its documents become there; the warehouse keeps jsonb.
"""

import json
import re
from dataclasses import dataclass
from typing import Annotated, TypeAlias

from pydantic import BeforeValidator

from shardlake.spec import plain_text
from shardlake.view.layout import folded
from shardlake.view.types import Type
from shardlake.view.types import parse as parse_type

LEAVES = (
    "smallint", "integer", "bigint", "real", "double precision", "numeric", "boolean", "text", "date", "timestamp", "timestamptz", "bytea",
    "jsonb",
)  # fmt: skip
DEEPEST = 16
"""Levels of arrays and structs in one type."""
EXAMPLE = "array<struct<sku: text, qty: integer, price: numeric(8,2)>>"
_PLAIN_KEY = re.compile(r"[A-Za-z_][A-Za-z0-9_ -]*")
_QUOTED_KEY = re.compile(r'"(?:[^"\\]|\\.)*"')
_LEAF = re.compile(r'[^<>,():"]+(?:\([^()<>":]*\)[^<>,():"]*)?')


@dataclass(frozen=True, slots=True)
class List:
    """An array in JSON."""

    element: "Part"

    def __str__(self) -> str:
        return f"array<{self.element}>"


@dataclass(frozen=True, slots=True)
class Struct:
    """An object in JSON: the keys that are wanted of it, each with its type."""

    fields: tuple[tuple[str, "Part"], ...]

    def __str__(self) -> str:
        return f"struct<{', '.join(f'{_shown(key)}: {part}' for key, part in self.fields)}>"


Nested: TypeAlias = List | Struct
Part: TypeAlias = List | Struct | Type


def parse(text: str) -> Nested:
    """Read a nested type as an analyst writes it. Raises ValueError.

    >>> str(parse('ARRAY<struct<sku:string, "a.b": decimal(8, 2)>>'))
    'array<struct<sku: text, "a.b": numeric(8,2)>>'
    """
    reader = _Reader(text)
    found = reader.part(1)
    reader.end()
    if isinstance(found, Type):
        raise ValueError(
            f"`lake: {found}` is no nested type; write one like {EXAMPLE}, or leave `lake` out: the lake then has the JSON text"
        )
    return found


def _read(value: object) -> object:
    if value is None or isinstance(value, Nested):
        return value
    if not isinstance(value, str):
        raise ValueError(f'`lake` is a nested type in quotes, as in "{EXAMPLE}"')
    return parse(value)


Declared: TypeAlias = Annotated[Nested | None, BeforeValidator(_read)]
"""What a column of a view may declare."""


class _Reader:
    """A position in a type's text."""

    def __init__(self, text: str) -> None:
        self._text, self._at = text, 0

    def part(self, depth: int) -> Part:
        """The type that stands here."""
        if found := self._take(re.compile(r"(array|struct)\s*<", re.IGNORECASE)):
            if depth > DEEPEST:
                raise ValueError(f"it is nested more than {DEEPEST} deep; declare jsonb for what is further inside")
            return self._list(depth) if found[0].lower() == "a" else self._struct(depth)
        return self._leaf()

    def end(self) -> None:
        """Nothing may follow."""
        if self._text[self._at :].strip():
            raise self._unread("nothing more")

    def _list(self, depth: int) -> List:
        element = self.part(depth + 1)
        self._expect(">")
        return List(element)

    def _struct(self, depth: int) -> Struct:
        fields: list[tuple[str, Part]] = []
        names: dict[str, str] = {}
        if self._take(re.compile(">")):
            raise ValueError("`struct<>` has no keys; name one at least, as in struct<sku: text>, or declare jsonb")
        while True:
            key = self._key()
            if (other := names.setdefault(folded(key), key)) != key or key in dict(fields):
                raise ValueError(f"the keys {other!r} and {key!r} of a struct are both {folded(key)!r} in the lake; leave one out")
            self._expect(":")
            fields.append((key, self.part(depth + 1)))
            if not self._take(re.compile(",")):
                break
        self._expect(">")
        return Struct(tuple(fields))

    def _key(self) -> str:
        if found := self._take(_PLAIN_KEY):
            return found.rstrip()
        if not (found := self._take(_QUOTED_KEY)):
            raise self._unread('a key like sku, or one in double quotes like "odd.key"')
        try:
            key = str(json.loads(found))
        except ValueError:
            raise ValueError(f'the key {found} is not a JSON string; write a quote in it as \\", a backslash as \\\\') from None
        if not key:
            raise ValueError('the key "" has no name that the lake could give it; leave it out')
        return plain_text(key)

    def _leaf(self) -> Type:
        found = self._take(_LEAF)
        if not found:
            raise self._unread("a type like text, numeric(8,2), array<…> or struct<key: …>")
        type_ = parse_type(found)
        if type_.array:
            raise ValueError(f"write array<{Type(type_.name, type_.sizes)}> in place of {type_}")
        if type_.name == "numeric" and not (type_.sizes and type_.sizes[0] <= 38):
            raise ValueError(
                f"{type_} has no exact type in the lake; give it a precision of 38 at most, as in numeric(12,2), or declare text"
            )
        if type_.name not in LEAVES:
            raise ValueError(f"{type_} has no exact type in the lake; declare text, or one of {', '.join(LEAVES)}")
        return type_

    def _take(self, pattern: re.Pattern[str]) -> str | None:
        """What matches here, past blanks; the position moves behind it."""
        start = self._at + len(self._text[self._at :]) - len(self._text[self._at :].lstrip())
        found = pattern.match(self._text, start)
        if found is None or not found[0].strip():
            return None
        self._at = found.end()
        return found[0]

    def _expect(self, sign: str) -> None:
        if not self._take(re.compile(re.escape(sign))):
            raise self._unread(f"`{sign}`")

    def _unread(self, wanted: str) -> ValueError:
        rest = self._text[self._at :].strip()
        return ValueError(f"expected {wanted} {f'before {rest[:30]!r}' if rest else 'at the end'}; a nested type reads like {EXAMPLE}")


def _shown(key: str) -> str:
    return key if _PLAIN_KEY.fullmatch(key) and not key.endswith(" ") else json.dumps(key, ensure_ascii=False)
