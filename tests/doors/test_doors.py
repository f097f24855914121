"""The two doors: a source and a sink that the engine has never heard of carry whole views, with all that the engine promises."""

from __future__ import annotations

import ast
import json
import shutil
import signal
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from embedded.mariadb import MariaDB
from embedded.postgres import Postgres
from shardlake import kinds
from shardlake.errors import SpecError
from shardlake.run.job import open_job
from shardlake.run.replay import replay
from tests.audit import audit, unfinished
from tests.doors.registered import HERE, LEDGER, VIEW, Doors
from tests.doors.sqlite_sink import SqliteSink
from tests.world import ORDERS_TABLE, orders_view

Make = Callable[..., Doors]


@pytest.fixture
def doors(postgres: Postgres, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Make]:
    """Make a world of JSON lines and SQLite; both kinds are in the registry until the test ends, and the books are audited then."""
    for slug, kind in HERE.items():
        monkeypatch.setitem(kinds.KINDS, slug, kind)
    made: list[Doors] = []

    def make(server: Any = None, shards: list[str] | None = None, view: dict[str, Any] | None = None) -> Doors:
        made.append(Doors(server or postgres, postgres, tmp_path, shards or [], view=view or VIEW))
        return made[-1]

    yield make
    for w in made:
        w.close()
        audit(w)


def order(id: int, seq: int, **fields: Any) -> dict[str, Any]:
    return {"id": id, "seq": seq, "status": "new", "amount": 1.5, "customer": {"name": "Ünal"}, **fields}


def landed(doors: Make, **options: Any) -> Doors:
    """Two partitions with three files, not read yet."""
    w = doors(**options)
    w.land("north", "01.jsonl", order(1, 1), order(2, 1, status="🚚"))
    w.land("north", "02.jsonl", order(1, 2, status="paid", customer=None))
    w.land("south", "01.jsonl", order(1, 1, amount="1.2345e2"))
    return w


LANDED = [("north", 1, "paid", "1.50", None), ("north", 2, "🚚", "1.50", "Ünal"), ("south", 1, "new", "123.45", "Ünal")]


def test_a_first_load_and_then_only_the_files_that_are_new(doors: Make) -> None:
    w = landed(doors)
    report = w.must_sync()
    assert [(s.shard, s.windows, s.read, s.merged) for s in report.shards.values()] == [("north", 2, 3, 3), ("south", 1, 1, 1)]
    assert w.rows() == LANDED
    w.land("south", "02.jsonl", order(7, 1))
    report = w.must_sync()
    assert [(s.shard, s.windows, s.read, s.merged) for s in report.shards.values()] == [("north", 0, 0, 0), ("south", 1, 1, 1)]
    assert w.rows() == [*LANDED, ("south", 7, "new", "1.50", "Ünal")]
    assert [s.state for s in w.must_sync().shards.values()] == ["nothing", "nothing"]


def test_the_newest_version_wins_a_delete_is_one_and_every_verdict_is_counted(doors: Make) -> None:
    w = landed(doors)
    w.must_sync()
    w.land("north", "03.jsonl", order(1, 1, status="late"), order(2, 1, status="🚚"), order(3, 5), order(3, 4, status="older"))
    w.land("south", "02.jsonl", order(1, 9, deleted=True), order(8, 1, deleted=True))
    w.land("south", "03.jsonl", order(1, 8, status="back?"), order(1, 9, deleted=True))
    w.must_sync()
    assert w.rows() == [*LANDED[:2], ("north", 3, "new", "1.50", "Ünal")]
    assert w.counts() == [
        ("north", 2, 2, 2, 0, 0, 0, 0),
        ("north", 1, 1, 1, 0, 0, 0, 0),
        ("north", 4, 4, 1, 1, 2, 0, 0),
        ("south", 1, 1, 1, 0, 0, 0, 0),
        ("south", 2, 2, 2, 0, 0, 0, 1),
        ("south", 2, 2, 0, 1, 1, 0, 0),
    ]
    w.land("south", "04.jsonl", order(1, 10, status="again"))
    w.must_sync()
    assert w.rows()[-1] == ("south", 1, "again", "1.50", "Ünal")


PLACES = ["window.opened", "extract.written", "extract.recorded", "merge.before_commit", "merge.committed", "merge.recorded"]


@pytest.mark.parametrize("failpoint", PLACES)
def test_a_run_that_is_killed_is_made_good_by_the_next(doors: Make, failpoint: str) -> None:
    w = landed(doors)
    w.land("north", "02.jsonl", order(1, 2, status="paid", customer=None), order(4, 1, amount="N/A"))
    ended = w.process("run", "orders", SHARDLAKE_FAILPOINT=f"{failpoint}=kill@2")
    assert (ended.returncode, ended.stdout) == (-signal.SIGKILL, ""), ended.stderr
    applied = w.warehouse("SELECT count(*) FROM shardlake.sink_windows")[0][0]
    marked = w.sqlite("SELECT count(*) FROM applied")[0][0] if w.sqlite("SELECT 1 FROM sqlite_master WHERE name = 'applied'") else 0
    assert (marked > applied) == (failpoint == "merge.committed")  # in the file, and not in the ledger
    w.must_sync()
    assert w.rows() == LANDED
    assert unfinished(w) == []
    assert w.counts() == [
        ("north", 2, 2, 2, 0, 0, 0, 0),
        ("north", 2, 2, 1, 0, 0, 1, 0),
        ("south", 1, 1, 1, 0, 0, 0, 0),
    ]
    assert w.rejects() == [("north", {"id": "4"}, "amount", "N/A", "is not numeric(12,2)")]


@pytest.mark.parametrize("failpoint", ["stage.copied", "merge.before_commit", "merge.committed", "merge.recorded"])
def test_a_run_into_a_postgres_without_a_ledger_that_is_killed_is_made_good_by_the_next(doors: Make, failpoint: str) -> None:
    w = landed(doors, view={**VIEW, "warehouse": {"connection": "postgres-warehouse/apart", "table": "analytics.orders"}})
    w.land("north", "02.jsonl", order(1, 2, status="paid", customer=None), order(4, 1, amount="N/A"))
    w.create_apart()
    ended = w.process("run", "orders", SHARDLAKE_FAILPOINT=f"{failpoint}=kill@2")
    assert (ended.returncode, ended.stdout) == (-signal.SIGKILL, ""), ended.stderr
    written = w.warehouse("SELECT count(*) FROM shardlake.sink_windows")
    assert (w.apart("SELECT count(*) FROM shardlake.applied_windows") > written) == (failpoint == "merge.committed")
    w.must_sync()
    assert w.apart("SELECT _shard, id, status, amount::text, customer FROM analytics.orders ORDER BY 1, 2") == LANDED
    assert [row[1:3] for row in w.counts()] == [(2, 2), (2, 2), (1, 1)]
    assert w.rejects() == [("north", {"id": "4"}, "amount", "N/A", "is not numeric(12,2)")]
    assert unfinished(w) == []
    assert w.apart("SELECT tablename FROM pg_tables WHERE schemaname = 'shardlake_staging'") == []


def test_a_mended_view_is_replayed_from_raw_and_the_source_is_not_asked(doors: Make) -> None:
    w = landed(doors)
    w.must_sync()
    shutil.rmtree(w.folder / "landing")
    for partition in ("north", "south"):
        (w.folder / "landing" / partition).mkdir(parents=True)
    w.view = {**VIEW, "columns": {**VIEW["columns"], "status": {"type": "text", "from": "document.customer.name"}, "seq": SEQ}}
    report = replay(w.job())
    assert [(s.shard, s.windows, s.merged, s.superseded) for s in report.shards.values()] == [("north", 2, 2, 1), ("south", 1, 1, 0)]
    found = w.sqlite("SELECT _shard, id, status, seq FROM orders ORDER BY 1, 2")
    assert found == [("north", 1, None, 2), ("north", 2, "Ünal", 1), ("south", 1, "Ünal", 1)]


SEQ = {"type": "bigint", "from": "document.seq"}


def test_a_partition_with_a_broken_file_fails_alone_and_by_name_and_goes_on_once_it_is_mended(doors: Make) -> None:
    w = landed(doors)
    w.land("east", "01.jsonl", order(5, 1), '{"id": 6, "seq": ')
    report = w.sync()
    why = "east: 01.jsonl, line 2 is no row of JSON with key and version. Mend the file, and run again."
    assert {s.shard: (s.state, s.error) for s in report.shards.values()} == {
        "east": ("failed", why), "north": ("merged", None), "south": ("merged", None)
    }  # fmt: skip
    assert report.headline() == f"2/3 shards merged; {why}".replace("east: 01", "east: 01")
    assert w.rows() == LANDED
    line = w.status()["east"]
    assert (line.problem, line.last_error, line.held_by) == ("never arrived", why, why)
    w.land("east", "01.jsonl", order(5, 1), order(6, 1))
    w.must_sync()
    assert w.rows() == [("east", 5, "new", "1.50", "Ünal"), ("east", 6, "new", "1.50", "Ünal"), *LANDED]


def test_status_says_up_to_where_and_how_each_partition_stands(doors: Make) -> None:
    w = landed(doors)
    w.view = {**VIEW, "freshness": "1h"}
    done = w.process("status", "--json")
    assert (done.returncode, done.stderr) == (1, "")
    assert {(line["shard"], line["problem"]) for line in json.loads(done.stdout)["shards"]} == {
        ("north", "never arrived"), ("south", "never arrived")
    }  # fmt: skip
    w.must_sync()
    assert {name: (line.watermark, line.last_state, line.open_rejects, line.problem) for name, line in w.status().items()} == {
        "north": ("02.jsonl", "merged", 0, None),
        "south": ("01.jsonl", "merged", 0, None),
    }
    assert all(line.lag and line.lag < timedelta(minutes=2) for line in w.status().values())
    done = w.process("status", "--json")
    assert (done.returncode, done.stderr) == (0, "")
    found = json.loads(done.stdout)
    assert (found["ok"], [(line["shard"], line["watermark"], line["problem"]) for line in found["shards"]]) == (
        True, [("north", "02.jsonl", None), ("south", "01.jsonl", None)]
    )  # fmt: skip


def test_a_value_that_does_not_fit_is_a_reject_of_its_partition_and_column_until_it_is_mended(doors: Make) -> None:
    w = landed(doors)
    w.land("south", "02.jsonl", order(3, 1, amount="1,5"), order(4, 1, amount=0.125), order(5, 1))
    report = w.must_sync()
    assert report.shards["south"].rejected == 2
    assert w.rejects() == [
        ("south", {"id": "3"}, "amount", "1,5", "is not numeric(12,2)"),
        ("south", {"id": "4"}, "amount", "0.125", "would be rounded to fit numeric(12,2)"),
    ]
    assert w.counts()[-1] == ("south", 3, 3, 1, 0, 0, 2, 0)
    assert w.status()["south"].open_rejects == 2
    w.land("south", "03.jsonl", order(3, 2), order(4, 2))
    w.must_sync()
    assert w.status()["south"].open_rejects == 0
    assert [row[1] for row in w.rows() if row[0] == "south"] == [1, 3, 4, 5]


def test_two_views_on_one_folder_take_their_rows_from_one_reading(doors: Make) -> None:
    w = landed(doors)
    w.must_sync()
    sums = {**VIEW, "name": "sums", "columns": {"id": "bigint", "seq": SEQ}, "warehouse": {"connection": LEDGER, "table": "analytics.sums"}}
    w.view = sums
    report = w.must_sync()
    assert [(s.shard, s.windows, s.read, s.merged) for s in report.shards.values()] == [("north", 2, 3, 3), ("south", 1, 1, 1)]
    assert w.target("_shard, id, seq", "1, 2") == [("north", 1, 2), ("north", 2, 1), ("south", 1, 1)]
    assert w.warehouse("SELECT count(*), max(attempt) FROM shardlake.windows") == [(3, 1)]
    w.land("south", "02.jsonl", order(9, 1))
    w.must_sync()  # the second view reads it, and the first one has it
    w.view = VIEW
    assert w.must_sync().shards["south"].merged == 1
    assert w.rows() == [*LANDED, ("south", 9, "new", "1.50", "Ünal")]
    assert w.warehouse("SELECT count(*), max(attempt) FROM shardlake.windows") == [(4, 1)]
    assert w.warehouse("SELECT feed, array_agg(view ORDER BY view) FROM shardlake.feed_views GROUP BY 1") == [
        ("json_lines__landing", ["orders", "sums"])
    ]


def test_a_view_that_is_read_anew_leaves_the_others_on_its_feed_as_they_are(doors: Make) -> None:
    w = landed(doors)
    sums = {**VIEW, "name": "sums", "warehouse": {"connection": LEDGER, "table": "analytics.sums"}}
    for view in (VIEW, sums):
        w.view = view
        w.must_sync()
    assert [(s.merged, s.unchanged, s.superseded) for s in w.must_sync(full=True).shards.values()] == [(0, 2, 1), (0, 1, 0)]
    w.view = VIEW
    assert [(s.merged, s.unchanged, s.superseded) for s in w.must_sync().shards.values()] == [(0, 2, 1), (0, 1, 0)]
    assert w.rows() == LANDED


def test_a_view_that_is_read_anew_gives_up_no_window_that_another_has_or_may_want(doors: Make) -> None:
    w = landed(doors)
    w.must_sync()
    w.view = {**VIEW, "name": "sums", "warehouse": {"connection": LEDGER, "table": "analytics.sums"}}
    w.must_sync(full=True)
    assert w.warehouse("SELECT status, count(*) FROM shardlake.windows GROUP BY 1") == [("read", 6)]


def test_the_same_folder_fills_postgres_and_what_is_deleted_leaves_it(doors: Make) -> None:
    w = landed(doors, view={**VIEW, "warehouse": {"connection": LEDGER, "table": "analytics.orders"}})
    w.must_sync()
    w.land("south", "02.jsonl", order(1, 9, deleted=True), order(2, 1))
    w.land("south", "03.jsonl", order(1, 8, status="back?"))
    w.must_sync()
    assert w.target("_shard, id, status, amount::text, customer", "1, 2") == [*LANDED[:2], ("south", 2, "new", "1.50", "Ünal")]
    assert w.counts()[2:] == [("south", 1, 1, 1, 0, 0, 0, 0), ("south", 2, 2, 2, 0, 0, 0, 1), ("south", 1, 1, 0, 0, 1, 0, 0)]


def test_the_lakes_layouts_stand_beside_a_sqlite_file(doors: Make) -> None:
    layouts = [{"table": f"lake_{f}", "format": f} for f in ("parquet", "delta", "iceberg")]
    w = landed(doors, view={**VIEW, "lake": {"connection": "athena-lake/main", "layouts": layouts}})
    w.must_sync()
    w.land("south", "02.jsonl", order(1, 9, deleted=True), order(2, 1))
    w.must_sync()
    w.land("south", "03.jsonl", order(1, 8, status="back?"))
    w.must_sync()
    assert w.rows() == [*LANDED[:2], ("south", 2, "new", "1.50", "Ünal")]
    for table in ("lake_parquet_latest", "lake_delta", "lake_iceberg"):
        assert w.query(f"SELECT _shard, id, status, amount::text, customer FROM analytics.{table} ORDER BY 1, 2") == w.rows(), table
    assert w.query("SELECT shard, id, _version, _op FROM raw.json_lines__landing ORDER BY _version DESC LIMIT 1") == [
        ("south", "1", 9, "d")
    ]


def test_rows_of_mysql_shards_come_into_a_sqlite_file(doors: Make, mariadb: MariaDB) -> None:
    view = orders_view(warehouse={"connection": "sqlite-file/main", "table": "main.orders", "key": ["id"]})
    w = doors(mariadb, ["shop_00", "shop_01"], view)
    w.on_all(ORDERS_TABLE)
    w.on("shop_00", "INSERT INTO orders VALUES (1, 'new', 1.10, '2026-01-01 00:00:00.000001', '{\"items\": [1.0,  2]}')")
    w.on("shop_01", "INSERT INTO orders VALUES (2, '', NULL, '2026-01-02', NULL)")
    w.must_sync()
    columns = "SELECT id, status, amount, updated_at, items, _shard FROM orders ORDER BY 1"
    first = (1, "new", "1.10", "2026-01-01 00:00:00.000001", "[1.0,2]", "shop_00")
    assert w.sqlite(columns) == [first, (2, "", None, "2026-01-02 00:00:00", None, "shop_01")]
    w.on("shop_01", "UPDATE orders SET status = 'paid', updated_at = utc_timestamp(6) WHERE id = 2")
    changed = str(w.on("shop_01", "SELECT updated_at FROM orders")[0][0]).rstrip("0").rstrip(".")  # as Postgres prints it
    report = w.must_sync()
    assert [(s.state, s.read, s.merged) for s in report.shards.values()] == [("nothing", 0, 0), ("merged", 1, 1)]
    assert w.sqlite(columns) == [first, (2, "paid", None, changed, None, "shop_01")]


def test_a_table_is_replaced_in_a_sqlite_file_and_a_shard_that_failed_keeps_its_rows(doors: Make, mariadb: MariaDB) -> None:
    target = {"connection": "sqlite-file/main", "table": "main.orders", "write": "replace", "key": ["_shard", "id"]}
    view = orders_view(source={"cursor": None}, warehouse=target, columns={"id": "bigint", "status": "text"})
    w = doors(mariadb, ["shop_00", "shop_01"], view)
    w.on_all("CREATE TABLE orders (id bigint PRIMARY KEY, status varchar(40))")
    w.on_all("INSERT INTO orders VALUES (1, 'old'), (2, 'old')")
    w.must_sync()
    w.on("shop_00", "DELETE FROM orders WHERE id = 1")
    w.on("shop_00", "UPDATE orders SET status = 'new'")
    w.on("shop_01", "DROP TABLE orders")
    report = w.sync()
    assert [s.state for s in report.shards.values()] == ["merged", "failed"]
    rows = w.sqlite("SELECT _shard, id, status FROM orders ORDER BY 1, 2")
    assert rows == [("shop_00", 2, "new"), ("shop_01", 1, "old"), ("shop_01", 2, "old")]
    assert w.sqlite("SELECT name FROM sqlite_master WHERE name LIKE '%new'") == []


def test_raw_that_is_gone_is_read_again_from_its_file(doors: Make) -> None:
    w = landed(doors)
    ended = w.process("run", "orders", SHARDLAKE_FAILPOINT="extract.recorded=kill")
    assert ended.returncode == -signal.SIGKILL
    shutil.rmtree(w.folder / "lake")
    w.must_sync()
    assert w.rows() == LANDED
    assert w.warehouse("SELECT partition, attempt FROM shardlake.windows ORDER BY 1, window_id") == [
        ("north", 2),
        ("north", 1),
        ("south", 1),
    ]


@pytest.mark.parametrize("lost", ["staged", "merged"])
def test_a_sink_that_loses_a_row_commits_nothing_and_says_where(doors: Make, monkeypatch: pytest.MonkeyPatch, lost: str) -> None:
    w = landed(doors)
    honest = SqliteSink._merge

    def losing(self: SqliteSink, db: Any, partition: str, columns: Any, chunks: Any) -> dict[str, int]:
        if lost == "merged":
            db.execute(f"CREATE TEMP TRIGGER lost BEFORE INSERT ON {self._into} WHEN new.id = 2 BEGIN SELECT raise(IGNORE); END")
            return honest(self, db, partition, columns, chunks)
        return honest(self, db, partition, columns, (replace(chunk, rows=chunk.rows.slice(0, 1)) for chunk in chunks))

    monkeypatch.setattr(SqliteSink, "_merge", losing)
    report = w.sync(threads=1)
    assert report.shards["north"].error == (
        "orders, north, window 1: rows do not add up: read 2, shaped 2, rejected in shape 0; view rows 2, merged 1, unchanged 0, superseded 0,"
        " rejected 0. Nothing was committed. Run it again; if it comes back, please report it."
    )
    assert [row[0] for row in w.rows()] == ["south"]
    monkeypatch.undo()


def test_a_sink_that_has_not_gone_through_its_rows_commits_nothing(doors: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    w = landed(doors)
    monkeypatch.setattr(SqliteSink, "_merge", lambda *_: {"merged": 0, "unchanged": 0, "superseded": 0, "removed": 0})
    report = w.sync(threads=1)
    assert report.shards["north"].error == "orders, north, window 1: its rows were not gone through to their end. Nothing was committed."
    assert w.warehouse("SELECT count(*) FROM shardlake.sink_windows") == [(0,)]


def test_a_warehouse_that_cannot_hold_the_ledger_asks_for_one(doors: Make) -> None:
    w = doors()
    with pytest.raises(SpecError) as refused:
        open_job(w.model(), w.connect)
    assert str(refused.value) == (
        "orders: the ledger cannot be kept in sqlite-file/main, a sqlite-file. Name a postgres-warehouse for it: `ledger:` in the connections file,"
        " or SHARDLAKE_LEDGER."
    )


def test_a_view_of_what_is_no_field_of_the_feed_is_refused_by_name(doors: Make) -> None:
    w = landed(doors, view={**VIEW, "columns": {"id": "bigint", "status": "text"}})
    assert w.sync().shards["north"].error == "north: a line has no 'status'. Write `from: document.status`."


@pytest.mark.parametrize("module", ["jsonl_source", "sqlite_sink"])
def test_a_source_and_a_sink_are_short_and_know_the_doors_alone(module: str) -> None:
    text = (Path(__file__).parent / f"{module}.py").read_text()
    assert len(text.splitlines()) < 120
    nodes = list(ast.walk(ast.parse(text)))
    names = {node.module for node in nodes if isinstance(node, ast.ImportFrom)}
    names |= {name.name for node in nodes if isinstance(node, ast.Import) for name in node.names}
    ours = {str(name) for name in names if str(name).partition(".")[0] in {"shardlake", "tests", "psycopg", "sqlalchemy"}}
    assert ours - ALLOWED == set()


ALLOWED = {
    "shardlake.source.door", "shardlake.sink.door", "shardlake.envelope", "shardlake.raw.files", "shardlake.rows.supply",
    "shardlake.ledger.extent", "shardlake.ledger.windows", "shardlake.ledger.sinks", "shardlake.connection.spec", "shardlake.view.view",
    "shardlake.view.source", "shardlake.view.columns", "shardlake.errors", "shardlake.quoting",
}  # fmt: skip
"""What a source or a sink may import: the doors, the values that go through them, and the ground."""
