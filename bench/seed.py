"""The rows: ten shards of one MariaDB, filled once, changed and put back at will.

The rows are a function of the seed, so a data folder that was filled before is used again. What
the shards hold now is summed up by `digests`, by MariaDB itself: the targets must show the same.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import duckdb
import pymysql

from bench.endpoints import Shard, Source

T = TypeVar("T")

SEED = 42
SHARDS = 10
FIRST_NAMES = (
    "Ada",
    "Grace",
    "Edsger",
    "Barbara",
    "Zoë",
    "Seán",
    "Margaret",
    "Donald",
    "Radia",
    "Tim",
)
LAST_NAMES = (
    "Lovelace",
    "Hopper",
    "Dijkstra",
    "Liskov",
    "Müller",
    "O'Brien",
    "Hamilton",
    "Knuth",
    "Perlman",
    "Lee",
)

TABLE = """
CREATE TABLE orders (
    id bigint NOT NULL PRIMARY KEY,
    status varchar(20) NOT NULL,
    amount decimal(12,2) NOT NULL,
    created_at datetime NOT NULL,
    updated_at datetime(6) NOT NULL,
    payload json NOT NULL,
    KEY (updated_at)
) ENGINE=InnoDB CHARACTER SET utf8mb4 COLLATE utf8mb4_bin
"""
LOAD = """
LOAD DATA LOCAL INFILE '{file}' INTO TABLE orders CHARACTER SET utf8mb4
FIELDS TERMINATED BY ',' OPTIONALLY ENCLOSED BY '"' ESCAPED BY '' LINES TERMINATED BY '\\n'
"""
# Spread over the second before, as a busy second's writes would be.
CHANGE = """
UPDATE orders
SET updated_at = NOW(6) - INTERVAL id % 1000000 MICROSECOND,
    status = 'changed',
    payload = REPLACE(payload, '"city":"', '"city":"{generation} ')
WHERE id DIV {shards} % {every} = {generation} % {every}
"""
CHANGED_SINCE = "2026-01-01"  # seeded rows are older, changed ones are of today
VIEW_COLUMNS = ("id", "status", "amount", "created_at", "updated_at")
VIEW_PATHS = (
    "customer.name", "customer.email", "customer.address.city", "customer.address.zip",
    "campaign.source", "campaign.medium", "items", "note",
)  # fmt: skip
PLAIN = "id, status, amount, DATE_FORMAT(updated_at, '%Y-%m-%d %H:%i:%s.%f')"
FLAT = ", ".join(
    f"COALESCE(JSON_VALUE(payload, '$.{path}'), '-')"
    for path in (
        "customer.name",
        "customer.address.city",
        "customer.address.zip",
        "campaign.source",
        "note",
    )
)


@dataclass(frozen=True)
class Digest:
    """How many rows, and the sum of a hash of each."""

    rows: int
    total: int


@dataclass(frozen=True)
class Digests:
    """The same rows summed up by their plain columns, and with some fields of the JSON too."""

    plain: Digest
    flat: Digest


def shard_names() -> list[str]:
    return [f"shop_{number:02}" for number in range(SHARDS)]


@contextmanager
def connection(shard: Shard, database: bool = True) -> Iterator[pymysql.cursors.Cursor]:
    """A cursor on the shard that commits by itself and leaves no trace in the binlog."""
    link = pymysql.connect(
        host=shard.host,
        port=shard.port,
        user=shard.user,
        password=shard.password,
        database=shard.name if database else None,
        local_infile=True,
        autocommit=True,
        charset="utf8mb4",
    )
    try:
        cursor = link.cursor()
        cursor.execute("SET time_zone = '+00:00', sql_log_bin = 0")
        yield cursor
    finally:
        link.close()


def seed(source: Source, rows: int, folder: Path) -> None:
    """Fill the shards with `rows` rows in all, or see that they hold them already."""
    folder.mkdir(parents=True, exist_ok=True)
    each(source, lambda shard: _fill(shard, rows, folder))


def change(source: Source, fraction: float, generation: int) -> int:
    """Update that fraction of every shard's rows, others with each generation; how many it was."""
    statement = CHANGE.format(every=round(1 / fraction), generation=generation, shards=SHARDS)

    def update(shard: Shard) -> int:
        with connection(shard) as cursor:
            return cursor.execute(statement)

    return sum(each(source, update))


def reset(source: Source, rows: int, folder: Path) -> None:
    """Put the seeded rows back on every shard where some have changed."""

    def put_back(shard: Shard) -> None:
        with connection(shard) as cursor:
            cursor.execute("SELECT MAX(updated_at) >= %s FROM orders", (CHANGED_SINCE,))
            if cursor.fetchone() == (1,):
                cursor.execute("TRUNCATE orders")
        _fill(shard, rows, folder)

    each(source, put_back)


def digests(source: Source, up_to_id: int | None = None) -> Digests:
    """What the shards hold now (or those of their rows up to an id), as MariaDB reads it."""
    where = "" if up_to_id is None else f"WHERE id <= {up_to_id}"
    hashed = "SUM(CAST(CONV(LEFT(MD5(CONCAT_WS('|', {columns})), 8), 16, 10) AS UNSIGNED))"
    query = f"SELECT COUNT(*), {hashed.format(columns=PLAIN)}, {hashed.format(columns=PLAIN + ', ' + FLAT)} FROM orders {where}"

    def read(shard: Shard) -> tuple[int, int, int]:
        with connection(shard) as cursor:
            cursor.execute(query)
            rows, plain, flat = cursor.fetchone() or (0, 0, 0)
            return rows, plain or 0, flat or 0

    parts = each(source, read)
    rows, plain, flat = (sum(part[position] for part in parts) for position in range(3))
    return Digests(Digest(rows, plain), Digest(rows, flat))


def flat_rows(rows: int, folder: Path) -> Path:
    """The seeded rows as the view shapes them: a folder of CSV files, one a shard, written once."""
    flat = folder / "flat"
    flat.mkdir(parents=True, exist_ok=True)
    for name in shard_names():
        target = flat / f"{name}.csv"
        if target.exists():
            continue
        fields = ", ".join(f"json_extract_string(payload, '$.{path}')" for path in VIEW_PATHS)
        types = dict.fromkeys((*VIEW_COLUMNS, "payload"), "VARCHAR")
        partial = target.with_suffix(".partial")
        duckdb.sql(f"""
            COPY (
                SELECT {", ".join(VIEW_COLUMNS)}, {fields}
                FROM read_csv('{_csv(name, rows, folder)}', columns = {types}, header = false,
                              quote = '"', escape = '"')
            ) TO '{partial}' (FORMAT csv, HEADER false)
        """)
        partial.rename(target)
    return flat


def _fill(shard: Shard, rows: int, folder: Path) -> None:
    expected = _share(shard.name, rows)
    with connection(shard, database=False) as cursor:
        cursor.execute(f"CREATE DATABASE IF NOT EXISTS {shard.name} CHARACTER SET utf8mb4")
        cursor.execute(f"USE {shard.name}")
        cursor.execute("SHOW TABLES LIKE 'orders'")
        if not cursor.fetchone():
            cursor.execute(TABLE)
        cursor.execute("SELECT COUNT(*) FROM orders")
        if cursor.fetchone() == (expected,):
            return
        cursor.execute("TRUNCATE orders")
        # Both checks off: InnoDB then builds an empty table's indexes in bulk.
        cursor.execute("SET unique_checks = 0, foreign_key_checks = 0")
        cursor.execute(LOAD.format(file=_csv(shard.name, rows, folder)))
        cursor.execute("ANALYZE TABLE orders")


def _csv(shard: str, rows: int, folder: Path) -> Path:
    target = folder / f"{shard}.csv"
    if target.exists():
        return target
    query = Path(__file__).with_name("seed.sql").read_text(encoding="utf-8")
    query = query.format(rows=_share(shard, rows), first=shard_names().index(shard) + 1, step=SHARDS)
    partial = target.with_suffix(".partial")
    with duckdb.connect() as generator:
        generator.execute("SET threads = 1")
        # md5 and not hash(): DuckDB's own hash may be another one in its next version
        generator.execute(f"CREATE MACRO roll(i, salt, n) AS (md5_number_lower(concat_ws('/', {SEED}, salt, i)) % n)::BIGINT")
        for name, salt, values in (("first_name", 5, FIRST_NAMES), ("last_name", 6, LAST_NAMES)):
            listed = ", ".join("'" + value.replace("'", "''") + "'" for value in values)
            generator.execute(f"CREATE MACRO {name}(i) AS ([{listed}])[1 + roll(i, {salt}, {len(values)})]")
        generator.execute(f"COPY ({query}) TO '{partial}' (FORMAT csv, HEADER false, FORCE_QUOTE (payload))")
    partial.rename(target)
    return target


def _share(shard: str, rows: int) -> int:
    """How many of the rows stand on this shard."""
    return len(range(shard_names().index(shard), rows, SHARDS))


def each(source: Source, work: Callable[[Shard], T]) -> list[T]:
    """Do something with each shard, two at a time."""
    with ThreadPoolExecutor(2) as pool:
        return list(pool.map(work, source.shards))
