"""The block for MongoDB: `mongodb/platform`."""

from typing import ClassVar

from blocks.connection_block import ConnectionBlock
from shardlake.connection import mongodb


class MongoDB(ConnectionBlock, mongodb.MongoDB):
    """A MongoDB whose collections are read: a URL without the password, and one database or all that match a pattern."""

    _block_type_name: ClassVar[str] = "MongoDB"
    _block_type_slug: ClassVar[str] = "mongodb"
