"""dlt, the JSON flattened: nested objects to columns, the items kept as JSON.

Only the sqlalchemy backend hands dlt rows that it takes apart, one Python dictionary each, so it is
given a tenth of the rows: the oldest tenth of every shard.
"""

from __future__ import annotations

import os

from bench.endpoints import Shard, Source, Warehouse

SHARE = 10


def run(source: Source, warehouse: Warehouse, rows: int) -> None:
    os.environ["RUNTIME__DLTHUB_TELEMETRY"] = "false"
    os.environ["RUNTIME__LOG_LEVEL"] = "ERROR"
    import dlt  # type: ignore[import-not-found]  # it is in its own environment
    import orjson
    from dlt.sources.sql_database import sql_table  # type: ignore[import-not-found]
    from sqlalchemy.dialects.mysql import LONGTEXT

    def parse(row: dict[str, object]) -> dict[str, object]:
        row["payload"] = orjson.loads(str(row["payload"]))
        return row

    def rows_of(shard: Shard) -> object:
        resource = sql_table(
            credentials=shard.url("mysql+pymysql"),
            table=source.table,
            backend="sqlalchemy",
            reflection_level="full_with_precision",
            incremental=dlt.sources.incremental("updated_at"),
            primary_key="id",
            write_disposition="merge",
            # of no declared type, so that dlt looks at what it holds: a column of text stays text
            type_adapter_callback=lambda kind: None if isinstance(kind, LONGTEXT) else kind,
            query_adapter_callback=lambda query, table: query.where(table.c.id <= rows // SHARE),
        )
        columns = {"payload": {"nullable": True}, "payload__items": {"data_type": "json"}}
        resource.apply_hints(table_name="orders", columns=columns)
        return resource.add_map(parse).with_name(shard.name)

    pipeline = dlt.pipeline(
        "bench_dlt_flat",
        pipelines_dir=warehouse.state,
        destination=dlt.destinations.postgres(warehouse.url()),
        dataset_name="bench_dlt_flat",
    )
    resources = [rows_of(shard) for shard in source.shards]
    pipeline.run(resources).raise_on_failed_jobs()
