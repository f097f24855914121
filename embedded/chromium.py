"""Chromium without a window: a page as a person sees it, as a picture and as text.

pages = obtain_chromium()
shown = pages.open("http://127.0.0.1:4200/runs", folder / "runs.png", until="orders")
"""

import subprocess
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from embedded.apt import apt_install
from embedded.machine import Machine, Unavailable, Way, first_that_works

_PROGRAMS = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome")


@dataclass(frozen=True)
class Chromium:
    """A browser that is started for each page, with a profile of its own."""

    program: Path

    def open(self, url: str, picture: Path, *, size: tuple[int, int] = (1400, 1100), until: str = "", patience: int = 60) -> str:
        """Take a picture of a page, PNG, when it has stood still for a while; returns its document as the browser then has it.

        Pages that fetch what they show may be late: it is opened again, at most five times, until `until` stands in it.
        """
        for _ in range(5):
            document = self._run(url, ["--dump-dom"], patience)
            if until in document:
                break
        self._run(url, [f"--screenshot={picture}", f"--window-size={size[0]},{size[1]}"], patience)
        return document

    def _run(self, url: str, words: list[str], patience: int) -> str:
        with tempfile.TemporaryDirectory(prefix="chromium-") as profile:
            command = [
                str(self.program), "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--no-proxy-server",
                "--virtual-time-budget=15000", f"--user-data-dir={profile}", *words, url,
            ]  # fmt: skip
            return subprocess.run(command, capture_output=True, text=True, timeout=patience, check=True).stdout


def obtain_chromium(*, machine: Machine | None = None, say: Callable[[str], None] = print) -> Chromium:
    """A Chromium; NoServer if none can be had."""
    machine = machine or Machine()

    def from_programs() -> Chromium:
        program = machine.find(*_PROGRAMS)
        if program is None:
            raise Unavailable("not found")
        return Chromium(program)

    def from_apt() -> Chromium:
        apt_install(machine, "chromium-headless-shell", say)
        return from_programs()

    return first_that_works(
        "Chromium",
        [
            Way(f"{', '.join(_PROGRAMS[:2])} on the PATH", from_programs),
            Way("apt-get install chromium-headless-shell, as root or with passwordless sudo", from_apt),
        ],
    )
