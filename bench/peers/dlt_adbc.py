"""dlt again, with the ADBC driver: its connectorx frames stay Parquet all the way to Postgres."""

from __future__ import annotations

from bench.endpoints import Source, Warehouse
from bench.peers.dlt_text import merge


def run(source: Source, warehouse: Warehouse, rows: int) -> None:
    merge(source, warehouse, dataset="bench_dlt_adbc", file_format="parquet", strategy="upsert")
