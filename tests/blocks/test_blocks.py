"""Connections as Prefect blocks, on a real server: the same as in the file, known by name, and silent about secrets."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from prefect.blocks.core import Block
from prefect.settings import PREFECT_API_URL, temporary_settings
from prefect_aws import AwsCredentials
from prefect_aws.assume_role_parameters import AssumeRoleParameters
from prefect_aws.client_parameters import AwsClientParameters
from pydantic import SecretStr

import blocks
from blocks.connection_block import ConnectionBlock
from blocks.resolve import connect as connect_in_flows
from cli.connect import connect as connect_in_commands
from shardlake.connection.connection_file import connection_names, load_connection
from shardlake.connection.kinds import KINDS
from shardlake.connection.lake import Lake
from shardlake.errors import SpecError
from tests.prefect_api import PrefectApi
from tests.world import ORDERS_TABLE, ROOT, World, WorldMaker

BLOCKS: dict[str, type[ConnectionBlock]] = {
    "mysql-shards": blocks.MySQLShards,
    "postgres-shards": blocks.PostgresShards,
    "postgres-warehouse": blocks.PostgresWarehouse,
    "athena-lake": blocks.AthenaLake,
    "s3-files": blocks.S3Files,
    "mongodb": blocks.MongoDB,
    "dynamodb": blocks.DynamoDB,
}
FILE: dict[str, dict[str, Any]] = {
    "mysql-shards/pattern": {
        "url": "mysql://reader@shard-{00..02}.db.example:3306/shop_{00..02}",
        "password": "open sesame",
        "overrides": {"shop_01": {"password": "open barley", "tls": {"mode": "verify_ca", "ca": "/etc/ca.pem"}, "replica": False}},
        "tls": {"mode": "required"},
        "replica": True,
        "primary": {"shop_00": "mysql://reader@main.db.example/shop_00"},
        "primary_password": "open barley",
        "timezone": "Europe/Berlin",
        "max_connections": 7,
        "connect_timeout": "3s",
        "statement_timeout": "1h",
    },
    "mysql-shards/listed": {"shards": ["mysql://r@a.example/shop_a", "mysql://r@b.example/shop_b"], "password": "p@ss:w/rd%"},
    "mysql-shards/named": {"shards": {"north": "mysql://r@a.example/shop", "south": "mysql://r@b.example/shop"}},
    "mysql-shards/server": {"url": "mysql://r@a.example", "databases": "shop_*"},
    "postgres-shards/shop": {"url": "postgresql://r@a.example/shop_{1..3}", "password": "open sesame"},
    "postgres-warehouse/main": {"url": "postgresql://l@w.example/analytics", "password": "open sesame", "tls": {"mode": "required"}, "max_connections": 9},
    "athena-lake/main": {"url": "s3://bucket/lake", "region": "eu-central-1", "access_key_id": "open sesame", "secret_access_key": "open barley"},
    "s3-files/landing": {"url": "s3://drops/dms", "access_key_id": "open sesame", "secret_access_key": "open barley", "timezone": "Europe/Berlin"},
    "mongodb/platform": {"url": "mongodb://reader@m.example/platform", "password": "open sesame"},
    "dynamodb/platform": {"region": "eu-west-1", "access_key_id": "open sesame", "secret_access_key": "open barley"},
}  # fmt: skip
SECRETS = ("open sesame", "open barley", "p@ss:w/rd%")


def block_of(reference: str, fields: dict[str, Any]) -> ConnectionBlock:
    return BLOCKS[reference.partition("/")[0]].model_validate(fields)


@pytest.fixture
def here(prefect_api: PrefectApi) -> Iterator[PrefectApi]:
    """Blocks of this process are saved to and loaded from the tests' own server."""
    with temporary_settings({PREFECT_API_URL: prefect_api.server.api_url}):
        yield prefect_api


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "connections.yaml"
    path.write_text(yaml.safe_dump(FILE))
    return path


def save(connections: dict[str, dict[str, Any]]) -> None:
    for reference, fields in connections.items():
        block_of(reference, fields).save(reference.partition("/")[2], overwrite=True)


def run_python(api: PrefectApi, *words: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, **api.environment()}
    return subprocess.run([sys.executable, *words], cwd=ROOT, env=environment, capture_output=True, text=True, timeout=60)


def test_prefect_block_register_makes_every_kind_known(prefect_api: PrefectApi) -> None:
    done = run_python(prefect_api, "-m", "prefect", "block", "register", "-m", "blocks")
    assert done.returncode == 0, done.stderr
    types = {t["slug"]: t["name"] for t in prefect_api.all("block_types", limit=200)}
    assert {slug: types[slug] for slug in KINDS} == {
        "mysql-shards": "MySQL Shards", "postgres-shards": "Postgres Shards", "postgres-warehouse": "Postgres Warehouse", "athena-lake": "Athena Lake",
        "dynamodb": "DynamoDB Tables", "s3-files": "S3 Files", "mongodb": "MongoDB",
    }  # fmt: skip


def test_a_process_that_imports_nothing_of_ours_loads_a_block_by_the_entry_point(here: PrefectApi, tmp_path: Path) -> None:
    save({"mysql-shards/shop": FILE["mysql-shards/listed"]})
    script = tmp_path / "load.py"
    script.write_text(
        "from prefect.blocks.core import Block\n"
        "block = Block.load('mysql-shards/shop')\n"
        "print(type(block).__module__, [s.name for s in block.spec().resolve()])\n"
        "print(block, repr(block), block.spec(), block.model_dump_json())\n"
    )
    done = run_python(here, str(script))
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("blocks.shards ['shop_a', 'shop_b']\n")
    assert "p@ss" not in done.stdout + done.stderr


@pytest.mark.parametrize("reference", FILE)
def test_a_block_gives_the_engine_what_the_file_gives(here: PrefectApi, file: Path, reference: str) -> None:
    in_file = load_connection(file, reference)
    assert block_of(reference, FILE[reference]).spec() == in_file
    save({reference: FILE[reference]})
    loaded = Block.load(reference)
    assert isinstance(loaded, ConnectionBlock)
    assert loaded.spec() == loaded.get_client() == in_file
    assert loaded.spec().secrets() == in_file.secrets()


def test_the_file_of_these_tests_has_every_kind_of_connection(file: Path) -> None:
    assert {name.partition("/")[0] for name in connection_names(file)} == set(KINDS) == set(BLOCKS)


@pytest.mark.parametrize("show", [repr, str, lambda b: b.model_dump_json(), lambda b: repr(b.spec()), lambda b: str(b.model_dump())])
def test_secrets_do_not_print(show: Callable[[Any], str]) -> None:
    for reference, fields in FILE.items():
        shown = show(block_of(reference, fields))
        assert [s for s in SECRETS if s in shown] == []
        assert reference.startswith(("mysql-shards/named", "mysql-shards/server")) or "*****" in shown


def test_every_field_that_holds_a_secret_is_a_secret_to_prefect() -> None:
    secret = {
        slug: sorted(n for n, f in kind.model_fields.items() if SecretStr.__name__ in str(f.annotation)) for slug, kind in BLOCKS.items()
    }
    assert secret == {
        "mysql-shards": ["password", "primary_password"], "postgres-shards": ["password", "primary_password"], "postgres-warehouse": ["password"],
        "athena-lake": ["access_key_id", "secret_access_key", "session_token"], "s3-files": ["access_key_id", "secret_access_key", "session_token"],
        "dynamodb": ["access_key_id", "secret_access_key", "session_token"], "mongodb": ["password"],
    }  # fmt: skip
    nested = {"overrides": ["overrides.*"], "credentials": ["credentials.aws_secret_access_key"]}
    for slug, kind in BLOCKS.items():
        own = [n for field, names in nested.items() if field in kind.model_fields for n in names]
        assert kind.model_json_schema()["secret_fields"] == sorted([*secret[slug], *own])


def test_the_api_shows_a_saved_block_without_its_secrets(here: PrefectApi) -> None:
    save({"mysql-shards/pattern": FILE["mysql-shards/pattern"], "postgres-warehouse/main": FILE["postgres-warehouse/main"]})
    shown = json.dumps(here.all("block_documents"))
    assert "shard-{00..02}.db.example" in shown
    assert [s for s in SECRETS if s in shown] == []


def test_a_block_refuses_what_the_file_refuses() -> None:
    with pytest.raises(ValueError, match="a URL holds a password") as refused:
        block_of("postgres-warehouse/main", {"url": "postgresql://u:hunter2@h/db"})
    assert "hunter2" not in str(refused.value)


AWS = AwsCredentials(
    aws_access_key_id="AKIA0", aws_secret_access_key=SecretStr("open sesame"), aws_session_token="open barley", region_name="eu-west-1",
    assume_role_arn="arn:aws:iam::123456789012:role/lake", assume_role_kwargs=AssumeRoleParameters(ExternalId="e1", DurationSeconds=900),
    aws_client_parameters=AwsClientParameters(endpoint_url="http://s3.example:9000"),
)  # fmt: skip
PLAIN = Lake.model_validate(
    {
        "url": "s3://bucket/lake", "access_key_id": "AKIA0", "secret_access_key": "open sesame", "session_token": "open barley",
        "region": "eu-west-1", "role": {"arn": "arn:aws:iam::123456789012:role/lake", "external_id": "e1", "seconds": 900},
        "endpoint": "http://s3.example:9000",
    }
)  # fmt: skip


def test_aws_credentials_within_the_lakes_block_become_plain_values(here: PrefectApi) -> None:
    AWS.save("lake", overwrite=True)
    blocks.AthenaLake(url="s3://bucket/lake", credentials=AwsCredentials.load("lake")).save("with-keys", overwrite=True)
    loaded = Block.load("athena-lake/with-keys")
    assert isinstance(loaded, blocks.AthenaLake)
    assert loaded.spec() == PLAIN
    shown = [repr(loaded), str(loaded), loaded.model_dump_json(), str(loaded.model_dump()), repr(loaded.spec())]
    assert [s for s in SECRETS if s in "".join(shown)] == []
    (document,) = [d for d in here.all("block_documents") if d["name"] == "with-keys"]
    assert document["data"]["credentials"]["assume_role_arn"] == "arn:aws:iam::123456789012:role/lake"
    document["data"]["credentials"].pop("aws_session_token")  # prefect-aws keeps it as plain text: the server cannot know
    assert [s for s in SECRETS if s in json.dumps(document)] == []


def test_aws_credentials_that_the_file_refers_to_are_taken_from_prefect(
    here: PrefectApi, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    AWS.save("lake", overwrite=True)
    file = tmp_path / "connections.yaml"
    monkeypatch.setenv("SHARDLAKE_CONNECTIONS", str(file))
    for name, region in (("lake", None), ("lake", "us-east-1")):
        file.write_text(
            yaml.safe_dump({"athena-lake/main": {"url": "s3://bucket/lake", "region": region, "credentials": f"aws-credentials/{name}"}})
        )
        for connect in (connect_in_flows, connect_in_commands):
            assert connect("athena-lake/main") == PLAIN.model_copy(update={"region": region or "eu-west-1"})
    file.write_text(yaml.safe_dump({"athena-lake/main": {"url": "s3://bucket/lake", "credentials": "aws-credentials/nobody"}}))
    with pytest.raises(
        SpecError, match=r"Prefect has no block aws-credentials/nobody\. Save one under that name, of the kind AWS Credentials"
    ):
        connect_in_commands("athena-lake/main")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"assume_role_kwargs": AssumeRoleParameters(Policy="{}")},
            "the AWS credentials of the lake set Policy, which a run cannot take over",
        ),
        (
            {"aws_client_parameters": AwsClientParameters(verify=False)},
            "the AWS credentials of the lake set verify, which a run cannot take over",
        ),
    ],
)
def test_what_a_run_cannot_take_over_of_aws_credentials_is_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(SpecError, match=message):
        blocks.AthenaLake(url="s3://bucket/lake", credentials=AWS.model_copy(update=changes)).spec()


def test_a_lake_has_one_kind_of_credentials() -> None:
    with pytest.raises(ValueError, match="give either `credentials`, or keys, `profile` and `role` here"):
        blocks.AthenaLake(url="s3://bucket/lake", credentials=AWS, profile="p")


def with_table(w: World) -> World:
    w.on_all(ORDERS_TABLE)
    w.on_all("INSERT INTO orders VALUES (1, 'new', 1, '2026-01-01', NULL)")
    return w


def test_a_run_without_a_file_takes_the_blocks(world: WorldMaker, here: PrefectApi) -> None:
    w = with_table(world(["shop_00"]))
    save(w.connections())
    done = here.command(w, "run", "orders", SHARDLAKE_CONNECTIONS="")
    assert (done.returncode, done.stderr) == (0, "")
    assert w.target("id, _shard") == [(1, "shop_00")]


def test_a_run_with_a_file_takes_the_file_whatever_the_blocks_say(world: WorldMaker, here: PrefectApi) -> None:
    w = with_table(world(["shop_00"]))
    save({r: {**c, "password": "wrong"} for r, c in w.connections().items() if "password" in c})
    done = here.command(w, "run", "orders")
    assert (done.returncode, done.stderr) == (0, "")
    assert w.target("id, _shard") == [(1, "shop_00")]


def test_a_block_that_nobody_saved_is_named_with_the_next_step(world: WorldMaker, here: PrefectApi) -> None:
    w = with_table(world(["shop_00"]))
    w.view["source"]["connection"] = "mysql-shards/nobody"
    done = here.command(w, "plan", "orders", SHARDLAKE_CONNECTIONS="")
    assert (done.returncode, done.stdout) == (1, "")
    assert (
        done.stderr == "SpecError Prefect has no block mysql-shards/nobody. Save one under that name, or give a file with --connections.\n"
    )
