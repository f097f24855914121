"""Postgres: the warehouse, and how psycopg opens a connection to it, to a shard or to the ledger."""

from datetime import timedelta
from typing import Annotated, Any, ClassVar, Self

from pydantic import Field, SecretStr, model_validator

from shardlake.connection.address import POSTGRES_PORT, POSTGRES_SCHEMES, Shard, Tls, split_url
from shardlake.connection.spec import ConnectionSpec
from shardlake.spec import Duration

SSLMODE = {"disabled": "disable", "required": "require", "verify_ca": "verify-ca", "verify_identity": "verify-full"}
"""libpq's words for the modes of `tls`."""


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
        split_url(self.url, POSTGRES_SCHEMES, POSTGRES_PORT)
        return self

    @property
    def place(self) -> str | None:
        """See ConnectionSpec: host, port and database, whoever the user is."""
        found = self.shard()
        return f"{found.host.lower()}:{found.port}/{found.database}"

    def shard(self) -> Shard:
        """The same address in the form in which sources have theirs."""
        plain = split_url(self.url, POSTGRES_SCHEMES, POSTGRES_PORT)
        return Shard(
            "warehouse", "postgres", plain.host, plain.port, plain.user, self.password.get_secret_value(),
            plain.database, self.tls, connect_timeout=self.connect_timeout.total_seconds(),
        )  # fmt: skip

    def endpoints(self) -> dict[str, tuple[str, int]]:
        """See ConnectionSpec."""
        return {"": (self.shard().host, self.shard().port)}

    def secrets(self) -> tuple[str, ...]:
        """Every secret inside, for `redact`."""
        return tuple(s for s in (self.password.get_secret_value(),) if s)


def conninfo(shard: Shard) -> dict[str, Any]:
    """The keywords with which psycopg connects to a shard or warehouse."""
    found: dict[str, Any] = {
        "host": shard.host, "port": shard.port, "user": shard.user, "dbname": shard.database, "application_name": "shardlake",
        "connect_timeout": max(2, int(shard.connect_timeout)), "tcp_user_timeout": int(shard.connect_timeout * 3000),
        "keepalives_idle": 30,
    }  # fmt: skip
    if shard.password:
        found["password"] = shard.password
    if shard.tls:
        found["sslmode"] = SSLMODE[shard.tls.mode]
        if shard.tls.ca:
            found["sslrootcert"] = shard.tls.ca
    return found
