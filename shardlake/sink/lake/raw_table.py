"""`raw.<feed>`: the rows as they were read, as a table by load date and shard. A feed is a view's own, or several share it."""

from dataclasses import replace

from shardlake.ledger import lake as ledger
from shardlake.ledger import lake_raw
from shardlake.raw.store import open_store, parquet_schema
from shardlake.rows.supply import Supply
from shardlake.sink.lake.catalogue import catalogue
from shardlake.sink.lake.partition import segment
from shardlake.sink.lake.tables import from_json, raw_table


def register_raw(supply: Supply) -> None:
    """Make known what was read since, by whatever run: by one that was killed, too. The newest file says what the columns are; those that it lacks stay. Raises ShardlakeError."""
    with supply.ledger.connection() as connection:
        files = lake_raw.unregistered(connection, supply.feed)
        if not files:
            return
        table = raw_table(supply.feed, parquet_schema(open_store(supply.lake), files[0][1]))
        if found := ledger.table(connection, table.database, table.name):
            columns = {**dict(from_json(table.database, table.name, found[2]).columns), **dict(table.columns)}
            table = replace(table, columns=tuple(columns.items()))
        partitions: dict[tuple[str | None, ...], str] = {
            (day, shard): f"{table.location}/{segment('load_date', day)}/{segment('shard', shard)}" for _, _, day, shard in files
        }
        if outside := catalogue(supply.lake):
            outside.ensure(table, supply.feed)
            outside.add_partitions(table, partitions)
        with connection.transaction():
            ledger.record_table(connection, table.database, table.name, supply.feed, "", table.as_json())
            lake_raw.registered(connection, list({window_id for window_id, *_ in files}))
