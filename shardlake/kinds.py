"""Every kind of connection, by its slug: the one place where a new kind is named.

A source's kind says what its connection and a view's `source:` may hold, and what opens it; a sink's kind the same of its
connection. Classes are named, not imported, so that the rooms that read views load no driver.
"""

from dataclasses import dataclass
from importlib import import_module
from typing import Any, Literal

_SQL = ("shardlake.view.source:SqlTables", "shardlake.source.sql.source:SqlSource.open")


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of connection. Its `role` is what a view may name it as; `connection`, `view` and `opener` are `module:attribute`."""

    role: Literal["source", "warehouse", "lake"]
    connection: str
    view: str = ""
    opener: str = ""

    def connection_spec(self) -> Any:
        """The model of its connections."""
        return _named(self.connection)

    def view_spec(self) -> Any:
        """The model of a view's `source:`."""
        return _named(self.view)

    def open(self) -> Any:
        """What makes a source of a connection and its reference, or a sink (a lake: the sinks) of a connection and what supplies rows."""
        return _named(self.opener)


KINDS: dict[str, Kind] = {
    "mysql-shards": Kind("source", "shardlake.connection.shards:MySQLShards", *_SQL),
    "postgres-shards": Kind("source", "shardlake.connection.shards:PostgresShards", *_SQL),
    "s3-files": Kind(
        "source", "shardlake.connection.files:S3Files", "shardlake.view.files:Files", "shardlake.source.files.source:FilesSource.open"
    ),
    "mongodb": Kind(
        "source",
        "shardlake.connection.mongodb:MongoDB",
        "shardlake.view.mongodb:MongoCollection",
        "shardlake.source.mongodb.source:MongoSource.open",
    ),
    "dynamodb": Kind(
        "source",
        "shardlake.connection.dynamodb:DynamoDB",
        "shardlake.view.dynamodb:DynamoTable",
        "shardlake.source.dynamodb.source:DynamoSource.open",
    ),
    "postgres-warehouse": Kind(
        "warehouse", "shardlake.connection.postgres:PostgresWarehouse", opener="shardlake.sink.postgres.sink:PostgresSink.open"
    ),
    "athena-lake": Kind("lake", "shardlake.connection.lake:Lake", opener="shardlake.sink.lake.sink:LakeLayouts.open"),
}


def kind_of(reference: str) -> Kind | None:
    """The kind of a connection, by the slug of its reference; None for a slug that is not known."""
    return KINDS.get(reference.partition("/")[0])


def source_kind(reference: str) -> Kind:
    """The kind of a source. Raises ValueError that lists those there are."""
    found = kind_of(reference)
    if found is None or found.role != "source":
        there = ", ".join(slug for slug, kind in KINDS.items() if kind.role == "source")
        raise ValueError(f"{reference!r} is no source; its kind, before the /, is one of: {there}")
    return found


def _named(path: str) -> Any:
    module, _, attribute = path.partition(":")
    found: Any = import_module(module)
    for part in attribute.split("."):
        found = getattr(found, part)
    return found
