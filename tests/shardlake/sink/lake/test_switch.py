"""Whatever dies where, Glue serves every row, and the next run makes all as it should be. Glue and S3 are moto's, emulators.

Rows are read here as Athena does it: the partitions and their places from Glue, and every file that lies there.
"""

from __future__ import annotations

import io
import signal
from collections import Counter
from contextlib import suppress
from datetime import timedelta
from functools import cache
from pathlib import Path
from typing import Any

import boto3
import pyarrow.parquet as pq
import pytest

from shardlake.ledger import lake as ledger
from shardlake.sink.lake import glue as glue_module
from shardlake.sink.lake.commit import alone, cleared
from shardlake.sink.lake.compact import compact
from shardlake.sink.lake.sweep import sweep
from tests.breaking import broken_at
from tests.shardlake.sink.lake.test_append import BY_CITY, order
from tests.shardlake.sink.lake.test_glue import database, glue, glue_shop
from tests.world import World, WorldMaker

__all__ = ["glue"]
NOW = timedelta(0)
CURRENT: dict[str, Any] = {"table": "current", "write": "replace", "partition_by": ["city"]}
CITIES = ["Rome", "Oslo", "Bern"]
Row = tuple[int, str, str]


def bucket(w: World) -> Any:
    return client(w.lake["endpoint"])


@cache
def client(endpoint: str) -> Any:
    """One for all: to make it takes longer than most of what is asked of it."""
    keys = {"aws_access_key_id": "k", "aws_secret_access_key": "s", "region_name": "eu-west-1"}
    return boto3.client("s3", endpoint_url=endpoint, **keys)


def listed(w: World, prefix: str) -> list[str]:
    """Keys in the bucket."""
    pages = bucket(w).get_paginator("list_objects_v2").paginate(Bucket="lake-bucket", Prefix=prefix)
    return [found["Key"] for page in pages for found in page.get("Contents", [])]


def served(w: World, glue: Any, table: str) -> Counter[Row]:
    """(id, status, city) of every row that Glue leads to."""
    pages = glue.get_paginator("get_partitions").paginate(DatabaseName=database(w), TableName=table)
    rows = Counter[Row]()
    for partition in [p for page in pages for p in page["Partitions"]]:
        place = partition["StorageDescriptor"]["Location"].removeprefix("s3://lake-bucket/")
        for key in listed(w, f"{place}/"):
            if "/" not in key.removeprefix(f"{place}/"):
                found = pq.read_table(io.BytesIO(bucket(w).get_object(Bucket="lake-bucket", Key=key)["Body"].read())).to_pylist()
                rows.update((row["id"], row["status"], partition["Values"][0]) for row in found)
    return rows


def in_the_warehouse(w: World) -> Counter[Row]:
    return Counter(w.target("id, status, city", "id"))


def in_the_ledger(w: World, table: str) -> Counter[Row]:
    return Counter(w.query(f"SELECT id, status, city FROM {table}"))


def all_is_well(w: World, glue: Any, tables: tuple[str, ...]) -> None:
    """Glue serves what the ledger does, after a sweep as before, and nothing is left behind."""
    for again in (False, True):
        for table in tables:
            assert served(w, glue, table) == in_the_ledger(w, table), table
        if not again:
            assert sweep(w.job().supply, grace=NOW).orphans == 0
    for table in tables:
        live = {key for (key,) in w.warehouse("SELECT key FROM shardlake.lake_files WHERE layout = %s", table)}
        root = w.lake["url"].removeprefix("s3://lake-bucket/") + "/"
        assert {key.removeprefix(root) for key in listed(w, f"{root}{database(w)}/{table}/")} == live
    assert w.warehouse("SELECT commit_id FROM shardlake.lake_commits WHERE status = 'open'") == []


def break_off(w: World, place: str, *words: str) -> None:
    """A run, or the command of these words, that ends at a place: killed, or by an error in this process, which is quicker."""
    if place.endswith("kill") or "=kill@" in place:
        ended = w.command(*words, SHARDLAKE_FAILPOINT=place) if words else w.engine_process(SHARDLAKE_FAILPOINT=place)
        assert ended.returncode == -signal.SIGKILL, (place, ended.stderr)
        return
    job = w.job()
    name, _, passage = place.partition("@")
    with broken_at(name, int(passage or 1)):
        if not words:
            with suppress(RuntimeError):
                assert not w.sync().ok, place
            return
        with pytest.raises(RuntimeError, match=name):
            sweep(job.supply, grace=NOW) if words[0] == "sweep" else compact(job.supply, job.view.lake.layouts[0], closed=NOW)


IN_A_COMMIT = [
    "lake.opened", "lake.recorded", "lake.put", "lake.settled", "glue.changed", "glue.changed=kill@2", "glue.changed@3", "lake.registered",
    "lake.before_publish", "lake.published",
]  # fmt: skip


def test_a_run_that_ends_anywhere_leaves_every_row_to_readers_and_the_next_heals(
    world: WorldMaker, s3_emulator: str, tmp_path: Path, glue: Any
) -> None:
    w = glue_shop(world, s3_emulator, tmp_path, [CURRENT])
    for n in range(6):
        order(w, f"shop_0{n % 2}", n, 1, city=CITIES[n % 3], status="old")
    w.must_sync()
    for turn, place in enumerate(IN_A_COMMIT):
        before = in_the_warehouse(w)
        order(w, "shop_00", 0, city=f"new {turn}", status=f"changed {turn}")  # its partition goes, another comes
        order(w, "shop_01", 1, city=CITIES[turn % 3], status=f"changed {turn}")
        break_off(w, place)
        found = served(w, glue, "current")
        assert {id for id, _, _ in found} == set(range(6)), place
        assert set(found) <= {*before, *in_the_warehouse(w)}, place
        w.must_sync()
        assert in_the_ledger(w, "current") == in_the_warehouse(w), place
        all_is_well(w, glue, ("current",))


IN_A_COMPACTION = ["lake.recorded", "lake.put", "lake.settled", "glue.changed=kill", "lake.registered", "lake.before_publish"]


def test_a_compaction_or_a_sweep_that_ends_anywhere_loses_readers_nothing(
    world: WorldMaker, s3_emulator: str, tmp_path: Path, glue: Any
) -> None:
    w = glue_shop(world, s3_emulator, tmp_path, [BY_CITY])
    ids = iter(range(1000))
    for city in CITIES:
        order(w, "shop_00", next(ids), 1, city=city)
    w.must_sync()
    for city in CITIES:
        order(w, "shop_00", next(ids), city=city)
    w.must_sync()
    for place in (*IN_A_COMPACTION, "sweep.removing", "sweep.removed"):
        words = ("compact", "orders", "--closed", "0")
        if place.startswith("sweep"):
            words, job = ("sweep", "orders"), w.job()
            assert compact(job.supply, job.view.lake.layouts[0], closed=NOW).before > 0
        before = in_the_ledger(w, "orders_by_city")
        break_off(w, place, *words)
        assert served(w, glue, "orders_by_city") == before == in_the_ledger(w, "orders_by_city"), place
        order(w, "shop_00", next(ids), city=CITIES[0])
        order(w, "shop_01", next(ids), city=f"new {place}")
        w.must_sync()
        assert len(in_the_ledger(w, "orders_by_city")) == len(before) + 2
        all_is_well(w, glue, ("orders_by_city",))


@pytest.mark.parametrize("table", ["current", "orders_by_city"])
def test_a_switch_that_ends_between_two_batches_of_partitions_is_finished(
    world: WorldMaker, s3_emulator: str, tmp_path: Path, glue: Any, monkeypatch: pytest.MonkeyPatch, table: str
) -> None:
    monkeypatch.setattr(glue_module, "_BATCH", 2)
    monkeypatch.setattr(glue_module, "_DELETED", 1)
    w = glue_shop(world, s3_emulator, tmp_path, [CURRENT if table == "current" else BY_CITY])
    for n in range(6):
        order(w, "shop_00", n, 1, city=f"city {min(n, 4)}")
    w.must_sync()
    for turn, passage in enumerate((2, 5, 7, 9)):  # in the midst of those that come, of those that move, and of those that go
        for n in range(5):  # two go into partitions that are new, and one from one that stays to another that does
            order(w, "shop_00", n, city=f"new {passage} {n}" if n < 2 else f"city {n - (n == 4 and turn % 2 == 0)}", status=f"{passage}")
        job, broken = w.job(), False
        if table == "current":
            with broken_at("glue.changed", passage), suppress(RuntimeError):
                broken = True
                broken = not w.sync().ok
        else:
            w.must_sync()
            before = in_the_ledger(w, table)
            with broken_at("glue.changed", passage), suppress(RuntimeError):
                broken = True
                compact(job.supply, job.view.lake.layouts[0], closed=NOW)
                broken = False
            assert served(w, glue, table) == before
        assert {id for id, _, _ in served(w, glue, table)} == set(range(6)), passage
        if not broken:
            break
        w.must_sync()
        all_is_well(w, glue, (table,))
    assert passage > 4
    all_is_well(w, glue, (table,))


def test_partitions_that_readers_were_told_of_by_a_commit_that_is_not_settled_are_moved_back(
    world: WorldMaker, s3_emulator: str, tmp_path: Path, glue: Any
) -> None:
    """As an older version left them, which told Glue before it wrote anything down."""
    w = glue_shop(world, s3_emulator, tmp_path, [BY_CITY])
    for n in range(2):
        order(w, "shop_00", n, 1, city="Rome")
        w.must_sync(full=True)
    before, job = in_the_ledger(w, "orders_by_city"), w.job()
    with broken_at("lake.settled"), pytest.raises(RuntimeError):
        compact(job.supply, job.view.lake.layouts[0], closed=NOW)
    with broken_at("lake.registered"), pytest.raises(RuntimeError):
        compact(job.supply, job.view.lake.layouts[0], closed=NOW)
    w.warehouse("UPDATE shardlake.lake_commits SET switch = NULL WHERE status = 'open'")
    with alone(job.supply, job.view.lake.layouts[0]) as connection:
        assert connection is not None
        left = ledger.unfinished(connection, "orders", "orders_by_city")
        assert left is not None
        cleared(connection, job.supply, job.view.lake.layouts[0], left)
    assert served(w, glue, "orders_by_city") == before
    w.must_sync()
    all_is_well(w, glue, ("orders_by_city",))


def test_a_sweep_moves_readers_to_where_the_ledger_is_before_it_removes_what_they_read(
    world: WorldMaker, s3_emulator: str, tmp_path: Path, glue: Any
) -> None:
    w = glue_shop(world, s3_emulator, tmp_path, [CURRENT])
    for n, city in enumerate(CITIES):
        order(w, "shop_00", n, 1, city=city)
    w.must_sync()
    there = {"DatabaseName": database(w), "TableName": "current"}
    (old,) = [p for p in glue.get_partitions(**there)["Partitions"] if p["Values"] == ["Rome"]]
    order(w, "shop_00", 0, city="Rome", status="changed")
    w.must_sync()
    wanted = {k: old[k] for k in ("Values", "StorageDescriptor")}
    glue.update_partition(**there, PartitionValueList=["Rome"], PartitionInput=wanted)  # behind
    glue.delete_partition(**there, PartitionValues=["Oslo"])  # vanished
    glue.create_partition(**there, PartitionInput={**wanted, "Values": ["Paris"]})  # of a commit that was given up
    assert sweep(w.job().supply, grace=NOW).replaced == 1
    assert served(w, glue, "current") == Counter([(0, "changed", "Rome"), (1, "new", "Oslo"), (2, "new", "Bern")])
    assert sorted(p["Values"] for p in glue.get_partitions(**there)["Partitions"]) == [["Bern"], ["Oslo"], ["Rome"]]
