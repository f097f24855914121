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
    elif not isinstance(text, str):
        raise ValueError(f"{text!r} is not a path; it reads like payload.customer.name, or [payload, customer, name]")
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
    if odd := [p for p in parts if not isinstance(p, str) and (type(p) is not int or p < 0)]:
        raise ValueError(f"a path's steps are keys and numbers from 0; {odd[0]!r} is neither, put it in quotes")
    if any("\0" in p for p in parts if isinstance(p, str)):
        raise ValueError("a path cannot hold a NUL character")
    return Path(parts[0], tuple(parts[1:]))
