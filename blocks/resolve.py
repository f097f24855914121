"""Which connections a run takes: those of the file that SHARDLAKE_CONNECTIONS names, or else Prefect's blocks."""

from typing import Any

from prefect.blocks.core import Block
from prefect_aws import AwsCredentials

import blocks  # noqa: F401 - makes the block types known to Block.load
from blocks.aws import as_plain
from blocks.connection_block import ConnectionBlock
from shardlake.connection.aws_identity import AwsIdentity
from shardlake.connection.connection_file import load_connection
from shardlake.connection.kinds import Connection, kind_of
from shardlake.errors import SpecError
from shardlake.settings import connections_file


def connect(reference: str) -> Connection:
    """The connection of that name, as a plain value. Raises SpecError."""
    if file := connections_file():
        found = load_connection(file, reference)
        return _with_keys(found) if isinstance(found, AwsIdentity) and found.credentials else found
    kind_of(reference)
    block = _block(reference, "Save one under that name, or give a file with --connections.")
    if not isinstance(block, ConnectionBlock):
        raise SpecError(f"the block {reference} is not one of Shardlake's")
    return block.spec()


def _with_keys(found: AwsIdentity) -> AwsIdentity:
    """A connection of the file whose credentials are a block."""
    block = _block(str(found.credentials), "Save one under that name, of the kind AWS Credentials.")
    if not isinstance(block, AwsCredentials):
        raise SpecError(f"the block {found.credentials} holds no AWS credentials")
    return as_plain(found, block)


def _block(reference: str, hint: str) -> Any:
    try:
        return Block.load(reference)
    except ValueError:
        raise SpecError(f"Prefect has no block {reference}", hint=hint) from None
