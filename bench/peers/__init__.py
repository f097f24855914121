"""Who is measured, and where each leaves its rows.

A peer is a module of this folder with one function, `run(source, warehouse, rows)`, which brings
the warehouse up to date with the shards and returns when it has, or raises. It runs as a process
of its own, under the Python of its own environment. Only the standard library is imported here.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from bench.endpoints import Shard

FIRST, NOTHING, SOME, ALL, LOOKBACK = (
    "first load", "nothing changed", "1% changed", "all rows changed", "lookback repeats",
)  # fmt: skip
SCENARIOS = (FIRST, NOTHING, SOME, LOOKBACK, ALL)

PLAIN = "id, status, amount, updated_at"
FLAT = f"{PLAIN}, customer_name, city, zip, campaign_source, note"


@dataclass(frozen=True)
class Peer:
    """A peer: `target` is a query for its rows, by the names of PLAIN, or of FLAT if it flattens."""

    name: str
    about: str
    module: str
    requirements: str | None
    schemas: tuple[str, ...]
    target: Callable[[tuple[Shard, ...]], str]
    flattens: bool = False
    share: float = 1.0
    scenarios: tuple[str, ...] = SCENARIOS


def _one_table(table: str, columns: str) -> Callable[[tuple[Shard, ...]], str]:
    return lambda shards: f"SELECT {columns} FROM {table}"


def _table_a_shard(table: str, columns: str) -> Callable[[tuple[Shard, ...]], str]:
    return lambda shards: " UNION ALL ".join(
        f"SELECT {columns} FROM {table.format(shard=shard.name)}" for shard in shards
    )


PEERS = (
    Peer(
        "sling",
        "ten tables, one a shard, without a key; JSON left as text; two processes of five shards",
        "sling_tables", "sling.txt", ("bench_sling",),
        _table_a_shard("bench_sling.{shard}_orders", PLAIN),
    ),
    Peer(
        "sling-keyed",
        "the same, each table with its primary key",
        "sling_keyed", "sling.txt", ("bench_sling_keyed",),
        _table_a_shard("bench_sling_keyed.{shard}_orders", PLAIN),
    ),
    Peer(
        "sling-one-table",
        "ten shards into one table in its incremental mode; JSON left as text",
        "sling_one_table", "sling.txt", ("bench_sling_one",),
        _one_table("bench_sling_one.orders", PLAIN), scenarios=(FIRST,),
    ),
    Peer(
        "dlt",
        "one table, merged (delete-insert); JSON left as text; connectorx backend, CSV loads",
        "dlt_text", "dlt.txt", ("bench_dlt", "bench_dlt_staging"),
        _one_table("bench_dlt.orders", PLAIN),
    ),
    Peer(
        "dlt-adbc",
        "the same, merged by upsert and loaded as Parquet by ADBC, its fastest way",
        "dlt_adbc", "dlt.txt", ("bench_dlt_adbc", "bench_dlt_adbc_staging"),
        _one_table("bench_dlt_adbc.orders", PLAIN),
    ),
    Peer(
        "dlt-flattened",
        "JSON flattened, one table; sqlalchemy backend; a tenth of the rows",
        "dlt_flattened", "dlt.txt", ("bench_dlt_flat", "bench_dlt_flat_staging"),
        _one_table(
            "bench_dlt_flat.orders",
            f"{PLAIN}, payload__customer__name AS customer_name, payload__customer__address__city "
            "AS city, payload__customer__address__zip AS zip, "
            "payload__campaign__source AS campaign_source, payload__note AS note",
        ),
        flattens=True, share=0.1, scenarios=(FIRST,),
    ),
    Peer(
        "by-hand",
        "JSON flattened, one table; mariadb | psql COPY, jsonb paths, ON CONFLICT; two at a time",
        "by_hand_plain", None, ("bench_hand",),
        _one_table("bench_hand.orders", FLAT), flattens=True,
    ),
    Peer(
        "by-hand-tuned",
        "the same, tuned: every document is parsed once, not once a column",
        "by_hand", None, ("bench_hand_tuned",),
        _one_table("bench_hand_tuned.orders", FLAT), flattens=True,
    ),
    Peer(
        "raw-limit",
        "the flattened rows from a CSV file: one COPY, one INSERT with casts into an empty table",
        "raw_limit", None, ("bench_raw",),
        _one_table("bench_raw.orders", FLAT), flattens=True, scenarios=(FIRST,),
    ),
    Peer(
        "raw-limit-two",
        "the same by two clients at a time, from ten staging tables into the one table",
        "raw_limit_two", None, ("bench_raw",),
        _one_table("bench_raw.orders", FLAT), flattens=True, scenarios=(FIRST,),
    ),
)  # fmt: skip

FILE_PEERS = (
    Peer(
        "pandas",
        "JSON flattened, one table; read_csv in chunks, json.loads, COPY into a staging table, ON CONFLICT; a file after the other",
        "pandas_files", "pandas.txt", ("bench_pandas",),
        _one_table("bench_pandas.orders", FLAT), flattens=True,
    ),
    Peer(
        "pandas-two",
        "the same script, two files at a time in processes of their own",
        "pandas_files_two", "pandas.txt", ("bench_pandas",),
        _one_table("bench_pandas.orders", FLAT), flattens=True,
    ),
    Peer(
        "sling",
        "ten tables, one a shard, without a key; JSON left as text; two processes of five shards",
        "sling_files", "sling.txt", ("bench_sling",),
        _table_a_shard("bench_sling.{shard}_orders", "col_001 AS id, col_002 AS status, col_003 AS amount, col_005 AS updated_at"),
    ),
    Peer(
        "dlt",
        "one table, merged by upsert; JSON left as text; filesystem source, DuckDB as its reader, loaded as Parquet by ADBC",
        "dlt_files", "dlt_files.txt", ("bench_dlt_files", "bench_dlt_files_staging"),
        _one_table("bench_dlt_files.orders", PLAIN),
    ),
)  # fmt: skip
"""Those that read the rows from files, as AWS DMS drops them."""
