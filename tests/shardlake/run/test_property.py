"""Whatever happens to a table, and wherever runs break: the next run that ends well leaves warehouse and lake as a model says.

With the ledger in the warehouse's database, and apart from it.
"""

from __future__ import annotations

import json
import signal
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from deltalake import DeltaTable
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from embedded.mariadb import MariaDB
from embedded.postgres import Postgres
from shardlake.failpoints import NAMES
from tests.audit import audit, leftovers, unfinished
from tests.breaking import broken_at
from tests.world import World, orders_view

SHARDS = ("shop_00", "shop_01")
SEEN = 0.12
"""Seconds until InnoDB's list of transactions is made anew."""
BREAKS = [name for name in NAMES if not name.startswith(("swap.", "extract.chunk", "glue.", "sweep.", "schema."))]

shard, key = st.sampled_from(SHARDS), st.integers(1, 4)
skus = st.lists(st.sampled_from(["ant", "bee", "cat", "dög 🐕"]), max_size=3)
changes = st.one_of(
    st.tuples(st.just("write"), shard, key, skus),
    st.tuples(st.just("move"), shard, key, skus),
    st.tuples(st.just("tie"), key, skus, skus),
    st.tuples(st.just("delete"), shard, key),
    st.tuples(st.just("many"), shard),
    st.tuples(st.just("hold"), shard, key, skus),
    st.tuples(st.just("commit")),
)
runs = st.one_of(
    st.tuples(st.just("run")),
    st.tuples(st.just("run_one"), shard),
    st.tuples(st.just("run_in_full")),
    st.tuples(st.just("broken_run"), st.sampled_from(BREAKS), st.integers(1, 3)),
    st.tuples(st.just("broken_run"), st.sampled_from(BREAKS), st.integers(1, 3)),
)
plans = st.lists(st.tuples(st.lists(changes, min_size=1, max_size=4), runs), min_size=1, max_size=4)
killed = st.lists(
    st.tuples(st.lists(changes, min_size=1, max_size=4), st.tuples(st.just("killed_run"), st.sampled_from(BREAKS))), min_size=1, max_size=2
)

EVENTFUL = [
    ([("write", "shop_00", 1, ["ant", "bee"]), ("tie", 2, ["cat"], ["ant", "ant"]), ("tie", 4, ["bee"], ["cat"])], ("run_one", "shop_01")),
    ([("hold", "shop_01", 3, ["bee"]), ("move", "shop_01", 1, ["ant"])], ("run",)),
    ([("commit",), ("delete", "shop_01", 2)], ("broken_run", "merge.committed", 1)),
    ([("write", "shop_01", 3, ["dög 🐕"]), ("many", "shop_00")], ("broken_run", "lake.merged", 1)),
]
"""A plan with a tie whose loser comes later, a move, a late commit, a delete, and a run that breaks off behind each sink's own commit."""


@dataclass
class Story:
    """A world to which things happen, one method each."""

    w: World
    stack: ExitStack
    exploded: bool
    held: dict[tuple[str, int], Any] = field(default_factory=dict)
    written: int = 0

    def begin(self) -> None:
        stamp, text = ("datetime(6)", "longtext") if self.w.on_mysql else ("timestamp", "text")
        self.w.on_all(
            f"CREATE TABLE orders (id bigint PRIMARY KEY, status varchar(40), updated_at {stamp}, deleted_at {stamp}, payload {text})"
        )
        self.w.on_all("CREATE INDEX orders_updated ON orders (updated_at)")

    # --- what happens at the source ----------------------------------------------------------------------------------
    def now(self) -> str:
        found = self.w.on("shop_00", "SELECT utc_timestamp(6)" if self.w.on_mysql else "SELECT clock_timestamp() AT TIME ZONE 'UTC'")
        return str(found[0][0].isoformat(" "))

    def _statement(self, id: int, items: list[str], stamp: str) -> tuple[str, tuple[Any, ...]]:
        self.written += 1
        same = "ON DUPLICATE KEY UPDATE" if self.w.on_mysql else "ON CONFLICT (id) DO UPDATE SET"
        new = ("VALUES(", ")") if self.w.on_mysql else ("excluded.", "")
        update = ", ".join(f"{c} = {new[0]}{c}{new[1]}" for c in ("status", "updated_at", "deleted_at", "payload"))
        payload = json.dumps({"items": [{"sku": sku} for sku in items], "filling": "x" * 1000})
        return f"INSERT INTO orders VALUES (%s, %s, %s, NULL, %s) {same} {update}", (id, f"version {self.written}", stamp, payload)

    def write(self, shard: str, id: int, items: list[str], stamp: str | None = None) -> None:
        if (shard, id) not in self.held:
            statement, values = self._statement(id, items, stamp or self.now())
            self.w.on(shard, statement, *values)

    def move(self, shard: str, id: int, items: list[str]) -> None:
        """The row is written to one shard, then removed from the other."""
        other = SHARDS[1 - SHARDS.index(shard)]
        if (shard, id) not in self.held and (other, id) not in self.held:
            self.write(shard, id, items)
            self.w.on(other, "DELETE FROM orders WHERE id = %s", id)

    def tie(self, id: int, items: list[str], others: list[str]) -> None:
        stamp = self.now()
        self.write("shop_00", id, items, stamp)
        self.write("shop_01", id, others, stamp)

    def delete(self, shard: str, id: int) -> None:
        if (shard, id) not in self.held:
            self.w.on(shard, "UPDATE orders SET deleted_at = %s, updated_at = %s WHERE id = %s", *[self.now()] * 2, id)

    def many(self, shard: str) -> None:
        """A hundred and twenty rows on one timestamp: more than a window holds."""
        _, values = self._statement(0, ["eel"], self.now())
        rows = "(SELECT seq AS n FROM seq_1_to_120) AS s" if self.w.on_mysql else "generate_series(1, 120) AS s(n)"
        base = 1000 * (self.written + 1)
        self.w.on(shard, f"INSERT INTO orders SELECT %s + n, %s, %s, NULL, %s FROM {rows}", base, *values[1:])

    def hold(self, shard: str, id: int, items: list[str]) -> None:
        """A transaction writes, and does not commit yet."""
        if (shard, id) in self.held:
            return
        session = self.stack.enter_context(_closed(self.w.source.connect(self.w.database(shard), autocommit=False)))
        cursor = session.cursor()
        if self.w.on_mysql:
            cursor.execute("SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED")
        cursor.execute("SELECT count(*) FROM orders")
        statement, values = self._statement(id, items, self.now())
        cursor.execute(statement, values)
        self.held[shard, id] = session
        time.sleep(SEEN if self.w.on_mysql else 0)

    def commit(self) -> None:
        for session in self.held.values():
            session.commit()
        self.held.clear()
        time.sleep(SEEN if self.w.on_mysql else 0)

    # --- runs --------------------------------------------------------------------------------------------------------
    def run(self) -> None:
        self.w.must_sync()
        self.check()

    def run_one(self, shard: str) -> None:
        self.w.must_sync(shards=[shard])

    def run_in_full(self) -> None:
        self.w.must_sync(full=True)
        self.check()

    def broken_run(self, place: str, passage: int) -> None:
        with broken_at(place, passage):
            try:
                self.w.sync()
            except RuntimeError as error:
                if str(error) != f"failpoint {place}":
                    raise
        audit(self.w)

    def killed_run(self, place: str) -> None:
        ended = self.w.engine_process(SHARDLAKE_FAILPOINT=f"{place}=kill")
        assert ended.returncode in (0, -signal.SIGKILL), ended.stderr
        audit(self.w)

    # --- what must be so ---------------------------------------------------------------------------------------------
    def check(self) -> None:
        """With nothing held, both sinks have the newest version of every key and no other row; with something held, nothing is half done."""
        assert (unfinished(self.w), leftovers(self.w)) == ([], [])
        audit(self.w)
        if not self.held:
            model = self.model()
            assert self.target() == model
            assert self.lake() == model

    @property
    def columns(self) -> tuple[str, ...]:
        return ("id", "n", "sku", "_shard") if self.exploded else ("id", "status", "_shard")

    def target(self) -> list[tuple[Any, ...]]:
        """The warehouse's rows."""
        if self.w.warehouse("SELECT to_regclass('analytics.orders')::text") == [(None,)]:
            return []
        return sorted(self.w.target(", ".join(self.columns)))

    def delta(self) -> DeltaTable | None:
        place = self.w.folder / "lake" / "analytics" / "orders"
        return DeltaTable(str(place)) if place.exists() else None

    def lake(self) -> list[tuple[Any, ...]]:
        """The Delta table's rows, by the format's own library."""
        table = self.delta()
        return sorted(tuple(row[c] for c in self.columns) for row in table.to_pyarrow_table().to_pylist()) if table else []

    def unmoved(self) -> tuple[Any, ...]:
        """What changes where a row is written in either sink."""
        table = self.delta()
        return self.w.target("ctid::text, xmin::text", "1") if self.target() else [], table.version() if table else None

    def model(self) -> list[tuple[Any, ...]]:
        rows = [
            (*row, shard) for shard in SHARDS for row in self.w.on(shard, "SELECT id, updated_at, deleted_at, status, payload FROM orders")
        ]
        newest = {row[0]: row for row in sorted(rows, key=lambda row: (row[1], row[-1]))}
        live = [
            (id, status, json.loads(payload)["items"], shard) for id, _, deleted, status, payload, shard in newest.values() if not deleted
        ]
        if self.exploded:
            return sorted((id, n, item["sku"], shard) for id, _, items, shard in live for n, item in enumerate(items))
        return sorted((id, status, shard) for id, status, _, shard in live)


@contextmanager
def _closed(session: Any) -> Iterator[Any]:
    try:
        yield session
    finally:
        session.close()


def tell(source: MariaDB | Postgres, warehouse: Postgres, folder: Path, apart: bool, exploded: bool, plan: list[Any]) -> None:
    """Have a plan happen in a world of its own, and then commit, run and check."""
    columns: dict[str, Any] = {"id": "bigint", "status": "text", "updated_at": "timestamp"}
    view = orders_view(columns=columns, source={"chunk": 1, "window": 1}, deletes={"column": "deleted_at"})
    if exploded:
        columns |= {"n": {"type": "int", "from": "$index"}, "sku": {"type": "text", "from": "$element.sku"}}
        view |= {"explode": {"path": "payload.items"}, "warehouse": {**view["warehouse"], "key": ["id", "n"]}}
    view["source"]["connection"] = f"{'mysql' if isinstance(source, MariaDB) else 'postgres'}-shards/shop"
    view |= {"columns": columns, "lake": {"layouts": [{"table": "orders", "format": "delta"}]}}
    w = World(source, warehouse, folder / f"world-{time.monotonic_ns()}", list(SHARDS), view=view, ledger_apart=apart)
    w.folder.mkdir()
    with ExitStack() as stack:
        stack.callback(w.close)
        story = Story(w, stack, exploded)
        story.begin()
        for changes_, (run, *arguments) in plan:
            for change, *values in changes_:
                getattr(story, change)(*values)
            getattr(story, run)(*arguments)
        story.commit()
        story.run()  # ends what was left, a scan among it
        story.run()
        before = story.unmoved()
        story.run()
        assert story.unmoved() == before


def quick(examples: int) -> Any:
    return settings(max_examples=examples, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck))


both_ledgers = pytest.mark.parametrize("apart", [False, True], ids=["in the warehouse", "apart"])


@both_ledgers
@quick(2)
@given(exploded=st.booleans(), plan=plans)
@example(exploded=True, plan=EVENTFUL)
def test_any_story_on_mariadb_ends_as_its_model(
    mariadb: MariaDB, postgres: Postgres, tmp_path: Path, apart: bool, exploded: bool, plan: list[Any]
) -> None:
    tell(mariadb, postgres, tmp_path, apart, exploded, plan)


@both_ledgers
@quick(2)
@given(exploded=st.booleans(), plan=plans)
@example(exploded=False, plan=EVENTFUL)
def test_any_story_on_postgres_ends_as_its_model(postgres: Postgres, tmp_path: Path, apart: bool, exploded: bool, plan: list[Any]) -> None:
    tell(postgres, postgres, tmp_path, apart, exploded, plan)


@both_ledgers
@quick(2)
@given(exploded=st.booleans(), plan=killed)
def test_any_story_with_runs_that_are_killed_ends_as_its_model(
    mariadb: MariaDB, postgres: Postgres, tmp_path: Path, apart: bool, exploded: bool, plan: list[Any]
) -> None:
    tell(mariadb, postgres, tmp_path, apart, exploded, plan)
