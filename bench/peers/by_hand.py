"""What a careful engineer pipes together in an afternoon: clients, COPY, jsonb paths, ON CONFLICT.

The watermark is the newest row seen of each shard. A row that commits late is missed, and one that
does not cast stops its shard: there are no rejects, no ledger and no lookback.
"""

from __future__ import annotations

import os
import subprocess
from concurrent.futures import ThreadPoolExecutor
from typing import IO

from bench.endpoints import Shard, Source, Warehouse

AT_ONCE = 2
TARGET = """
CREATE TABLE IF NOT EXISTS bench_hand.orders (
    id bigint PRIMARY KEY, status text, amount numeric(12,2), created_at timestamp,
    updated_at timestamp, customer_name text, customer_email text, city text, zip text,
    campaign_source text, campaign_medium text, items jsonb, note text
);
CREATE TABLE IF NOT EXISTS bench_hand.watermarks (shard text PRIMARY KEY, updated_at timestamp);
"""
READ = """
SELECT id, status, amount, created_at, updated_at, payload FROM {table}
WHERE updated_at > '{watermark}'
"""
STAGE = """
DROP TABLE IF EXISTS bench_hand.stage_{shard};
CREATE UNLOGGED TABLE bench_hand.stage_{shard} (
    id text, status text, amount text, created_at text, updated_at text, payload text
);
"""
# OFFSET 0 keeps the planner from parsing the JSON once for every path.
PARSED = "LATERAL (SELECT payload::jsonb AS p OFFSET 0) AS parsed"
PARSED_EACH_TIME = "LATERAL (SELECT payload::jsonb AS p) AS parsed"
MERGE = """
BEGIN;
INSERT INTO bench_hand.orders AS old
SELECT id::bigint, status, amount::numeric(12,2), created_at::timestamp, updated_at::timestamp,
       p #>> '{{customer,name}}', p #>> '{{customer,email}}', p #>> '{{customer,address,city}}',
       p #>> '{{customer,address,zip}}', p #>> '{{campaign,source}}', p #>> '{{campaign,medium}}',
       p -> 'items', p ->> 'note'
FROM bench_hand.stage_{shard}, {parsed}
ON CONFLICT (id) DO UPDATE SET
    status = excluded.status, amount = excluded.amount, created_at = excluded.created_at,
    updated_at = excluded.updated_at, customer_name = excluded.customer_name,
    customer_email = excluded.customer_email, city = excluded.city, zip = excluded.zip,
    campaign_source = excluded.campaign_source, campaign_medium = excluded.campaign_medium,
    items = excluded.items, note = excluded.note
WHERE excluded.updated_at > old.updated_at;
INSERT INTO bench_hand.watermarks
SELECT '{shard}', max(updated_at::timestamp) FROM bench_hand.stage_{shard} HAVING count(*) > 0
ON CONFLICT (shard) DO UPDATE SET updated_at = excluded.updated_at;
DROP TABLE bench_hand.stage_{shard};
COMMIT;
"""


def run(source: Source, warehouse: Warehouse, rows: int) -> None:
    pipe(source, warehouse, PARSED, "bench_hand_tuned")


def pipe(source: Source, warehouse: Warehouse, parsed: str, schema: str) -> None:
    """All shards, a few at a time; `parsed` is where the merge finds the JSON as `p`."""
    psql(warehouse, "-c", TARGET.replace("bench_hand", schema))
    with ThreadPoolExecutor(AT_ONCE) as pool:
        list(pool.map(lambda shard: _one(shard, source, warehouse, parsed, schema), source.shards))


def _one(shard: Shard, source: Source, warehouse: Warehouse, parsed: str, schema: str) -> None:
    newest = f"SELECT max(updated_at) FROM {schema}.watermarks WHERE shard = '{shard.name}'"
    watermark = "" if source.reread else psql(warehouse, "-Atc", newest)
    psql(warehouse, "-c", STAGE.replace("bench_hand", schema).format(shard=shard.name))
    client = subprocess.Popen(
        [
            "mariadb", "--no-defaults", "--protocol=tcp", f"--host={shard.host}",
            f"--port={shard.port}", f"--user={shard.user}", "--default-character-set=utf8mb4",
            "--quick", "--batch", "--skip-column-names", shard.name,
            "-e", READ.format(table=source.table, watermark=watermark or "1970-01-01"),
        ],
        env=os.environ | {"MYSQL_PWD": shard.password},
        stdout=subprocess.PIPE,
    )  # fmt: skip
    # The client prints NULL for NULL, and escapes as COPY's text format does.
    copy = f"COPY {schema}.stage_{shard.name} FROM STDIN (NULL 'NULL')"
    psql(warehouse, "-c", copy, stdin=client.stdout)
    if client.wait():
        raise SystemExit(f"by hand: the mariadb client failed on {shard.name}")
    psql(warehouse, "-c", MERGE.replace("bench_hand", schema).format(shard=shard.name, parsed=parsed))


def psql(
    warehouse: Warehouse, *arguments: str, stdin: int | IO[bytes] | None = subprocess.DEVNULL
) -> str:
    """Run psql, stop at the first error, and return what it printed."""
    environment = os.environ | {
        "PGHOST": warehouse.host,
        "PGPORT": str(warehouse.port),
        "PGUSER": warehouse.user,
        "PGPASSWORD": warehouse.password,
        "PGDATABASE": warehouse.database,
        "PGCLIENTENCODING": "UTF8",
        "PGOPTIONS": "-c client_min_messages=warning",
    }
    command = ["psql", "-X", "-q", "-v", "ON_ERROR_STOP=1", *arguments]
    done = subprocess.run(
        command, env=environment, stdin=stdin, stdout=subprocess.PIPE, text=True, check=True
    )
    return done.stdout.strip()
