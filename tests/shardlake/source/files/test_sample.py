"""What a look at some files says of the columns of all of them."""

from __future__ import annotations

import io
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from shardlake.source.files.sample import sample_of, samples
from shardlake.source.files.store import Folder
from shardlake.view.files import Files


def written(**columns: pa.Array) -> bytes:
    """A Parquet file with these columns."""
    out = io.BytesIO()
    pq.write_table(pa.table(columns), out)
    return out.getvalue()


def source(form: str, pattern: str) -> Files:
    """What a view says of such files."""
    return Files.model_validate({"connection": "files/landing", "files": pattern, "format": form, "primary_key": ["id"]})


def land(folder: Path, files: dict[str, bytes]) -> Folder:
    """Files in a folder."""
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return Folder(folder)


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_of_parquet_files_of_different_kinds_a_column_has_room_for_all(tmp_path: Path, order: tuple[int, int]) -> None:
    whole, other = pa.array([1, 2]), pa.array([1.5, None])
    files = [
        written(id=whole, a=whole, b=whole, c=pa.array([None, None]), d=other, e=whole),
        written(id=whole, a=other, b=pa.array(["1", "2"]), c=whole, d=other, e=pa.array([True, None])),
    ]
    store = land(tmp_path, {f"{n}.parquet": files[i] for n, i in enumerate(order)})
    expected = {"id": "bigint", "a": "numeric", "b": "text", "c": "bigint", "d": "double precision", "e": "text"}
    inferred = sample_of("files/landing", store, source("parquet", "*.parquet"))
    (drafted,) = samples("files/landing", store, "*.parquet")
    for found in (inferred, drafted):
        assert {column.name: column.target for column in found.columns} == expected
