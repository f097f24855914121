"""A run's connections, from its file or from Prefect's blocks. Blocks cost a second of imports, which a run with a file is spared."""

from collections.abc import Callable

from shardlake.connection.connection_file import load_connection
from shardlake.connection.kinds import Connection
from shardlake.settings import connections_file


def connect(reference: str, look_ahead: Callable[[], None] | None = None) -> Connection:
    """The connection of that name; `look_ahead` is called before a block is asked for. Raises SpecError."""
    if file := connections_file():
        found = load_connection(file, reference)
        if not found.credentials_block:
            return found
    if look_ahead:
        look_ahead()
    from blocks.resolve import connect as connect_by_block

    return connect_by_block(reference)
