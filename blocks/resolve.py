"""Which connections a run takes: those of the file that SHARDLAKE_CONNECTIONS names, or else Prefect's blocks."""

from prefect.blocks.core import Block

import blocks  # noqa: F401 - makes the block types known to Block.load
from blocks.connection_block import ConnectionBlock
from shardlake.connection import KINDS, Connection
from shardlake.connection_file import load_connection
from shardlake.errors import SpecError
from shardlake.places import connections_file


def connect(reference: str) -> Connection:
    """The connection of that name, as a plain value. Raises SpecError."""
    if file := connections_file():
        return load_connection(file, reference)
    kind = reference.partition("/")[0]
    if kind not in KINDS:
        raise SpecError(f"there is no kind of connection {kind!r}; there are: {', '.join(KINDS)}")
    try:
        block = Block.load(reference)
    except ValueError:
        raise SpecError(f"Prefect has no block {reference}", hint="Save one under that name, or give a file with --connections.") from None
    if not isinstance(block, ConnectionBlock):
        raise SpecError(f"the block {reference} is not one of Shardlake's")
    return block.spec()
