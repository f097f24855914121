"""Views on files, DynamoDB and MongoDB whose connections are Prefect's blocks, run by deployments and a real worker; of one each segment is a run of its own."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
import yaml
from prefect.blocks.core import Block

from embedded.dynamodb_local import DynamoDB
from embedded.postgres import Postgres
from embedded.prefect_worker import PrefectWorker
from embedded.seaweedfs import SeaweedFS
from embedded.secantusdb import SecantusDB
from tests.audit import audit, unfinished
from tests.collections_world import Collections, people
from tests.dynamodb_world import CANARY, ROW, TOKEN, Tables, fin, view
from tests.fleet import POOL, Project
from tests.landing import Landing, view_of
from tests.prefect_api import PrefectApi, traces
from tests.world import World

pytestmark = pytest.mark.timeout(600)
BLOCK = "by-block"
"""The name of every block."""


class OnBlocks(Project):
    """A project without a file of connections, and a worker. The worlds of its views share a warehouse; `begun` is a run of each."""

    begun: dict[str, str]

    def __init__(self, folder: Path, api: PrefectApi, worlds: list[World]) -> None:
        super().__init__(folder, api.server, {"SHARDLAKE_VIEWS": str(folder / "views"), "SHARDLAKE_CONNECTIONS": ""})
        self.worlds = {w.view["name"]: w for w in worlds}
        self.worker = PrefectWorker(self.prefect, folder, self.environment, pool=POOL)
        for w in worlds:
            w.warehouse_database = w.ledger_database = worlds[0].warehouse_database
            self._write(w)
            with self.here():
                for reference, fields in w.connections().items():
                    kind = Block.get_block_class_from_key(reference.partition("/")[0])
                    kind.model_validate(fields).save(BLOCK, overwrite=True)

    def _write(self, w: World) -> None:
        home = self.folder / "views" / w.view["name"]
        home.mkdir(parents=True)
        text = yaml.safe_dump(w.view | {"lake": {"connection": "athena-lake/main"}})
        for reference in w.connections():
            text = text.replace(reference, f"{reference.partition('/')[0]}/{BLOCK}")
        (home / "view.yaml").write_text(text)


def secrets(it: OnBlocks) -> set[str]:
    """What no log, parameter or answer of the server may hold."""
    fields = [connection for w in it.worlds.values() for connection in w.connections().values()]
    return {str(f[name]) for f in fields for name in ("password", "secret_access_key", "session_token") if f.get(name)}


@pytest.fixture(scope="module")
def it(
    prefect_api: PrefectApi, postgres: Postgres, dynamodb: DynamoDB, secantusdb: SecantusDB, seaweedfs: SeaweedFS,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[OnBlocks]:  # fmt: skip
    """The project, published, with rows at its sources."""
    folder = tmp_path_factory.mktemp("other-sources")
    items = Tables(
        postgres, postgres, folder, [], view=view(run={"fan_out": "deployments"}), dynamodb=dynamodb,
        connection_changes={"session_token": TOKEN},
    )  # fmt: skip
    items.create()
    items.put(*(fin(f"p{n}", 1) for n in range(8)), fin("p8", 1, amount={"S": "N/A"}))
    bucket = {
        "url": seaweedfs.create_bucket("by-block"), "endpoint": seaweedfs.endpoint, "region": "us-east-1",
        "access_key_id": seaweedfs.access_key_id, "secret_access_key": seaweedfs.secret_access_key,
    }  # fmt: skip
    drops = Landing(postgres, postgres, folder, [], view=view_of(), bucket=bucket)
    for shard in ("s1", "s2"):
        seaweedfs.client().put_object(Bucket="by-block", Key=f"dms/{shard}/orders/LOAD00000001.csv", Body=f"{shard[1]},new,1.50\n".encode())
    tenants = Collections.on(secantusdb, postgres, folder, view=people(columns={"_id": "text", "name": "text"}))
    for tenant in ("a", "b"):
        tenants.people(tenant).insert_one({"_id": tenant, "name": "Ünal", "updatedAt": datetime(2026, 1, 2)})
    made = OnBlocks(folder, prefect_api, [items, drops, tenants])
    made.publish()
    with made.worker:
        made.begun = {name: made.begin(f"sync-view/{name}") for name in made.worlds}
        yield made
    for what in ("deployments", "automations"):
        for left in prefect_api.all(what):
            if "project:shardlake" in left["tags"]:
                prefect_api.delete(f"{what}/{left['id']}")
    for w in made.worlds.values():
        w.close()
    assert unfinished(items) == []
    audit(items)


def test_each_kind_is_read_by_its_deployment_whose_connections_are_blocks(it: OnBlocks) -> None:
    assert {name: it.ended(run) for name, run in it.begun.items()} == dict.fromkeys(it.begun, ("Completed", "2/2 shards merged"))
    assert it.worlds["orders"].target("_shard, id, status, amount::text") == [("s1", 1, "new", "1.50"), ("s2", 2, "new", "1.50")]
    assert it.worlds["people"].target("_id, name") == [("a", "Ünal"), ("b", "Ünal")]
    items = it.worlds["finances"]
    assert isinstance(items, Tables)
    assert items.rows() == [(f"p{n}", "FIN#1", *ROW) for n in range(8)]
    assert items.counts()[:5] == (9, 9, 0, 0, 8)


def test_each_segment_of_a_scan_is_a_run_of_its_own(it: OnBlocks) -> None:
    it.ended(it.begun["finances"])
    found = it.runs("sync-view/finances.shards")
    assert {r["idempotency_key"].removeprefix(it.begun["finances"]) for r in found} == {"-0-of-2", "-1-of-2"}
    assert sorted((r["parameters"]["shards"], r["state"]["message"]) for r in found) == [
        (["0-of-2"], "1/1 shards merged"),
        (["1-of-2"], "1/1 shards merged"),
    ]
    assert {r["parent_task_run_id"] is not None for r in found} == {True}


def test_no_secret_of_theirs_shows_in_parameters_logs_or_answers_of_the_api(it: OnBlocks) -> None:
    assert {it.ended(run)[0] for run in it.begun.values()} == {"Completed"}
    kept: dict[str, Any] = {what: it.api.all(what) for what in ("block_documents", "automations", "work_pools")}
    told = it.api.everything() + json.dumps(kept, ensure_ascii=False)
    for name in it.worlds:
        told += it.run("prefect", "deployment", "inspect", f"sync-view/{name}").stdout
    told += (Path(str(it.worker.home)) / "server.log").read_text()
    assert len(secrets(it)) == 5
    assert {CANARY, TOKEN} < secrets(it)
    assert "run.begins view=people" in told
    assert it.worlds["people"].connections()["mongodb/platform"]["url"] in told
    assert [found for secret in secrets(it) for found in traces(secret, told)] == []
