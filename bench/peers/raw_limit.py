"""The floor: the same rows, flattened beforehand, as fast as Postgres takes them from one client.

A COPY into an unlogged text table and one INSERT with casts into an empty table with its key.
No source is read, no JSON is taken apart, nothing is compared with what was there.
"""

from __future__ import annotations

from bench.endpoints import Shard, Source, Warehouse
from bench.peers.by_hand import psql

STAGE = """
CREATE UNLOGGED TABLE bench_raw.{stage} (
    id text, status text, amount text, created_at text, updated_at text, customer_name text,
    customer_email text, city text, zip text, campaign_source text, campaign_medium text,
    items text, note text
)
"""
TARGET = """
CREATE TABLE bench_raw.orders (
    id bigint PRIMARY KEY, status text, amount numeric(12,2), created_at timestamp,
    updated_at timestamp, customer_name text, customer_email text, city text, zip text,
    campaign_source text, campaign_medium text, items jsonb, note text
)
"""
INSERT = """
INSERT INTO bench_raw.orders
SELECT id::bigint, status, amount::numeric(12,2), created_at::timestamp, updated_at::timestamp,
       customer_name, customer_email, city, zip, campaign_source, campaign_medium, items::jsonb,
       note
FROM bench_raw.{stage}
"""


def run(source: Source, warehouse: Warehouse, rows: int) -> None:
    psql(warehouse, "-c", STAGE.format(stage="stage"), "-c", TARGET)
    copies = [copy(source, shard, "stage") for shard in source.shards]
    psql(warehouse, *(word for line in copies for word in ("-c", line)))
    psql(warehouse, "-c", INSERT.format(stage="stage"))


def copy(source: Source, shard: Shard, stage: str) -> str:
    """The psql command that loads one shard's flat rows."""
    return f"\\copy bench_raw.{stage} from '{source.flat}/{shard.name}.csv' (format csv)"
