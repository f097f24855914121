"""Postgres by psycopg: how shards, the warehouse and the ledger's connections are opened."""

from typing import Any

from shardlake.connection.connection import Shard

SSLMODE = {"disabled": "disable", "required": "require", "verify_ca": "verify-ca", "verify_identity": "verify-full"}
"""libpq's words for the modes of `tls`."""


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
