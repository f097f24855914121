"""The manual and the README: every command, option, file, link and YAML that they show is real, and the manual builds."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
import typer
import yaml

from cli.main import app
from cli.reference import page as commands_page
from deployments.project import read_project
from shardlake.connection.kinds import kind_of
from shardlake.view.view import INFERRED, View
from tests.world import ROOT, orders_view

PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
KINDS = ("how-to", "reference", "explanation")
KNOWN_PREFIXES = ("shardlake/", "flows/", "tasks/", "blocks/", "deployments/", "views/", "examples/", "tests/", "bench/", "docs/", "embedded/", "demo/")  # fmt: skip
SHELL = re.compile(r"\s(?:\|\||&&|\||>>?|<)\s")
"""What separates one command of a line from another, or from a file."""
PROGRAM: Any = typer.main.get_command(app)


def named(page: Path) -> str:
    return str(page.relative_to(ROOT))


def blocks(page: Path, language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", page.read_text("utf-8"), re.DOTALL)


def spoken(page: Path) -> list[tuple[str, bool]]:
    """Every command of a page, and whether it is whole: those of its sh blocks are; one within the text may leave out arguments."""
    text = page.read_text("utf-8")
    lines = "\n".join(blocks(page, "sh")).replace("\\\n", " ").splitlines()
    inline = re.findall(r"`((?:shardlake|prefect|make|python -m) [^`]+)`", re.sub(r"```.*?```", "", text, flags=re.DOTALL))
    found = [(line.strip(), True) for line in lines if line.strip()] + [(" ".join(line.split()), False) for line in inline]
    return [(part.strip(), whole) for line, whole in found for part in SHELL.split(line)]


COMMANDS = sorted({(named(page), re.sub(r"^(?:[A-Z_]+=\S*\s+)+", "", command), whole) for page in PAGES for command, whole in spoken(page)})


def of(program: str) -> list[tuple[str, str, bool]]:
    return [found for found in COMMANDS if found[1].startswith(f"{program} ")]


def complaint(words: list[str], whole: bool) -> str | None:
    """What the command would say of its options and arguments; nothing where it would begin to work."""
    try:
        context = PROGRAM.make_context("shardlake", words)
        name, command, rest = PROGRAM.resolve_command(context, [*context._protected_args, *context.args])
        command.make_context(name, rest, parent=context)
    except Exception as error:
        left_out = not whole and type(error).__name__ == "MissingParameter"
        return None if type(error).__name__ == "Exit" or left_out else f"{type(error).__name__}: {error}"
    return None


def verbs_of(command: str) -> tuple[str, ...]:
    return tuple(word for word in shlex.split(command)[1:3] if re.fullmatch(r"[a-z][a-z-]*", word))


@pytest.fixture(scope="module")
def prefects_help() -> dict[tuple[str, ...], str]:
    """What each of Prefect's commands that the pages show says of itself; nothing where there is none. Of one process, for its imports."""
    code = (
        "import contextlib, io, json, sys\nfrom prefect.cli import app\nfound = []\n"
        "for verbs in json.load(sys.stdin):\n"
        "    said, sys.argv = io.StringIO(), ['prefect', *verbs, '--help']\n"
        "    with contextlib.redirect_stdout(said), contextlib.suppress(SystemExit):\n        app()\n"
        "    found.append([verbs, said.getvalue()])\n"
        "json.dump(found, sys.stdout)\n"
    )
    wanted = sorted({verbs_of(command) for _, command, _ in of("prefect")} | {("gcl", "nowhere")})
    environment = {**os.environ, "COLUMNS": "300", "NO_COLOR": "1", "TERM": "dumb"}
    done = subprocess.run(
        [sys.executable, "-c", code], input=json.dumps(wanted), env=environment, capture_output=True, text=True, timeout=120, check=True
    )
    return {tuple(verbs): said for verbs, said in json.loads(done.stdout)}


def test_there_are_pages_and_commands_to_look_at() -> None:
    assert {"docs/index.md", "docs/first-steps.md", "docs/how-to/run-on-ecs.md", "docs/how-to/upgrade.md"} <= {named(p) for p in PAGES}
    assert (len(of("shardlake")) > 50, len(of("prefect")) > 12, len(of("make")) > 8) == (True, True, True)


def test_the_readme_has_a_page_or_two_and_the_manual_has_the_rest_in_four_kinds() -> None:
    assert len((ROOT / "README.md").read_text("utf-8").splitlines()) <= 150
    folders = {page.parent.name for page in PAGES if page.parent not in (ROOT, ROOT / "docs")}
    assert folders == set(KINDS)


@pytest.mark.parametrize(("page", "command", "whole"), of("shardlake"))
def test_every_shardlake_command_is_understood_as_it_stands(page: str, command: str, whole: bool) -> None:
    assert complaint(shlex.split(command)[1:], whole) is None, page


def test_a_command_that_is_not_understood_would_be_found() -> None:
    assert complaint(["run", "orders", "--fulll"], True) is not None
    assert complaint(["rnu", "orders"], True) is not None
    assert complaint(["run"], True) is not None
    assert complaint(["run"], False) is None


@pytest.mark.parametrize(("page", "command", "whole"), of("prefect"))
def test_every_prefect_subcommand_and_option_exists(page: str, command: str, whole: bool, prefects_help: dict[Any, str]) -> None:
    assert prefects_help["gcl", "nowhere"] == ""
    said = prefects_help[verbs_of(command)]
    assert said, f"{page}: {command}"
    for option in [word.split("=")[0] for word in shlex.split(command) if word.startswith("--")]:
        assert re.search(rf"(?<!\S){option}\b", said), f"{page}: {command}: {option}"


@pytest.mark.parametrize("command", sorted({command for _, command, _ in of("make")}))
def test_every_make_command_is_a_target(command: str) -> None:
    words = ["make", "-n", *shlex.split(command)[1:]]
    done = subprocess.run(words, cwd=ROOT, env=os.environ | {"PYTHON": sys.executable}, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_every_file_and_module_that_a_page_names_is_there(page: Path) -> None:
    text = page.read_text("utf-8")
    files = {name for name in re.findall(r"(?<![\w/.-])([\w.-]+(?:/[\w.-]+)+)", text) if name.startswith(KNOWN_PREFIXES)}
    files -= {"shardlake/shardlake"} | {n for n in files if re.match(r"shardlake/(shop|warehouse|prefect)-", n)}  # a log group; secrets
    files -= (
        {"views/orders/view.yaml", "views/orders", "tasks/apply"} if page.name in ("first-steps.md", "README.md") else set()
    )  # the reader's own
    missing = [name for name in sorted(files) if not (ROOT / name.rstrip(".")).exists()]
    missing += [link for link in re.findall(r"\]\(([^):#]+)(?:#[^)]*)?\)", text) if not (page.parent / link).exists()]
    modules = [m for m in re.findall(r"python -m ([\w.]+)", text) if m != "pip"]
    missing += [m for m in modules if not (ROOT / (m.replace(".", "/") + ".py")).exists() and not (ROOT / m / "__main__.py").exists()]
    assert missing == []


def test_the_pages_name_the_stacks_own_parameters_and_outputs() -> None:
    text = "".join(page.read_text("utf-8") for page in PAGES)
    stack = "".join(file.read_text("utf-8") for file in (ROOT / "deployments" / "ecs").glob("*.cfn.yaml"))
    for overrides in re.findall(r"--parameter-overrides ([^\n]+)", text):
        for name in re.findall(r"(\w+)=", overrides.split("https://")[0]):
            assert re.search(rf"^  {name}:$", stack, re.M), name
    for name in ("RepositoryUri", "LakeUrl", "SubmitPolicyArn"):
        assert name in text
        assert re.search(rf"^  {name}: ", stack, re.M), name


@pytest.mark.parametrize(
    ("page", "text"), [(named(page), text) for page in PAGES for text in blocks(page, "yaml")], ids=lambda v: v if v.endswith(".md") else ""
)
def test_every_yaml_that_a_page_shows_is_taken(page: str, text: str, tmp_path: Path) -> None:
    """Connections by their kinds, prefect.yaml by its reader, and all else as a part of a view whose rest is the tests' own."""
    shown = yaml.safe_load(text)
    if any("/" in key for key in shown):
        for reference, connection in shown.items():
            if reference != "ledger":
                kind_of(reference).model_validate(connection)
    elif "definitions" in shown:
        (tmp_path / "prefect.yaml").write_text(text)
        assert read_project(tmp_path / "prefect.yaml").pools
    else:
        given = shown.pop("columns", {})
        columns = given if given == INFERRED else orders_view()["columns"] | {"deleted_at": "timestamp", "city": "text"} | given
        whole = "source" in shown and "warehouse" in shown
        View.model_validate(shown | {"columns": columns} if whole and "name" in shown else orders_view(**shown, columns=columns))


def test_the_page_of_commands_is_what_the_commands_say_of_themselves() -> None:
    written = (ROOT / "docs" / "reference" / "commands.md").read_text("utf-8")
    assert written == commands_page(), "`make docs` writes it anew"


def test_the_manual_builds_with_every_link_and_says_where_one_leads_nowhere(tmp_path: Path) -> None:
    shutil.copytree(ROOT / "docs", tmp_path / "docs")
    shutil.copyfile(ROOT / "zensical.toml", tmp_path / "zensical.toml")
    recipe = re.search(r"\$\(BIN\)/python (-m zensical .*)", (ROOT / "Makefile").read_text("utf-8"))
    assert recipe
    assert "--strict" in recipe[1]
    words = [sys.executable, *recipe[1].split()]
    done = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    made = sorted((tmp_path / "build" / "manual").rglob("*.html"))
    assert {str(m.relative_to(tmp_path / "build" / "manual").with_suffix(".md")) for m in made} >= {named(p)[5:] for p in PAGES[1:]}
    fetched = [tag for m in made for tag in re.findall(r"<(?:script|link|img)[^>]*(?:src|href)=\"?https?://[^>]*>", m.read_text("utf-8"))]
    assert fetched == []

    index = tmp_path / "docs" / "index.md"
    for link in ("(nowhere.md)", "(first-steps.md#nowhere)"):
        index.write_text((ROOT / "docs" / "index.md").read_text("utf-8") + f"\n[broken]{link}\n")
        assert subprocess.run(words, cwd=tmp_path, capture_output=True, timeout=120, check=False).returncode != 0, link


def test_every_page_is_in_the_manuals_navigation() -> None:
    def pages(entry: Any) -> list[str]:
        return (
            [entry]
            if isinstance(entry, str)
            else [p for part in (entry.values() if isinstance(entry, dict) else entry) for p in pages(part)]
        )

    nav = tomllib.loads((ROOT / "zensical.toml").read_text("utf-8"))["project"]["nav"]
    assert sorted(pages(nav)) == sorted(named(page)[5:] for page in PAGES[1:])


def test_the_picture_is_of_a_run_as_it_looks_now_and_names_no_address() -> None:
    from cli.presentation import COUNTS, console
    from demo.picture import picture

    svg = (ROOT / "docs" / "run.svg").read_text("utf-8")
    assert re.findall(r"https?://(?!www\.w3\.org/2000/svg)[^\"]*", svg) == []
    assert [word for word in ("shardlake", "run", "orders", "shop_00", *COUNTS) if word not in svg] == []
    assert console
    assert "http://www.w3.org/2000/svg" in picture("orders: 3 shards\n", ["shop_00 reading 20,000 rows"])
