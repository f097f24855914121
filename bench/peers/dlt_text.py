"""dlt, ten shards merged into one table, the JSON left as text.

A resource a shard, so that each has a watermark of its own, all of one table. connectorx is dlt's
fastest backend for MySQL. CSV files into COPY are the faster of the two ways of loading that come
without a further driver (29 s against 34 s with INSERTs).
"""

from __future__ import annotations

import os

from bench.endpoints import Shard, Source, Warehouse


def run(source: Source, warehouse: Warehouse, rows: int) -> None:
    merge(source, warehouse, dataset="bench_dlt", file_format="csv", strategy="delete-insert")


def merge(
    source: Source, warehouse: Warehouse, dataset: str, file_format: str, strategy: str
) -> None:
    """Bring one table of the dataset up to date with every shard."""
    os.environ["RUNTIME__DLTHUB_TELEMETRY"] = "false"
    os.environ["RUNTIME__LOG_LEVEL"] = "ERROR"
    import dlt  # type: ignore[import-not-found]  # it is in its own environment
    from dlt.sources.sql_database import sql_table  # type: ignore[import-not-found]

    def rows_of(shard: Shard) -> object:
        resource = sql_table(
            credentials=shard.url("mysql+pymysql"),
            table=source.table,
            backend="connectorx",
            backend_kwargs={"conn": shard.url("mysql"), "protocol": "binary"},
            reflection_level="full_with_precision",
            incremental=None if source.reread else dlt.sources.incremental("updated_at"),
            primary_key="id",
            write_disposition={"disposition": "merge", "strategy": strategy},
        )
        resource.apply_hints(table_name="orders")
        return resource.with_name(shard.name)

    pipeline = dlt.pipeline(
        dataset,
        pipelines_dir=warehouse.state,
        destination=dlt.destinations.postgres(warehouse.url()),
        dataset_name=dataset,
    )
    resources = [rows_of(shard) for shard in source.shards]
    pipeline.run(resources, loader_file_format=file_format).raise_on_failed_jobs()
