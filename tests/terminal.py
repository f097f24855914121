"""A terminal for the real command: what it writes to one is read as it comes."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import struct
import subprocess
import sys
import termios
import threading
import time
from pathlib import Path

from tests.world import World


class Terminal:
    """The command on a pseudo-terminal of so many columns: `text` is what it has written by now."""

    def __init__(self, w: World, *words: str, columns: int = 80, **extra: str) -> None:
        w.write_files()
        mine, its = pty.openpty()
        fcntl.ioctl(its, termios.TIOCSWINSZ, struct.pack("HHHH", 50, columns, 0, 0))
        environment = {k: v for k, v in w.environment(**extra).items() if k not in ("COLUMNS", "NO_COLOR", "CI")} | {"TERM": "xterm"}
        program = str(Path(sys.executable).parent / "shardlake")
        self.process = subprocess.Popen(
            [program, *words], cwd=w.folder, env=environment, stdin=its, stdout=its, stderr=its, start_new_session=True
        )
        os.close(its)
        self._mine, self._said = mine, b""
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        while True:
            try:
                found = os.read(self._mine, 65536)
            except OSError:  # the other end is closed
                return
            if not found:
                return
            self._said += found

    @property
    def raw(self) -> str:
        """What it has written, to the last control character."""
        return self._said.decode("utf-8", "replace")

    @property
    def text(self) -> str:
        """What it has written, without what moves the cursor and colours it; lines that were written over are still there."""
        plain = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", self.raw)
        return plain.replace("\r\n", "\n").replace("\r", "\n")

    def lines(self) -> list[str]:
        """Its lines, with single blanks."""
        return [" ".join(line.split()) for line in self.text.splitlines()]

    def wait_for(self, what: str, seconds: float = 60) -> None:
        """Wait until it has written something that matches."""
        deadline = time.monotonic() + seconds
        while not re.search(what, "\n".join(self.lines())):
            assert time.monotonic() < deadline, self.text
            assert self.process.poll() is None, self.text
            time.sleep(0.05)

    def end(self, seconds: float = 120) -> int:
        """Wait for its end; its exit code."""
        code = self.process.wait(seconds)
        self._reader.join(10)
        os.close(self._mine)
        return code
