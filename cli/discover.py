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
    from shardlake.connection.kinds import expect
    from shardlake.connection.shards import Shards
    from shardlake.run.discover import discover as draft
    from shardlake.run.job import resolve_shards

    source = expect(connect(connection), Shards, connection)
    sys.stdout.write(draft(connection, resolve_shards(source, connection), table))
