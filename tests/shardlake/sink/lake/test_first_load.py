"""A first load of many windows: it comes into the lake as it goes, and holds little of it on the local disk."""

from __future__ import annotations

from typing import Any

import pytest

from shardlake.raw import files as raw
from shardlake.rows.spool import Made, Spool
from shardlake.run import deliver
from shardlake.sink import door
from tests.breaking import broken_at
from tests.shardlake.sink.lake.test_append import BY_CITY, BY_DAY, order, shop
from tests.world import World, WorldMaker

LAYOUTS: list[dict[str, Any]] = [BY_DAY, BY_CITY, {"table": "now", "format": "delta"}]


@pytest.fixture
def small_commits(monkeypatch: pytest.MonkeyPatch) -> None:
    """A commit holds what two of these tests' windows do."""
    monkeypatch.setattr(door, "COMMIT_BYTES", 10_000)


def long(world: WorldMaker, layouts: list[dict[str, Any]], shards: list[str] | None = None) -> World:
    """Shards of 450 rows each, read in windows of a hundred."""
    w = shop(world, shards, layouts, source={"chunk": 1, "window": 1})
    for n, shard in enumerate(w.shards):
        w.on(
            shard,
            f"INSERT INTO orders SELECT seq + {1000 * n}, 'new', 1.5, '2026-01-02', concat('{{\"city\": \"c', seq % 3, '\", \"a\": \"',"
            " md5(seq), md5(seq + 1), md5(seq + 2), md5(seq + 3), md5(seq + 4), '\"}') FROM seq_1_to_450",
        )
        w.on(shard, "ANALYZE TABLE orders")
    return w


@pytest.fixture
def most_kept(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many windows a spool held, whenever one was added."""
    seen: list[int] = []
    added = Spool._end_of

    def noted(self: Spool, *given: Any) -> None:
        added(self, *given)
        seen.append(len(self._sizes))

    monkeypatch.setattr(Spool, "_end_of", noted)
    return seen


def commits(w: World) -> dict[str, list[int]]:
    """The windows of each commit, by layout."""
    rows = w.warehouse(
        "SELECT layout, count(*) FROM shardlake.sink_windows JOIN shardlake.lake_commits USING (view, commit_id)"
        " WHERE status = 'published' GROUP BY layout, commit_id ORDER BY layout, commit_id"
    )
    return {layout: [n for name, n in rows if name == layout] for layout in dict(rows)}


@pytest.mark.usefixtures("small_commits")
def test_layouts_are_written_between_the_windows_of_a_first_load(world: WorldMaker, most_kept: list[int]) -> None:
    w = long(world, LAYOUTS)
    report = w.must_sync()
    windows = report.shards["shop_00"].windows
    assert windows >= 5
    for layout, found in commits(w).items():
        assert len(found) >= 2, layout
        assert (sum(found), report.lake[layout].windows, report.lake[layout].rows) == (windows, windows, 450)
    assert max(most_kept) < windows
    expected = w.target("id, city", "id")
    for table in ("orders_latest", "orders_by_city_latest", "now"):
        assert w.query(f"SELECT id, city FROM {table} ORDER BY id") == expected


def test_a_spool_that_is_half_full_is_written_too(world: WorldMaker, monkeypatch: pytest.MonkeyPatch, most_kept: list[int]) -> None:
    monkeypatch.setattr(deliver, "SPOOLED", 15_000)
    w = long(world, [BY_DAY, BY_CITY])
    windows = w.must_sync().shards["shop_00"].windows
    assert {len(found) > 1 for found in commits(w).values()} == {True}
    assert max(most_kept) < windows
    assert w.query("SELECT count(*), count(DISTINCT id) FROM orders") == [(450, 450)]


@pytest.mark.usefixtures("small_commits")
def test_a_first_load_that_breaks_off_has_filled_the_lake_up_to_there(world: WorldMaker) -> None:
    w = long(world, LAYOUTS)
    with broken_at("merge.started", passage=5), pytest.raises(RuntimeError, match=r"merge\.started"):
        w.sync()
    there = w.query("SELECT count(*) FROM now")[0][0]
    assert there >= 200
    assert w.query("SELECT count(*) FROM orders")[0][0] >= there
    w.must_sync()
    assert {w.query(f"SELECT count(*) FROM {t}")[0][0] for t in ("orders", "orders_by_city", "now")} == {450}


@pytest.mark.usefixtures("small_commits")
def test_shards_that_are_read_at_once_share_the_commits(world: WorldMaker) -> None:
    w = long(world, LAYOUTS, ["shop_00", "shop_01", "shop_02"])
    report = w.must_sync()
    assert {t: part.rows for t, part in report.lake.items()} == {"orders": 1350, "orders_by_city": 1350, "now": 1350}
    assert w.query("SELECT count(*), count(DISTINCT id) FROM orders") == [(1350, 1350)]
    assert w.query("SELECT count(*), count(DISTINCT id) FROM now") == [(1350, 1350)]


@pytest.mark.usefixtures("small_commits")
def test_a_layout_that_fails_between_windows_is_tried_once_more_at_the_end(world: WorldMaker) -> None:
    w = long(world, [BY_DAY, BY_CITY])
    place = w.folder / "lake" / "analytics" / "orders_by_city"
    place.parent.mkdir(parents=True)
    place.write_text("a file where a folder should be")
    report = w.sync()
    assert report.headline().startswith("1/1 shards merged; lake table orders_by_city: analytics/orders_by_city/city=c")
    assert (report.lake["orders"].rows, report.lake["orders_by_city"].rows) == (450, 0)
    place.unlink()
    w.must_sync()
    assert w.query("SELECT count(*) FROM orders_by_city") == [(450,)]


@pytest.mark.usefixtures("small_commits")
def test_a_table_that_is_replaced_as_a_whole_waits_for_the_end(world: WorldMaker) -> None:
    w = shop(
        world, None, None, columns={"id": "bigint", "status": "text"}, source={"cursor": None, "chunk": 1, "window": 1},
        warehouse={"write": "replace", "key": ["_shard", "id"]}, lake={"layouts": [{"table": "orders", "write": "replace"}]},
    )  # fmt: skip
    for n in range(300):
        order(w, "shop_00", n, 1, a="x" * 200)
    assert w.must_sync().shards["shop_00"].windows > 1
    assert len(commits(w)["orders"]) == 1


def test_a_window_that_is_kept_and_made_of_raw_at_once_is_kept_once() -> None:
    spool = Spool()
    spool.open()
    kept, made = spool._begin(7), spool._begin(7)
    (kept / "000000.rows").write_text("kept")
    (made / "000000.rows").write_text("made")
    spool._end_of(7, made, 4, Made(rows=1))
    spool._end_of(7, kept, 4, Made(rows=2))
    found = spool.kept(7)
    assert found is not None
    assert found.made == Made(rows=1)
    files = found.paths
    assert [file.read_text() for file in files] == ["made"]
    assert spool.held([7]) == 4
    assert len(list(files[0].parent.parent.iterdir())) == 1
    spool.close()


def test_three_layouts_cost_one_read_of_the_source_and_one_of_raw(world: WorldMaker, monkeypatch: pytest.MonkeyPatch) -> None:
    w = long(world, LAYOUTS, ["shop_00", "shop_01"])
    reads: list[str] = []
    read = raw.read_chunk
    monkeypatch.setattr(raw, "read_chunk", lambda store, file: (reads.append(file.key), read(store, file))[1])
    report = w.must_sync()
    assert {table: part.rows for table, part in report.lake.items()} == {"orders": 900, "orders_by_city": 900, "now": 900}
    assert sum(shard.read for shard in report.shards.values()) == 900
    assert sorted(reads) == sorted(key for (key,) in w.warehouse("SELECT key FROM shardlake.files"))
