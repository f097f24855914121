"""Connections as Prefect blocks: the same fields as in connections.yaml, with secrets held by Prefect.

`prefect block register -m blocks` makes them known to a server; `blocks.resolve` says which a run takes.
"""

from blocks.dynamodb import DynamoDB
from blocks.files import S3Files
from blocks.lake import AthenaLake
from blocks.mongodb import MongoDB
from blocks.shards import MySQLShards, PostgresShards
from blocks.warehouse import PostgresWarehouse

__all__ = ["AthenaLake", "DynamoDB", "MongoDB", "MySQLShards", "PostgresShards", "PostgresWarehouse", "S3Files"]
