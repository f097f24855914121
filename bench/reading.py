"""Reading CSV files alone, as the process that is timed: `python -m bench.reading shardlake|duckdb FOLDER THREADS`.

All of both come to Arrow tables of text, which are counted and dropped. Shardlake reads a file with one thread, and so many files at
once; it finds the records a second time by other means than its parser's, and the line of each.
"""

from __future__ import annotations

import json
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

FIELDS = ("id", "status", "amount", "created_at", "updated_at", "payload")


def shardlake(files: list[Path], threads: int) -> int:
    """The rows of the files, read by Shardlake."""
    from shardlake.source.files.csv.dialect import Dialect
    from shardlake.source.files.csv.layout import Layout
    from shardlake.source.files.csv.read import read_csv

    def rows(file: Path) -> int:
        with file.open("rb") as stream:
            return sum(block.table.num_rows for block in read_csv(stream, Dialect(null=("NULL",)), lambda _: Layout(FIELDS)))

    with ThreadPoolExecutor(threads) as pool:
        return sum(pool.map(rows, files))


def duckdb(files: list[Path], threads: int) -> int:
    """The same by DuckDB's read_csv."""
    import duckdb

    with duckdb.connect(config={"threads": threads, "preserve_insertion_order": False}) as connection:
        found = connection.read_csv(
            [str(file) for file in files],
            all_varchar=True,
            header=False,
            na_values="NULL",
            sep=",",
            quotechar='"',
            escapechar='"',
            names=FIELDS,
        )
        return sum(batch.num_rows for batch in found.to_arrow_reader(100_000))


def main() -> None:
    """Read, and print what it came to as JSON."""
    reader, folder, threads = sys.argv[1:]
    files = sorted(Path(folder).glob("*/orders/*.csv"))
    read = {"shardlake": shardlake, "duckdb": duckdb}[reader]
    began = time.perf_counter()
    rows = read(files, int(threads))
    print(json.dumps({"rows": rows, "seconds": time.perf_counter() - began}))


if __name__ == "__main__":
    main()
