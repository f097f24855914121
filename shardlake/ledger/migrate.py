"""Creating and migrating the ledger: numbered SQL files beside this module, each applied once, in one transaction."""

from importlib import resources
from typing import Any

import psycopg

from shardlake.errors import AccessRefused

Connection = psycopg.Connection[Any]
STAGING = "shardlake_staging"


def migrate(connection: Connection) -> None:
    """Bring the ledger to this version. Two processes at once: the second waits for the first."""
    files = sorted((f for f in resources.files("shardlake.ledger").iterdir() if f.name.endswith(".sql")), key=lambda f: f.name)
    try:
        if _version(connection) == len(files):
            return
        with connection.transaction():
            connection.execute("SELECT pg_advisory_xact_lock(hashtextextended('shardlake.migrate', 0))")
            connection.execute("CREATE SCHEMA IF NOT EXISTS shardlake")
            connection.execute(f"CREATE SCHEMA IF NOT EXISTS {STAGING}")
            connection.execute(
                "CREATE TABLE IF NOT EXISTS shardlake.migrations (version int PRIMARY KEY, name text NOT NULL, applied_at timestamptz NOT NULL DEFAULT now())"
            )
            for number, file in enumerate(files[_version(connection) :], start=_version(connection) + 1):
                connection.execute(file.read_text("utf-8"))
                connection.execute("INSERT INTO shardlake.migrations (version, name) VALUES (%s, %s)", (number, file.name))
    except psycopg.errors.InsufficientPrivilege:
        raise AccessRefused(
            "the warehouse's user may not create the schemas shardlake and shardlake_staging",
            hint="Grant CREATE on the database, or create both and make the user their owner.",
        ) from None


def _version(connection: Connection) -> int:
    if connection.execute("SELECT to_regclass('shardlake.migrations')").fetchone() == (None,):
        return 0
    row = connection.execute("SELECT coalesce(max(version), 0) FROM shardlake.migrations").fetchone()
    return int(row[0]) if row else 0
