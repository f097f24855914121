"""Readers end with the process that started them, however it ends."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from tests.stopping import alive, until
from tests.world import ROOT

SCRIPT = """
import time
from shardlake.source.sql.worker import Readers

if __name__ == "__main__":
    readers = Readers(2)
    reading = [readers._pool.schedule(time.sleep, args=(600,)) for _ in range(2)]
    while not all(future.running() for future in reading):
        time.sleep(0.05)
    print("reading", flush=True)
    time.sleep(600)
"""


@pytest.mark.timeout(400)
def test_readers_of_a_process_that_is_killed_are_gone_at_once_and_lead_groups_of_their_own(tmp_path: Path) -> None:
    script = tmp_path / "reading.py"
    script.write_text(SCRIPT)
    process = subprocess.Popen([sys.executable, str(script)], cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)}, stdout=subprocess.PIPE)
    assert process.stdout is not None
    assert process.stdout.readline() == b"reading\n"
    below = psutil.Process(process.pid).children(recursive=True)
    readers = [p for p in below if os.getpgid(p.pid) == p.pid]
    assert len(readers) == 2
    process.send_signal(signal.SIGKILL)
    process.wait()
    until(lambda: not alive(below), 60)
