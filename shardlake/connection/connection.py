"""Connections as plain values: the shards of a source, the warehouse, and the raw store.

They come from a file (`connection_file.py`) or from Prefect blocks (`blocks/`), which have the same fields.
"""

import re
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Annotated, ClassVar, Literal, Self
from urllib.parse import unquote, urlsplit
from zoneinfo import ZoneInfo

from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator, model_validator

from shardlake.connection.role import Role
from shardlake.spec import Duration


class ConnectionSpec(BaseModel):
    """What all connections have in common: unknown keys are mistakes, and input is never shown back."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)
    slug: ClassVar[str]


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


class ShardOverride(BaseModel):
    """What one shard has that the others have not."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)
    url: str | None = None
    password: SecretStr | None = None
    tls: Tls | None = None
    replica: bool | None = None


@dataclass(frozen=True, slots=True)
class Shard:
    """One shard, ready to connect to. The password does not show in its repr."""

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

    @property
    def address(self) -> str:
        """Where it is, for messages."""
        return f"{self.host}:{self.port}/{self.database}"


class Shards(ConnectionSpec):
    """The shards of one source: a URL pattern, a list of URLs, or a server whose databases match a pattern."""

    dialect: ClassVar[str]
    scheme: ClassVar[tuple[str, ...]]
    default_port: ClassVar[int]

    url: str | None = Field(None, description="One URL; {00..31} in it stands for a range, and all ranges count together.")
    shards: tuple[str, ...] | dict[str, str] | None = Field(None, description="URLs, or names and their URLs, in place of `url`.")
    databases: str | None = Field(None, description="With `url`: every database there that matches, as in shop_*.")
    password: SecretStr = Field(SecretStr(""), description="The password of every shard that has no override.")
    overrides: dict[str, ShardOverride] = Field(default_factory=dict, description="By shard: url, password, tls, replica.")
    tls: Tls | None = Field(None, description="TLS mode and CA; plain text where it is left out.")
    replica: bool = Field(False, description="Whether these are replicas; windows then end at what they have applied.")
    timezone: str = Field("UTC", description="The zone of datetimes without one.")
    max_connections: Annotated[int, Field(ge=1, le=64)] = Field(4, description="Reads under way at once over all shards.")
    connect_timeout: Duration = Field(timedelta(seconds=10), description="How long to wait for an answer to a first word.")
    statement_timeout: Duration = Field(timedelta(minutes=10), description="How long one statement may take.")

    @field_validator("timezone")
    @classmethod
    def _known_zone(cls, value: str) -> str:
        try:
            ZoneInfo(value)
        except (KeyError, ValueError, OSError):
            raise ValueError(f"{value!r} is not a time zone; it reads like Europe/Berlin") from None
        return value

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        if (self.url is None) == (self.shards is None):
            raise ValueError("give either `url` (with ranges, or with `databases`) or `shards`")
        if self.databases and not self.url:
            raise ValueError("`databases` goes with `url`, the server where they are")
        if self.databases and not re.fullmatch(r"[A-Za-z0-9_*?-]+", self.databases):
            raise ValueError(f"databases: {self.databases!r} may hold letters, digits, _, -, * and ?")
        if not self.databases:
            self.resolve()
        return self

    def resolve(self, found: tuple[str, ...] = ()) -> tuple[Shard, ...]:
        """The shards in order. `found` are the databases that the server named, where `databases` is a pattern."""
        if self.databases:
            urls = [(name, f"{str(self.url).rstrip('/')}/{name}") for name in found]
        elif isinstance(self.shards, dict):
            urls = list(self.shards.items())
        else:
            urls = [("", url) for url in (expand_ranges(str(self.url)) if self.shards is None else self.shards)]
        shards = [self._shard(name, url) for name, url in urls]
        if len({s.name for s in shards}) < len(shards):  # one database name on many hosts: hosts tell them apart
            shards = [self._shard(f"{s.host}_{s.port}_{s.database}", url) for s, (_, url) in zip(shards, urls, strict=True)]
        names = {s.name for s in shards}
        if not shards and not self.databases:
            raise ValueError("there is no shard")
        places: dict[tuple[str, int, str], str] = {}
        for shard in shards:
            place = (shard.host, shard.port, shard.database)
            if place in places:
                raise ValueError(f"two shards have the same address: {places[place]} and {shard.name}")
            places[place] = shard.name
        unknown = set(self.overrides) - names
        if unknown and (found or not self.databases):
            raise ValueError(f"overrides: there is no shard {sorted(unknown)[0]!r}; there are: {', '.join(sorted(names))}")
        return tuple(shards)

    def server(self) -> Shard:
        """The server itself, where `databases` is a pattern: for asking it which databases it has."""
        return self._shard("server", f"{str(self.url).rstrip('/')}/{'postgres' if self.dialect == 'postgres' else ''}")

    def _shard(self, name: str, url: str) -> Shard:
        plain = _split(url, self.scheme, self.default_port)
        name = name or plain.database
        if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,62}", name):
            raise ValueError(
                f"{name!r} cannot name a shard (letters, digits, _ . -, 63 at most); give `shards` as a mapping of names to URLs"
            )
        own = self.overrides.get(name, ShardOverride())
        if own.url:
            plain = _split(own.url, self.scheme, self.default_port)
        password = own.password or self.password
        return Shard(
            name, self.dialect, plain.host, plain.port, plain.user, password.get_secret_value(), plain.database,
            own.tls or self.tls, self.replica if own.replica is None else own.replica, self.timezone,
            self.connect_timeout.total_seconds(), self.statement_timeout.total_seconds(),
        )  # fmt: skip

    def secrets(self) -> tuple[str, ...]:
        """Every secret inside, for `redact`."""
        own = [self.password, *(o.password for o in self.overrides.values() if o.password)]
        return tuple(s.get_secret_value() for s in own if s.get_secret_value())


class MySQLShards(Shards):
    """Shards on MySQL or MariaDB."""

    slug: ClassVar[str] = "mysql-shards"
    dialect: ClassVar[str] = "mysql"
    scheme: ClassVar[tuple[str, ...]] = ("mysql", "mariadb")
    default_port: ClassVar[int] = 3306


class PostgresShards(Shards):
    """Shards on Postgres."""

    slug: ClassVar[str] = "postgres-shards"
    dialect: ClassVar[str] = "postgres"
    scheme: ClassVar[tuple[str, ...]] = ("postgresql", "postgres")
    default_port: ClassVar[int] = 5432


class PostgresWarehouse(ConnectionSpec):
    """The Postgres or Aurora database that holds the targets and the ledger."""

    slug: ClassVar[str] = "postgres-warehouse"
    url: str = Field(description="postgresql://user@host:5432/database, without the password.")
    password: SecretStr = Field(SecretStr(""), description="The password of that user.")
    tls: Tls | None = Field(None, description="TLS mode and CA; plain text where it is left out.")
    max_connections: Annotated[int, Field(ge=2, le=64)] | None = Field(None, description="Of one run's pool; by its cores if left out.")
    connect_timeout: Duration = Field(timedelta(seconds=10), description="How long to wait for a connection.")

    @model_validator(mode="after")
    def _readable(self) -> Self:
        _split(self.url, PostgresShards.scheme, 5432)
        return self

    def shard(self) -> Shard:
        """The same address in the form in which sources have theirs."""
        plain = _split(self.url, PostgresShards.scheme, 5432)
        return Shard(
            "warehouse", "postgres", plain.host, plain.port, plain.user, self.password.get_secret_value(),
            plain.database, self.tls, connect_timeout=self.connect_timeout.total_seconds(),
        )  # fmt: skip

    def secrets(self) -> tuple[str, ...]:
        """Every secret inside, for `redact`."""
        return tuple(s for s in (self.password.get_secret_value(),) if s)


class Lake(ConnectionSpec):
    """The folder or bucket that holds the rows as they were read, and the tables made of them."""

    slug: ClassVar[str] = "athena-lake"
    url: str = Field(description="s3://bucket/prefix, or a folder.")
    region: str | None = Field(None, description="The bucket's region; AWS's own settings where it is left out.")
    endpoint: str | None = Field(None, description="The address of an S3 server other than AWS.")
    credentials: str | None = Field(None, description="aws-credentials/<name>: a block of prefect-aws, in place of what follows.")
    access_key_id: SecretStr | None = Field(None, description="Where AWS's own chain of credentials is not wanted.")
    secret_access_key: SecretStr | None = Field(None, description="Goes with access_key_id.")
    session_token: SecretStr | None = Field(None, description="Goes with keys that end.")
    profile: str | None = Field(None, description="A profile of AWS's own configuration, in place of keys.")
    role: Role | None = Field(None, description="A role that the keys, the profile or AWS's own chain may assume.")
    kms_key: str | None = Field(None, description="The KMS key that encrypts what is written; the bucket's own settings where left out.")
    glue: bool = Field(False, description="Register the tables in AWS Glue, for Athena. Without, the ledger alone knows them.")
    glue_endpoint: str | None = Field(None, description="The address of a Glue other than AWS's.")

    @field_validator("url")
    @classmethod
    def _folder_or_s3(cls, value: str) -> str:
        if "\0" in value or ".." in value.split("/") or ("://" in value and not re.match(r"s3://[a-z0-9.-]{3,63}(/|$)", value)):
            raise ValueError(f"{value!r} must be a folder or s3://bucket/prefix, and .. cannot be a part of it")
        return value

    @model_validator(mode="after")
    def _one_identity(self) -> Self:
        if isinstance(self.credentials, str) and not re.fullmatch(r"aws-credentials/[A-Za-z0-9-]+", self.credentials):
            raise ValueError(f"credentials: {self.credentials!r} must read aws-credentials/<name>, a block of prefect-aws")
        if self.credentials and (self.access_key_id or self.profile or self.role):
            raise ValueError("give either `credentials`, or keys, `profile` and `role` here")
        if (self.access_key_id is None) != (self.secret_access_key is None) or (self.session_token and not self.access_key_id):
            raise ValueError("`access_key_id` and `secret_access_key` go together, `session_token` with both")
        if self.access_key_id and self.profile:
            raise ValueError("give either keys or `profile`")
        return self

    def secrets(self) -> tuple[str, ...]:
        """Every secret inside, for `redact`."""
        return tuple(s.get_secret_value() for s in (self.access_key_id, self.secret_access_key, self.session_token) if s)


KINDS: dict[str, type[MySQLShards] | type[PostgresShards] | type[PostgresWarehouse] | type[Lake]] = {
    kind.slug: kind for kind in (MySQLShards, PostgresShards, PostgresWarehouse, Lake)
}
Connection = MySQLShards | PostgresShards | PostgresWarehouse | Lake


@dataclass(frozen=True, slots=True)
class _Plain:
    host: str
    port: int
    user: str
    database: str


def _split(url: str, schemes: tuple[str, ...], port: int) -> _Plain:
    try:
        parts = urlsplit(url)
        found = _Plain(parts.hostname or "", parts.port or port, unquote(parts.username or ""), unquote(parts.path.strip("/")))
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
