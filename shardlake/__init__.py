"""The engine: everything that a row meets between a source and a sink. Plain Python; it never imports prefect.

The way of a row: `source/` reads a window of a partition into `raw/`, `shape/` makes view rows of it, `sink/` applies them,
and `ledger/` accounts for each step. `run/` is their order. Imports point from `run` down to `view` and `connection`.
"""

__version__ = "0.1.0"
