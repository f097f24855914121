"""dlt's filesystem source: each file through DuckDB, dlt's fastest reader of CSV, as Arrow, into one table.

Loaded and merged as in dlt_adbc, its fastest way. The JSON is left as text.
"""

from __future__ import annotations

import os

from bench.endpoints import Shard, Source, Warehouse

TYPES = {
    "id": "BIGINT",
    "status": "VARCHAR",
    "amount": "DECIMAL(12,2)",
    "created_at": "TIMESTAMP",
    "updated_at": "TIMESTAMP",
    "payload": "VARCHAR",
}


def run(source: Source, warehouse: Warehouse, rows: int) -> None:
    os.environ["RUNTIME__DLTHUB_TELEMETRY"] = "false"
    os.environ["RUNTIME__LOG_LEVEL"] = "ERROR"
    import dlt  # type: ignore[import-not-found]  # it is in its own environment
    from dlt.sources.filesystem import filesystem, read_csv_duckdb  # type: ignore[import-not-found]

    def rows_of(shard: Shard) -> object:
        files = filesystem(bucket_url=f"file://{source.drops}", file_glob=f"{shard.name}/{source.table}/*.csv")
        reader = read_csv_duckdb(chunk_size=100_000, use_pyarrow=True, header=False, columns=TYPES, na_values="NULL")
        resource = (files | reader).with_name(shard.name)
        resource.apply_hints(table_name="orders", primary_key="id", write_disposition={"disposition": "merge", "strategy": "upsert"})
        return resource

    pipeline = dlt.pipeline(
        "bench_dlt_files",
        pipelines_dir=warehouse.state,
        destination=dlt.destinations.postgres(warehouse.url()),
        dataset_name="bench_dlt_files",
    )
    resources = [rows_of(shard) for shard in source.shards]
    pipeline.run(resources, loader_file_format="parquet").raise_on_failed_jobs()
