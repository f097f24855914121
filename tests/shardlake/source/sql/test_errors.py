"""What a shard does not do is said by its name: a database that is not there, a statement that takes too long."""

from __future__ import annotations

import re
from typing import Any

import pytest

from shardlake.errors import SourceTimeout
from tests.world import World, WorldMaker, orders_view

BOTH = pytest.mark.parametrize("source", ["mysql", "postgres"])


def shop(world: WorldMaker, source: str, /, **view: Any) -> World:
    view["source"] = {"connection": f"{source}-shards/shop", **view.get("source", {})}
    w = world(source=source, view=orders_view(columns={"id": "bigint", "updated_at": "timestamp"}, **view))
    w.on_all(f"CREATE TABLE orders (id bigint PRIMARY KEY, updated_at {'datetime(6)' if w.on_mysql else 'timestamp'} NOT NULL)")
    w.on_all("INSERT INTO orders VALUES (1, '2026-01-01')")
    return w


@BOTH
def test_a_database_that_is_absent_is_no_refused_user(world: WorldMaker, source: str) -> None:
    w = shop(world, source)
    url = w.connections()[f"{source}-shards/shop"]["shards"]["shop_00"]
    w.connection_changes = {"shards": {"shop_00": f"{url}_missing"}}
    code = "error 1049" if w.on_mysql else "3D000"
    address = url.rpartition("@")[2]
    assert w.sync().shards["shop_00"].error == (
        f"shop_00 ({address}_missing): the server has no database '{w.database('shop_00')}_missing' ({code})."
        " Create it, or correct the connection's url."
    )


@BOTH
def test_a_table_or_column_that_is_not_there_is_named(world: WorldMaker, source: str) -> None:
    w = shop(world, source)
    hint = "Correct the view; `shardlake discover` drafts one from what the shards have."
    table, column = ("error 1146", "error 1054") if w.on_mysql else ("42P01", "42703")
    w.view["source"]["table"] = "ordres"
    name = f"{w.database('shop_00')}.ordres" if w.on_mysql else "ordres"
    assert str(w.sync().shards["shop_00"].error).endswith(f": there is no such table as {name} ({table}). {hint}")
    w.view["source"] |= {"table": None, "sql": "extract.sql"}
    w.view["sql_text"] = "SELECT id, updatd_at FROM orders"
    assert str(w.sync().shards["shop_00"].error).endswith(f": there is no such column as updatd_at ({column}). {hint}")


@BOTH
def test_a_plan_may_take_as_long_as_a_statement_may(world: WorldMaker, source: str) -> None:
    sleep = "SLEEP(2.3) = 0" if source == "mysql" else "pg_sleep(2.3) IS NOT NULL"
    slow = {"table": None, "sql": "extract.sql", "connection": f"{source}-shards/shop"}
    w = shop(world, source, source=slow, sql_text=f"SELECT id, updated_at FROM orders WHERE {sleep}")
    w.connection_changes = {"connect_timeout": "1s", "statement_timeout": "20s"}
    assert w.job().source.plan(w.model(), "shop_00", None).anything
    w.connection_changes = {"connect_timeout": "10s", "statement_timeout": "0.5s"}
    code = "error 1969" if w.on_mysql else "57014"
    says = f"a statement ran past 0.5 s ({code}). Check for an index on the cursor, or raise statement_timeout."
    with pytest.raises(SourceTimeout, match=re.escape(says)):
        w.job().source.plan(w.model(), "shop_00", None)
