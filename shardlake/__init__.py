"""The engine: everything that a row meets between a shard and the warehouse. Plain Python; it never imports prefect.

The way of a row, verb by verb: `extract/` reads a window of a shard into raw Parquet (`raw.py`), `shape/` makes view
rows of it, `load/` stages and merges them, and `ledger/` accounts for each step. `sync.py` is their order.
"""

__version__ = "0.1.0"
