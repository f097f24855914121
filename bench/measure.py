"""Timing a process from start to end, and how much memory it and its children took at most.

Memory is the sum of PSS over the process tree: pages that processes share count once. It is read
every 50 ms, and less often where a reading is slow, so that it never takes more than a twentieth of
one core from the process that it watches. The servers are not in the tree.
"""

from __future__ import annotations

import json
import os
import signal
import statistics
import subprocess
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import psutil

EVERY = 0.05
SHARE_OF_A_CORE = 0.05
TIMEOUT = 3600.0
ROLLUP = os.path.exists("/proc/self/smaps_rollup")
MEMORY = "PSS" if ROLLUP else "RSS"


@dataclass(frozen=True)
class Run:
    """One timed run; with a `problem` its seconds stand for nothing. `engine` are those that it says it worked for itself."""

    seconds: float
    peak: int
    problem: str | None = None
    engine: float | None = None


@dataclass
class Series:
    """All runs of one contestant in one scenario."""

    contestant: str
    rows: int
    runs: list[Run] = field(default_factory=list)

    @property
    def problem(self) -> str | None:
        return next((run.problem for run in self.runs if run.problem), None)

    @property
    def median(self) -> float | None:
        if self.problem or not self.runs:
            return None
        return statistics.median(run.seconds for run in self.runs)

    @property
    def engine(self) -> float | None:
        """The median of the engine's own seconds, of who tells them."""
        told = [run.engine for run in self.runs if run.engine is not None]
        return statistics.median(told) if told and not self.problem else None

    @property
    def fastest(self) -> float:
        return min(run.seconds for run in self.runs)

    @property
    def slowest(self) -> float:
        return max(run.seconds for run in self.runs)

    @property
    def peak(self) -> int:
        return max(run.peak for run in self.runs)


class PeakMemory(threading.Thread):
    """Watches a process tree until it is stopped; `peak` is in bytes."""

    def __init__(self, pid: int) -> None:
        super().__init__(daemon=True)
        self.peak = 0
        self._root = psutil.Process(pid)
        self._stopped = threading.Event()

    def run(self) -> None:
        pause = EVERY
        while not self._stopped.wait(pause):
            began = time.thread_time()
            self.peak = max(self.peak, self._tree())
            pause = max(EVERY, (time.thread_time() - began) / SHARE_OF_A_CORE)

    def stop(self) -> int:
        self._stopped.set()
        self.join()
        return self.peak

    def _tree(self) -> int:
        try:
            processes = [self._root, *self._root.children(recursive=True)]
        except psutil.Error:
            return 0
        return sum(_memory(process) for process in processes)


def _memory(process: psutil.Process) -> int:
    """PSS in bytes (RSS where the system does not count it); 0 once the process is gone."""
    try:
        if not ROLLUP:
            return int(process.memory_info().rss)
        with open(f"/proc/{process.pid}/smaps_rollup", encoding="ascii") as rollup:
            return next((int(line.split()[1]) * 1024 for line in rollup if line.startswith("Pss:")), 0)
    except (OSError, psutil.Error):
        return 0


def measured(command: Sequence[str], stdin: str, environment: Mapping[str, str], folder: Path, log: Path) -> Run:
    """Run a command to its end, in `folder`; its stderr goes to `log`, its stdout beside it."""
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("w") as errors, log.with_suffix(".out").open("w") as output:
        began = time.perf_counter()
        process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=output,
            stderr=errors,
            text=True,
            cwd=folder,
            env={**os.environ, **environment},
            start_new_session=True,
        )
        memory = PeakMemory(process.pid)
        memory.start()
        problem = None
        try:
            process.communicate(stdin, timeout=TIMEOUT)
        except subprocess.TimeoutExpired:
            problem = f"did not end in {TIMEOUT:.0f} s"
        finally:
            seconds = time.perf_counter() - began
            peak = memory.stop()
            if process.poll() is None:  # its own session: this ends it and its children, no other
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
    if process.returncode and not problem:
        problem = f"failed: {_last_line(log)}"
    return Run(seconds, peak, problem, _engine(log.with_suffix(".out")))


def _engine(output: Path) -> float | None:
    """The seconds in the JSON object that is a program's last line, as ours prints one."""
    lines = output.read_text(encoding="utf-8", errors="replace").strip().splitlines()
    try:
        return float(json.loads(lines[-1])["seconds"])
    except (LookupError, TypeError, ValueError):
        return None


def _last_line(log: Path) -> str:
    lines = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
    return lines[-1][:300] if lines else f"it said nothing ({log})"
