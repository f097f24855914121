"""`shardlake discover`."""

import sys
from typing import Annotated

import typer


def discover(
    connection: Annotated[str, typer.Argument(help="The source, as in mysql-shards/shop.", show_default=False)],
    table: Annotated[str, typer.Argument(help="The table, as the shards call it.", show_default=False)],
) -> None:
    """Draft a view from the live table of all shards: columns, types, key, cursor, and the JSON found in a sample.

    For example:

        shardlake discover mysql-shards/shop orders > views/orders/view.yaml
    """
    from cli.connect import connect
    from shardlake.connection.shards import Shards
    from shardlake.errors import SpecError
    from shardlake.run.discover import discover as draft
    from shardlake.run.job import resolve_shards

    source = connect(connection)
    if not isinstance(source, Shards):
        raise SpecError(f"{connection} is not a source", hint="Name one like mysql-shards/shop.")
    sys.stdout.write(draft(connection, resolve_shards(source, connection), table))
