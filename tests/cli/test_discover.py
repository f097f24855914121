"""`shardlake discover`, the real program: its draft is a view that passes `check` and `plan`, and runs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from shardlake.run.sync import sync
from shardlake.view.view_file import load_view
from tests.prefect_api import PrefectApi
from tests.world import World, WorldMaker


def discover(w: World, table: str) -> tuple[str, dict[str, Any]]:
    """The draft, as text and as what it says."""
    reference = next(iter(w.connections()))
    done = w.command("discover", reference, table)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout, yaml.safe_load(done.stdout)


def save(w: World, text: str) -> Path:
    home = w.folder / "views" / str(yaml.safe_load(text)["name"])
    home.mkdir(parents=True, exist_ok=True)
    (home / "view.yaml").write_text(text)
    return home


def run(w: World, text: str, name: str) -> None:
    """The engine's run of a draft."""
    report = sync(load_view(save(w, text)), w.connect)
    assert report.ok, report.headline()
    assert report.totals().rejected == 0
    assert report.view == name


def test_a_draft_passes_check_and_plan_and_then_really_runs(world: WorldMaker, prefect_api: PrefectApi) -> None:
    w = world(["shop_00", "shop_01"])
    w.on_all(
        "CREATE TABLE bills (id bigint PRIMARY KEY, total decimal(12,2), updated_at datetime(6) NOT NULL, payload longtext, KEY (updated_at))"
    )
    document = {
        "customer": {"name": "Ünal", "vip": True, "since": "2026-01-01T00:00:00Z"},
        "lines": [{"sku": "A"}],
        "odd key": {"a.b": 1.5},
    }
    for number, shard in enumerate(w.shards):
        w.on(shard, "INSERT INTO bills VALUES (%s, 10.25, '2026-01-02 03:04:05.000006', %s)", number, json.dumps(document))
    text, view = discover(w, "bills")
    assert text.startswith(
        "# drafted from 2 shards of mysql-shards/shop; look through it, then: shardlake plan bills\n"
        "# payload: all 2 rows looked at hold JSON: it is drafted as jsonb, and a row that holds none will be rejected\nname: bills\n"
    )
    assert view["source"] == {
        "connection": "mysql-shards/shop",
        "table": "bills",
        "primary_key": ["id"],
        "cursor": "updated_at",
        "lookback": "5m",
    }
    assert view["columns"] == {
        "id": "bigint",
        "total": "numeric",
        "updated_at": "timestamptz",
        "payload": "jsonb",
        "customer_name": {"type": "text", "from": "payload.customer.name"},
        "customer_vip": {"type": "boolean", "from": "payload.customer.vip"},
        "customer_since": {"type": "timestamptz", "from": "payload.customer.since"},
        "lines": {"type": "jsonb", "from": "payload.lines"},
        "odd_key_a_b": {"type": "numeric", "from": 'payload."odd key"."a.b"'},
    }
    save(w, text)
    for words in (["check"], ["plan", "bills"], ["run", "bills"]):
        done = prefect_api.command(w, *words)
        assert (done.returncode, done.stderr) == (0, ""), done.stdout
    assert w.warehouse("SELECT id, total::text, updated_at::text, customer_name, customer_vip, lines::text, odd_key_a_b::text, payload = %s, _shard FROM analytics.bills ORDER BY id", json.dumps(document)) == [
        (number, "10.25", "2026-01-02 03:04:05.000006+00", "Ünal", True, '[{"sku": "A"}]', "1.5", True, shard) for number, shard in enumerate(w.shards)
    ]  # fmt: skip


def test_a_composite_key_and_odd_names_are_kept_apart_and_run(world: WorldMaker) -> None:
    w = world(["shop_00", "shop_01"])
    long = "x" * 64
    w.on_all(
        "CREATE TABLE `Order Lines` (`Order No` bigint unsigned, `line` int, `select` varchar(9), `naïve ✓` int, `Order_No` date,"
        f" `{long}` int, modified_at timestamp(6) NOT NULL, PRIMARY KEY (`Order No`, `line`), KEY (modified_at))"
    )
    for shard in w.shards:
        w.on(shard, "INSERT INTO `Order Lines` VALUES (18446744073709551615, 2, 'from', 7, '2026-01-02', 5, '2026-01-01 00:00:00')")
    text, view = discover(w, "Order Lines")
    assert (view["name"], view["source"]["table"], view["source"]["primary_key"]) == ("order_lines", "Order Lines", ["Order No", "line"])
    assert view["source"]["cursor"] == "modified_at"
    run(w, text, "order_lines")
    names = list(view["columns"])
    assert names[:4] == ["order_no", "line", "select", "na_ve"]
    assert len({name.lower() for name in names}) == 7
    assert w.warehouse(
        'SELECT order_no::text, line, "select", na_ve, order_no_2::text, _shard FROM analytics.order_lines ORDER BY _shard'
    ) == [("18446744073709551615", 2, "from", 7, "2026-01-02", shard) for shard in w.shards]


def test_a_table_without_cursor_is_drafted_as_a_replace(world: WorldMaker) -> None:
    w = world(["shop_00"])
    w.on_all("CREATE TABLE countries (code char(2) PRIMARY KEY, label varchar(40))")
    w.on_all("INSERT INTO countries VALUES ('de', 'Deutschland'), ('tr', 'Türkiye')")
    text, view = discover(w, "countries")
    assert "# no datetime that looks like a cursor: the table is loaded whole (write: replace)\n" in text
    assert "cursor" not in view["source"]
    assert view["warehouse"]["write"] == "replace"
    run(w, text, "countries")
    assert w.warehouse("SELECT code, label FROM analytics.countries ORDER BY 1") == [("de", "Deutschland"), ("tr", "Türkiye")]


def test_a_cursor_without_an_index_is_remarked(world: WorldMaker) -> None:
    w = world(["shop_00"])
    w.on_all("CREATE TABLE slow (id int PRIMARY KEY, updated_at datetime NOT NULL)")
    assert "# no index begins with updated_at: each run would read the whole table; create one on the shards\n" in discover(w, "slow")[0]


def test_postgres_shards_are_drafted_with_their_own_types(world: WorldMaker) -> None:
    w = world(["shop_00"], source="postgres")
    w.on_all(
        "CREATE TABLE bills (id bigint PRIMARY KEY, tags text[], at timestamptz, spent interval, doc jsonb, updated_at timestamp NOT NULL, raw bytea)"
    )
    w.on_all("CREATE INDEX ON bills (updated_at)")
    w.on_all(
        """INSERT INTO bills VALUES (1, '{"a b", c}', '2026-01-01 00:00+01', '1 day 02:00', '{"n": {"x": 1}}', '2026-01-01', '\\x00ff')"""
    )
    text, view = discover(w, "bills")
    assert view["columns"]["n_x"] == {"type": "bigint", "from": "doc.n.x"}
    run(w, text, "bills")
    assert w.warehouse("SELECT tags, at::text, spent::text, n_x, raw FROM analytics.bills") == [
        (["a b", "c"], "2025-12-31 23:00:00+00", "1 day 02:00:00", 1, b"\x00\xff")
    ]


@pytest.mark.parametrize(("change", "message"), [
    ("DROP TABLE bills", "ContractError shop_01 has no table 'bills'; it has: others. Check the name.\n"),
    ("ALTER TABLE bills MODIFY total varchar(9)", "ContractError shop_01, total: is "),
    ("ALTER TABLE bills DROP total", "ContractError shop_01 has no column 'total', which shop_00 has. Make the shards alike, "),
])  # fmt: skip
def test_shards_that_differ_are_named_rather_than_drafted(world: WorldMaker, change: str, message: str) -> None:
    w = world(["shop_00", "shop_01"])
    w.on_all("CREATE TABLE bills (id int PRIMARY KEY, total int)")
    w.on_all("CREATE TABLE others (id int PRIMARY KEY)")
    w.on("shop_01", change)
    done = w.command("discover", "mysql-shards/shop", "bills")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith(message)
    assert done.stderr.count("\n") == 1


# --- the draft as a file ---------------------------------------------------------------------------------------------
def test_a_draft_is_written_into_its_own_folder_and_never_over_a_file_that_is_there(world: WorldMaker) -> None:
    w = world(["shop_00"])
    w.on_all("CREATE TABLE bills (id int PRIMARY KEY, total int)")
    done = w.command("discover", "mysql-shards/shop", "bills", "--write")
    target = w.folder / "views" / "bills" / "view.yaml"
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == (
        "drafted from 1 shards of mysql-shards/shop; look through it, then: shardlake plan bills\n"
        "no datetime that looks like a cursor: the table is loaded whole (write: replace)\n"
        f"wrote {target}\n"
    )
    assert load_view(target.parent).name == "bills"
    target.write_text("mine")
    again = w.command("discover", "mysql-shards/shop", "bills", "--write")
    assert (again.returncode, again.stdout, target.read_text()) == (1, "", "mine")
    assert again.stderr == (f"SpecError {target} is there already. Move it away, or print the draft (without --write) and take from it.\n")


def test_a_discovery_that_fails_leaves_no_file_and_no_folder_behind(world: WorldMaker) -> None:
    w = world(["shop_00"])
    w.on_all("CREATE TABLE bills (id int PRIMARY KEY)")
    done = w.command("discover", "mysql-shards/shop", "no_such_table", "--write")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == "ContractError shop_00 has no table 'no_such_table'; it has: bills. Check the name.\n"
    assert sorted(p.name for p in (w.folder / "views").iterdir()) == ["orders"]


def test_a_draft_that_check_would_refuse_is_not_printed(world: WorldMaker) -> None:
    w = world(["shop_00"])
    w.on_all("CREATE TABLE `bills-2` (id int PRIMARY KEY)")
    w.on_all("CREATE TABLE priced (`$id` int PRIMARY KEY, total int)")
    w.view["warehouse"]["table"] = "analytics.bills_2"
    done = w.command("discover", "mysql-shards/shop", "bills-2")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == (
        "SpecError the draft would not pass `shardlake check`\n"
        f"{w.folder}/views/bills_2/view.yaml: warehouse.table: analytics.bills_2 is the table of the view orders already."
        " Change what is named, then draft again.\n"
    )
    done = w.command("discover", "mysql-shards/shop", "priced")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == (
        "SpecError priced cannot be drafted: its view would not pass `shardlake check`\n"
        "priced/view.yaml: columns: the key defaults to _shard and the primary key, but '$id' is no column; add it or give warehouse.key."
        " Write the view by hand, and rename what is odd in an extract.sql.\n"
    )


def test_a_draft_names_the_warehouse_and_the_lake_that_there_are(world: WorldMaker) -> None:
    w = world(["shop_00"])
    w.on_all("CREATE TABLE bills (id int PRIMARY KEY)")
    reference, source = next(iter(w.connections().items()))
    (w.folder / "mine.yaml").write_text(
        yaml.safe_dump({reference: source, "postgres-warehouse/dwh": w.connections()["postgres-warehouse/main"]})
    )
    done = w.command("--connections", str(w.folder / "mine.yaml"), "--views", str(w.folder / "none"), "discover", reference, "bills")
    assert (done.returncode, done.stderr) == (0, "")
    assert yaml.safe_load(done.stdout)["warehouse"]["connection"] == "postgres-warehouse/dwh"
    assert done.stdout.splitlines()[1] == "# athena-lake/main is no connection yet: add it to the connections file"
