"""`shardlake run` that is stopped while files, DynamoDB or MongoDB hang in mid-read: gone in time, its claims free, and the next run brings each row once."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any, TypeVar

import pytest

from embedded.dynamodb_proxy import Answer, proxied
from embedded.postgres import Postgres
from embedded.seaweedfs import SeaweedFS
from embedded.secantusdb import SecantusDB
from tests.audit import audit, unfinished
from tests.collections_world import Collections, people
from tests.dynamodb_world import BIG, ROW, TablesMaker, fin, view
from tests.landing import Landing, view_of
from tests.s3_proxy import s3_proxy
from tests.stopping import Task, can_have_namespaces, claims, in_time, until
from tests.world import World

W = TypeVar("W", bound=World)
pytestmark = [pytest.mark.skipif(not can_have_namespaces, reason="a PID namespace is root's to make"), pytest.mark.timeout(600)]
SCANS = "SELECT partition, position ->> 'scan' FROM shardlake.positions"


@pytest.fixture
def kept() -> Iterator[Callable[[W], W]]:
    """`kept(world)` is the world, whose books are audited when the test ends."""
    made: list[World] = []

    def keep(world: W) -> W:
        made.append(world)
        return world

    yield keep
    for world in made:
        world.close()
        audit(world)


def running(w: World, **extra: str) -> Task:
    """`shardlake run` of the world's view, in a PID namespace."""
    w.write_files()
    program = str(Path(sys.executable).parent / "shardlake")
    return Task([program, "run", w.view["name"]], w.environment(**extra), w.folder)


def is_stopped(w: World, task: Task) -> None:
    """It ends in time when it is told to, and leaves no claim."""
    assert claims(w)
    assert task.stop() < in_time()
    assert task.code == 143, task.output
    until(lambda: claims(w) == [], 10)  # Postgres has to notice that its client is gone


def test_while_dynamodb_does_not_answer(tables: TablesMaker) -> None:
    w = tables(view(source={"window": 1, "segments": 1}), connection_changes={"answer_timeout": "10m"})
    w.create()
    w.put(*(fin(f"p{n}", 1, **BIG) for n in range(9)))
    hangs, over = threading.Event(), threading.Event()

    def faults(operation: str, body: dict[str, Any]) -> Answer:
        if "ExclusiveStartKey" in body:
            hangs.set()
            over.wait(300)
        return None

    with proxied(w.server, faults) as proxy:
        w.endpoint = proxy.url
        with running(w) as task:
            assert hangs.wait(120), task.output
            is_stopped(w, task)
        over.set()
    w.endpoint = ""
    begun = set(w.ledger(SCANS))
    w.must_sync()
    assert begun
    assert begun <= set(w.ledger(SCANS))  # it went on from there
    assert w.rows() == [(f"p{n}", "FIN#1", *ROW) for n in range(9)]
    assert unfinished(w) == []


def test_while_a_bucket_does_not_answer(postgres: Postgres, seaweedfs: SeaweedFS, tmp_path: Path, kept: Callable[[W], W]) -> None:
    bucket, client = seaweedfs.create_bucket("stopped"), seaweedfs.client()
    for n in range(6):
        client.put_object(Bucket="stopped", Key=f"dms/s{n % 2}/orders/LOAD{n:08X}.csv", Body=f"{n},new,{n}.50\n".encode())
    keys = {"access_key_id": seaweedfs.access_key_id, "secret_access_key": seaweedfs.secret_access_key, "region": "us-east-1"}
    w = kept(Landing(postgres, postgres, tmp_path, [], view=view_of(), bucket={"url": bucket, "endpoint": seaweedfs.endpoint, **keys}))
    with s3_proxy(seaweedfs.endpoint) as (address, faults):
        direct, w.bucket = w.bucket, {**w.bucket, "endpoint": address, "timeout": "10m"}
        faults.held = "LOAD00000002.csv"
        with running(w) as task:
            assert faults.holds.wait(120), task.output
            is_stopped(w, task)
        faults.go_on.set()
    w.bucket = direct
    w.must_sync()
    assert w.target("id, status, amount::text") == [(n, "new", f"{n}.50") for n in range(6)]
    assert unfinished(w) == []


def test_while_mongodb_does_not_answer(postgres: Postgres, secantusdb: SecantusDB, tmp_path: Path, kept: Callable[[W], W]) -> None:
    if not secantusdb.owned:
        pytest.skip("a server that a URL led to cannot be paused")
    narrow = people(source={"chunk": 2000}, columns={"_id": "text", "name": "text"})
    w = kept(Collections.on(secantusdb, postgres, tmp_path, view=narrow, connection_changes={"ranges": 2, "statement_timeout": "10m"}))
    w.people().insert_many([{"_id": n, "name": f"n{n}", "updatedAt": datetime(2026, 1, 2)} for n in range(900)])
    with running(w, SHARDLAKE_FAILPOINT="extract.chunk=hold@3") as task:
        until(lambda: "at the failpoint extract.chunk" in task.output)
        secantusdb.pause()
        try:
            is_stopped(w, task)
        finally:
            secantusdb.resume()
    w.must_sync()
    assert w.target("_id, name", "_id::int") == [(str(n), f"n{n}") for n in range(900)]
    assert unfinished(w) == []
