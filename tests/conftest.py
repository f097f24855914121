"""Real servers for the tests, started once a worker on free ports with data folders of their own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from moto.server import ThreadedMotoServer

from embedded.dynamodb_local import DynamoDB, obtain_dynamodb
from embedded.mariadb import MariaDB, obtain_mariadb
from embedded.postgres import Postgres, obtain_postgres
from embedded.prefect_server import PrefectServer
from embedded.seaweedfs import SeaweedFS, obtain_seaweedfs
from embedded.secantusdb import SecantusDB, obtain_secantusdb
from tests.audit import audit
from tests.dynamodb_world import PLATFORM_VIEW, Tables, TablesMaker
from tests.prefect_api import PrefectApi, drain
from tests.world import World, WorldMaker


@pytest.fixture(scope="session")
def mariadb(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MariaDB]:
    """A real MariaDB for shards."""
    with obtain_mariadb(tmp_path_factory.mktemp("mariadb")) as server:
        yield server


@pytest.fixture(scope="session")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Postgres]:
    """A real Postgres for warehouses, and for shards."""
    with obtain_postgres(tmp_path_factory.mktemp("postgres"), settings={"fsync": "off", "max_connections": "200"}) as server:
        yield server


@pytest.fixture(scope="session")
def secantusdb(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SecantusDB]:
    """SecantusDB, a server that speaks MongoDB's protocol; or a MongoDB, where SHARDLAKE_TEST_MONGODB_URL leads to one."""
    with obtain_secantusdb(tmp_path_factory.mktemp("secantusdb")) as server:
        yield server


@pytest.fixture(scope="session")
def dynamodb(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DynamoDB]:
    """Amazon's DynamoDB Local."""
    with obtain_dynamodb(tmp_path_factory.mktemp("dynamodb")) as server:
        yield server


@pytest.fixture
def tables(dynamodb: DynamoDB, postgres: Postgres, tmp_path: Path) -> Iterator[TablesMaker]:
    """Make a world of DynamoDB: `tables(view=…)`. Its books are audited when the test ends."""
    made: list[Tables] = []

    def make(view: dict[str, Any] | None = None, **options: Any) -> Tables:
        made.append(Tables(postgres, postgres, tmp_path, [], view=view or PLATFORM_VIEW, dynamodb=dynamodb, **options))
        return made[-1]

    yield make
    for w in made:
        w.close()
        audit(w)


@pytest.fixture
def world(mariadb: MariaDB, postgres: Postgres, tmp_path: Path) -> Iterator[WorldMaker]:
    """Make a world: `world(shards=["shop_00", "shop_01"], view=orders_view(…))`. Its books are audited when the test ends."""
    made: list[World] = []

    def make(shards: list[str] | None = None, *, source: str = "mysql", **options: Any) -> World:
        made.append(World(mariadb if source == "mysql" else postgres, postgres, tmp_path, shards or ["shop_00"], **options))
        return made[-1]

    yield make
    for w in made:
        w.close()
        audit(w)


@pytest.fixture(scope="session")
def prefect_api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PrefectApi]:
    """A real Prefect server, and what it knows."""
    often = {"PREFECT_SERVER_SERVICES_DB_VACUUM_LOOP_SECONDS": "10", "PREFECT_SERVER_SERVICES_EVENT_PERSISTER_FLUSH_INTERVAL": "0.5"}
    with PrefectServer(tmp_path_factory.mktemp("prefect-server"), settings=often) as server:
        yield PrefectApi(server)
        drain()


@pytest.fixture(scope="session")
def seaweedfs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SeaweedFS]:
    """A real S3 server; buckets are for each test to make."""
    with obtain_seaweedfs(tmp_path_factory.mktemp("seaweedfs")) as server:
        yield server


@pytest.fixture(scope="session")
def moto_server() -> Iterator[str]:
    """moto's S3 and Glue, an emulator; its address."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def s3_emulator(moto_server: str) -> str:
    """The emulator with one bucket. Another of this process that stops takes all buckets with it: it is made where it is missing."""
    client = boto3.client("s3", endpoint_url=moto_server, region_name="eu-west-1", aws_access_key_id="k", aws_secret_access_key="s")
    if "lake-bucket" not in {bucket["Name"] for bucket in client.list_buckets()["Buckets"]}:
        client.create_bucket(Bucket="lake-bucket", CreateBucketConfiguration={"LocationConstraint": "eu-west-1"})
    return moto_server
