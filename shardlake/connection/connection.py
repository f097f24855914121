"""The connections' names as they stood in one module; for imports that have not moved yet."""

from shardlake.connection.address import Shard
from shardlake.connection.kinds import KINDS, Connection
from shardlake.connection.lake import Lake
from shardlake.connection.postgres import PostgresWarehouse
from shardlake.connection.shards import MySQLShards, PostgresShards, Shards

__all__ = ["KINDS", "Connection", "Lake", "MySQLShards", "PostgresShards", "PostgresWarehouse", "Shard", "Shards"]
