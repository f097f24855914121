"""What a look at some files says of the columns of all of them."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from shardlake.source.files.sample import sample_of, samples
from shardlake.source.files.store import Folder, Listed
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


def test_the_newest_of_very_many_files_are_looked_into_where_columns_are_inferred(tmp_path: Path) -> None:
    store = ManyFiles(land(tmp_path, {"00000.csv": b"id,a\n1,2\n", "99999.csv": b"id,b\n1,2\n"}).root)
    found = sample_of("files/landing", store, source("csv", "*.csv"))
    assert [column.name for column in found.columns] == ["id", "a", "b"]


@pytest.mark.parametrize("form", ["csv", "jsonl"])
def test_the_key_of_a_text_source_is_text_where_it_is_inferred_and_drafted_by_its_values(tmp_path: Path, form: str) -> None:
    lines = {"csv": b"id,Own Id,n\n1,1,1\n42,42,42\n", "jsonl": b'{"id": 1, "n": 1}\n{"id": 42, "n": 42}\n'}
    store = land(tmp_path, {f"day=1/1.{form}": lines[form]})
    inferred = sample_of("files/landing", store, source(form, f"*/*.{form}"), ("own_id",))
    (drafted,) = samples("files/landing", store, f"*/*.{form}")
    expected = {
        "csv": {"day": "text", "id": "text", "Own Id": "text", "n": "bigint"},
        "jsonl": {"id": "text", "document": "jsonb"},
    }[form]
    assert {column.name: column.target for column in inferred.columns} == expected
    assert {column.name: column.target for column in drafted.columns}["id"] == "bigint"


def test_a_key_that_parquet_files_hold_as_a_number_is_one(tmp_path: Path) -> None:
    store = land(tmp_path, {"1.parquet": written(id=pa.array([1, 2]), code=pa.array(["1", "2"]))})
    found = sample_of("files/landing", store, source("parquet", "*.parquet"), ("code",))
    assert {column.name: column.target for column in found.columns} == {"id": "bigint", "code": "text"}


class ManyFiles(Folder):
    """A folder of two files between which a listing shows the first very often."""

    def listing(self, prefix: str, after: str = "") -> Iterator[list[Listed]]:
        """See Store."""
        ((one, other),) = super().listing(prefix, after)
        for _ in range(8):
            yield [one] * 1_000
        yield [other]
