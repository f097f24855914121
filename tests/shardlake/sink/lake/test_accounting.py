"""Rows that are lost, or come twice, on their way into the lake: the commit fails, says where, and leaves nothing to be read."""

from __future__ import annotations

import random
import tracemalloc
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import polars as pl
import psycopg
import pyarrow as pa
import pytest
from deltalake import write_deltalake
from deltalake.table import TableOptimizer

from shardlake.errors import AccountingError
from shardlake.sink.lake import commit, current, delta, files, iceberg, iceberg_maintenance, rewrite, rows
from shardlake.sink.lake import compact as compacting
from shardlake.sink.lake.account import Account
from shardlake.sink.lake.compact import compact
from shardlake.sink.lake.files import in_files
from shardlake.sink.lake.typed import LakeReject
from tests.shardlake.sink.lake.test_append import COLUMNS, order, shop
from tests.shardlake.sink.lake.test_current import independent
from tests.shardlake.sink.lake.test_first_load import long
from tests.world import World, WorldMaker

Break = Callable[[Any], Any]
LAYOUTS: dict[str, dict[str, Any]] = {
    "history": {"table": "orders"},
    "delta": {"table": "orders", "format": "delta"},
    "iceberg": {"table": "orders", "format": "iceberg"},
    "rewrite": {"table": "orders", "write": "replace", "partition_by": ["city"]},
}
MODULES = (commit, compacting, current, delta, files, iceberg, iceberg_maintenance, rewrite, rows)
RANDOM = random.Random(4)


def lost(found: Any) -> Any:
    """Rows without the last one."""
    return found.slice(0, len(found) - 1)


def twice(found: Any) -> Any:
    """Rows with the first one once more."""
    concat = pa.concat_tables if isinstance(found, pa.Table) else pl.concat
    return concat([found, found.slice(0, 1)])


def broken(monkeypatch: pytest.MonkeyPatch, place: str, spoil: Break) -> None:
    """Spoil the rows at a place: those that a function is given first (`module.name`), or those that it returns (`module.name->`)."""
    module, name = {m.__name__.rpartition(".")[2]: m for m in MODULES}[place.partition(".")[0]], place.partition(".")[2]
    if place == "commit.batches->":
        batches = vars(commit)["batches"]
        monkeypatch.setattr(commit, "batches", lambda found: map(spoil, batches(found)))
        return
    whole = getattr(module, name.removesuffix("->"))

    def wrong(first: Any, *more: Any) -> Any:
        if not name.endswith("->"):
            return whole(spoil(first) if len(first) else first, *more)
        found = whole(first, *more)
        if isinstance(found, pa.Table):
            return spoil(found)
        return tuple(map(spoil, found)) if place == "files._rows->" else (spoil(found[0]), *found[1:])

    monkeypatch.setattr(module, name.removesuffix("->"), wrong)


def seen(w: World, table: str = "orders") -> list[tuple[Any, ...]]:
    return w.query(f"SELECT id, status, city FROM {table} ORDER BY ALL")


def counts(w: World) -> list[tuple[Any, ...]]:
    """The counts of every window that a published commit holds."""
    return w.warehouse(
        "SELECT window_id, l.view_rows, merged, unchanged, superseded, l.rejected, removed FROM shardlake.sink_windows l"
        " JOIN shardlake.lake_commits c USING (commit_id) WHERE c.status = 'published' ORDER BY 1"
    )


WINDOW = "commit 2, window 2: rows do not add up: 3 came in; merged {}, unchanged {}, superseded {}, rejected 0"
IN_A_FILE = "commit 2 of windows 2: analytics/orders/c00000002-000.parquet: rows do not add up: rows in the footer {} where there are 3"
ANEW = "commit 2 of windows 2: 1 partitions of analytics/orders written anew, of 1 files with 3 rows: rows do not add up: rows in the new files' footers {} where there are 4"
ON_THE_DISK = "commit 2 of windows 2: window 2: rows do not add up: rows on the local disk {} where there are 3"
PLACES = [
    # a kind of layout, where a row is lost or comes twice, and what the error says then
    *((kind, "rows.read_table->", ON_THE_DISK.format(2), ON_THE_DISK.format(4)) for kind in LAYOUTS),
    ("history", "files._rows->", WINDOW.format(2, 0, 0), WINDOW.format(4, 0, 0)),
    ("history", "files._parquet", IN_A_FILE.format(2), IN_A_FILE.format(4)),
    *((kind, "commit.batches->", WINDOW.format(2, 0, 0), WINDOW.format(3, 0, 1)) for kind in ("delta", "iceberg", "rewrite")),
    *((kind, "current._newest->", WINDOW.format(2, 0, 0), "") for kind in ("delta", "iceberg", "rewrite")),
    ("delta", "delta.plain_arrow", "version 2: rows do not add up: rows inserted or updated 2 where there are 3", "version 2: rows do not add up: rows inserted or updated 4 where there are 3"),
    ("iceberg", "iceberg.wide", "commit 2 of windows 2: the Iceberg table analytics.orders: rows do not add up: rows more than before 0 where there are 1", "rows more than before 2 where there are 1"),
    ("rewrite", "rewrite.sorted_by", ANEW.format(3), ANEW.format(5)),
    ("rewrite", "rewrite._conform", ANEW.format(2), ANEW.format(6)),
]  # fmt: skip


@pytest.mark.parametrize(
    ("kind", "place", "spoil", "said"),
    [(kind, place, spoil, said) for kind, place, *both in PLACES for spoil, said in zip((lost, twice), both, strict=True) if said],
    ids=lambda p: p if isinstance(p, str) and len(p) < 30 else getattr(p, "__name__", ""),
)
def test_a_commit_that_loses_a_row_or_has_one_too_many_fails_and_the_next_is_exact(
    world: WorldMaker, monkeypatch: pytest.MonkeyPatch, kind: str, place: str, spoil: Break, said: str
) -> None:
    w = shop(world, None, [LAYOUTS[kind]])
    for n in (1, 2, 3):
        order(w, "shop_00", n, n, city="Rome")
    w.must_sync()
    before, counted = seen(w), counts(w)
    order(w, "shop_00", 1, city="Rome", status="changed")
    order(w, "shop_00", 2, city="Rome", status="changed")
    order(w, "shop_00", 4, city="Rome")
    with monkeypatch.context() as fault:
        broken(fault, place, spoil)
        report = w.sync()
    assert said in str(report.lake["orders"].error)
    assert str(report.lake["orders"].error).startswith("orders, lake table orders, commit 2")
    assert (seen(w), counts(w)) == (before, counted) == (before, [(1, 3, 3, 0, 0, 0, 0)])
    w.must_sync()
    assert seen(w, "orders_latest" if kind == "history" else "orders") == w.target("id, status, city", "id")
    assert counts(w) == [*counted, (2, 3, 3, 0, 0, 0, 0)]


@pytest.mark.parametrize("kind", list(LAYOUTS))
def test_a_first_commit_that_loses_a_row_leaves_no_row(world: WorldMaker, monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    place = {"history": "files._parquet", "delta": "delta.plain_arrow", "iceberg": "iceberg.wide", "rewrite": "rewrite.sorted_by"}[kind]
    w = shop(world, None, [LAYOUTS[kind]])
    for n in (1, 2, 3):
        order(w, "shop_00", n, n, city="Rome")
    with monkeypatch.context() as fault:
        broken(fault, place, lost)
        report = w.sync()
    assert " 2 where there are 3" in str(report.lake["orders"].error)
    assert counts(w) == []
    if kind in ("delta", "iceberg"):
        assert independent(w, kind) == []
    w.must_sync()
    assert seen(w) == w.target("id, status, city", "id")


def in_small_files(world: WorldMaker, monkeypatch: pytest.MonkeyPatch, kind: str) -> World:
    """A table of three rows, each in a file of its own."""
    w = shop(world, None, [{**LAYOUTS[kind], "file_size": 400}])
    with monkeypatch.context() as small:
        small.setattr(files, "GROUP", 1)
        small.setattr(rewrite, "BATCH", 1)
        for id in (1, 2, 3):
            order(w, "shop_00", id, city="Rome")
            w.must_sync()
    w.view["lake"] = {"layouts": [LAYOUTS[kind]]}
    return w


@pytest.mark.parametrize("kind", ["history", "rewrite"])
def test_a_compaction_that_failed_is_cleared_by_the_next_run(world: WorldMaker, monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    w = in_small_files(world, monkeypatch, kind)
    job, before = w.job(), seen(w)
    with monkeypatch.context() as fault:
        broken(fault, "compact.sorted_by", lost)
        with pytest.raises(AccountingError):
            compact(job.supply, job.view.lake.layouts[0], closed=timedelta(0))
    w.must_sync()
    assert seen(w) == before
    assert w.warehouse("SELECT count(*) FROM shardlake.lake_commits WHERE status = 'open'") == [(0,)]


@pytest.mark.parametrize("spoil", [lost, twice])
@pytest.mark.parametrize("kind", list(LAYOUTS))
def test_a_compaction_that_loses_a_row_or_has_one_too_many_switches_nothing(
    world: WorldMaker, monkeypatch: pytest.MonkeyPatch, kind: str, spoil: Break
) -> None:
    w = in_small_files(world, monkeypatch, kind)
    job, before = w.job(), seen(w)
    with monkeypatch.context() as fault:
        if kind == "delta":
            whole = TableOptimizer.compact

            def wrong(self: TableOptimizer, *given: Any, **more: Any) -> dict[str, Any]:
                found = whole(self, *given, **more)
                rows = self.table.to_pyarrow_table()
                write_deltalake(self.table, spoil(rows), mode="overwrite")
                return found

            fault.setattr(TableOptimizer, "compact", wrong)
        else:
            broken(fault, "iceberg_maintenance.sorted_by" if kind == "iceberg" else "compact.sorted_by", spoil)
        with pytest.raises(AccountingError, match=rf"rows do not add up: rows.* {2 if spoil is lost else 4} where there are 3"):
            compact(job.supply, job.view.lake.layouts[0], closed=timedelta(0))
    assert seen(w) == before
    compact(job.supply, job.view.lake.layouts[0], closed=timedelta(0))
    assert seen(w) == before
    order(w, "shop_00", 4, city="Rome")
    w.must_sync()
    assert seen(w) == w.target("id, status, city", "id")


@pytest.mark.parametrize("kind", ["delta", "iceberg", "rewrite"])
def test_every_row_of_a_window_has_its_verdict(world: WorldMaker, kind: str) -> None:
    columns = {**COLUMNS, "deleted_at": "timestamp"}
    w = shop(
        world, ["shop_00", "shop_01"], [LAYOUTS[kind]], columns=columns, deletes={"column": "deleted_at"}, source={"lookback": "36500d"}
    )
    w.on_all("ALTER TABLE orders ADD COLUMN deleted_at datetime(6)")
    for n in (1, 2, 3, 4):
        order(w, "shop_00", n, 3, city="Rome")
    w.must_sync()
    order(w, "shop_00", 1, 5, city="Rome")  # newer
    w.on("shop_00", "UPDATE orders SET deleted_at = '2026-01-05', updated_at = '2026-01-05' WHERE id = 2")
    w.must_sync()
    order(w, "shop_01", 2, 2, city="Rome")  # older than the delete
    order(w, "shop_01", 3, 2, city="Rome")  # older than what is there
    order(w, "shop_01", 5, 2, city="Rome")
    w.must_sync()
    found = w.warehouse(
        "SELECT w.partition, l.view_rows, l.merged, l.unchanged, l.superseded, l.rejected, l.removed"
        " FROM shardlake.sink_windows l JOIN shardlake.windows w USING (window_id) WHERE l.sink LIKE 'lake.%' AND w.raw_rows > 0 ORDER BY l.commit_id, w.partition"
    )
    assert found == [
        ("shop_00", 4, 4, 0, 0, 0, 0),
        ("shop_00", 4, 2, 2, 0, 0, 1),  # one changed, one taken out; the lookback's others are as they were
        ("shop_00", 4, 0, 4, 0, 0, 0),  # the delete that is repeated, too
        ("shop_01", 3, 1, 0, 2, 0, 0),
    ]
    of_warehouse = w.warehouse(
        "SELECT w.partition, s.view_rows, s.merged, s.unchanged, s.superseded, s.rejected, s.removed FROM shardlake.sink_windows s"
        " JOIN shardlake.windows w USING (window_id) WHERE s.sink = 'warehouse' AND w.raw_rows > 0 ORDER BY window_id"
    )
    assert sorted(of_warehouse) == sorted(found)  # two sinks, counted apart


def test_the_ledger_refuses_a_window_whose_rows_do_not_add_up(world: WorldMaker) -> None:
    w = shop(world, None, [LAYOUTS["history"]])
    order(w, "shop_00", 1, 1)
    w.must_sync()
    with pytest.raises(psycopg.errors.CheckViolation):
        w.warehouse("UPDATE shardlake.sink_windows SET merged = merged - 1 WHERE sink LIKE 'lake.%'")


def test_a_commits_rejects_are_held_on_the_disk_whatever_their_number() -> None:
    account = Account("orders")
    tracemalloc.start()
    try:
        for n in range(50_000):
            account.of(1).reject(1, "shop_00", [LakeReject({"id": str(n)}, "city", "x" * 300, "is longer than a partition's name")])
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert account.of(1).rejected == 50_000
    assert peak < 1 << 20  # a list of them takes 25 MB
    found = list(account.rejects)
    assert (len(found), found[-1]) == (50_000, (1, "shop_00", {"id": "49999"}, "city", "x" * 300, "is longer than a partition's name"))


def test_a_file_is_encoded_into_the_bytes_that_are_put() -> None:
    texts = pa.array([RANDOM.randbytes(500).hex() for _ in range(10_000)])
    table = pa.table({"id": pa.array(range(10_000)), "text": texts})
    tracemalloc.start()
    try:
        (file,) = in_files([table], 128 << 20, "c1", [])
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert file.file.bytes > 4 << 20
    assert peak < 1 << 20  # neither in Python's memory nor there once more


@pytest.mark.parametrize("kind", ["delta", "iceberg", "rewrite"])
def test_a_window_of_many_batches_is_counted_as_it_comes(world: WorldMaker, monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    monkeypatch.setattr(rows, "BATCH", 1)
    w = long(world, [LAYOUTS[kind]])
    w.view["source"] = {**w.view["source"], "window": "256MB"}
    w.must_sync()
    assert counts(w) == [(1, 450, 450, 0, 0, 0, 0)]
    assert len(w.job().supply.window(1).files) > 2  # each is a batch of its own
    assert seen(w) == w.target("id, status, city", "id")
