"""docs/: every command, option, subcommand, file and parameter that is named there is real."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

from tests.world import ROOT

PAGES = sorted((ROOT / "docs").glob("*.md"))
OURS = re.compile(r"^(?:[A-Z_]+=\S* )*(shardlake|prefect) (.+)$")
KNOWN_PREFIXES = ("shardlake/", "flows/", "tasks/", "blocks/", "deployments/", "views/", "examples/", "tests/", "bench/", "docs/")


def spoken(page: Path) -> list[str]:
    """Every command of a page: the lines of its sh blocks, joined where they go on, and commands within the text."""
    text = page.read_text("utf-8")
    blocks = "\n".join(re.findall(r"```sh\n(.*?)```", text, re.DOTALL)).replace("\\\n", " ")
    inline = re.findall(r"`((?:shardlake|prefect|make|python -m) [^`]+)`", re.sub(r"```.*?```", "", text, flags=re.DOTALL))
    return [line.strip() for line in [*blocks.splitlines(), *inline] if line.strip()]


COMMANDS = sorted({(page.name, command) for page in PAGES for command in spoken(page)})


@cache
def help_of(program: str, *verbs: str) -> str:
    """What a command says of itself; nothing where there is no such command."""
    environment = {**os.environ, "COLUMNS": "300", "NO_COLOR": "1", "TERM": "dumb"}
    words = [str(Path(sys.executable).parent / program), *verbs, "--help"]
    done = subprocess.run(words, capture_output=True, text=True, timeout=120, env=environment, check=False)
    return done.stdout if done.returncode == 0 else ""


def options(words: list[str]) -> list[str]:
    return [word.split("=")[0] for word in words if word.startswith("--")]


def test_there_are_pages_and_commands_to_look_at() -> None:
    assert {"ecs.md", "upgrade.md"} <= {page.name for page in PAGES}
    assert sum(command.startswith("shardlake ") for _, command in COMMANDS) >= 5
    assert sum(command.startswith("prefect ") for _, command in COMMANDS) >= 8


@pytest.mark.parametrize(("page", "command"), [c for c in COMMANDS if OURS.match(c[1]) and OURS.match(c[1])[1] == "shardlake"])  # type: ignore[index]  # the condition before it says that it matches
def test_every_shardlake_command_and_option_exists(page: str, command: str) -> None:
    found = OURS.match(command)
    assert found
    words = shlex.split(found[2].split(" < ")[0].split(" > ")[0])
    before = [w for w in words if w.startswith("--")]
    verb = next(word for word in words if re.fullmatch(r"[a-z-]+", word) and not word.startswith("-"))
    said = help_of("shardlake", verb)
    assert said, f"{page}: {command}"
    for option in before:
        assert re.search(rf"(?<!\S){option.split('=')[0]}\b", said + help_of("shardlake")), f"{page}: {command}: {option}"


@pytest.mark.parametrize(("page", "command"), [c for c in COMMANDS if OURS.match(c[1]) and OURS.match(c[1])[1] == "prefect"])  # type: ignore[index]  # the condition before it says that it matches
def test_every_prefect_subcommand_and_option_exists(page: str, command: str) -> None:
    words = shlex.split(command)[1:]
    said = help_of("prefect", *words[:2])
    assert said, f"{page}: {command}"
    for option in options(words):
        assert re.search(rf"(?<!\S){option}\b", said), f"{page}: {command}: {option}"


@pytest.mark.parametrize(("page", "command"), [c for c in COMMANDS if c[1].startswith("make ")])
def test_every_make_command_is_a_target(page: str, command: str) -> None:
    done = subprocess.run(["make", "-n", *shlex.split(command)[1:]], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{page}: {done.stderr}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_file_and_module_that_a_page_names_is_there(page: Path) -> None:
    text = page.read_text("utf-8")
    named = {name for name in re.findall(r"(?<![\w/.-])([\w.-]+(?:/[\w.-]+)+)", text) if name.startswith(KNOWN_PREFIXES)}
    named -= {"shardlake/shardlake"} | {
        name for name in named if re.match(r"shardlake/(shop|warehouse|prefect)-", name)
    }  # a log group; secrets
    missing = [name for name in sorted(named) if not (ROOT / name.rstrip(".")).exists()]
    links = re.findall(r"\]\(([^):#]+)\)", text)
    missing += [link for link in links if not (page.parent / link).exists()]
    modules = re.findall(r"python -m ([\w.]+)", text)
    missing += [module for module in modules if not (ROOT / (module.replace(".", "/") + ".py")).exists()]
    assert missing == []


def test_the_pages_name_the_stacks_own_parameters_and_outputs() -> None:
    text = "".join(page.read_text("utf-8") for page in PAGES)
    stack = (ROOT / "deployments" / "ecs" / "shardlake.cfn.yaml").read_text("utf-8")
    for overrides in re.findall(r"--parameter-overrides ([^\n]+)", text):
        for name in re.findall(r"(\w+)=", overrides.split("https://")[0]):
            assert re.search(rf"^  {name}:$", stack, re.M), name
    for name in ("RepositoryUri", "LakeUrl", "SubmitPolicyArn"):
        assert name in text
        assert re.search(rf"^  {name}: ", stack, re.M), name
