"""The block for the lake: `athena-lake/main`."""

from typing import ClassVar

from blocks.connection_block import ConnectionBlock
from shardlake import connection


class AthenaLake(ConnectionBlock, connection.Lake):
    """The folder or bucket that holds the rows as they were read."""

    _block_type_name: ClassVar[str] = "Athena Lake"
    _block_type_slug: ClassVar[str] = "athena-lake"
