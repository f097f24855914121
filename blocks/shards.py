"""Blocks for the shards of a source: `mysql-shards/shop`, `postgres-shards/shop`."""

from typing import ClassVar

from blocks.connection_block import ConnectionBlock
from shardlake.connection import shards


class MySQLShards(ConnectionBlock, shards.MySQLShards):
    """Shards on MySQL or MariaDB: a URL pattern, a list, or a server whose databases match a pattern."""

    _block_type_name: ClassVar[str] = "MySQL Shards"
    _block_type_slug: ClassVar[str] = "mysql-shards"


class PostgresShards(ConnectionBlock, shards.PostgresShards):
    """Shards on Postgres: a URL pattern, a list, or a server whose databases match a pattern."""

    _block_type_name: ClassVar[str] = "Postgres Shards"
    _block_type_slug: ClassVar[str] = "postgres-shards"
