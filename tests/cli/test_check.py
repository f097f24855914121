"""`shardlake check`, the real program: each mistake by file and key, and 1 as soon as there is one."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import yaml

from tests.world import ROOT, World, WorldMaker, orders_view


def write(w: World, folder: str, view: Any) -> Path:
    path = w.folder / "views" / folder / "view.yaml"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(view if isinstance(view, str) else yaml.safe_dump(view, sort_keys=False))
    return path


def test_good_views_and_connections_end_with_0(world: WorldMaker) -> None:
    w = world()
    done = w.command("check")
    assert (done.returncode, done.stdout, done.stderr) == (0, "1 views, 0 problems\n", "")
    done = w.command("check", "--json")
    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads(done.stdout) == {"ok": True, "views": ["orders"], "problems": [], "inferred": []}


def test_every_mistake_is_named_by_its_file_and_key_and_one_view_does_not_hide_the_next(world: WorldMaker) -> None:
    w = world()
    bad = {
        "misspelt": {**orders_view(name="misspelt"), "shedule": "every 15m"},
        "wrong_type": orders_view(name="wrong_type", columns={"id": "bigint", "updated_at": "timestamp", "amount": "money(2)"}),
        "other_name": orders_view(name="another_name"),
        "broken": "name: broken\nsource: {table: [\n",
        "twice": "name: twice\nname: twice\n",
        "nowhere": orders_view(name="nowhere", source={"connection": "mysql-shards/nobody"}, warehouse={"table": "analytics.nowhere"}),
        "same_table": orders_view(name="same_table", warehouse={"table": "Analytics.Orders"}),
        "outside": orders_view(name="outside", source={"table": None, "sql": "../../etc/passwd"}),
    }
    paths = {name: write(w, name, view) for name, view in bad.items()}
    done = w.command("check", "--json")
    assert (done.returncode, done.stderr) == (1, "")
    found = json.loads(done.stdout)
    assert (found["ok"], found["views"]) == (False, sorted([*bad, "orders"]))
    problems: list[str] = found["problems"]
    starts = {
        "misspelt": "shedule: unknown key; check its spelling, or remove it",
        "wrong_type": "columns.amount.type: 'money(2)' is not a type that Shardlake casts to; there are: smallint, ",
        "other_name": "name: 'another_name' is not the folder's name 'other_name'. Make them equal.",
        "nowhere": f"{w.folder / 'connections.yaml'} has no connection 'mysql-shards/nobody'; there are: mysql-shards/shop, ",
        "same_table": "warehouse.table: Analytics.Orders is the table of the view orders already",
        "outside": "source.sql: '../../etc/passwd' must be the name of a .sql file beside view.yaml, without a folder",
    }
    for name, start in starts.items():
        assert [p for p in problems if p.startswith(f"{paths[name]}: {start}")], (name, problems)
    assert [p for p in problems if p.startswith(f"{paths['broken']}, line 3: ")], problems
    assert [p for p in problems if p.startswith(f"{paths['twice']}, line 2: the key 'name' stands twice")], problems
    shown = w.command("check")
    assert shown.returncode == 1
    assert shown.stdout.splitlines()[:-1] == problems
    assert shown.stdout.splitlines()[-1] == f"9 views, {len(problems)} problems"


def test_a_connections_file_is_checked_too_and_its_secrets_are_not_shown(world: WorldMaker) -> None:
    w = world()
    w.write_files()
    found = w.connections()
    found["mysql-shards/shop"] |= {"password": "${NOT_SET_ANYWHERE}"}
    found["postgres-warehouse/main"] |= {"url": "postgresql://loader:hunter2@w.example/db", "pasword": "hunter3"}
    found["oracle-shards/old"] = {"url": "x"}
    path = w.folder / "bad.yaml"
    path.write_text(yaml.safe_dump(found))
    done = w.command("--connections", str(path), "check")
    assert (done.returncode, done.stderr) == (1, "")
    assert (
        f"{path}: mysql-shards/shop.password: ${{NOT_SET_ANYWHERE}} is not set. Set it in the environment of this process." in done.stdout
    )
    assert f"{path}: postgres-warehouse/main: pasword: unknown key; check its spelling, or remove it" in done.stdout
    assert (
        f"{path}: oracle-shards/old: there is no kind 'oracle-shards'; there are: mysql-shards, postgres-shards, s3-files, mongodb, dynamodb, postgres-warehouse, athena-lake"
        in done.stdout
    )
    assert "hunter" not in done.stdout


def test_one_table_name_in_two_warehouses_is_two_tables_and_in_one_by_two_connections_a_problem(world: WorldMaker) -> None:
    w = world()
    w.write_files()
    main = w.connections()["postgres-warehouse/main"]
    there = {
        **w.connections(),
        "postgres-warehouse/other": {**main, "url": f"{main['url']}_other"},
        "postgres-warehouse/again": {**main, "url": main["url"].replace("postgres@", "somebody_else@")},
    }
    file = w.folder / "three.yaml"
    file.write_text(yaml.safe_dump(there))
    write(w, "elsewhere", orders_view(name="elsewhere", warehouse={"connection": "postgres-warehouse/other"}))
    done = w.command("--connections", str(file), "check")
    assert (done.returncode, done.stdout) == (0, "2 views, 0 problems\n")
    path = write(w, "orders_too", orders_view(name="orders_too", warehouse={"connection": "postgres-warehouse/again"}))
    done = w.command("--connections", str(file), "check")
    assert (done.returncode, done.stdout) == (
        1,
        f"{path}: warehouse.table: analytics.orders is the table of the view orders already, by postgres-warehouse/main, which leads to the same"
        " database\n3 views, 1 problems\n",
    )


def test_a_ledger_that_is_no_declared_database_is_a_problem_of_the_file(world: WorldMaker) -> None:
    w = world()
    w.write_files()
    found = w.connections()
    path = w.folder / "ledger.yaml"
    path.write_text(yaml.safe_dump({**found, "ledger": "postgres-warehouse/main"}))
    assert w.command("--connections", str(path), "check").stdout == "1 views, 0 problems\n"
    path.write_text(yaml.safe_dump({**found, "ledger": "postgres-warehouse/nowhere"}))
    done = w.command("--connections", str(path), "check")
    assert done.returncode == 1
    assert done.stdout == (
        f"{path}: ledger: {path} has no connection 'postgres-warehouse/nowhere'; there are: postgres-warehouse/main."
        " Write the name of one, as in postgres-warehouse/ledger.\n1 views, 1 problems\n"
    )


def test_the_views_of_this_project_are_good(world: WorldMaker) -> None:
    done = world().command(
        "--views",
        str(ROOT / "views"),
        "--connections",
        str(ROOT / "deployments" / "connections.yaml"),
        "check",
        SHOP_PASSWORD="x",
        WAREHOUSE_PASSWORD="x",
    )
    assert (done.returncode, done.stdout) == (0, "2 views, 0 problems\n")
