"""Where a database is and how it is reached: its URL, TLS, and all that a driver is told."""

import re
from dataclasses import dataclass, field
from typing import Literal, Self
from urllib.parse import unquote, urlsplit

from pydantic import BaseModel, ConfigDict, Field, model_validator

POSTGRES_SCHEMES = ("postgresql", "postgres")
POSTGRES_PORT = 5432


class Tls(BaseModel):
    """How a connection is encrypted. The names are MySQL's; Postgres's `verify-full` is `verify_identity`."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    mode: Literal["disabled", "required", "verify_ca", "verify_identity"] = "required"
    ca: str | None = Field(None, description="Path of the certificate authority's PEM file.")

    @model_validator(mode="after")
    def _ca_for_verify(self) -> Self:
        if self.mode.startswith("verify") and not self.ca:
            raise ValueError(f"tls.mode {self.mode} needs tls.ca, the path of the authority's PEM file")
        return self


@dataclass(frozen=True, slots=True)
class Shard:
    """One shard, ready to connect to. The password does not show in its repr. `primary` is what it is a replica of, where that is named."""

    name: str
    dialect: str
    host: str
    port: int
    user: str
    password: str = field(repr=False)
    database: str
    tls: Tls | None = None
    replica: bool = False
    timezone: str = "UTC"
    connect_timeout: float = 10.0
    statement_timeout: float = 600.0
    primary: "Shard | None" = None

    @property
    def address(self) -> str:
        """Where it is, for messages."""
        return f"{self.host}:{self.port}/{self.database}"


@dataclass(frozen=True, slots=True)
class Address:
    """What a database URL says."""

    host: str
    port: int
    user: str
    database: str


def split_url(url: str, schemes: tuple[str, ...], port: int) -> Address:
    """A database URL's parts. Raises ValueError that never shows the URL: it may hold a password."""
    try:
        parts = urlsplit(url)
        found = Address(parts.hostname or "", parts.port or port, unquote(parts.username or ""), unquote(parts.path.strip("/")))
    except ValueError:
        raise ValueError("a URL cannot be read; it reads like mysql://user@host:3306/database") from None
    if parts.password:
        raise ValueError("a URL holds a password; give it as `password: ${NAME}`, so that it stays out of files and messages")
    if parts.query or parts.fragment:
        raise ValueError("a URL ends with the database; what stands behind ? or # is not read, give TLS under `tls`")
    if parts.scheme not in schemes or not found.host or not found.user:
        raise ValueError(f"a URL must read {schemes[0]}://user@host:{port}/database")
    return found


def expand_ranges(pattern: str) -> tuple[str, ...]:
    """A URL pattern's URLs. Every range counts together with the others.

    >>> expand_ranges("mysql://r@db-{0..1}/shop_{00..01}")
    ('mysql://r@db-0/shop_00', 'mysql://r@db-1/shop_01')
    """
    ranges = re.findall(r"\{(\d+)\.\.(\d+)\}", pattern)
    if not ranges:
        return (pattern,)
    counts = {int(last) - int(first) + 1 for first, last in ranges}
    if len(counts) != 1 or not 0 < (count := counts.pop()) <= 10_000:
        raise ValueError(
            f"the ranges of the pattern differ in length, or count no shard: {', '.join(f'{{{first}..{last}}}' for first, last in ranges)}"
        )

    def at(step: int) -> str:
        return re.sub(r"\{(\d+)\.\.\d+\}", lambda found: f"{int(found[1]) + step:0{len(found[1])}d}", pattern)

    return tuple(at(step) for step in range(count))
