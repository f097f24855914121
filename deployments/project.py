"""prefect.yaml: the project's name, its work pools, and the deployments that stand whatever the views are."""

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

from deployments.queues import STANDARD, Queue, read_queues
from deployments.telling import Telling, read_telling
from shardlake.errors import SpecError
from shardlake.spec_file import read_yaml


@dataclass(frozen=True, slots=True)
class Pool:
    """A work pool with its queues, and the file of its base job template; None for its type's own.

    One that is not `declared` in prefect.yaml is somebody else's: its limit, queues and image are left as they are.
    """

    name: str
    type: str
    file: Path | None = None
    queues: tuple[Queue, ...] = STANDARD
    declared: bool = True

    @property
    def template(self) -> dict[str, Any] | None:
        """The base job template. Raises SpecError where its file cannot be read."""
        if self.file is None:
            return None
        try:
            found: dict[str, Any] = json.loads(self.file.read_text("utf-8"))
        except (OSError, ValueError) as error:
            raise SpecError(f"{self.file}: {error}", hint="It is a work pool's base job template, as JSON.") from None
        return found

    @property
    def is_ecs(self) -> bool:
        """Whether its runs are ECS tasks, with CPU, memory and a family of task definitions."""
        return self.type.startswith("ecs")


@dataclass(frozen=True, slots=True)
class Project:
    """What prefect.yaml says. A run that gave no sign of life for `silence` has crashed, and so has one that does not begin for `pending`."""

    name: str
    pools: tuple[Pool, ...]
    standing: tuple[dict[str, Any], ...]
    silence: timedelta = timedelta(minutes=3)
    pending: timedelta = timedelta(minutes=15)
    telling: Telling = field(default_factory=Telling)

    @property
    def tags(self) -> list[str]:
        """What every deployment of the project bears, and no other."""
        return ["shardlake", f"project:{self.name}"]

    @property
    def names(self) -> list[str]:
        """The standing deployments' names, as `after` in a view has them."""
        return _names(self.standing)

    @property
    def patience(self) -> dict[str, Any]:
        """What `check-freshness` is given of silence and pending, where they are others than its own."""
        given = {"silence": self.silence.total_seconds(), "pending": self.pending.total_seconds()}
        return {name: value for name, value in given.items() if value != getattr(Project("", (), ()), name).total_seconds()}

    def pool(self, name: str | None) -> Pool:
        """The pool of that name, or the first. One that prefect.yaml does not know has no type yet: the server knows it."""
        return next((p for p in self.pools if name in (None, p.name)), Pool(str(name), "", queues=(), declared=False))


def read_project(file: Path) -> Project:
    """Read prefect.yaml. Raises SpecError."""
    content = read_yaml(file)
    if not isinstance(content, dict) or not isinstance(content.get("name"), str):
        raise SpecError(f"{file}: name: is missing; it tells this project's deployments from others'")
    pools = content.get("definitions", {}).get("work_pools", [])
    if not pools:
        raise SpecError(f"{file}: definitions.work_pools: is missing; name one pool at least")
    definitions = content["definitions"]
    return Project(
        content["name"],
        tuple(_pool(file, pool) for pool in pools),
        tuple(_declared(file, content)),
        timedelta(seconds=definitions.get("silence", 180)),
        timedelta(seconds=definitions.get("pending", 900)),
        read_telling(file, definitions),
    )


def _pool(file: Path, given: dict[str, Any]) -> Pool:
    template = file.parent / given["base_job_template"] if "base_job_template" in given else None
    return Pool(given["name"], given["type"], template, read_queues(file, given))


def standing_names(file: Path) -> list[str]:
    """The names of the standing deployments, as `after` in a view has them, whatever else the file says. Raises SpecError."""
    content = read_yaml(file) if file.is_file() else None
    return _names(_declared(file, content)) if isinstance(content, dict) else []


def _names(standing: Iterable[dict[str, Any]]) -> list[str]:
    return [str(item["name"]).replace("-", "_") for item in standing]


def _declared(file: Path, content: dict[str, Any]) -> list[dict[str, Any]]:
    found = content.get("deployments") or []
    if not isinstance(found, list) or not all(isinstance(item, dict) and item.get("name") for item in found):
        raise SpecError(f"{file}: deployments: is a list of mappings, each with a name")
    return found
