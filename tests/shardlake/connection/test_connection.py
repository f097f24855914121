"""Connections: how shards are named by patterns, ranges, lists and databases; what is refused; what is never shown."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from shardlake.connection.address import Shard, expand_ranges
from shardlake.connection.connection_file import connection_names, load_connection
from shardlake.connection.kinds import Connection
from shardlake.connection.lake import Lake
from shardlake.connection.postgres import PostgresWarehouse
from shardlake.connection.shards import MySQLShards, PostgresShards
from shardlake.errors import SpecError
from tests.world import ORDERS_TABLE, World, WorldMaker, orders_view

CANARY = "c4nary/p@ss:w%rd#? '\"\\&=+é"


def of_file(folder: Path, text: str, reference: str = "mysql-shards/shop") -> Connection:
    (folder / "connections.yaml").write_text(text)
    return load_connection(folder / "connections.yaml", reference)


def refusal(folder: Path, text: str, reference: str = "mysql-shards/shop") -> str:
    """What is said of a connection, after the file and its name."""
    with pytest.raises(SpecError) as refused:
        of_file(folder, text, reference)
    lines = str(refused.value).splitlines()
    assert all(line.startswith(str(folder / "connections.yaml")) for line in lines), lines
    return "\n".join(line.removeprefix(f"{folder / 'connections.yaml'}").removeprefix(f": {reference}") for line in lines)


def shop(**fields: Any) -> MySQLShards:
    return MySQLShards.model_validate(fields)


def places(source: MySQLShards | PostgresShards, found: tuple[str, ...] = ()) -> list[tuple[str, str]]:
    return [(shard.name, f"{shard.user}@{shard.address}") for shard in source.resolve(found)]


# --- how shards are named --------------------------------------------------------------------------------------------
def test_a_range_in_a_url_counts_the_shards_and_keeps_its_zeros() -> None:
    assert places(shop(url="mysql://r@db:3307/shop_{08..11}")) == [(f"shop_{n}", f"r@db:3307/shop_{n}") for n in ("08", "09", "10", "11")]


def test_several_ranges_count_together() -> None:
    assert places(shop(url="mysql://r@db-{1..3}.internal:{3301..3303}/shop_{00..02}")) == [
        ("shop_00", "r@db-1.internal:3301/shop_00"), ("shop_01", "r@db-2.internal:3302/shop_01"), ("shop_02", "r@db-3.internal:3303/shop_02"),
    ]  # fmt: skip


def test_a_url_without_a_range_is_one_shard_and_the_port_has_a_default() -> None:
    assert places(shop(url="mariadb://r@db/shop")) == [("shop", "r@db:3306/shop")]
    assert places(PostgresShards.model_validate({"url": "postgres://r@db/shop"})) == [("shop", "r@db:5432/shop")]


def test_shards_may_be_a_list_or_have_names_of_their_own() -> None:
    assert places(shop(shards=["mysql://r@a/shop_1", "mysql://r@b/shop_2"])) == [
        ("shop_1", "r@a:3306/shop_1"),
        ("shop_2", "r@b:3306/shop_2"),
    ]
    assert places(shop(shards={"north": "mysql://r@a/shop", "south": "mysql://r@b/shop"})) == [
        ("north", "r@a:3306/shop"),
        ("south", "r@b:3306/shop"),
    ]


def test_one_database_name_on_many_hosts_is_told_apart_by_the_hosts() -> None:
    assert places(shop(url="mysql://r@db-{1..2}/shop")) == [("db-1_3306_shop", "r@db-1:3306/shop"), ("db-2_3306_shop", "r@db-2:3306/shop")]


def test_users_and_databases_may_be_percent_encoded() -> None:
    assert places(shop(shards={"a": "mysql://re%40der@db/my%20shop"})) == [("a", "re@der@db:3306/my shop")]


def test_an_override_changes_one_shard_alone() -> None:
    source = shop(
        url="mysql://r@db/shop_{0..1}", password="all", tls={"mode": "required"}, replica=True,
        overrides={"shop_1": {"url": "mysql://w@other:3310/moved", "password": "own", "tls": {"mode": "verify_ca", "ca": "/ca.pem"}, "replica": False}},
    )  # fmt: skip
    first, second = source.resolve()
    assert (first.host, first.user, first.database, first.password, first.replica) == ("db", "r", "shop_0", "all", True)
    assert (second.name, second.host, second.port, second.user, second.database, second.password, second.replica) == (
        "shop_1",
        "other",
        3310,
        "w",
        "moved",
        "own",
        False,
    )
    assert (first.tls and first.tls.mode, second.tls and second.tls.mode) == ("required", "verify_ca")


def test_what_all_shards_share_reaches_each() -> None:
    (shard,) = shop(url="mysql://r@db/shop", timezone="Europe/Berlin", connect_timeout="3s", statement_timeout="2m").resolve()
    assert (shard.timezone, shard.connect_timeout, shard.statement_timeout, shard.tls, shard.replica) == (
        "Europe/Berlin",
        3.0,
        120.0,
        None,
        False,
    )


@pytest.mark.parametrize(("pattern", "urls"), [
    ("a", ("a",)), ("a{0..2}", ("a0", "a1", "a2")), ("a{9..11}", ("a9", "a10", "a11")), ("a{007..008}b{1..2}", ("a007b1", "a008b2")), ("{5..5}", ("5",)),
])  # fmt: skip
def test_ranges_expand(pattern: str, urls: tuple[str, ...]) -> None:
    assert expand_ranges(pattern) == urls


# --- what is refused -------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(("lines", "said"), [
    ("url: mysql://r@db/shop_{0..3}_{0..2}", ": the ranges of the pattern differ in length, or count no shard: {0..3}, {0..2}"),
    ("url: mysql://r@db/shop_{3..0}", ": the ranges of the pattern differ in length, or count no shard: {3..0}"),
    ("url: mysql://r@db/shop_{0..99999}", ": the ranges of the pattern differ in length, or count no shard: {0..99999}"),
    ("url: postgresql://r@db/shop", ": a URL must read mysql://user@host:3306/database"),
    ("url: mysql://db/shop", ": a URL must read mysql://user@host:3306/database"),
    ("url: mysql://r@/shop", ": a URL must read mysql://user@host:3306/database"),
    ("url: mysql://r@db:port/shop", ": a URL cannot be read; it reads like mysql://user@host:3306/database"),
    ("url: mysql://r@db:99999/shop", ": a URL cannot be read; it reads like mysql://user@host:3306/database"),
    ("url: mysql://r@db/shop?ssl-mode=REQUIRED", ": a URL ends with the database; what stands behind ? or # is not read, give TLS under `tls`"),
    ("url: mysql://r@db/", ": '' cannot name a shard (letters, digits, _ . -, 63 at most); give `shards` as a mapping of names to URLs"),
    ("url: mysql://r@db/..", ": '..' cannot name a shard (letters, digits, _ . -, 63 at most); give `shards` as a mapping of names to URLs"),
    ("url: mysql://r@db/a/b", ": 'a/b' cannot name a shard (letters, digits, _ . -, 63 at most); give `shards` as a mapping of names to URLs"),
    (f"url: mysql://r@db/{'x' * 300}", f": '{'x' * 300}' cannot name a shard (letters, digits, _ . -, 63 at most); give `shards` as a mapping of names to URLs"),
    ("shards: {../x: mysql://r@db/a}", ": '../x' cannot name a shard (letters, digits, _ . -, 63 at most); give `shards` as a mapping of names to URLs"),
    ("shards: []", ": there is no shard"),
    ("shards: [mysql://r@db/a, mysql://r@db/a]", ": two shards have the same address: db_3306_a and db_3306_a"),
    ("shards: {north: mysql://r@db/a, south: mysql://r@db/a}", ": two shards have the same address: north and south"),
    ("shards: {north: mysql://r@db/a}\n  url: mysql://r@db/b", ": give either `url` (with ranges, or with `databases`) or `shards`"),
    ("password: x", ": give either `url` (with ranges, or with `databases`) or `shards`"),
    ("shards: [mysql://r@db/a]\n  databases: a*", ": `databases` goes with `url`, the server where they are"),
    ("url: mysql://r@db\n  databases: a; DROP", ": databases: 'a; DROP' may hold letters, digits, _, -, * and ?"),
    ("url: mysql://r@db/shop\n  overrides: {shop_7: {replica: true}}", ": overrides: there is no shard 'shop_7'; there are: shop"),
    ("url: mysql://r@db/shop\n  overrides: {shop: {pasword: x}}", ": overrides.shop.pasword: unknown key; check its spelling, or remove it"),
    ("url: mysql://r@db/shop\n  pasword: x", ": pasword: unknown key; check its spelling, or remove it"),
    ("url: mysql://r@db/shop\n  password: 12345", ": password: must be text; put it in quotes"),
    ("url: mysql://r@db/shop\n  timezone: Berlin", ": timezone: 'Berlin' is not a time zone; it reads like Europe/Berlin"),
    ("url: mysql://r@db/shop\n  timezone: ../../etc/passwd", ": timezone: '../../etc/passwd' is not a time zone; it reads like Europe/Berlin"),
    ("url: mysql://r@db/shop\n  timezone: Europe", ": timezone: 'Europe' is not a time zone; it reads like Europe/Berlin"),
    ("url: mysql://r@db/shop\n  max_connections: 0", ": max_connections: must be 1 or more"),
    ("url: mysql://r@db/shop\n  max_connections: many", ": max_connections: must be a whole number"),
    ("url: mysql://r@db/shop\n  replica: perhaps", ": replica: must be true or false"),
    ("url: mysql://r@db/shop\n  connect_timeout: soon", ": connect_timeout: 'soon' is not a duration; write 30s, 5m, 2h or 1d"),
    ("url: mysql://r@db/shop\n  tls: required", ": tls: must be a mapping, as in {key: value}"),
    ("url: mysql://r@db/shop\n  tls: {mode: on}", ": tls.mode: must be 'disabled', 'required', 'verify_ca' or 'verify_identity'"),
    ("url: mysql://r@db/shop\n  tls: {mode: verify_ca}", ": tls: tls.mode verify_ca needs tls.ca, the path of the authority's PEM file"),
    ("url: mysql://r@db/shop\n  tls: {mode: verify_identity}", ": tls: tls.mode verify_identity needs tls.ca, the path of the authority's PEM file"),
])  # fmt: skip
def test_a_connection_that_cannot_be_meant_is_refused_by_name(tmp_path: Path, lines: str, said: str) -> None:
    assert refusal(tmp_path, f"mysql-shards/shop:\n  {lines}\n") == said


@pytest.mark.parametrize(("text", "reference", "said"), [
    ("mysql-shards/shop: {url: mysql://r@db/a}", "mysql-shards/nope", " has no connection 'mysql-shards/nope'; there are: mysql-shards/shop. Add it, or correct the view."),
    ("{}", "mysql-shards/shop", " has no connection 'mysql-shards/shop'; there are: none. Add it, or correct the view."),
    ("oracle-shards/shop: {url: x}", "oracle-shards/shop", ": there is no kind 'oracle-shards'; there are: mysql-shards, postgres-shards, s3-files, mongodb, dynamodb, postgres-warehouse, athena-lake"),
    ("mysql-shards/shop: mysql://r@db/a", "mysql-shards/shop", ": connections are mappings under names like mysql-shards/shop"),
    ("[a]", "mysql-shards/shop", ": connections are mappings under names like mysql-shards/shop"),
    ("mysql-shards/shop: {url: a, url: b}", "mysql-shards/shop", ", line 1: the key 'url' stands twice. Mend the YAML."),
    ("athena-lake/main: {url: ../lake}", "athena-lake/main", ": url: '../lake' must be a folder or s3://bucket/prefix, and .. cannot be a part of it"),
    ("athena-lake/main: {url: gs://bucket}", "athena-lake/main", ": url: 'gs://bucket' must be a folder or s3://bucket/prefix, and .. cannot be a part of it"),
    ("athena-lake/main: {url: s3://Bad_Bucket/x}", "athena-lake/main", ": url: 's3://Bad_Bucket/x' must be a folder or s3://bucket/prefix, and .. cannot be a part of it"),
    ("postgres-warehouse/main: {url: mysql://r@db/a}", "postgres-warehouse/main", ": a URL must read postgresql://user@host:5432/database"),
    ("postgres-warehouse/main: {password: x}", "postgres-warehouse/main", ": url: is missing; add it"),
])  # fmt: skip
def test_a_connection_file_that_cannot_be_meant_is_refused(tmp_path: Path, text: str, reference: str, said: str) -> None:
    assert refusal(tmp_path, text, reference) == said


def test_a_connection_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match=r"connections.yaml: No such file or directory. Check the path."):
        load_connection(tmp_path / "connections.yaml", "mysql-shards/shop")


def test_connections_are_listed_in_the_files_order(tmp_path: Path) -> None:
    (tmp_path / "connections.yaml").write_text("postgres-warehouse/main: {}\nmysql-shards/shop: {}\n")
    assert connection_names(tmp_path / "connections.yaml") == ["postgres-warehouse/main", "mysql-shards/shop"]


# --- secrets ---------------------------------------------------------------------------------------------------------
def test_only_the_secrets_of_the_connection_that_is_asked_for_are_resolved(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SHOP_PASSWORD", CANARY)
    monkeypatch.delenv("OTHER", raising=False)
    (tmp_path / "key").write_text("of a file\n")
    found = of_file(tmp_path, f"""
mysql-shards/shop: {{url: "mysql://r@db/shop_{{0..1}}", password: "${{SHOP_PASSWORD}}", overrides: {{shop_1: {{password: "${{file:{tmp_path}/key}}"}}}}}}
postgres-warehouse/main: {{url: postgresql://w@db/w, password: "${{OTHER}}"}}
""")  # fmt: skip
    assert isinstance(found, MySQLShards)
    assert [shard.password for shard in found.resolve()] == [CANARY, "of a file"]
    assert found.secrets() == (CANARY, "of a file")
    assert refusal(tmp_path, "postgres-warehouse/main: {url: x, password: '${OTHER}'}", "postgres-warehouse/main") == (
        ".password: ${OTHER} is not set. Set it in the environment of this process."
    )


@pytest.mark.parametrize("url", [
    "mysql://r:{}@db/shop", "mysql://r:{}@db/shop_{{0..1}}", "mysql://r:{}@db:port/shop", "oracle://r:{}@db/shop", "mysql://:{}@db/shop", "mysql://r:{}@/shop", "mysql://r:{}@db/a/b",
])  # fmt: skip
@pytest.mark.parametrize("password", ["c4nary", "c4nary%2F1", "c4nary/1", "c4nary#1", "c4nary?1", "c4nary@1", "c4nary:1"])
def test_a_password_in_a_url_is_refused_and_never_shown(tmp_path: Path, url: str, password: str) -> None:
    address = url.format(password)
    for lines in (
        f'url: "{address}"',
        f'shards: ["{address}"]',
        f'shards: {{a: "{address}"}}',
        f'url: mysql://r@db/a\n  overrides: {{a: {{url: "{address}"}}}}',
    ):
        said = refusal(tmp_path, f"mysql-shards/shop:\n  {lines}\n")
        assert "c4nary" not in said
        assert ": a URL " in said


def test_no_password_shows_in_the_repr_of_anything() -> None:
    source = shop(url="mysql://r@db/shop", password=CANARY, overrides={"shop": {"password": CANARY}})
    warehouse = PostgresWarehouse.model_validate({"url": "postgresql://w@db/w", "password": CANARY})
    lake = Lake.model_validate({"url": "s3://bucket/x", "access_key_id": CANARY, "secret_access_key": CANARY})
    for thing in (source, source.resolve(), source.model_dump(), source.model_dump_json(), warehouse, warehouse.shard(), lake):
        assert "c4nary" not in repr(thing)
        assert "c4nary" not in str(thing)
    assert (warehouse.secrets(), lake.secrets()) == ((CANARY,), (CANARY, CANARY))


def test_a_value_that_does_not_fit_is_not_shown_back(tmp_path: Path) -> None:
    assert (
        refusal(tmp_path, f"mysql-shards/shop: {{url: mysql://r@db/shop, password: [{'c4nary'}]}}")
        == ": password: must be text; put it in quotes"
    )
    assert (
        refusal(tmp_path, "mysql-shards/shop: {url: mysql://r@db/shop, max_connections: c4nary}")
        == ": max_connections: must be a whole number"
    )


# --- on real servers -------------------------------------------------------------------------------------------------
def filled(w: World) -> World:
    w.on_all(ORDERS_TABLE)
    for number, shard in enumerate(w.shards):
        w.on(shard, f"INSERT INTO orders VALUES ({number}, 'paid', 1, '2026-01-01', NULL)")
    return w


def test_a_range_reads_every_database_of_it(world: WorldMaker) -> None:
    w = filled(world(["shop_00", "shop_01", "shop_02"]))
    address = f"mysql://{w.source.user}@{w.source.host}:{w.source.port}/{w.prefix}shop_{{00..02}}"
    w.connection_changes = {"shards": None, "url": address}
    w.must_sync()
    assert w.target("id, _shard") == [(0, f"{w.prefix}shop_00"), (1, f"{w.prefix}shop_01"), (2, f"{w.prefix}shop_02")]


@pytest.mark.parametrize("source", ["mysql", "postgres"])
def test_a_pattern_reads_every_database_that_matches_and_those_that_come_later(world: WorldMaker, source: str) -> None:
    w = world(["shop_00", "shop_01", "other"], source=source, view=orders_view(source={"connection": f"{source}-shards/shop"}))
    if source == "mysql":
        filled(w)
    else:
        w.on_all("CREATE TABLE orders (id bigint PRIMARY KEY, status text, amount numeric, updated_at timestamp NOT NULL, payload text)")
        for number, shard in enumerate(w.shards):
            w.on(shard, f"INSERT INTO orders VALUES ({number}, 'paid', 1, '2026-01-01', NULL)")
    scheme = "mysql" if source == "mysql" else "postgresql"
    w.connection_changes = {
        "shards": None,
        "url": f"{scheme}://{w.source.user}@{w.source.host}:{w.source.port}",
        "databases": f"{w.prefix}shop_*",
    }
    w.must_sync()
    assert w.target("id, _shard") == [(0, f"{w.prefix}shop_00"), (1, f"{w.prefix}shop_01")]
    w.create_shard("shop_02")
    w.on(
        "shop_02",
        ORDERS_TABLE
        if source == "mysql"
        else "CREATE TABLE orders (id bigint PRIMARY KEY, status text, amount numeric, updated_at timestamp NOT NULL, payload text)",
    )
    w.on("shop_02", "INSERT INTO orders VALUES (7, 'paid', 1, '2026-01-01', NULL)")
    w.must_sync()
    assert w.target("id, _shard")[2:] == [(7, f"{w.prefix}shop_02")]
    w.connection_changes["databases"] = "nothing_*"
    with pytest.raises(SpecError, match=r"no database matches 'nothing_\*'. Check the pattern and the user's grants."):
        w.sync()


def test_a_pattern_of_all_databases_leaves_out_the_servers_own(world: WorldMaker) -> None:
    w = world()
    w.connection_changes = {"shards": None, "url": f"mysql://{w.source.user}@{w.source.host}:{w.source.port}", "databases": "*"}
    names = set(w.job().partitions)
    assert w.database("shop_00") in names
    assert names & {"information_schema", "mysql", "performance_schema", "sys"} == set()


@pytest.mark.parametrize("source", ["mysql", "postgres"])
def test_a_user_and_password_of_any_characters_get_in_and_a_wrong_one_is_refused_without_being_shown(
    world: WorldMaker, source: str
) -> None:
    w = world(source=source, view=orders_view(source={"connection": f"{source}-shards/shop"}))
    name = f"o'd@d :u%{w.prefix}"[:30]
    if source == "mysql":
        filled(w)
        w.source.execute("CREATE USER %s@'%%' IDENTIFIED BY %s", name, CANARY)
        w.source.execute(f"GRANT SELECT ON `{w.database('shop_00')}`.* TO %s@'%%'", name)
    else:
        w.on(
            "shop_00",
            "CREATE TABLE orders (id bigint PRIMARY KEY, status text, amount numeric, updated_at timestamp NOT NULL, payload text)",
        )
        w.on("shop_00", "INSERT INTO orders VALUES (0, 'paid', 1, '2026-01-01', NULL)")
        secret = CANARY.replace("'", "''")
        quoted = name.replace('"', '""')
        w.source.execute(f"CREATE USER \"{quoted}\" PASSWORD '{secret}'")
        w.on("shop_00", f'GRANT SELECT ON orders TO "{quoted}"')
    scheme = "mysql" if source == "mysql" else "postgresql"
    address = f"{scheme}://{quote(name, safe='')}@{w.source.host}:{w.source.port}/{w.database('shop_00')}"
    w.connection_changes = {"shards": {"shop_00": address}, "password": CANARY}
    w.must_sync()
    assert w.target("id, status") == [(0, "paid")]
    w.connection_changes["password"] = "wrong-c4nary"
    report = w.sync()
    assert report.shards["shop_00"].error is not None
    assert "refused user" in report.shards["shop_00"].error
    assert "Check the connection's user, password" in report.shards["shop_00"].error
    assert "c4nary" not in str(report.as_json())


def test_a_shard_shows_where_it_is_and_nothing_of_its_password() -> None:
    shard = Shard("shop_00", "mysql", "db", 3306, "r", CANARY, "shop")
    assert shard.address == "db:3306/shop"
    assert "c4nary" not in repr(shard)


@pytest.mark.parametrize(("primary", "places_of_primaries"), [
    ("mysql://r@main", ["r@main:3306/shop_0", "r@main:3306/shop_1"]),
    ("mysql://r@main-{3..4}/shop_{0..1}", ["r@main-3:3306/shop_0", "r@main-4:3306/shop_1"]),
    ({"shop_1": "mysql://w@main/moved"}, [None, "w@main:3306/moved"]),
])  # fmt: skip
def test_replicas_have_their_primaries_by_one_server_a_pattern_or_their_names(primary: Any, places_of_primaries: list[str | None]) -> None:
    source = shop(url="mysql://r@db/shop_{0..1}", password="all", primary_password="there", replica=True, primary=primary)
    found = [s.primary for s in source.resolve()]
    assert [p and f"{p.user}@{p.address}" for p in found] == places_of_primaries
    assert {(p.password, p.replica) for p in found if p} == {("there", False)}
    assert "there" in source.secrets()
    assert "there" not in repr(source.resolve())


@pytest.mark.parametrize(("fields", "says"), [
    ({"primary": "mysql://r@main"}, "`primary` goes with `replica: true`"),
    ({"replica": True, "primary": "mysql://r@main-{0..2}"}, "primary: the pattern has 3 URLs, and there are 2 shards"),
    ({"replica": True, "primary": {"shop_7": "mysql://r@main"}}, "primary: there is no shard 'shop_7'; there are: shop_0, shop_1"),
    ({"replica": True, "primary": "mysql://r:secret@main"}, "a URL holds a password"),
])  # fmt: skip
def test_a_primary_that_fits_no_replica_is_refused(fields: dict[str, Any], says: str) -> None:
    with pytest.raises(ValueError, match=re.escape(says)) as refused:
        shop(url="mysql://r@db/shop_{0..1}", **fields)
    assert "secret@" not in str(refused.value)


def test_an_override_names_the_primary_of_one_shard() -> None:
    first, second = shop(
        url="mysql://r@db/shop_{0..1}", replica=True, primary="mysql://r@main", overrides={"shop_1": {"primary": "mysql://r@other"}}
    ).resolve()
    assert (first.primary and first.primary.host, second.primary and second.primary.host) == ("main", "other")
