"""Files and row groups: as large as a reader wants them, from tables as small as memory wants them."""

from __future__ import annotations

import io
import random

import pyarrow as pa
import pyarrow.parquet as pq

from shardlake.sink.lake.files import GROUP, GROUP_BYTES, in_files

RANDOM = random.Random(4)


def tables(rows: int, each: int, width: int) -> list[pa.Table]:
    texts = pa.array([RANDOM.randbytes(width // 2).hex() for _ in range(rows)])
    table = pa.table({"id": pa.array(range(rows)), "text": texts})
    return [table.slice(start, each) for start in range(0, rows, each)]


def groups(data: bytes) -> list[int]:
    found = pq.ParquetFile(io.BytesIO(data)).metadata
    return [found.row_group(n).num_rows for n in range(found.num_row_groups)]


def test_small_tables_fill_a_row_group_together() -> None:
    (file,) = in_files(tables(300_000, 25_000, 4), 128 << 20, "orders/c1", ["Rome"])
    assert groups(file.data) == [125_000, 125_000, 50_000]
    assert min(groups(file.data)[:2]) >= GROUP
    assert (file.file.key, file.file.partition, file.file.rows, file.file.bytes) == (
        "orders/c1-000.parquet",
        ["Rome"],
        300_000,
        len(file.data),
    )
    assert pq.read_table(io.BytesIO(file.data)).column("id").to_pylist() == list(range(300_000))


def test_a_large_table_is_cut_into_even_row_groups() -> None:
    (file,) = in_files(tables(400_000, 400_000, 4), 128 << 20, "c1", [])
    assert groups(file.data) == [133_334, 133_334, 133_332]


def test_wide_rows_fill_a_row_group_by_their_bytes_and_files_end_at_their_size() -> None:
    pieces = tables(20_000, 1_000, 8_000)
    files = list(in_files(pieces, 40 << 20, "c1", []))
    assert sum(f.file.rows for f in files) == 20_000
    assert all(f.file.bytes >= 40 << 20 for f in files[:-1])
    each = {rows for f in files[:-1] for rows in groups(f.data)}
    assert each == {1_000 * -(-GROUP_BYTES // pieces[0].nbytes)}
    ids = [i for f in files for i in pq.read_table(io.BytesIO(f.data)).column("id").to_pylist()]
    assert ids == list(range(20_000))


def test_nothing_makes_no_file() -> None:
    assert list(in_files([], 1, "c1", [])) == []
