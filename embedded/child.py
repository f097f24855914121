"""One server process: born into a group of its own, signalled as a tree, gone when we are.

A server must not outlive the process that started it, however that ended. Two things see to it:

- On Linux the kernel does (`PR_SET_PDEATHSIG`, by way of util-linux's `setpriv`), also when we die
  by SIGKILL. `setpriv` rather than ctypes in a `preexec_fn`: Python code between fork and exec can
  deadlock in a process with threads, and Python 3.12 warns of it. The kernel sends the signal when
  the *thread* that forked ends, so every child is forked by one thread that lives as long as we do:
  a server may be started from a short-lived worker thread.
- Elsewhere, and where `setpriv` is missing, `atexit` does, on every exit but a SIGKILL of us.

One gap is left: a server that is paused at the moment at which we are killed stays paused.
"""

import atexit
import os
import shutil
import signal
import subprocess
import sys
import weakref
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import cache
from pathlib import Path

import psutil

from embedded.account import Account

_alive: "weakref.WeakSet[Child]" = weakref.WeakSet()


@cache
def _forking_thread(our_pid: int) -> ThreadPoolExecutor:
    """The thread that forks all children; by pid, as a fork of us has none of our threads."""
    return ThreadPoolExecutor(max_workers=1, thread_name_prefix="embedded-servers")


@cache
def _setpriv() -> str | None:
    return shutil.which("setpriv") if sys.platform == "linux" else None


class Child:
    """A running process and what it forked. Its own session, so that Ctrl-C reaches only us."""

    def __init__(
        self,
        command: Sequence[str],
        *,
        log: Path,
        account: Account | None = None,
        environment: Mapping[str, str] | None = None,
        death: signal.Signals = signal.SIGKILL,
    ) -> None:
        """Start `command`, its output appended to `log`; `death` is what it gets when we die."""
        self.log = log
        if setpriv := _setpriv():
            command = [setpriv, "--pdeathsig", death.name.removeprefix("SIG"), *command]
        self._process = _forking_thread(os.getpid()).submit(self._fork, list(command), account, environment).result()
        self._tree_root = psutil.Process(self._process.pid)
        _alive.add(self)

    def _fork(self, command: list[str], account: Account | None, environment: Mapping[str, str] | None) -> "subprocess.Popen[bytes]":
        with self.log.open("ab") as output:
            return subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                cwd=self.log.parent,
                env=environment,
                start_new_session=True,
                user=account.uid if account else None,
                group=account.gid if account else None,
                extra_groups=[] if account else None,
            )

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def alive(self) -> bool:
        return self._process.poll() is None

    def stop(self, how: signal.Signals, seconds: float = 30) -> None:
        """Ask it to end, and end what is left of its tree when it has, or when time is up."""
        if not self.alive:
            return
        self.resume()
        family = self._family()
        self._process.send_signal(how)
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(seconds)
        self._end(family)

    def kill(self) -> None:
        """SIGKILL to the whole tree."""
        if self.alive:
            self.pause()
            self._end(self._family())

    def pause(self) -> None:
        """SIGSTOP to the tree; the kernel still accepts connections, and nobody answers them.

        The root first: once it stands still it forks no more, and its children can be counted.
        """
        with suppress(psutil.NoSuchProcess):
            self._tree_root.suspend()
        for process in self._family():
            with suppress(psutil.NoSuchProcess):
                process.suspend()

    def resume(self) -> None:
        """SIGCONT to the tree, leaves first."""
        for process in reversed(self._family()):
            with suppress(psutil.NoSuchProcess):
                process.resume()

    def last_words(self, lines: int = 12) -> str:
        """The end of its log."""
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])

    def _family(self) -> list[psutil.Process]:
        """It and its descendants: Postgres's workers lead sessions of their own, no group holds."""
        try:
            return [self._tree_root, *self._tree_root.children(recursive=True)]
        except psutil.NoSuchProcess:
            return []

    def _end(self, family: list[psutil.Process]) -> None:
        for process in family:
            with suppress(psutil.NoSuchProcess):  # it compares start times: a pid used anew is safe
                process.kill()
        self._process.wait()
        psutil.wait_procs(family, timeout=10)
        _alive.discard(self)


@atexit.register
def _end_all() -> None:
    for child in list(_alive):
        child.kill()
