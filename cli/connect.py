"""Connections for commands: the same as `blocks.resolve` gives, without Prefect's second of imports where a file is given."""

from shardlake.connection import Connection
from shardlake.connection_file import load_connection
from shardlake.places import connections_file


def connect(reference: str) -> Connection:
    """The connection of that name. Raises SpecError."""
    if file := connections_file():
        return load_connection(file, reference)
    from blocks.resolve import connect as connect_by_block

    return connect_by_block(reference)
