"""Schemas in the lake, in a folder and on a real S3 server: each version is written once, by one writer."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from threading import Barrier

import pytest
from obstore.store import ObjectStore

from embedded.seaweedfs import SeaweedFS
from shardlake.connection.lake import Lake
from shardlake.raw.store import get, open_store
from shardlake.schema.schema import Schema
from shardlake.schema.store import keep, newest

_numbers = count(1)


def schema(version: int, **columns: str) -> Schema:
    """A schema of the view `finances`."""
    made = {name: {"type": type_, "from": ["document", name]} for name, type_ in (columns or {"pk": "text"}).items()}
    return Schema.model_validate({"view": "finances", "version": version, "at": datetime(2026, 11, 28, tzinfo=UTC), "columns": made})


@pytest.fixture(params=["folder", "s3"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[ObjectStore]:
    if request.param == "folder":
        yield open_store(Lake(url=str(tmp_path)))
    else:
        server: SeaweedFS = request.getfixturevalue("seaweedfs")
        url = server.create_bucket(f"schemas-{next(_numbers)}")
        identity = {"access_key_id": server.access_key_id, "secret_access_key": server.secret_access_key, "region": "us-east-1"}
        yield open_store(Lake.model_validate({"url": f"{url}/some/prefix", "endpoint": server.endpoint, **identity}))


def test_the_newest_is_read_back_as_it_was_written(store: ObjectStore) -> None:
    assert newest(store, "finances") is None
    for version in (1, 2, 10):
        assert keep(store, schema(version, pk="text", a="numeric(12,2)"))
    assert newest(store, "finances") == schema(10, pk="text", a="numeric(12,2)")
    assert newest(store, "finance") is None


def test_of_two_that_write_one_version_at_once_one_has_it_and_the_other_is_told(store: ObjectStore) -> None:
    both, barrier = [schema(1, a="text"), schema(1, b="text")], Barrier(2)

    def write(one: Schema) -> bool:
        barrier.wait()
        return keep(store, one)

    with ThreadPoolExecutor(2) as pool:
        done = list(pool.map(write, both))
    assert sorted(done) == [False, True]
    assert get(store, "schemas/finances/000001.json") == both[done.index(True)].written()
    assert keep(store, both[done.index(True)])  # its reply was lost, and it writes once more
    assert not keep(store, both[done.index(False)])
