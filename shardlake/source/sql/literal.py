"""Values as SQL literals that need no escaping: each is checked against what its kind may look like.

connectorx takes no bound parameters, so a window's bounds are written into the statement. Numbers and times are
matched whole against their pattern; text travels as hexadecimal digits, in which nothing can be quoted or escaped.
"""

import re

from shardlake.errors import SpecError
from shardlake.source.sql.dialect import Kind

_CLOCK = r"\d\d:\d\d:\d\d(\.\d{1,6})?"
_SHAPES: dict[str, str] = {
    "int": r"-?\d{1,20}",
    "decimal": r"-?\d{1,131072}(\.\d{1,16383})?|NaN|-?Infinity",
    "bool": r"true|false|\d{1,20}",
    "date": r"\d{4,7}-\d\d-\d\d( BC)?|-?infinity",
    "datetime": rf"\d{{4,6}}-\d\d-\d\d[ T]{_CLOCK}( BC)?|-?infinity",
    "instant": rf"\d{{4,6}}-\d\d-\d\d[ T]{_CLOCK}(\+00(:00)?)?( BC)?|-?infinity",
    "time": r"[-+a-z0-9:. ]{1,120}",
    "bytes": r"(?:[0-9a-f]{2})*",
}
"""Of what kind a value looks how, as either kind of server prints it: a position may lie on any value that a key may have."""


def checked(kind: Kind, value: str) -> str:
    """`value`, when it looks like its kind. Raises SpecError."""
    shape = _SHAPES.get(kind)
    if shape is None or not re.fullmatch(shape, value, re.ASCII):
        raise SpecError(f"{value[:40]!r} cannot be a position on a column of kind {kind}", hint="Run with --full to begin anew.")
    return value


BYTES = "\ue000\ue001bytes:"
"""Before the hexadecimal digits of a text in a position that is not UTF-8, or of which that is not known."""


def spelt_in_bytes(digits: str) -> str:
    """A position on a column of text, by the hexadecimal digits of its bytes."""
    return BYTES + digits


def hex_of(value: str) -> str:
    """A position on a column of text as hexadecimal digits: of its UTF-8, or of the bytes that it is spelt in.

    >>> hex_of("é"), hex_of(spelt_in_bytes("eda080"))
    ('c3a9', 'eda080')
    """
    return checked("bytes", value.removeprefix(BYTES)) if value.startswith(BYTES) else value.encode("utf-8").hex()
