"""The pipe by hand as it is first written: a jsonb path a column. Postgres parses the document for each of them."""

from __future__ import annotations

from bench.endpoints import Source, Warehouse
from bench.peers.by_hand import PARSED_EACH_TIME, pipe


def run(source: Source, warehouse: Warehouse, rows: int) -> None:
    pipe(source, warehouse, PARSED_EACH_TIME, "bench_hand")
