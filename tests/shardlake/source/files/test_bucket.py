"""Files in a bucket: SeaweedFS, a real S3 server, and what buckets do on bad days."""

from __future__ import annotations

import io
import itertools
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from embedded.seaweedfs import SeaweedFS
from shardlake.source.files import listing as module
from tests.landing import Landing, LandingMaker, view_of
from tests.s3_proxy import s3_proxy

_numbers = itertools.count(1)
LOAD = "dms/s1/orders/LOAD00000001.csv"


def bucket(landing: LandingMaker, server: SeaweedFS, source: dict[str, Any] | None = None, **connection: Any) -> Landing:
    """A world whose files lie in a bucket of its own, under a prefix."""
    name = f"drops-{next(_numbers)}"
    server.create_bucket(name)
    keys = {"access_key_id": server.access_key_id, "secret_access_key": server.secret_access_key}
    of = {"url": f"s3://{name}/some/prefix", "endpoint": server.endpoint, "region": "us-east-1", "timeout": "5s", **keys, **connection}
    return landing(view=view_of(source), bucket=of)


def put(w: Landing, server: SeaweedFS, key: str, content: str | bytes) -> None:
    name = w.bucket["url"].removeprefix("s3://").partition("/")[0]
    server.client().put_object(Bucket=name, Key=f"some/prefix/{key}", Body=content)


def remove(w: Landing, server: SeaweedFS, key: str) -> None:
    name = w.bucket["url"].removeprefix("s3://").partition("/")[0]
    server.client().delete_object(Bucket=name, Key=f"some/prefix/{key}")


def test_files_come_from_a_bucket_once_each_and_changed_ones_again(landing: LandingMaker, seaweedfs: SeaweedFS) -> None:
    w = bucket(landing, seaweedfs, {"on_removed": "delete", "settle": None})
    put(w, seaweedfs, LOAD, "1,new,1\n2,new,2\n")
    put(w, seaweedfs, "dms/s1/orders-old/LOAD00000001.csv", "9,other table,1\n")
    put(w, seaweedfs, "dms/s1/orders/a-b/20261128-101500123.csv", "U,1,paid,1\n")
    put(w, seaweedfs, "dms/s1/orders/a/20261128-101600123.csv", "I,3,new,1\n")
    put(w, seaweedfs, "dms/s2/orders/LOAD00000001.csv", "1,new,1\n")
    w.must_sync()
    assert w.target("_shard, id, status", "1, 2") == [("s1", 1, "paid"), ("s1", 2, "new"), ("s1", 3, "new"), ("s2", 1, "new")]
    assert [s.state for s in w.must_sync().shards.values()] == ["nothing", "nothing"]
    put(w, seaweedfs, "dms/s2/orders/LOAD00000001.csv", "2,anew,1\n")
    remove(w, seaweedfs, "dms/s1/orders/a/20261128-101600123.csv")
    w.must_sync()
    assert w.target("_shard, id, status", "1, 2") == [("s1", 1, "paid"), ("s1", 2, "new"), ("s2", 2, "anew")]


def test_a_listing_in_another_order_takes_no_file_for_gone(
    landing: LandingMaker, seaweedfs: SeaweedFS, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MOST_FILES", 2)
    w = bucket(landing, seaweedfs, {"on_removed": "delete"})
    names = ["a/20261128-100000000", "a-b/20261128-100000001", "a.b/20261128-100000002", "a0/20261128-100000003", "20261128-100000004"]
    for n, name in enumerate(names):
        put(w, seaweedfs, f"dms/s1/orders/{name}.csv", f"I,{n},new,1\n")
    for _ in range(3):
        w.must_sync()
        assert w.target("id") == [(n,) for n in range(len(names))]
    assert [there for *_, there in w.items()] == [True] * len(names)


def test_parquet_in_a_bucket_is_read_by_its_parts(landing: LandingMaker, seaweedfs: SeaweedFS) -> None:
    w = bucket(landing, seaweedfs, {"files": "in/*.parquet", "format": "parquet", "fields": None})
    sink = io.BytesIO()
    pq.write_table(pa.table({"id": list(range(5_000)), "status": ["x"] * 5_000, "amount": [1.25] * 5_000}), sink, row_group_size=1_000)
    put(w, seaweedfs, "in/1.parquet", sink.getvalue())
    w.must_sync()
    assert w.target("count(*), sum(id), sum(amount)::text") == [(5_000, 12_497_500, "6250.00")]


def test_an_object_that_is_replaced_before_it_is_read_waits_for_the_next_pass(
    landing: LandingMaker, seaweedfs: SeaweedFS, monkeypatch: pytest.MonkeyPatch
) -> None:
    w = bucket(landing, seaweedfs, {"files": "in/*.parquet", "format": "parquet", "fields": None})
    contents = []
    for status in ("first", "second"):
        sink = io.BytesIO()
        pq.write_table(pa.table({"id": [1], "status": [status], "amount": [1.0]}), sink)
        contents.append(sink.getvalue())
    put(w, seaweedfs, "in/1.parquet", contents[0])
    job = w.job()
    plan = job.source.plan(job.view, "files", None)
    put(w, seaweedfs, "in/1.parquet", b"PAR1 not yet whole, and longer than the one before it" * 40)
    monkeypatch.setattr(type(job.source), "plan", lambda *_: plan)  # as it was a moment ago
    assert w.must_sync().shards["files"].read == 0
    monkeypatch.undo()
    put(w, seaweedfs, "in/1.parquet", contents[1])
    w.must_sync()
    assert w.target("id, status") == [(1, "second")]


def test_wrong_keys_are_refused_by_name_and_never_shown(landing: LandingMaker, seaweedfs: SeaweedFS) -> None:
    w = bucket(landing, seaweedfs, secret_access_key="open-sesame-7431")
    put(w, seaweedfs, LOAD, "1,new,1\n")
    done = w.command("run", "orders")
    assert done.returncode != 0
    assert " cannot be read (GenericError). Check the keys, and the rights to list and to read." in done.stdout + done.stderr
    assert "open-sesame-7431" not in done.stdout + done.stderr


def test_a_server_that_slows_down_fails_or_loses_its_replies_is_asked_again(landing: LandingMaker, seaweedfs: SeaweedFS) -> None:
    with s3_proxy(seaweedfs.endpoint) as (address, faults):
        faults.everywhere = True
        w = bucket(landing, seaweedfs, endpoint=address)
        put(w, seaweedfs, LOAD, "1,new,1\n2,new,2\n")
        faults.script = {"GET": ["slow", "500", "reset", "slow", "lost"], "HEAD": ["slow"]}
        w.must_sync()
        assert (w.target("id"), faults.seen) == ([(1,), (2,)], ["slow", "500", "reset", "slow", "lost", "slow"])


def test_a_server_that_hangs_or_dies_fails_the_shard_in_time_and_the_next_run_goes_on(landing: LandingMaker, seaweedfs: SeaweedFS) -> None:
    w = bucket(landing, seaweedfs, timeout="1s")
    put(w, seaweedfs, LOAD, "1,new,1\n")
    job = w.job()
    seaweedfs.pause()
    try:
        with pytest.raises(Exception, match=r"cannot be read \(\w+\)\. Check the place and the way to it\."):
            job.source.plan(job.view, "s1", None)
    finally:
        seaweedfs.resume()
    w.must_sync()
    assert w.target("id") == [(1,)]
