"""`shardlake run` in a container that is stopped, in each step: gone in time, its claims free, and the next run is exact."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

from embedded.mariadb import MariaDB
from tests.stopping import Task, can_have_namespaces, claims, in_time, nobody_is_left, until
from tests.world import ORDERS_TABLE, World, WorldMaker

pytestmark = [pytest.mark.skipif(not can_have_namespaces, reason="a PID namespace is root's to make"), pytest.mark.timeout(600)]
STEPS = ["window.opened", "stage.copied", "merge.before_commit", "lake.put"]


@pytest.fixture
def w(world: WorldMaker) -> World:
    made = world(["shop_00", "shop_01"])
    made.view["lake"] = {"connection": "athena-lake/main", "layouts": [{"table": "orders", "partition_by": []}]}
    made.view["warehouse"]["key"] = ["_shard", "id"]
    made.on_all(ORDERS_TABLE)
    made.on_all("INSERT INTO orders SELECT seq, if(seq % 7, 'new', NULL), seq, '2026-01-02', '{\"items\": [1]}' FROM seq_1_to_500")
    return made


def container(w: World, failpoint: str, **options: Any) -> Task:
    """`shardlake run orders` in a PID namespace, waited for until it has come to the failpoint."""
    w.write_files()
    command = [str(Path(sys.executable).parent / "shardlake"), "run", "orders"]
    task = Task(command, w.environment(SHARDLAKE_FAILPOINT=failpoint), w.folder, **options)
    name = failpoint.partition("=")[0]
    until(lambda: f"at the failpoint {name}" in task.output)
    return task


def is_exact(w: World) -> None:
    """The next run brings in all that there is, each row once, into warehouse and lake."""
    w.must_sync()
    assert w.target("count(*), count(DISTINCT (id, _shard)), sum(amount)", "1") == [(1000, 1000, 250_500)]
    assert w.query("SELECT count(*), count(DISTINCT (id, _shard)) FROM orders") == [(1000, 1000)]


@pytest.mark.parametrize("step", STEPS)
def test_a_run_that_is_stopped_at_work_is_gone_in_time_and_the_next_is_exact(w: World, mariadb: MariaDB, step: str) -> None:
    with container(w, f"{step}=hold") as task:
        assert claims(w)
        assert task.stop() < in_time()
    assert task.code == 143
    assert task.output.splitlines()[-1] == "orders: broken off; the next run goes on from where it stopped"
    nobody_is_left(w, mariadb)
    is_exact(w)


def test_without_an_init_too(w: World, mariadb: MariaDB) -> None:
    with container(w, "merge.before_commit=hold", init=False) as task:
        assert task.stop() < in_time()
    assert task.code == 143
    nobody_is_left(w, mariadb)
    is_exact(w)


def test_where_something_hangs_that_cannot_be_broken_off_the_process_ends_itself(w: World, mariadb: MariaDB) -> None:
    with container(w, "merge.before_commit=hang") as task:
        assert 10 < task.stop() < in_time()
    assert task.code == 143
    assert task.output.splitlines()[-1] == "shardlake: something hangs that could not be broken off; the process ends without it"
    nobody_is_left(w, mariadb)
    is_exact(w)
