"""The small parts of specs: durations, sizes, names, and what all models of a view have in common."""

import re
from datetime import timedelta
from typing import Annotated
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
REFERENCE = r"[a-z0-9][a-z0-9-]*/[a-z0-9][a-z0-9_-]*"
"""A connection's name: the slug of its kind, and which of them."""
_LONGEST = 100 * 365 * 86400
_SIZES = {"kb": 1 << 10, "mb": 1 << 20, "gb": 1 << 30}


def duration(value: object) -> object:
    """A time span as people write it. Raises ValueError."""
    if isinstance(value, str) and (found := re.fullmatch(r"(\d+(?:\.\d+)?)\s*([smhd])", value.strip())):
        seconds = float(found[1]) * _UNITS[found[2]]
        if seconds > _LONGEST:
            raise ValueError(f"{value!r} is longer than 100 years")
        return timedelta(seconds=seconds)
    if isinstance(value, timedelta) or (isinstance(value, str) and value.startswith("P")):  # ISO 8601, as blocks are kept
        return value
    raise ValueError(f"{value!r} is not a duration; write 30s, 5m, 2h or 1d")


def _size(value: object) -> object:
    if isinstance(value, str) and (found := re.fullmatch(r"(\d+)\s*(kb|mb|gb)", value.strip().lower())):
        return int(found[1]) * _SIZES[found[2]]
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    raise ValueError(f"{value!r} is not a size; write 64MB or a number of bytes")


def _view_name(value: str) -> str:
    if not re.fullmatch(r"[a-z][a-z0-9_]{0,47}", value):
        raise ValueError(
            f"{value!r} is not a view name; use a-z, 0-9 and _, from a letter, 48 characters at most (it names folders and tables)"
        )
    return value


def plain_text(value: str) -> str:
    """Text that any database takes."""
    if re.search("[\0\ud800-\udfff]", value):
        raise ValueError(f"{value[:40]!r} holds a NUL character or half of a surrogate pair; take it out")
    return value


def identifier(value: str) -> str:
    """A name in the warehouse, as it is."""
    if not value or len(value.encode(errors="surrogatepass")) > 63:
        raise ValueError(f"{value[:40]!r}… is not a column or table name: it takes 1 to 63 bytes (Postgres would cut it)")
    return plain_text(value)


def source_identifier(value: str) -> str:
    """A name that MySQL or Postgres may have given to a column or table. Raises ValueError."""
    if not value or len(value) > 64:
        raise ValueError(f"{value[:40]!r}… is not a source column or table name: it takes 1 to 64 characters")
    if value.lower().startswith("_shardlake_"):
        raise ValueError(f"{value!r}: names that begin with _shardlake_ are Shardlake's own; rename it in extract.sql")
    return plain_text(value)


def _zone(value: str) -> str:
    try:
        ZoneInfo(value)
    except (KeyError, ValueError, OSError):
        raise ValueError(f"{value!r} is not a time zone; it reads like Europe/Berlin") from None
    return value


def _reference(value: str) -> str:
    if not re.fullmatch(REFERENCE, value):
        raise ValueError(f"{value!r} is not a connection; it reads like mysql-shards/shop")
    return value


ViewName = Annotated[str, AfterValidator(_view_name)]
Duration = Annotated[timedelta, BeforeValidator(duration)]
Size = Annotated[int, BeforeValidator(_size), Field(gt=0)]
Identifier = Annotated[str, AfterValidator(identifier)]
SourceIdentifier = Annotated[str, AfterValidator(source_identifier)]
PlainText = Annotated[str, AfterValidator(plain_text)]
Reference = Annotated[str, AfterValidator(_reference)]
Zone = Annotated[str, AfterValidator(_zone)]
"""A time zone by its name."""


class Spec(BaseModel):
    """What all parts of a view have in common."""

    model_config = ConfigDict(frozen=True, extra="forbid", arbitrary_types_allowed=True, populate_by_name=True)
