"""The pool of sessions: threads queue for one as long as it takes, and who waits for a turn holds none."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from shardlake.cancellation import Cancellation
from shardlake.connection.kinds import Connection
from shardlake.connection.postgres import PostgresWarehouse
from shardlake.errors import RunEnded
from shardlake.ledger import database
from shardlake.ledger.database import Warehouse, open_warehouse
from shardlake.parallelism import of_machine
from shardlake.run.sync import sync
from tests.world import ORDERS_TABLE, World, WorldMaker, orders_view

SHARDS = [f"shop_{n}" for n in range(9)]


def spec(w: World, **changes: object) -> PostgresWarehouse:
    return PostgresWarehouse.model_validate({**w.connections()["postgres-warehouse/main"], **changes})


def test_threads_wait_for_a_session_longer_than_a_server_may_take_to_answer(world: WorldMaker) -> None:
    warehouse = Warehouse(spec(world(), max_connections=2, connect_timeout="0.2s"))
    warehouse.verify()
    together = threading.Barrier(6)

    def slow(number: int) -> tuple[int, ...]:
        together.wait()
        with warehouse.connection() as connection:
            return connection.execute("SELECT %s::int FROM pg_sleep(0.5)", (number,)).fetchone() or ()

    try:
        with ThreadPoolExecutor(6) as pool:
            assert list(pool.map(slow, range(6))) == [(n,) for n in range(6)]
    finally:
        warehouse.close()


def test_a_thread_that_holds_a_session_is_refused_another(world: WorldMaker) -> None:
    warehouse = Warehouse(spec(world()))
    with warehouse.connection(), pytest.raises(RuntimeError, match="pass it on"), warehouse.connection():
        raise AssertionError
    with warehouse.connection() as connection, warehouse.session() as own:
        assert connection.info.backend_pid != own.info.backend_pid
    with warehouse.connection():
        pass
    warehouse.close()


def test_a_run_that_has_ended_is_told_so_at_once_and_not_when_the_pool_gives_up(world: WorldMaker, monkeypatch: pytest.MonkeyPatch) -> None:
    asked, honest = list[Any](), database._checked
    monkeypatch.setattr(database, "_checked", lambda connection: (asked.append(connection), honest(connection)))
    warehouse, run = Warehouse(spec(world(), connect_timeout="2s")), Cancellation()
    with run.working():
        with warehouse.connection() as connection:
            connection.execute("SELECT 1")
        run.break_off()
        asked.clear()
        with pytest.raises(RunEnded), warehouse.connection():
            raise AssertionError
    assert len(asked) == 1
    warehouse.close()


def test_the_pool_is_as_large_as_the_chains_need_it_or_as_the_connection_says(world: WorldMaker) -> None:
    w = world()
    assert Warehouse(spec(w)).most_connections == of_machine().chains + 3
    assert Warehouse(spec(w, max_connections=4)).most_connections == 4


def test_merges_that_wait_for_each_other_leave_sessions_to_the_rest_of_the_run(world: WorldMaker) -> None:
    """Nine shards of one exploded table, whose merges queue, by nine threads over two sessions."""
    columns = {"id": "bigint", "n": {"type": "integer", "from": "$index"}, "sku": {"type": "text", "from": "$element.sku"}}
    w = world(SHARDS, view=orders_view(columns={**columns, "updated_at": "timestamp"}, explode={"path": "payload.items"}))
    w.view["warehouse"]["key"] = ["id", "n"]
    w.on_all(ORDERS_TABLE)
    for number, shard in enumerate(SHARDS):
        w.on(shard, "INSERT INTO orders VALUES (%s, 'new', 1, '2026-01-02', %s)", number, '{"items": [{"sku": "ant"}]}')
    w.must_sync()
    for shard in SHARDS:
        w.on(shard, "UPDATE orders SET payload = %s, updated_at = utc_timestamp(6)", '{"items": [{"sku": "bee"}]}')
    w.warehouse("CREATE FUNCTION public.nap() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN PERFORM pg_sleep(0.5); RETURN NEW; END'")
    w.warehouse("CREATE TRIGGER nap BEFORE INSERT ON analytics.orders FOR EACH ROW EXECUTE FUNCTION public.nap()")
    most: list[int] = []
    waiting = (
        "SELECT count(*) FROM pg_locks l JOIN pg_stat_activity a USING (pid)"
        " WHERE NOT l.granted AND l.locktype = 'advisory' AND a.datname = current_database()"
    )

    def connect(reference: str) -> Connection:
        return spec(w, max_connections=2, connect_timeout="1s") if reference.startswith("postgres") else w.connect(reference)

    ended = threading.Event()

    def watch() -> None:
        while not ended.wait(0.05):
            most.append(w.warehouse(waiting)[0][0])

    watcher = threading.Thread(target=watch)
    watcher.start()
    report = sync(w.model(), connect, threads=9)
    ended.set()
    watcher.join()
    open_warehouse(spec(w, max_connections=2, connect_timeout="1s")).close()
    assert report.ok, report.headline()
    assert w.target("id, n, sku") == [(n, 0, "bee") for n in range(9)]
    assert max(most) == 0  # a merge that waits for its turn has no session
