"""The reference is whole: every key, variable, figure and error that the code has stands in it, and nothing that it has not."""

from __future__ import annotations

import ast
import re
import types
import typing
from collections.abc import Iterator
from dataclasses import fields
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from pydantic import BaseModel
from pydantic_core import PydanticUndefined

from shardlake import errors, kinds
from shardlake.connection.connection_file import LEDGER
from shardlake.ledger.backfills import Unfinished
from shardlake.ledger.status import RejectLine, ShardStatus
from shardlake.run.preview import Preview, ShardPreview
from shardlake.run.report import BackfillReport, LayoutReport, RunReport, ShardReport
from shardlake.sink.lake.compact import Compacted
from shardlake.sink.lake.overview import LayoutStatus
from shardlake.view.operation import short
from shardlake.view.source import SourceSpec
from shardlake.view.types import ALIASES, ARRAYS, CERTAIN
from shardlake.view.view import View
from tests.world import ROOT

REFERENCE = ROOT / "docs" / "reference"
CODE = ("shardlake", "cli", "flows", "tasks", "blocks", "deployments", "examples", "embedded")


WITH_A_DEFAULT_BEFORE = ("columns.*.from",)
"""Keys that are filled in before their model is made."""


def text(name: str) -> str:
    return (REFERENCE / f"{name}.md").read_text("utf-8")


def section(name: str, heading: str) -> str:
    """What stands under a heading, up to the next of its level."""
    level = heading.split(maxsplit=1)[0]
    return re.split(rf"^{level} ", text(name).split(f"\n{heading}\n")[1], flags=re.MULTILINE)[0]


def rows(said: str) -> dict[str, list[str]]:
    """The tables of a text whose first cells are code: each of its names, with the row's other cells."""
    found = {}
    for line in said.splitlines():
        cells = [cell.strip() for cell in re.split(r"(?<!\\)\|", line.strip())[1:-1]]
        if cells and re.fullmatch(r"`[^`]+`(?:, `[^`]+`)*", cells[0]):
            found |= dict.fromkeys(re.findall(r"`([^`]+)`", cells[0]), cells[1:])
    return found


def inner(annotation: Any) -> Iterator[tuple[str, type[BaseModel]]]:
    """The models inside a field's type, with what stands for them in a path: one of a list, or one by its name."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield "", annotation
        return
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is dict:
        yield from ((".*" + step, model) for step, model in inner(arguments[1]))
    elif origin in (tuple, list):
        yield from (("[]" + step, model) for step, model in inner(arguments[0]))
    elif origin in (typing.Union, types.UnionType, typing.Annotated):
        yield from (found for argument in arguments for found in inner(argument))


def keys(model: type[BaseModel], before: str = "") -> Iterator[tuple[str, Any]]:
    """Every key of a model and of those inside, with its default as the reference has it."""
    for name, field in model.model_fields.items():
        if field.exclude:
            continue
        key = before + (field.alias or name)
        models = list(inner(field.annotation))
        if any(issubclass(m, SourceSpec) for _, m in models):
            models = [("", spec) for spec in source_specs()]
        yield key, shown(field.default if field.default_factory is None else None)
        for step, found in models:
            yield from keys(found, f"{key}{step}.")


def source_specs() -> list[type[BaseModel]]:
    return list({kind.view_spec(): None for kind in kinds.KINDS.values() if kind.role == "source"})


def shown(default: Any) -> str | None:
    """A default as the reference writes it; None where its cell is free, or empty."""
    if default is PydanticUndefined:
        return "must be given"
    if isinstance(default, bool):
        return str(default).lower()
    if isinstance(default, timedelta):
        return short(default)
    if isinstance(default, int):
        return f"{default >> 20}MB" if default >= 1 << 20 else str(default)
    if isinstance(default, str):
        return default or '""'
    return None


def check(models: list[type[BaseModel]], said: dict[str, list[str]]) -> None:
    wanted = {key: default for model in models for key, default in keys(model)}
    assert sorted(set(wanted) - set(said)) == [], "in the code, and not in the reference"
    assert sorted(set(said) - set(wanted)) == [], "in the reference, and not in the code"
    written = {key: cells[0].strip("`") for key, cells in said.items()}
    wanted |= {key: None for key in WITH_A_DEFAULT_BEFORE if key in wanted}
    assert {k: written[k] for k, default in wanted.items() if default is not None} == {k: d for k, d in wanted.items() if d is not None}
    assert [key for key, cells in said.items() if len(cells[1]) < 4] == []


def test_every_key_of_a_view_stands_there_with_its_default() -> None:
    check([View], {k: v for k, v in rows(text("view")).items() if len(v) == 2})


def test_a_key_that_is_missing_there_would_be_found() -> None:
    class More(View):
        colour: str = "red"

    with pytest.raises(AssertionError, match="colour"):
        check([More], rows(text("view")))


@pytest.mark.parametrize(
    ("heading", "slugs"),
    [
        ("## mysql-shards and postgres-shards", ("mysql-shards", "postgres-shards")),
        ("## postgres-warehouse", ("postgres-warehouse",)),
        ("## athena-lake", ("athena-lake",)),
        ("## s3-files", ("s3-files",)),
    ],
)
def test_every_key_of_a_connection_stands_there_with_its_default(heading: str, slugs: tuple[str, ...]) -> None:
    check([kinds.KINDS[slug].connection_spec() for slug in slugs], rows(section("connections", heading)))


def test_every_kind_of_connection_has_a_section() -> None:
    headings = " ".join(re.findall(r"^## (.*)$", text("connections"), re.MULTILINE))
    assert [slug for slug in kinds.KINDS if slug not in headings] == []
    assert f"## {LEDGER}" in text("connections")


def test_every_key_that_is_read_of_prefect_yaml_stands_there() -> None:
    read = set()
    for name in ("project", "queues", "standing", "telling"):
        for node in ast.walk(ast.parse((ROOT / "deployments" / f"{name}.py").read_text("utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "get" and node.args:
                read |= constants(node.args[0])
            elif isinstance(node, ast.Subscript):
                read |= constants(node.slice)
            elif isinstance(node, ast.Compare) and isinstance(node.ops[0], ast.In | ast.NotIn):
                read |= constants(node.left) | (constants(node.comparators[0]) if isinstance(node.comparators[0], ast.Tuple) else set())
    paths = rows(section("project", "## The project's own keys")) | rows(section("project", "## Deployments"))
    said = {part.removesuffix("[]") for path in paths for part in path.split(".") if part != "*"}
    assert sorted(read - said) == []
    # what stands there and is read under another name: the mapping around it, and what Prefect's API takes as it is
    assert sorted(said - read) == ["collision_strategy", "limit"]


def constants(node: ast.AST) -> set[str]:
    return {n.value for n in ast.walk(node) if isinstance(n, ast.Constant) and isinstance(n.value, str)}


def test_every_variable_that_is_read_of_the_environment_stands_there() -> None:
    own, read = set(), set()
    for folder in CODE:
        for file in (ROOT / folder).rglob("*.py"):
            code = file.read_text("utf-8")
            own |= set(re.findall(r"\bSHARDLAKE_[A-Z_]+\b(?!…)", code)) if folder != "deployments" else set()
            read |= set(
                re.findall(r"environ(?:\.get|\.setdefault|\.pop)?[(\[]\s*\"([A-Z_]+)\"|\"([A-Z_]+)\" (?:not )?in os\.environ", code)
            )
    found = own | {name for pair in read for name in pair if name}
    said = set(rows(text("environment"))) | set(re.findall(r"`([A-Z]+)=", text("environment")))
    of_others = {
        "NO_PROXY",
        "PATH",
        "TERM",
        "SHARDLAKE_PASSWORD",
        "SHARDLAKE_PORT",
    }  # the machine's; embedded/compose.yaml's, from embedded/compose.py
    assert sorted(found - said - of_others) == []
    tests = "".join(f.read_text("utf-8") for f in (ROOT / "tests").rglob("*.py"))
    assert sorted(set(re.findall(r'"(SHARDLAKE_TEST_[A-Z_]+)"', tests)) - said) == []
    everything = tests + "".join(f.read_text("utf-8") for folder in CODE for f in (ROOT / folder).rglob("*.py"))
    assert [name for name in said if name not in everything] == []


def test_every_exit_code_stands_there() -> None:
    lines = [line for file in (ROOT / "cli").glob("*.py") for line in file.read_text("utf-8").splitlines() if "typer.Exit(" in line]
    codes = {code for line in lines for code in re.findall(r"\b\d+\b", line)}
    assert {"1", "130"} <= codes
    said = {
        code for first in re.findall(r"^\| ([\d, ]+) \|", section("results", "## Exit codes"), re.MULTILINE) for code in first.split(", ")
    }
    assert sorted(codes - said) == []
    assert sorted(said - codes) == ["2"]  # the parser's own


def error_kinds() -> dict[str, set[str]]:
    """Every error of ours, wherever it is named, with all that it is a kind of."""
    above: dict[str, set[str]] = {}
    for folder in CODE:
        for file in (ROOT / folder).rglob("*.py"):
            for node in ast.walk(ast.parse(file.read_text("utf-8"))):
                if isinstance(node, ast.ClassDef):
                    above.setdefault(node.name, set()).update(base.id for base in node.bases if isinstance(base, ast.Name))

    def whole(name: str) -> set[str]:
        return {name}.union(*(whole(base) for base in above.get(name, set())))

    return {name: whole(name) for name in above if not name.startswith("_") and errors.ShardlakeError.__name__ in whole(name)}


def test_every_error_stands_there_by_what_to_do() -> None:
    ours = error_kinds()
    assert {"SpecError", "WriteDiffers", "PublishRefused"} <= set(ours)
    mend = set(rows(section("errors", "## Mend: the same again would fail again")))
    retry = set(rows(section("errors", "## Retry: the same may pass in a moment")))
    assert retry == {name for name, above in ours.items() if errors.Retryable.__name__ in above}
    assert mend == set(ours) - retry - {errors.ShardlakeError.__name__}


def test_every_type_stands_there() -> None:
    said = rows(text("types").split("\n## ")[0])
    assert {re.sub(r"\(.*", "", name) for name in said} == set(CERTAIN)
    aliases = {alias.split("(")[0] for cells in said.values() for alias in re.findall(r"`([^`]+)`", cells[0])}
    assert aliases == set(ALIASES)
    arrays = re.search(r"Arrays are of (.*?):", text("types"), re.DOTALL)
    assert arrays
    assert set(re.findall(r"`([^`]+)`", arrays[1])) == set(ARRAYS)


RUN = UUID(int=1)
SHARD = ShardReport("shop_00")
FINDINGS: dict[str, tuple[str, dict[str, Any]]] = {
    "### run, replay and backfill": (
        "",
        BackfillReport("orders", RUN, {"shop_00": SHARD}, {"orders": LayoutReport("orders")}).as_json(),
    ),
    "### status": (
        "",
        {
            "shards": [ShardStatus("orders", "shop_00", None, None, None, None, None, 0, None).as_json()],
            "backfills": [
                Unfinished(RUN, "orders", "1", "2", "1", ["shop_00"], 0, 1, "running", datetime.now(UTC), None).as_json(),
            ],
        },
    ),
    "### rejects": ("rejects[].", {f.name: None for f in fields(RejectLine)}),
    "### plan": (
        "",
        {f.name: None for f in fields(Preview) if f.name != "shards"} | {"shards": [{f.name: None for f in fields(ShardPreview)}]},
    ),
}


def json_keys(value: Any, before: str) -> Iterator[str]:
    for name, found in value.items():
        if isinstance(found, list) and found and isinstance(found[0], dict):
            yield from json_keys(found[0], f"{name}[].")
        else:
            yield before + name


@pytest.mark.parametrize("heading", FINDINGS)
def test_every_key_that_json_prints_stands_there(heading: str) -> None:
    before, found = FINDINGS[heading]
    said = rows(section("results", heading))
    assert sorted(set(json_keys(found, before)) - set(said)) == []


def test_the_keys_of_the_other_commands_stand_there_and_so_do_the_counts() -> None:
    said = {name: " ".join(cells) for name, cells in rows(section("results", "### The others")).items()}
    assert [f.name for f in fields(LayoutStatus) if f"`{f.name}`" not in said["lake"]] == []
    assert [f.name for f in fields(Compacted) if f"`{f.name}`" not in said["compact"]] == []
    totals = RunReport("orders", RUN, {"shop_00": SHARD}).as_json()["totals"]
    assert set(rows(section("results", "## What happens to a row"))) == set(totals) - {"windows", "bytes", "seconds"}
    stages = section("results", "### run, replay and backfill")
    assert [stage for stage in totals["seconds"] if f"`{stage}`" not in stages] == []


def test_every_event_and_alarm_stands_there() -> None:
    events, alarms = set(), set()
    for folder in ("flows", "tasks", "shardlake"):
        for file in (ROOT / folder).rglob("*.py"):
            code = file.read_text("utf-8")
            events |= {f"shardlake.{name}" for name in re.findall(r"announce\(\s*\"([a-z.]+)\"", code)} | set(
                re.findall(r"\bsay\(\s*\"([a-z.]+)\"", code)
            )
            events |= set(re.findall(r"_emit\(\"([a-z.]+)\"", code))
            alarms |= set(re.findall(r"Alarm\(\s*(?:view(?:\.name)?|name), (?:\"\"|[a-z.]+), \"([a-z ]+)\"", code))
    assert len(events) == 12
    assert set(rows(section("results", "## Log lines and events"))) == events
    assert set(rows(section("results", "## Alarms"))) == alarms


def test_every_table_of_the_ledger_stands_there() -> None:
    there: set[str] = set()
    for file in sorted((ROOT / "shardlake" / "ledger").glob("*.sql")):
        sql = file.read_text("utf-8")
        there |= set(re.findall(r"^CREATE TABLE (?:IF NOT EXISTS )?shardlake\.(\w+)", sql, re.MULTILINE))
        there -= set(re.findall(r"^DROP TABLE shardlake\.(\w+)", sql, re.MULTILINE))
    assert set(rows(text("ledger"))) == there | {"migrations"}
