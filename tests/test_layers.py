"""The house itself: imports point one way, modules stay small and named, the lock is whole, and no secret is in the tree."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import tomllib
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

import pytest

from tests.world import ROOT

LAYERS = ("examples", "cli", "deployments", "flows", "tasks", "blocks", "shardlake")
"""From the top down: each may import those after it, and none before it."""
LONGEST = 300
EMPTY_NAMES = {"utils", "util", "helpers", "helper", "common", "manager", "managers", "base", "misc", "core", "lib"}


def modules(*rooms: str) -> list[Path]:
    return sorted(path for room in rooms for path in (ROOT / room).rglob("*.py"))


def imports(path: Path) -> set[str]:
    """The packages that a module imports, wherever in it."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            found |= {name.name.partition(".")[0] for name in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found.add(node.module.partition(".")[0])
    return found


def tracked() -> list[Path]:
    """The files that git knows or would take up."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    return [ROOT / name for name in done.stdout.split("\0") if name and (ROOT / name).is_file()]


def project() -> dict[str, Any]:
    with (ROOT / "pyproject.toml").open("rb") as file:
        found: dict[str, Any] = tomllib.load(file)
    return found


def test_the_linters_contracts_of_layers_are_kept() -> None:
    linter = Path(sys.executable).parent / "lint-imports"
    done = subprocess.run([str(linter), "--no-cache"], cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout
    for contract in project()["tool"]["importlinter"]["contracts"]:
        assert f"{contract['name']} KEPT" in done.stdout


@pytest.mark.parametrize("door", ["source", "sink"])
def test_every_kind_of_source_and_sink_is_in_the_contract_that_keeps_it_from_its_siblings(door: str) -> None:
    contracts = project()["tool"]["importlinter"]["contracts"]
    layers = next(c["layers"] for c in contracts if c.get("containers") == [f"shardlake.{door}"])
    kinds = {path.parent.name for path in (ROOT / "shardlake" / door).glob("*/__init__.py")}
    assert kinds
    assert kinds - set(re.findall(r"\w+", " ".join(layers))) == set()


@pytest.mark.parametrize("room", LAYERS)
def test_a_room_imports_only_the_rooms_below_it(room: str) -> None:
    above = set(LAYERS[: LAYERS.index(room)])
    assert {str(path.relative_to(ROOT)): found for path in modules(room) if (found := imports(path) & above)} == {}


def test_the_engine_imports_neither_prefect_nor_a_command_line_nor_what_is_for_tests_alone() -> None:
    for path in modules("shardlake"):
        assert (
            imports(path) & {"prefect", "prefect_aws", "typer", "click", "rich", "embedded", "tests", "demo", "bench", "pytest"} == set()
        ), path
    for path in modules(*LAYERS):
        assert imports(path) & {"embedded", "tests", "demo", "bench"} == set(), path


def test_a_run_imports_what_aws_blocks_need_where_it_meets_a_block_alone() -> None:
    code = "import sys, flows.sync_view, flows.check_freshness; print(sorted({'prefect_aws', 'aiobotocore', 'boto3'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_no_module_is_longer_than_300_lines() -> None:
    assert {str(p.relative_to(ROOT)): n for p in modules(*LAYERS) if (n := len(p.read_text("utf-8").splitlines())) > LONGEST} == {}


def test_a_flow_and_a_task_fit_on_one_screen() -> None:
    rooms = {"pages", "fleet"}  # what flows call: no flows themselves
    flows = [p for p in modules("flows") if p.parent.name not in rooms]
    small = [*flows, *modules("tasks", "blocks"), *(p for p in modules("examples") if p.stem in ("flow", "task"))]
    assert {str(p.relative_to(ROOT)): n for p in small if (n := len(p.read_text("utf-8").splitlines())) > 100} == {}


def test_modules_are_named_after_their_idea() -> None:
    assert [
        str(p.relative_to(ROOT)) for p in modules(*LAYERS, "embedded", "demo", "bench", "tests") if p.stem.strip("_") in EMPTY_NAMES
    ] == []


def test_no_flow_is_named_like_a_package_that_we_import() -> None:
    """A script's own folder comes first on sys.path: flows/polars.py would hide polars from what Prefect runs there."""
    outside = {name for path in modules(*LAYERS) for name in imports(path)} - {"flows"}
    assert [p.name for p in modules("flows") if p.stem in outside] == []


def test_everything_public_says_what_it_is() -> None:
    silent: list[str] = []
    for path in modules(*LAYERS):
        tree = ast.parse(path.read_text("utf-8"))
        name = str(path.relative_to(ROOT))
        if tree.body and not ast.get_docstring(tree):
            silent.append(name)
        for node in _public(tree.body):
            if not ast.get_docstring(node):
                silent.append(f"{name}: {node.name}")
    assert silent == []


def _public(body: list[ast.stmt]) -> list[ast.FunctionDef | ast.ClassDef]:
    """Public functions and classes, and public methods that are no properties and override nothing."""
    found: list[ast.FunctionDef | ast.ClassDef] = []
    for node in body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef) and not node.name.startswith("_"):
            found.append(node)
            if isinstance(node, ast.ClassDef):
                found += [m for m in _public(node.body) if not any("property" in ast.unparse(d) for d in m.decorator_list)]
    return found


def test_what_is_installed_brings_the_command_and_the_blocks() -> None:
    assert [e.value for e in entry_points(group="console_scripts", name="shardlake")] == ["cli.main:main"]
    assert [e.value for e in entry_points(group="prefect.collections", name="shardlake")] == ["blocks"]
    for group in ("console_scripts", "prefect.collections"):
        assert next(iter(entry_points(group=group, name="shardlake"))).load()
    packages = project()["tool"]["setuptools"]["packages"]["find"]["include"]
    assert {name.rstrip("*") for name in packages} == set(LAYERS)
    assert list((ROOT / "shardlake").rglob("*.sql"))
    assert project()["tool"]["setuptools"]["package-data"]["shardlake"] == ["**/*.sql", "py.typed"]


def test_the_lock_has_hashes_for_every_requirement_and_no_address() -> None:
    text = (ROOT / "requirements.lock").read_text("utf-8")
    assert re.findall(r"\w+://\S*| @ \S*|--index\S*|--extra-index\S*|--find-links\S*|--trusted\S*", text) == []
    blocks = re.split(r"\n(?=\S)", re.sub(r"^#.*\n", "", text, flags=re.M).strip())
    names = []
    for block in blocks:
        first = block.splitlines()[0]
        found = re.match(r"([a-z0-9][a-z0-9._-]*)(?:\[[^]]+\])?==(\S+)", first)
        assert found, first
        assert re.search(r"--hash=sha256:[0-9a-f]{64}", block), first
        names.append(found[1])
    declared = project()["project"]
    wanted = [*declared["dependencies"], *declared["optional-dependencies"]["dev"]]
    missing = [w for w in wanted if re.split(r"[\[=<>]", w)[0].lower().replace("_", "-") not in names]
    assert missing == []


SECRET_SHAPES = {
    "a private key": r"-----BEGIN [A-Z ]*PRIVATE KEY-----",
    "an AWS key": r"\b(?:AKIA|ASIA)[0-9A-Z]{16}\b",
    "a token": r"\b(?:ghp|gho|github_pat|glpat|xox[bap]|sk-ant|pnu|pnb)[-_][A-Za-z0-9_-]{20,}",
}


def test_no_secret_no_path_of_a_machine_and_no_address_of_a_registry_is_in_the_tree() -> None:
    machine = ["/" + "work/", "/" + "home/", "/" + "Users/"]
    registry = re.compile(r"https?://[^\s\"'`<>)]*(?:artifactory|nexus|pypi|/simple\b|registry\.npmjs)", re.I)
    found: list[str] = []
    for path in tracked():
        text = path.read_text("utf-8", errors="replace")
        name = str(path.relative_to(ROOT))
        found += [f"{name}: {what}" for what, shape in SECRET_SHAPES.items() if re.search(shape, text)]
        found += [f"{name}: {place}" for place in machine if place in text]
        found += [f"{name}: {match}" for match in registry.findall(text) if "pypi.org/project/" not in match]
    assert found == []
