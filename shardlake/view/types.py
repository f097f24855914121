"""The target's types: how each is spelt, when a text is certainly that type, and which change keeps every value.

A value travels as text from the shard to Postgres, which casts it. Casting a whole window costs one statement as long
as every value fits, so `shape` marks each value that is not *certainly* fine by the pattern here, and `merge` has
Postgres judge the marked ones alone (`shardlake.cast_error`). A pattern may be too strict; it must never be too lax.
"""

import re
from dataclasses import dataclass

ALIASES = {
    "int": "integer", "int2": "smallint", "int4": "integer", "int8": "bigint", "decimal": "numeric",
    "float4": "real", "float8": "double precision", "double": "double precision", "float": "double precision",
    "bool": "boolean", "string": "text", "json": "jsonb", "character varying": "varchar", "datetime": "timestamp",
    "timestamp without time zone": "timestamp", "timestamp with time zone": "timestamptz",
    "time without time zone": "time",
}  # fmt: skip
_DAY = r"0[1-9]|1[0-9]|2[0-8]"
_DATE = (
    rf"(?:[1-9][0-9]{{3}}|0[1-9][0-9]{{2}})-(?:02-(?:{_DAY})|(?:0[469]|11)-(?:{_DAY}|29|30)"
    rf"|(?:0[13578]|1[02])-(?:{_DAY}|29|30|31))"
)
_TIME = r"(?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](?:\.[0-9]{1,6})?"
_SMALL = r"-?(?:0|[1-9][0-9]{0,8})"
_REPEATS = 255
"""The most that Postgres's regular expressions count."""

CERTAIN: dict[str, str | None] = {
    "smallint": r"-?[0-9]{1,4}",
    "integer": r"-?[0-9]{1,9}",
    "bigint": r"-?[0-9]{1,18}",
    "numeric": r"-?[0-9]{1,60}(?:\.[0-9]{1,60})?",
    "real": r"-?(?:[0-9]{1,6}|[0-9]\.[0-9]{1,5}|[0-9]{1,4}\.[0-9]{1,2})",
    "double precision": r"-?(?:[0-9]{1,15}|0\.[0-9]{1,17}|[0-9]{1,2}\.[0-9]{1,15}|[0-9]{1,6}\.[0-9]{1,11}|[0-9]{1,10}\.[0-9]{1,7}|[0-9]{1,15}\.[0-9]{1,2})",
    "boolean": r"true|false|t|f|0|1",
    "text": None,
    "varchar": None,
    "date": _DATE,
    "time": _TIME,
    "interval": r"-?[0-9]{1,3}:[0-5][0-9]:[0-5][0-9](?:\.[0-9]{1,6})?",
    "timestamp": f"{_DATE}[ T]{_TIME}",
    "timestamptz": rf"{_DATE}[ T]{_TIME}(?:Z|[+-](?:0[0-9]|1[0-3])(?::?[0-5][0-9])?)?",
    "uuid": r"[0-9a-fA-F]{32}|[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}",
    "jsonb": None,
    "bytea": r"\\x(?:[0-9a-f]{2})*",
    "inet": r"(?:[1-9]?[0-9]\.|1[0-9]{2}\.){3}(?:[1-9]?[0-9]|1[0-9]{2})",
}
ARRAYS = ("smallint", "integer", "bigint", "numeric", "real", "double precision", "text")
"""Element types of arrays. A JSON array and Postgres's own `{…}` spelling are both read."""

_WIDER = {
    "smallint": ("integer", "bigint", "numeric"),
    "integer": ("bigint", "numeric"),
    "bigint": ("numeric",),
    "real": ("double precision",),
    "varchar": ("text",),
}


@dataclass(frozen=True, slots=True)
class Type:
    """A Postgres column type: `name` as in CERTAIN, its sizes (precision and scale, or length), and whether an array."""

    name: str
    sizes: tuple[int, ...] = ()
    array: bool = False

    def __str__(self) -> str:
        sizes = f"({','.join(map(str, self.sizes))})" if self.sizes else ""
        return f"{self.name}{sizes}{'[]' if self.array else ''}"

    @property
    def certain(self) -> str | None:
        """A regular expression (whole match) for texts that surely cast to this type exactly; None: any text does."""
        if self.array:
            return rf"\[(?:{_SMALL}(?:, ?{_SMALL})*)?\]" if self.name in ("integer", "bigint") else r"\[\]"
        if self.name == "numeric" and self.sizes:
            precision, scale = (*self.sizes, 0)[:2]
            whole = rf"-?[0-9]{{1,{min(precision - scale, _REPEATS)}}}" if precision > scale else "-?0"
            return whole + (rf"(?:\.[0-9]{{1,{min(scale, _REPEATS)}}})?" if scale else "")
        if self.name == "varchar" and self.sizes:
            return rf"(?s:.{{0,{min(self.sizes[0], 1000)}}})"
        return CERTAIN[self.name]

    def holds(self, other: "Type") -> bool:
        """Whether every value of `other` is a value of this type, so that a column may be widened from it.

        >>> parse("numeric(12,2)").holds(parse("numeric(10,2)")), parse("integer").holds(parse("bigint"))
        (True, False)
        """
        if self == other:
            return True
        if self.array or other.array:
            return False
        if self.name == other.name == "varchar":
            return not self.sizes or (bool(other.sizes) and self.sizes[0] >= other.sizes[0])
        if self.name == other.name == "numeric":
            if not self.sizes or not other.sizes:
                return not self.sizes
            (p, s), (q, t) = (*self.sizes, 0)[:2], (*other.sizes, 0)[:2]
            return s >= t and p - s >= q - t
        if self.name == "numeric" and self.sizes:
            digits = {"smallint": 5, "integer": 10, "bigint": 19}.get(other.name)
            return digits is not None and self.sizes[0] - (*self.sizes, 0)[1] >= digits
        return self.name in _WIDER.get(other.name, ()) and not self.sizes

    def may_follow(self, other: "Type") -> bool:
        """Whether a column of `other` may become one of this type and lose nothing: it holds every value, or is text, in which each
        stands as Postgres prints it.

        >>> parse("text").may_follow(parse("numeric(12,2)")), parse("jsonb").may_follow(parse("bigint"))
        (True, False)
        """
        return self.holds(other) or (self.name == "text" and not self.array)


def parse(text: str) -> Type:
    """Read a type as an analyst writes it.

    >>> str(parse("decimal(12, 2)")), str(parse("INT[]"))
    ('numeric(12,2)', 'integer[]')
    """
    found = re.fullmatch(
        r"\s*([a-z0-9 ]+?)\s*(?:\(\s*(\d+)\s*(?:,\s*(\d+)\s*)?\))?(?:\s+(with(?:out)? time zone))?\s*(\[\])?\s*", text.lower()
    )
    if not found:
        raise ValueError(f"{text!r} is not a type; a type reads like numeric(12,2), text or bigint[]")
    name, first, second, zone, array = found.groups()
    name = f"{name} {zone}" if zone else name
    name = ALIASES.get(name, name)
    sizes = tuple(int(n) for n in (first, second) if n is not None)
    if name not in CERTAIN:
        raise ValueError(
            f"{text!r} is not a type that Shardlake casts to; there are: {', '.join(CERTAIN)}, and arrays of {', '.join(ARRAYS)}"
        )
    if sizes and name not in ("numeric", "varchar"):
        raise ValueError(f"{name} takes no size, as in {text!r}")
    if name == "varchar" and (len(sizes) > 1 or (sizes and not 1 <= sizes[0] <= 10_485_760)):
        raise ValueError(f"varchar takes one length from 1 to 10485760, not {text!r}")
    if name == "numeric" and sizes and not (1 <= sizes[0] <= 1000 and (*sizes, 0)[1] <= sizes[0]):
        raise ValueError(f"numeric takes a precision of 1 to 1000 and a scale no greater, not {text!r}")
    if array and name not in ARRAYS:
        raise ValueError(f"arrays are of {', '.join(ARRAYS)}, not {name}; a JSON array may be jsonb, and one of Postgres text")
    return Type(name, sizes, bool(array))
