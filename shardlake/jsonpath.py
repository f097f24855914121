"""Where a column comes from: a source column, and a path into its JSON.

`payload.customer.name`, `payload.items[0].sku`, `payload."key.with.dot"."a ""quoted"" key"`. A list says the same
without any quoting: `[payload, key.with.dot, 0]`. `$element` and `$index` stand for an exploded array's parts.
"""

import re
from dataclasses import dataclass

_PART = re.compile(r'\.?(?:"((?:[^"]|"")*)"|([^."\[\]]+)|\[(\d+)\])')


@dataclass(frozen=True, slots=True)
class Path:
    """A source column and the steps below it: a str steps into an object, an int into an array."""

    column: str
    steps: tuple[str | int, ...] = ()

    def __str__(self) -> str:
        def show(step: str | int) -> str:
            if isinstance(step, int):
                return f"[{step}]"
            return "." + (step if re.fullmatch(r'[^."\[\]\s]+', step) else '"' + step.replace('"', '""') + '"')

        return show(self.column)[1:] + "".join(map(show, self.steps))


def parse(text: str | list[str | int]) -> Path:
    """Read a path.

    >>> parse('payload.items[0]."a.b"')
    Path(column='payload', steps=('items', 0, 'a.b'))
    >>> str(parse(["payload", "a b", 1]))
    'payload."a b"[1]'
    """
    if isinstance(text, list):
        parts = text
    else:
        parts, at = [], 0
        while at < len(text):
            found = _PART.match(text, at)
            if not found or (at and not found[0].startswith((".", "["))) or (not at and found[0].startswith(".")):
                raise ValueError(f'cannot read the path {text!r} at position {at}; quote odd keys: payload."odd.key"')
            quoted, plain, index = found.groups()
            parts.append(quoted.replace('""', '"') if quoted is not None else plain if plain is not None else int(index))
            at = found.end()
    if not parts or not isinstance(parts[0], str) or not parts[0]:
        raise ValueError(f"a path starts with a source column, {text!r} does not")
    if any("\0" in p for p in parts if isinstance(p, str)):
        raise ValueError("a path cannot hold a NUL character")
    return Path(parts[0], tuple(parts[1:]))


def to_duckdb(steps: tuple[str | int, ...]) -> str:
    """The steps as DuckDB's JSON path: every key quoted, so that none is read as syntax.

    >>> to_duckdb(("items", 0, "a.b"))
    '$."items"[0]."a.b"'
    """
    return "$" + "".join(f"[{s}]" if isinstance(s, int) else f'."{_escape(s)}"' for s in steps)


def _escape(key: str) -> str:
    return key.replace("\\", "\\\\").replace('"', '\\"')
