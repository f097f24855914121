"""The image of the Dockerfile, built and run for real where buildah, debootstrap and root are there. S3 is moto's, an emulator."""

from __future__ import annotations

import asyncio
import json
import re
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from prefect.client.orchestration import get_client
from prefect.client.schemas.actions import WorkPoolCreate
from prefect.settings import PREFECT_API_URL, PREFECT_HOME, temporary_settings

from demo.servers import SHARDS, DemoServers, demo_servers
from deployments.job_template import load
from tests.deployments.image import Image, build, remove, why_not
from tests.prefect_api import PrefectApi
from tests.world import ROOT

REASON = why_not()
pytestmark = [pytest.mark.skipif(REASON is not None, reason=REASON or ""), pytest.mark.timeout(1500)]
KEYS = {"AWS_ACCESS_KEY_ID": "k", "AWS_SECRET_ACCESS_KEY": "s", "AWS_DEFAULT_REGION": "eu-west-1"}
LOADS_ALL = """
import ctypes, pathlib, site, pyarrow
bad = []
for place in pathlib.Path(site.getsitepackages()[0]).rglob("*.so*"):
    try:
        ctypes.CDLL(str(place))
    except OSError as error:
        bad.append(str(error))
print(bad)
"""


@pytest.fixture
def image() -> Iterator[Image]:
    """The image, built from nothing; it and its gigabytes are gone afterwards."""
    folder = Path(tempfile.mkdtemp(prefix="shardlake-image-"))
    try:
        made = build(folder)
        print(f"image: base {made.seconds['base']:.0f} s, build {made.seconds['build']:.0f} s, {made.megabytes():.0f} MB")
        yield made
    finally:
        remove(folder)


@pytest.fixture
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DemoServers]:
    """The demo's servers, filled: three shards and a warehouse on real Postgres."""
    with demo_servers(tmp_path_factory.mktemp("demo-servers"), "postgres") as servers:
        servers.fill()
        yield servers


@pytest.fixture
def settings(demo: DemoServers, s3_emulator: str, tmp_path: Path) -> tuple[dict[Path, str], dict[str, str]]:
    """What a task is given: the demo's view and connections with the lake on S3, and an environment with the secrets."""
    tmp_path.chmod(0o755)
    environment = demo.write_connections(tmp_path / "connections.yaml")
    connections = yaml.safe_load((tmp_path / "connections.yaml").read_text())
    connections["athena-lake/main"] = {"url": "s3://lake-bucket/image", "endpoint": s3_emulator, "region": "eu-west-1"}
    (tmp_path / "connections.yaml").write_text(yaml.safe_dump(connections))
    shutil.copytree(ROOT / "demo" / "views", tmp_path / "views")
    view = tmp_path / "views" / "orders" / "view.yaml"
    view.write_text(view.read_text().replace("SOURCE/shop", "postgres-shards/shop"))
    mounts = {tmp_path / "views": "/app/views", tmp_path / "connections.yaml": "/app/deployments/connections.yaml"}
    return mounts, environment | KEYS | {"COLUMNS": "200"}


def test_the_image_is_built_and_does_its_work(
    image: Image, demo: DemoServers, settings: Any, prefect_api: PrefectApi, s3_emulator: str, tmp_path: Path, subtests: pytest.Subtests
) -> None:
    """One test of many parts: parts of their own would be dealt out to pytest's workers, and each worker would build the image."""
    parts: list[tuple[Callable[..., None], tuple[Any, ...]]] = [
        (the_image_runs_as_nobody_in_particular_and_says_what_it_is, ()),
        (neither_tools_nor_settings_of_the_build_are_in_it, ()),
        (what_is_installed_is_the_runtime_lock, ()),
        (every_shared_library_that_was_kept_still_loads, ()),
        (check_passes_on_the_views_and_connections_of_the_image, ()),
        (a_whole_run_by_the_command_on_a_read_only_root, (demo, settings)),
        (a_flow_run_executes_as_the_worker_starts_it, (prefect_api, settings, tmp_path)),
        (the_worker_that_the_stack_starts_starts_in_it, (prefect_api, s3_emulator, tmp_path)),
    ]
    for part, arguments in parts:
        with subtests.test(part.__name__):
            part(image, *arguments)


def the_image_runs_as_nobody_in_particular_and_says_what_it_is(image: Image) -> None:
    assert image.config["User"] == "10001:10001"
    assert image.run("id", "-u").stdout.strip() == "10001"
    assert image.config["Labels"]["org.opencontainers.image.title"] == "shardlake"
    assert image.config["Labels"]["org.opencontainers.image.revision"] == "test"
    assert "SHARDLAKE_VERSION=test" in image.config["Env"]
    assert list((image.root / "app" / "ca").iterdir()) == [], "no authorities were asked for"
    assert "/scratch" in image.config["Volumes"]


def neither_tools_nor_settings_of_the_build_are_in_it(image: Image) -> None:
    assert [item for item in image.config["Env"] if re.match(r"PIP_|.*(PASSWORD|SECRET|TOKEN|KEY)", item)] == []
    for tool in ("pip", "pip3", "gcc", "strip", "git"):
        assert image.run("sh", "-c", f"command -v {tool}").returncode != 0, tool
    assert image.run("python", "-m", "pip", "--version").returncode != 0
    assert not list(image.root.glob("**/pip.conf"))
    assert not (image.root / "run" / "secrets").exists()
    assert not (image.root / "build").exists()
    index = (image.folder / "pip.conf").read_text()
    assert all(host not in json.dumps(image.config) for host in re.findall(r"://([^/\s]+)", index))


def what_is_installed_is_the_runtime_lock(image: Image) -> None:
    code = "import importlib.metadata as m; print(' '.join(sorted(d.name.lower().replace('_', '-').replace('.', '-') + '==' + d.version for d in m.distributions(path=[__import__('site').getsitepackages()[0]]))))"
    installed = set(image.run("python", "-c", code).stdout.split())
    locked = set(re.findall(r"^([a-z0-9.-]+==\S+)", (ROOT / "requirements.runtime.lock").read_text(), re.M))
    assert {name for name in installed - locked if not name.startswith("shardlake==")} == set()
    assert any(name.startswith("prefect==") for name in installed)


def every_shared_library_that_was_kept_still_loads(image: Image) -> None:
    done = image.run("python", "-c", LOADS_ALL)
    assert done.stdout.strip() == "[]", done.stdout + done.stderr


def check_passes_on_the_views_and_connections_of_the_image(image: Image) -> None:
    done = image.run("shardlake", "check", SHOP_PASSWORD="x", WAREHOUSE_PASSWORD="y")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "0 problems" in done.stdout


def a_whole_run_by_the_command_on_a_read_only_root(image: Image, demo: DemoServers, settings: Any) -> None:
    mounts, environment = settings
    assert image.run_read_only("touch", "/app/x", mounts=mounts, **environment).returncode != 0
    done = image.run_read_only("shardlake", "run", "orders", "--json", mounts=mounts, **environment)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    report = json.loads(done.stdout)["views"][0]
    assert report["ok"]
    assert report["totals"]["read"] == sum(_count(demo, shard) for shard in SHARDS)
    totals = report["totals"]
    assert totals["read"] == totals["merged"] + totals["unchanged"] + totals["superseded"] + totals["rejected"]
    [(rows,)] = demo.warehouse.execute("SELECT count(*) FROM analytics.orders", database="warehouse")
    assert rows == 60_002  # order 999999 stands on two shards


def a_flow_run_executes_as_the_worker_starts_it(image: Image, prefect_api: PrefectApi, settings: Any, tmp_path: Path) -> None:
    """`prefect flow-run execute` of a deployment by module path and without pull steps: the code is the image's."""
    mounts, environment = settings
    with temporary_settings({PREFECT_API_URL: prefect_api.server.api_url, PREFECT_HOME: tmp_path / "home"}):
        run_id = asyncio.run(_flow_run())
    task = {"PREFECT_API_URL": prefect_api.server.api_url, "PREFECT__FLOW_RUN_ID": run_id, "PREFECT_FLOWS_HEARTBEAT_FREQUENCY": "30"}
    done = image.run_read_only("prefect", "flow-run", "execute", mounts=mounts, **environment, **task)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    run = prefect_api.get(f"flow_runs/{run_id}")
    assert run["state_type"] == "COMPLETED", run["state"]["message"]
    for secret in (v for k, v in environment.items() if k.endswith("PASSWORD")):
        assert secret not in done.stdout + done.stderr


def _count(demo: DemoServers, shard: str) -> int:
    [(found,)] = demo.of(shard).execute("SELECT count(*) FROM orders", database=shard)
    return int(found)


def the_worker_that_the_stack_starts_starts_in_it(image: Image, prefect_api: PrefectApi, s3_emulator: str, tmp_path: Path) -> None:
    """The command of the stack's worker, polling once. Its queue is looked for in moto, which has none: it says so and goes on."""
    with temporary_settings({PREFECT_API_URL: prefect_api.server.api_url, PREFECT_HOME: tmp_path / "home"}):
        asyncio.run(_pool("shardlake-ecs-image"))
    words = ["prefect", "worker", "start", "--type", "ecs", "--pool", "shardlake-ecs-image", "--with-healthcheck", "--run-once"]
    words += ["--install-policy", "never", "--no-create-pool-if-not-found"]
    environment = KEYS | {"PREFECT_API_URL": prefect_api.server.api_url, "AWS_ENDPOINT_URL": s3_emulator}
    done = image.run_read_only(*words, mounts={}, **environment)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    assert "started!" in done.stdout + done.stderr


async def _pool(name: str) -> None:
    async with get_client() as client:
        await client.create_work_pool(WorkPoolCreate(name=name, type="ecs", base_job_template=load("ecs")))


async def _flow_run() -> str:
    async with get_client() as client:
        flow_id = await client.create_flow_from_name("sync-view")
        deployment = await client.create_deployment(
            flow_id=flow_id, name="orders-in-the-image", entrypoint="flows.sync_view.sync_view", parameters={"view": "orders"},
            enforce_parameter_schema=False,
        )  # fmt: skip
        run = await client.create_flow_run_from_deployment(deployment)
    return str(run.id)
