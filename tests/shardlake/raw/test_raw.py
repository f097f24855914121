"""Raw files on a folder and on S3. The S3 server is moto's, an emulator."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pyarrow as pa
import pytest

from shardlake.connection.lake import Lake
from shardlake.errors import LakeUnavailable
from shardlake.raw import files as raw
from shardlake.raw.store import open_store, parquet_schema, put, remove

TABLE = pa.table({"id": [1, 2], "payload": ['{"a": "🚚"}', None]})
KINDS = {"id": "int", "payload": "json"}


def s3_lake(address: str, bucket: str = "lake-bucket") -> Lake:
    return Lake.model_validate(
        {
            "url": f"s3://{bucket}/some/prefix",
            "endpoint": address,
            "region": "eu-west-1",
            "access_key_id": "k",
            "secret_access_key": "canary-7c1",
        }
    )


@pytest.fixture(params=["folder", "s3"])
def lake(request: pytest.FixtureRequest, tmp_path: Path) -> Lake:
    return Lake(url=str(tmp_path / "lake")) if request.param == "folder" else s3_lake(request.getfixturevalue("s3_emulator"))


def test_a_chunk_comes_back_as_it_was_written_with_what_its_columns_hold(lake: Lake) -> None:
    store = open_store(lake)
    folder = raw.folder_of("orders", "shop_00", date(2026, 11, 20))
    file = raw.write_chunk(store, folder, 42, 0, TABLE, KINDS)
    assert (file.key, file.rows) == ("raw/orders/load_date=2026-11-20/shard=shop_00/w000000042-00000.parquet", 2)
    found = raw.read_chunk(store, file)
    assert found.to_pylist() == [{"id": 1, "payload": '{"a": "🚚"}'}, {"id": 2, "payload": None}]
    assert raw.kinds_of(found) == KINDS


def test_a_window_that_is_written_again_leaves_one_file(lake: Lake) -> None:
    store = open_store(lake)
    folder = raw.folder_of("orders", "shop_01", date(2026, 11, 20))
    raw.write_chunk(store, folder, 7, 0, TABLE, KINDS)
    again = raw.write_chunk(store, folder, 7, 0, TABLE.slice(0, 1), KINDS)
    assert raw.read_chunk(store, again).num_rows == 1


def test_a_file_that_is_gone_or_was_changed_is_refused_by_name(lake: Lake) -> None:
    store = open_store(lake)
    file = raw.write_chunk(store, raw.folder_of("orders", "shop_02", date(2026, 11, 20)), 8, 0, TABLE, KINDS)
    with pytest.raises(LakeUnavailable, match=r"w000000008-00000\.parquet holds 2 rows, the ledger says 3"):
        raw.read_chunk(store, raw.RawFile(file.key, 3, file.bytes))
    remove(store, [file.key, file.key])
    with pytest.raises(LakeUnavailable, match=r"w000000008-00000\.parquet cannot be read"):
        raw.read_chunk(store, file)


def test_a_bucket_that_is_not_there_is_named_and_no_secret_shows(s3_emulator: str) -> None:
    store = open_store(s3_lake(s3_emulator, "no-such-bucket"))
    with pytest.raises(LakeUnavailable) as refused:
        raw.write_chunk(store, "raw/x", 1, 0, TABLE, KINDS)
    assert "canary-7c1" not in str(refused.value)


@pytest.mark.parametrize("url", ["s3://UPPER/x", "s3://bucket/../other", "../lake/../..", "gs://bucket/x", "a\0b"])
def test_urls_that_lead_elsewhere_are_refused(url: str) -> None:
    with pytest.raises(ValueError, match="must be a folder or s3://"):
        Lake(url=url)


def test_a_schema_is_read_of_the_footer_however_long_and_what_is_no_parquet_is_named(lake: Lake) -> None:
    store = open_store(lake)
    wide = raw.write_chunk(store, "raw/wide", 1, 0, pa.table({f"c{n}": [n] for n in range(2000)}), {})
    assert len(parquet_schema(store, wide.key)) == 2000
    for content in (b"half of it", b"\xff" * 200_000):
        put(store, "raw/wide/junk.parquet", content)
        with pytest.raises(LakeUnavailable, match=r"raw/wide/junk\.parquet cannot be read \(ArrowInvalid\)"):
            parquet_schema(store, "raw/wide/junk.parquet")
