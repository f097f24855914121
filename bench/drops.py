"""The shards' rows as AWS DMS drops them in a bucket: a folder a shard, `orders/LOAD00000001.csv` in it.

As DMS's defaults have it: no header, quotes by RFC 4180 and only where they are needed, NULL as NULL, one file a table (it begins
a second one at 1 GB).
"""

from __future__ import annotations

import csv
from pathlib import Path

import pymysql.cursors
from pymysql.converters import encoders

from bench.endpoints import Shard, Source
from bench.seed import each

_AT_ONCE = 10_000


def drop(source: Source) -> Path:
    """Write the files from what the shards hold, where they are not there yet; the folder of all of them."""
    each(source, lambda shard: _export(shard, source))
    return Path(source.drops)


def _export(shard: Shard, source: Source) -> None:
    target = Path(source.drops) / shard.name / source.table / "LOAD00000001.csv"
    if target.exists():
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = target.with_suffix(".partial")
    # without decoders each value is the text that the server has sent
    link = pymysql.connect(
        host=shard.host, port=shard.port, user=shard.user, password=shard.password, database=shard.name, charset="utf8mb4",
        conv=encoders, cursorclass=pymysql.cursors.SSCursor,
    )  # fmt: skip
    with link, link.cursor() as cursor, partial.open("w", encoding="utf-8", newline="") as file:
        cursor.execute(f"SELECT * FROM {source.table} ORDER BY id")
        writer = csv.writer(file, lineterminator="\n")
        while rows := cursor.fetchmany(_AT_ONCE):
            writer.writerows([["NULL" if value is None else value for value in row] for row in rows])
    partial.rename(target)
