"""Connections for commands: the same as `blocks.resolve` gives, without Prefect's second of imports where a file is given."""

from cli.beforehand import look_for_blocks
from shardlake.connection.connection_file import load_connection
from shardlake.connection.kinds import Connection
from shardlake.settings import connections_file


def connect(reference: str) -> Connection:
    """The connection of that name. Raises SpecError."""
    if file := connections_file():
        found = load_connection(file, reference)
        if not found.credentials_block:
            return found
    look_for_blocks()
    from blocks.resolve import connect as connect_by_block

    return connect_by_block(reference)
