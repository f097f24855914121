"""Raw files on a folder and on S3. The S3 server is moto's, an emulator."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from shardlake.connection.lake import Lake
from shardlake.errors import LakeUnavailable
from shardlake.ledger.extent import RawFile
from shardlake.raw import files as raw
from shardlake.raw.store import open_store, parquet_schema, put, remove

TABLE = pa.table({"id": [1, 2], "payload": ['{"a": "🚚"}', None]})
KINDS = {"id": "int", "payload": "json"}
ENVELOPE = raw.Envelope(("id",), "updated_at", "datetime", "deleted_at")


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


def write(
    lake: Lake, shard: str, window: int, table: pa.Table, kinds: dict[str, str], envelope: raw.Envelope = ENVELOPE, attempt: int = 1
) -> RawFile:
    """One chunk of a window of orders."""
    folder = raw.folder_of("orders", shard, date(2026, 11, 20))
    writer = raw.RawTarget(lake, folder, window, attempt).writer(kinds, envelope)
    writer.write(table)
    (file,) = writer.files
    return file


def test_a_chunk_comes_back_as_it_was_written_with_what_its_columns_hold(lake: Lake) -> None:
    file = write(lake, "shop_00", 42, TABLE, KINDS)
    assert (file.key, file.rows) == ("raw/orders/load_date=2026-11-20/shard=shop_00/w000000042-a001-00000.parquet", 2)
    found = raw.read_chunk(open_store(lake), file)
    assert found.table.to_pylist() == [{"id": 1, "payload": '{"a": "🚚"}'}, {"id": 2, "payload": None}]
    assert found.kinds == KINDS
    assert found.envelope == ENVELOPE


def test_chunks_of_one_attempt_are_numbered_and_counted(lake: Lake) -> None:
    writer = raw.RawTarget(lake, "raw/orders/load_date=2026-11-20/shard=shop_03", 9, 12).writer(KINDS, raw.Envelope(("id",)))
    writer.write(TABLE)
    writer.write(TABLE.slice(1, 1))
    assert [(Path(f.key).name, f.rows) for f in writer.files] == [
        ("w000000009-a012-00000.parquet", 2),
        ("w000000009-a012-00001.parquet", 1),
    ]
    found = [raw.read_chunk(open_store(lake), f) for f in writer.files]
    assert [f.table.num_rows for f in found] == [2, 1]
    assert {f.envelope for f in found} == {raw.Envelope(("id",), None, None, None)}


def test_a_file_that_is_older_than_envelopes_are_has_none(lake: Lake) -> None:
    sink = pa.BufferOutputStream()
    table = TABLE.replace_schema_metadata({raw.KINDS: json.dumps(KINDS)})
    pq.write_table(table, sink)
    put(open_store(lake), "raw/old/w000000001-00000.parquet", sink.getvalue())
    found = raw.read_chunk(open_store(lake), RawFile("raw/old/w000000001-00000.parquet", 2, 0))
    assert (found.table.num_rows, found.kinds, found.envelope) == (2, KINDS, None)


def test_an_attempt_that_is_written_again_leaves_one_file_and_another_attempt_a_file_of_its_own(lake: Lake) -> None:
    store = open_store(lake)
    first = write(lake, "shop_01", 7, TABLE, KINDS)
    again = write(lake, "shop_01", 7, TABLE.slice(0, 1), KINDS)
    assert again.key == first.key
    assert raw.read_chunk(store, again).table.num_rows == 1
    other = write(lake, "shop_01", 7, TABLE, KINDS, attempt=2)
    assert other.key == first.key.replace("-a001-", "-a002-")
    assert [raw.read_chunk(store, f).table.num_rows for f in (again, other)] == [1, 2]


def test_a_file_that_is_gone_or_was_changed_is_refused_by_name(lake: Lake) -> None:
    store = open_store(lake)
    file = write(lake, "shop_02", 8, TABLE, KINDS)
    with pytest.raises(LakeUnavailable, match=r"w000000008-a001-00000\.parquet holds 2 rows, the ledger says 3"):
        raw.read_chunk(store, RawFile(file.key, 3, file.bytes))
    remove(store, [file.key, file.key])
    with pytest.raises(LakeUnavailable, match=r"w000000008-a001-00000\.parquet cannot be read"):
        raw.read_chunk(store, file)


def test_a_bucket_that_is_not_there_is_named_and_no_secret_shows(s3_emulator: str) -> None:
    with pytest.raises(LakeUnavailable) as refused:
        write(s3_lake(s3_emulator, "no-such-bucket"), "shop_00", 1, TABLE, KINDS)
    assert "canary-7c1" not in str(refused.value)


@pytest.mark.parametrize("url", ["s3://UPPER/x", "s3://bucket/../other", "../lake/../..", "gs://bucket/x", "a\0b"])
def test_urls_that_lead_elsewhere_are_refused(url: str) -> None:
    with pytest.raises(ValueError, match="must be a folder or s3://"):
        Lake(url=url)


def test_a_schema_is_read_of_the_footer_however_long_and_what_is_no_parquet_is_named(lake: Lake) -> None:
    store = open_store(lake)
    wide = write(lake, "shop_04", 1, pa.table({f"c{n}": [n] for n in range(2000)}), {})
    assert len(parquet_schema(store, wide.key)) == 2000
    for content in (b"half of it", b"\xff" * 200_000):
        put(store, "raw/wide/junk.parquet", content)
        with pytest.raises(LakeUnavailable, match=r"raw/wide/junk\.parquet cannot be read \(ArrowInvalid\)"):
            parquet_schema(store, "raw/wide/junk.parquet")
