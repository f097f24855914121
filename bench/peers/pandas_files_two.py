"""The pandas script again, two files at a time: it is Python that is slow there, so in two processes."""

from __future__ import annotations

from concurrent.futures import ProcessPoolExecutor
from functools import partial

from bench.endpoints import Source, Warehouse
from bench.peers.pandas_files import files, load, make_target

AT_ONCE = 2


def run(source: Source, warehouse: Warehouse, rows: int) -> None:
    make_target(warehouse)
    with ProcessPoolExecutor(AT_ONCE) as pool:
        list(pool.map(partial(load, warehouse=warehouse), files(source)))
