"""The script that a team has before it has a tool: pandas reads, json takes apart, psycopg2 loads, a staging table is merged.

Everything is read as text and cast by Postgres: pandas's own guesses turn ids with a NULL among them into floats. COPY is the
fastest way that psycopg2 has. There are no rejects and no ledger: a row that does not cast stops its file, and each run reads
all files again.
"""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any

from bench.endpoints import Source, Warehouse

CHUNK = 50_000
FIELDS = ["id", "status", "amount", "created_at", "updated_at", "payload"]
TARGET = """
CREATE TABLE IF NOT EXISTS bench_pandas.orders (
    id bigint PRIMARY KEY, status text, amount numeric(12,2), created_at timestamp,
    updated_at timestamp, customer_name text, customer_email text, city text, zip text,
    campaign_source text, campaign_medium text, items jsonb, note text
)
"""
STAGE = "CREATE TEMP TABLE stage (LIKE bench_pandas.orders) ON COMMIT DROP"
MERGE = """
INSERT INTO bench_pandas.orders AS old SELECT * FROM stage
ON CONFLICT (id) DO UPDATE SET
    status = excluded.status, amount = excluded.amount, created_at = excluded.created_at,
    updated_at = excluded.updated_at, customer_name = excluded.customer_name,
    customer_email = excluded.customer_email, city = excluded.city, zip = excluded.zip,
    campaign_source = excluded.campaign_source, campaign_medium = excluded.campaign_medium,
    items = excluded.items, note = excluded.note
WHERE excluded.updated_at > old.updated_at
"""


def run(source: Source, warehouse: Warehouse, rows: int) -> None:
    make_target(warehouse)
    for file in files(source):
        load(file, warehouse)


def files(source: Source) -> list[Path]:
    return sorted(Path(source.drops).glob(f"*/{source.table}/*.csv"))


def make_target(warehouse: Warehouse) -> None:
    import psycopg2  # type: ignore[import-untyped]  # it is in its own environment

    with psycopg2.connect(warehouse.url()) as connection, connection.cursor() as cursor:
        cursor.execute(TARGET)


def load(file: Path, warehouse: Warehouse) -> None:
    """One file, in one transaction."""
    import pandas as pd  # type: ignore[import-untyped]  # as above
    import psycopg2

    with psycopg2.connect(warehouse.url()) as connection, connection.cursor() as cursor:
        cursor.execute(STAGE)
        chunks = pd.read_csv(file, header=None, names=FIELDS, dtype=str, keep_default_na=False, na_values=["NULL"], chunksize=CHUNK)
        for chunk in chunks:
            cursor.copy_expert("COPY stage FROM STDIN (FORMAT csv, NULL '\\N')", _as_csv(chunk))
        cursor.execute(MERGE)


def _as_csv(chunk: Any) -> io.StringIO:
    """The chunk's rows with the document's columns, as COPY takes them."""
    buffer = io.StringIO()
    writer = csv.writer(buffer)
    for *plain, payload in chunk.itertuples(index=False, name=None):
        document = json.loads(payload)
        customer, campaign = document["customer"], document["campaign"]
        address = customer["address"]
        fields = [
            customer["name"], customer["email"], address["city"], address["zip"], campaign["source"], campaign["medium"],
            json.dumps(document["items"], ensure_ascii=False), document["note"],
        ]  # fmt: skip
        writer.writerow([*plain, *("\\N" if field is None else field for field in fields)])
    buffer.seek(0)
    return buffer
