"""What every server here can do: start, stop, be killed, be paused, be waited for."""

import signal
import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Self

from embedded.account import Account
from embedded.child import Child


class ServerFailed(RuntimeError):
    """A server of ours did not initialise or did not start; the message ends with its log."""


class NotOurs(RuntimeError):
    """The server was reached by a URL: what we did not start we cannot stop, kill or pause."""


class Server(ABC):
    """A server, ours to start and stop (`owned`), or only reached."""

    label: str
    host: str
    port: int
    home: Path | None
    account: Account | None = None
    stop_signal = signal.SIGTERM
    death_signal = signal.SIGKILL
    seconds_to_start: float = 60
    waiting: Callable[[float], None] | None = None
    child: Child | None = None

    @abstractmethod
    def command(self) -> list[str]:
        """What runs it."""

    @abstractmethod
    def ping(self) -> None:
        """Raise anything while it does not answer yet."""

    def process_environment(self) -> dict[str, str] | None:
        """The whole environment of its process; None for ours."""
        return None

    @property
    def owned(self) -> bool:
        return self.home is not None

    @property
    def pid(self) -> int | None:
        return self.child.pid if self.child and self.child.alive else None

    @property
    def running(self) -> bool:
        return self.pid is not None

    def start(self) -> Self:
        """Start it unless it runs, and return when it answers."""
        if self.home and not self.running:
            self.child = Child(
                self.command(),
                log=self.home / "server.log",
                account=self.account,
                environment=self.process_environment(),
                death=self.death_signal,
            )
        self._wait()
        return self

    def _wait(self) -> None:
        """Ping until it answers, telling `waiting` the seconds that have passed."""
        began = time.monotonic()
        while True:
            try:
                self.ping()
            except Exception as error:  # each driver's errors have a root of their own
                passed = time.monotonic() - began
                if self.child and not self.child.alive:
                    raise ServerFailed(f"{self} ended:\n{self.child.last_words()}") from error
                if passed > self.seconds_to_start:
                    words = self.child.last_words() if self.child else ""
                    self.stop()
                    raise ServerFailed(f"{self} did not answer in {passed:.0f} s: {error}\n{words}") from error
            else:
                return
            if self.waiting:
                self.waiting(passed)
            time.sleep(0.05)

    def stop(self) -> None:
        """End it in good order. Nothing to do when it is down, or not ours."""
        if self.child:
            self.child.stop(self.stop_signal)

    def restart(self) -> None:
        """Stop and start on the same port and data; after `kill()` just start."""
        self._ours("restart")
        self.stop()
        self.start()

    def kill(self) -> None:
        """SIGKILL it, as a power cut would: what it had not written to disk is gone."""
        self._ours("kill").kill()

    def pause(self) -> None:
        """SIGSTOP it: connections open, queries hang, as with a host that is out of breath."""
        self._ours("pause").pause()

    def resume(self) -> None:
        self._ours("resume").resume()

    def _ours(self, verb: str) -> Child:
        if not self.owned:
            raise NotOurs(
                f"cannot {verb} {self}: it was reached by a URL, not started by us. Unset the URL for what needs to {verb} a server."
            )
        if self.child is None:
            raise ServerFailed(f"cannot {verb} {self}: it has not been started")
        return self.child

    def __str__(self) -> str:
        return f"{self.label} at {self.host}:{self.port}"

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()
