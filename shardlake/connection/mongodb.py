"""MongoDB: a replica set or a sharded cluster, and which of its databases are read."""

import re
from dataclasses import dataclass
from datetime import timedelta
from typing import Annotated, ClassVar, Literal, Self
from urllib.parse import unquote, urlsplit

from pydantic import Field, SecretStr, model_validator

from shardlake.connection.address import Tls
from shardlake.connection.spec import ConnectionSpec
from shardlake.spec import Duration

SCHEMES = ("mongodb", "mongodb+srv")
PORT = 27017
DATABASE = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,62}")
"""A database's name as a partition's."""
_EXAMPLE = "mongodb://user@host:27017/database"


@dataclass(frozen=True, slots=True)
class MongoAddress:
    """What a URL of MongoDB says: one host or several of a replica set, or (`srv`) the name under which DNS lists them."""

    hosts: tuple[tuple[str, int], ...]
    user: str
    database: str
    srv: bool = False

    @property
    def shown(self) -> str:
        """The hosts, for messages."""
        return ",".join(host if self.srv else f"{host}:{port}" for host, port in self.hosts)


def split_mongodb_url(url: str) -> MongoAddress:
    """A URL's parts. Raises ValueError that never shows the URL: it may hold a password.

    >>> split_mongodb_url("mongodb://reader@a:27018,b/shop").hosts
    (('a', 27018), ('b', 27017))
    """
    try:
        parts = urlsplit(url)
        login, _, hosts = parts.netloc.rpartition("@")
        user, has_password, _ = login.partition(":")
        found = MongoAddress(tuple(map(_host, hosts.split(","))), unquote(user), unquote(parts.path.strip("/")), parts.scheme == SCHEMES[1])
    except ValueError:
        raise ValueError(f"a URL cannot be read; it reads like {_EXAMPLE}") from None
    if has_password:
        raise ValueError("a URL holds a password; give it as `password: ${NAME}`, so that it stays out of files and messages")
    if parts.query or parts.fragment:
        raise ValueError("a URL ends with the database; give what stands behind ? by keys: tls, replica_set, auth_source, read_preference")
    if parts.scheme not in SCHEMES or not all(host for host, _ in found.hosts) or (found.srv and (len(found.hosts) > 1 or ":" in hosts)):
        raise ValueError(f"a URL must read {_EXAMPLE}, or mongodb+srv://user@cluster.example.com/database")
    return found


def _host(text: str) -> tuple[str, int]:
    parts = urlsplit(f"//{text}")
    return parts.hostname or "", parts.port or PORT


class MongoDB(ConnectionSpec):
    """A MongoDB whose collections are read. The database stands in the URL, or several match `databases`."""

    slug: ClassVar[str] = "mongodb"
    url: str = Field(description="mongodb://user@host:27017/database, without the password; several hosts with commas, or mongodb+srv://.")
    databases: str | None = Field(None, description="In place of the URL's database: every one that matches, as in tenant_*.")
    password: SecretStr = Field(SecretStr(""), description="The password of that user.")
    auth_source: str = Field("admin", description="The database that knows the user.")
    replica_set: str | None = Field(None, description="The replica set's name; without it, and with one host, that host alone is asked.")
    read_preference: Literal["primary", "primaryPreferred", "secondary", "secondaryPreferred", "nearest"] = Field(
        "primary", description="Which member of the replica set is read."
    )
    tls: Tls | None = Field(None, description="TLS mode and CA; plain text where it is left out, but mongodb+srv:// has it on.")
    ranges: Annotated[int, Field(ge=1, le=32)] = Field(4, description="Connections by which a first load reads, a range of _id each.")
    max_connections: Annotated[int, Field(ge=1, le=64)] = Field(8, description="Connections that read at once, over all databases.")
    connect_timeout: Duration = Field(timedelta(seconds=10), description="How long to wait for an answer to a first word.")
    statement_timeout: Duration = Field(timedelta(minutes=10), description="How long one answer may take.")

    @model_validator(mode="after")
    def _readable(self) -> Self:
        address = self.address
        if bool(address.database) == (self.databases is not None):
            raise ValueError("name the database in the URL, or give `databases: tenant_*`")
        if self.databases is not None and not re.fullmatch(r"[A-Za-z0-9_*?-]+", self.databases):
            raise ValueError(f"databases: {self.databases!r} may hold letters, digits, _, -, * and ?")
        if address.database and not DATABASE.fullmatch(address.database):
            raise ValueError(f"{address.database!r} cannot name a database here (letters, digits, _ and -, 63 at most)")
        if self.password.get_secret_value() and not address.user:
            raise ValueError(f"a password without a user; the URL reads like {_EXAMPLE}")
        if self.ranges > self.max_connections:
            raise ValueError(
                f"ranges: {self.ranges} are more than max_connections ({self.max_connections}); lower the one or raise the other"
            )
        return self

    @property
    def address(self) -> MongoAddress:
        """Where it is."""
        return split_mongodb_url(self.url)

    @property
    def reads_at_once(self) -> int:
        """See ConnectionSpec: windows, each of which may use as many connections as there are `ranges`."""
        return self.max_connections // self.ranges

    def endpoints(self) -> dict[str, tuple[str, int]]:
        """See ConnectionSpec; those that DNS lists are not known."""
        hosts = () if self.address.srv else self.address.hosts
        return {f"{host}:{port}" if len(hosts) > 1 else "": (host, port) for host, port in hosts}

    def secrets(self) -> tuple[str, ...]:
        """Every secret inside, for `redact`."""
        return tuple(s for s in (self.password.get_secret_value(),) if s)
