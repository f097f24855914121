"""Connections for commands: a run's, where it is known beforehand whether Prefect can have them."""

from cli.beforehand import look_for_blocks
from shardlake.connection.kinds import Connection
from tasks import connect as of_a_run


def connect(reference: str) -> Connection:
    """The connection of that name. Raises SpecError."""
    return of_a_run.connect(reference, look_for_blocks)
