"""The shards of a source: databases of the same tables, on MySQL, MariaDB or Postgres."""

import re
from dataclasses import replace
from datetime import timedelta
from typing import Annotated, ClassVar, Self

from pydantic import BaseModel, ConfigDict, Field, SecretStr, model_validator

from shardlake.connection.address import POSTGRES_PORT, POSTGRES_SCHEMES, Shard, Tls, expand_ranges, split_url
from shardlake.connection.spec import ConnectionSpec
from shardlake.spec import Duration, Zone


class ShardOverride(BaseModel):
    """What one shard has that the others have not."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)
    url: str | None = None
    password: SecretStr | None = None
    tls: Tls | None = None
    replica: bool | None = None
    primary: str | None = None


class Shards(ConnectionSpec):
    """The shards of one source: a URL pattern, a list of URLs, or a server whose databases match a pattern."""

    dialect: ClassVar[str]
    scheme: ClassVar[tuple[str, ...]]
    default_port: ClassVar[int]

    url: str | None = Field(None, description="One URL; {00..31} in it stands for a range, and all ranges count together.")
    shards: tuple[str, ...] | dict[str, str] | None = Field(None, description="URLs, or names and their URLs, in place of `url`.")
    databases: str | None = Field(None, description="With `url`: every database there that matches, as in shop_*.")
    password: SecretStr = Field(SecretStr(""), description="The password of every shard that has no override.")
    overrides: dict[str, ShardOverride] = Field(default_factory=dict, description="By shard: url, password, tls, replica, primary.")
    tls: Tls | None = Field(None, description="TLS mode and CA; plain text where it is left out.")
    replica: bool = Field(False, description="Whether these are replicas; windows then end at what they have applied.")
    primary: str | dict[str, str] | None = Field(
        None,
        description="What they are replicas of: one URL or a pattern as in `url`, or shards and URLs. It is asked for its open transactions.",
    )
    primary_password: SecretStr | None = Field(None, description="The password there, where it is another.")
    timezone: Zone = Field("UTC", description="The zone of datetimes without one.")
    max_connections: Annotated[int, Field(ge=1, le=64)] = Field(4, description="Reads under way at once over all shards.")
    connect_timeout: Duration = Field(timedelta(seconds=10), description="How long to wait for an answer to a first word.")
    statement_timeout: Duration = Field(timedelta(minutes=10), description="How long one statement may take.")

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        if (self.url is None) == (self.shards is None):
            raise ValueError("give either `url` (with ranges, or with `databases`) or `shards`")
        if self.databases and not self.url:
            raise ValueError("`databases` goes with `url`, the server where they are")
        if self.databases and not re.fullmatch(r"[A-Za-z0-9_*?-]+", self.databases):
            raise ValueError(f"databases: {self.databases!r} may hold letters, digits, _, -, * and ?")
        if self.primary is not None and not (self.replica or any(o.replica for o in self.overrides.values())):
            raise ValueError("`primary` goes with `replica: true`")
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
        return self._with_primaries(shards)

    def _with_primaries(self, shards: list[Shard]) -> tuple[Shard, ...]:
        """The replicas among the shards with their primaries: by name, by place in a pattern, or one server for all of them."""
        if isinstance(self.primary, dict):
            if unknown := sorted(set(self.primary) - {s.name for s in shards}):
                raise ValueError(f"primary: there is no shard {unknown[0]!r}; there are: {', '.join(s.name for s in shards)}")
            urls = [self.primary.get(s.name) for s in shards]
        else:
            urls = [*expand_ranges(self.primary)] if self.primary else [None]
            urls = urls * len(shards) if len(urls) == 1 else urls
        if len(urls) != len(shards):
            raise ValueError(f"primary: the pattern has {len(urls)} URLs, and there are {len(shards)} shards")
        own = (self.overrides.get(s.name, ShardOverride()).primary for s in shards)
        named = zip(shards, own, urls, strict=True)
        return tuple(replace(s, primary=self._primary(s, given or url)) if s.replica and (given or url) else s for s, given, url in named)

    def _primary(self, shard: Shard, url: str | None) -> Shard:
        plain = split_url(str(url), self.scheme, self.default_port)
        password = self.primary_password.get_secret_value() if self.primary_password else shard.password
        return replace(
            shard, name=f"{shard.name}'s primary", host=plain.host, port=plain.port, user=plain.user, password=password,
            database=plain.database or shard.database, replica=False,
        )  # fmt: skip

    def endpoints(self) -> dict[str, tuple[str, int]]:
        """See ConnectionSpec: of each shard, or of the server that is to name them."""
        return {s.name: (s.host, s.port) for s in ((self.server(),) if self.databases else self.resolve())}

    def server(self) -> Shard:
        """The server itself, where `databases` is a pattern: for asking it which databases it has."""
        return self._shard("server", f"{str(self.url).rstrip('/')}/{'postgres' if self.dialect == 'postgres' else ''}")

    def _shard(self, name: str, url: str) -> Shard:
        plain = split_url(url, self.scheme, self.default_port)
        name = name or plain.database
        if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,62}", name):
            raise ValueError(
                f"{name!r} cannot name a shard (letters, digits, _ . -, 63 at most); give `shards` as a mapping of names to URLs"
            )
        own = self.overrides.get(name, ShardOverride())
        if own.url:
            plain = split_url(own.url, self.scheme, self.default_port)
        password = own.password or self.password
        return Shard(
            name, self.dialect, plain.host, plain.port, plain.user, password.get_secret_value(), plain.database,
            own.tls or self.tls, self.replica if own.replica is None else own.replica, self.timezone,
            self.connect_timeout.total_seconds(), self.statement_timeout.total_seconds(),
        )  # fmt: skip

    @property
    def reads_at_once(self) -> int:
        """How many reads may be under way at once, over all runs."""
        return self.max_connections

    def secrets(self) -> tuple[str, ...]:
        """Every secret inside, for `redact`."""
        own = [self.password, self.primary_password, *(o.password for o in self.overrides.values())]
        return tuple(s.get_secret_value() for s in own if s and s.get_secret_value())


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
    scheme: ClassVar[tuple[str, ...]] = POSTGRES_SCHEMES
    default_port: ClassVar[int] = POSTGRES_PORT
