"""The block for the warehouse: `postgres-warehouse/main`."""

from typing import ClassVar

from blocks.connection_block import ConnectionBlock
from shardlake.connection import postgres


class PostgresWarehouse(ConnectionBlock, postgres.PostgresWarehouse):
    """The Postgres or Aurora database that holds the targets and the ledger."""

    _block_type_name: ClassVar[str] = "Postgres Warehouse"
    _block_type_slug: ClassVar[str] = "postgres-warehouse"
