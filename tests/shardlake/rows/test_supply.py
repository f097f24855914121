"""One row is lost on purpose, or is one too many, in reading, in shape and in the judge: no sink takes anything of the window."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from deltalake import DeltaTable

from shardlake.ledger.extent import Reading
from shardlake.rows import supply, window_rows
from shardlake.shape import chunk
from shardlake.shape.chunk import Shaped
from shardlake.source.sql.read import Request, extract
from tests.audit import leftovers
from tests.world import ORDERS_TABLE, World, WorldMaker, orders_view

Patch = pytest.MonkeyPatch
Spoil = Callable[[pa.Table], pa.Table]
COLUMNS = {"id": "bigint", "status": "text", "amount": {"type": "int", "from": "payload.amount"}, "updated_at": "timestamp"}


def lost(rows: pa.Table) -> pa.Table:
    """Rows without the first."""
    return rows.slice(1)


def twice(rows: pa.Table) -> pa.Table:
    """Rows with the first one once more."""
    return pa.concat_tables([rows, rows.slice(0, 1)])


def shop(world: WorldMaker) -> World:
    """A shard with three orders in both sinks, and three more: a plain one, one whose amount is no number, one without JSON."""
    layouts = {"layouts": [{"table": "orders", "format": "delta"}]}
    w = world(view=orders_view(columns=COLUMNS, lake=layouts))
    w.on_all(ORDERS_TABLE)
    w.on_all(
        "INSERT INTO orders (id, status, updated_at) VALUES (1, 'new', '2026-01-01'), (2, 'new', '2026-01-01'), (3, 'new', '2026-01-01')"
    )
    w.must_sync()
    w.on_all("INSERT INTO orders (id, status, updated_at) VALUES (4, 'new', utc_timestamp(6))")
    w.on_all(
        """INSERT INTO orders (id, updated_at, payload) VALUES (5, utc_timestamp(6), '{"amount": "a lot"}'), (6, utc_timestamp(6), '{')"""
    )
    return w


def in_lake(w: World) -> list[int]:
    """The ids in the Delta table."""
    return sorted(DeltaTable(str(w.folder / "lake" / "analytics" / "orders")).to_pyarrow_table().column("id").to_pylist())


def fails(w: World, patch: Patch, fault: Callable[[Patch], None], said: str, state: str) -> None:
    """A run with the fault commits nothing of its window in any sink, and says why; the next run is exact."""
    with patch.context() as broken:
        broken.setattr("shardlake.run.threads.PAUSES", (0.0, 0.0))
        fault(broken)
        report = w.sync()
    assert said in str(report.shards["shop_00"].error)
    assert (w.target("id"), in_lake(w)) == ([(1,), (2,), (3,)], [1, 2, 3])
    assert w.warehouse("SELECT status FROM shardlake.windows WHERE window_id = 2") == [(state,)]
    assert w.warehouse("SELECT window_id FROM shardlake.sink_windows WHERE window_id = 2 AND applied_at IS NOT NULL") == []
    assert w.rejects() == []
    w.must_sync()
    assert (w.target("id"), in_lake(w)) == ([(1,), (2,), (3,), (4,)], [1, 2, 3, 4])
    assert [(row[1], row[2]) for row in w.rejects()] == [({"id": "6"}, "payload"), ({"id": "5"}, "amount")]
    assert leftovers(w) == []


# --- reading ---------------------------------------------------------------------------------------------------------
RAW = "/shard=shop_00/w000000002-a"
PLACE = "orders, shop_00, window 2: "


@pytest.mark.parametrize(("spoil", "rows"), [(lost, 2), (twice, 4)])
def test_a_raw_file_with_other_rows_than_were_read_fails_its_window(world: WorldMaker, monkeypatch: Patch, spoil: Spoil, rows: int) -> None:
    def fault(patch: Patch) -> None:
        patch.setattr("shardlake.source.sql.source.extract_in_worker", extract)  # here, where it can be broken
        write = pq.ParquetWriter.write_table
        patch.setattr(pq.ParquetWriter, "write_table", lambda self, table, *more: write(self, spoil(table), *more))

    w = shop(world)
    fails(w, monkeypatch, fault, f"{RAW}001-00000.parquet: 3 rows were read, the file holds {rows}", "open")


@pytest.mark.parametrize("off", [-1, 1])
def test_a_raw_file_of_which_the_ledger_says_another_number_fails_its_window_and_is_read_again(
    world: WorldMaker, monkeypatch: Patch, off: int
) -> None:
    def miscounted(request: Request) -> Reading:
        found = extract(request)
        return replace(found, files=tuple(replace(f, rows=f.rows + off) for f in found.files), rows=found.rows + off)

    w = shop(world)
    fault = "shardlake.source.sql.source.extract_in_worker"
    fails(w, monkeypatch, lambda patch: patch.setattr(fault, miscounted), f"-00000.parquet holds 3 rows, the ledger says {3 + off}", "read")


@pytest.mark.parametrize(("times", "said"), [(0, "its 0 files hold 0"), (2, "its 2 files hold 6")])
def test_a_file_that_a_reader_forgets_or_names_twice_fails_its_window(world: WorldMaker, monkeypatch: Patch, times: int, said: str) -> None:
    def changed(request: Request) -> Reading:
        found = extract(request)
        return replace(found, files=found.files * times)

    w = shop(world)
    fault = "shardlake.source.sql.source.extract_in_worker"
    fails(w, monkeypatch, lambda patch: patch.setattr(fault, changed), f"{PLACE}3 rows were read, and {said}", "open")


# --- shape and judge -------------------------------------------------------------------------------------------------
def query(spoil: Spoil) -> Callable[[Patch], None]:
    """The query that shapes gives other rows."""
    whole = chunk._queried
    return lambda patch: patch.setattr(chunk, "_queried", lambda *given, **more: spoil(whole(*given, **more)))


def shaped(spoil: Callable[[Shaped], Shaped]) -> Callable[[Patch], None]:
    """What is shaped changes once it is counted."""
    whole = supply.shape
    return lambda patch: patch.setattr(supply, "shape", lambda *given: spoil(whole(*given)))


def judged(spoil: Callable[[Shaped], Shaped]) -> Callable[[Patch], None]:
    """The judge gives other rows, or other rejects."""
    whole = window_rows.judge
    return lambda patch: patch.setattr(window_rows, "judge", lambda *given, **more: spoil(whole(*given, **more)))


FAULTS: dict[str, tuple[Callable[[Patch], None], str]] = {
    "a row that the query loses": (query(lost), "parquet, and made view rows of 1 and rejects of 1"),
    "a row that the query gives twice": (query(twice), "shape made 3 rows in 3 places of 2 rows of raw/orders"),
    "a row lost of what was shaped": (shaped(lambda s: replace(s, rows=lost(s.rows))), "shape made 1 rows in 2 places of 2 rows of raw/orders"),
    "a row more than was shaped": (shaped(lambda s: replace(s, rows=twice(s.rows))), "shape made 3 rows in 2 places of 2 rows of raw/orders"),
    "a reject of shape that is lost": (shaped(lambda s: replace(s, rejects=[])), "parquet, and made view rows of 2 and rejects of 0"),
    "a reject of shape that comes twice": (shaped(lambda s: replace(s, rejects=s.rejects * 2)), "parquet, and made view rows of 2 and rejects of 2"),
    "a row that the judge loses": (judged(lambda s: replace(s, rows=lost(s.rows))), "the judge was given 2 rows, took 0 and rejected 1"),
    "a row that the judge takes twice": (judged(lambda s: replace(s, rows=twice(s.rows))), "the judge was given 2 rows, took 2 and rejected 1"),
    "a reject that the judge loses": (judged(lambda s: replace(s, judged=[])), "the judge was given 2 rows, took 1 and rejected 0"),
    "a reject that the judge gives twice": (judged(lambda s: replace(s, judged=s.judged * 2)), "the judge was given 2 rows, took 1 and rejected 2"),
}  # fmt: skip


@pytest.mark.parametrize("fault", FAULTS)
def test_a_row_lost_or_won_between_raw_and_the_sinks_fails_its_window(world: WorldMaker, monkeypatch: Patch, fault: str) -> None:
    spoil, said = FAULTS[fault]
    w = shop(world)
    fails(w, monkeypatch, spoil, said, "read")
    message: Any = w.warehouse("SELECT message FROM shardlake.runs WHERE state = 'failed'")
    assert PLACE in message[0][0]


ELEMENTS = {
    "id": "bigint",
    "place": {"type": "int", "from": "$index"},
    "sku": {"type": "text", "from": "$element.sku"},
    "updated_at": "timestamp",
}


@pytest.mark.parametrize(("spoil", "rows"), [(lost, 5), (twice, 7)])
def test_an_element_lost_or_won_of_a_row_that_has_others_fails_its_window(
    world: WorldMaker, monkeypatch: Patch, spoil: Spoil, rows: int
) -> None:
    w = world(view=orders_view(columns=ELEMENTS, explode={"path": "payload.items"}, warehouse={"key": ["id", "place"]}))
    w.on_all(ORDERS_TABLE)
    items = """'{"items": [{"sku": "a"}, {"sku": "b"}, {"sku": "c"}]}'"""
    w.on_all(f"INSERT INTO orders (id, updated_at, payload) VALUES (1, '2026-01-01', {items}), (2, '2026-01-01', {items})")
    w.on_all("INSERT INTO orders (id, updated_at, payload) VALUES (3, '2026-01-01', '{}')")
    with monkeypatch.context() as broken:
        broken.setattr("shardlake.run.threads.PAUSES", (0.0, 0.0))
        query(spoil)(broken)
        report = w.sync()
    assert f"orders, shop_00, window 1: shape made {rows + 1} rows in {rows + 1} places of 7 elements of raw/orders" in report.headline()
    assert w.must_sync().totals().merged == 6
    assert w.target("id, place, sku") == [(n, place, sku) for n in (1, 2) for place, sku in enumerate("abc")]
