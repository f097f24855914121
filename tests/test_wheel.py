"""The wheel in an environment of its own: the commands work in a folder that holds views/ and connections.yaml alone."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pyarrow
import pytest

from tests.world import ORDERS_TABLE, ROOT, World, WorldMaker

PACKAGES = Path(pyarrow.__file__).parent.parent
"""Where the locked packages are. Named in a .pth file of another environment it is a plain path: the editable install's own .pth,
which stands in it, is not read there."""


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`shardlake`, installed from a wheel that is built offline, where this checkout cannot be imported."""
    folder = tmp_path_factory.mktemp("wheel")
    source = folder / "source"  # building writes into the folder that it builds from
    source.mkdir()
    for name in ("shardlake", "blocks", "tasks", "flows", "deployments", "cli", "examples"):
        shutil.copytree(ROOT / name, source / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copyfile(ROOT / name, source / name)
    _pip("wheel", "--no-deps", "--no-build-isolation", "--no-index", "--wheel-dir", str(folder), str(source))
    environment = folder / "environment"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(environment)], check=True)
    site = next(environment.glob("lib/python*/site-packages"))
    (site / "locked.pth").write_text(f"{PACKAGES}\n")
    python = environment / "bin" / "python"
    _pip("--python", str(python), "install", "--no-deps", "--no-index", str(next(folder.glob("*.whl"))))
    shutil.rmtree(source)
    return environment / "bin" / "shardlake"


def _pip(*words: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check", *words], cwd="/", capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr


def _shardlake(program: Path, w: World, *words: str) -> subprocess.CompletedProcess[str]:
    kept = {k: v for k, v in w.environment().items() if not k.startswith(("SHARDLAKE_", "PYTHON", "VIRTUAL_ENV"))}
    environment = kept | {"PATH": f"{program.parent}{os.pathsep}/usr/bin{os.pathsep}/bin"}
    return subprocess.run(["shardlake", *words], cwd=w.folder, env=environment, capture_output=True, text=True, timeout=200)


def test_the_project_is_imported_from_the_wheel_alone(program: Path) -> None:
    code = "import shardlake, cli, flows, tasks, blocks, deployments; print(shardlake.__file__); print(deployments.__file__)"
    done = subprocess.run([str(program.parent / "python"), "-c", code], cwd="/", capture_output=True, text=True, check=True)
    places = [Path(line) for line in done.stdout.splitlines()]
    assert [p.is_relative_to(program.parent.parent) for p in places] == [True, True]


@pytest.mark.timeout(300)
@pytest.mark.parametrize("kind", ["mysql", "postgres"])
def test_the_first_commands_work_in_a_folder_of_views_and_connections(program: Path, world: WorldMaker, kind: str) -> None:
    w = world(["shop_00", "shop_01"], **({"source": "postgres"} if kind == "postgres" else {}))
    table = ORDERS_TABLE if w.on_mysql else (
        "CREATE TABLE orders (id bigint PRIMARY KEY, status varchar(40), amount decimal(12,2), updated_at timestamp NOT NULL, payload jsonb);"
        "CREATE INDEX ON orders (updated_at)"
    )  # fmt: skip
    w.on_all(table)
    for number, shard in enumerate(w.shards):
        w.on(shard, "INSERT INTO orders VALUES (%s, 'new', 1.5, '2026-01-01', '{\"customer\": {\"name\": \"Ada\"}}')", number)
    w.write_files()
    drafted = w.folder / "views" / "orders" / "view.yaml"
    drafted.unlink()

    if w.on_mysql:
        said = _shardlake(program, w, "--help")
        assert (said.returncode, "discover" in said.stdout) == (0, True), said.stderr
    draft = _shardlake(program, w, "discover", f"{kind}-shards/shop", "orders", *([] if w.on_mysql else ["--write"]))
    assert draft.returncode == 0, draft.stderr
    if w.on_mysql:
        drafted.write_text(draft.stdout)
    checked = _shardlake(program, w, "check")
    assert (checked.returncode, checked.stdout) == (0, "1 views, 0 problems\n"), checked.stderr
    done = _shardlake(program, w, "run", "orders")
    assert done.returncode == 0, done.stdout + done.stderr
    assert w.target("id, status, amount::text, customer_name, _shard") == [
        (0, "new", "1.50", "Ada", "shop_00"),
        (1, "new", "1.50", "Ada", "shop_01"),
    ]
    assert sorted(p.name for p in w.folder.iterdir()) == ["connections.yaml", "lake", "views"]
