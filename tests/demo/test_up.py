"""`make up`: a server, a worker and the published view, until Ctrl-C."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil

from tests.world import ROOT


def run_of_orders(program: str, environment: dict[str, str]) -> str:
    """Run the deployment and wait for its end; returns what the command said."""
    words = [program, "deployment", "run", "sync-view/orders", "--watch"]
    return subprocess.run(words, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=120).stdout


def test_up_publishes_runs_and_leaves_nothing_behind(tmp_path: Path) -> None:
    log = tmp_path / "up.log"
    with log.open("wb") as output:
        up = subprocess.Popen(
            [sys.executable, "-m", "demo.up", "--folder", str(tmp_path)],
            cwd=ROOT,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        deadline = time.monotonic() + 180
        while "Ctrl-C ends it." not in (said := log.read_text()) and up.poll() is None and time.monotonic() < deadline:
            time.sleep(0.5)
        assert "Ctrl-C ends it." in said, said
        assert "create deployment sync-view/orders" in " ".join(said.split())
        environment = dict(os.environ)
        for name, value in re.findall(r"^export (\w+)='(.*)'$", (tmp_path / ".up" / "env.sh").read_text(), re.M):
            environment[name] = value
        program = str(Path(sys.executable).parent / "prefect")
        said = run_of_orders(program, environment)
        while "'Cancelled'" in said and time.monotonic() < deadline:  # the schedule's own run is under way: one run a view at a time
            time.sleep(2)
            said = run_of_orders(program, environment)
        assert "Flow run finished successfully in 'Completed'." in said
        children = psutil.Process(up.pid).children(recursive=True)
        up.send_signal(signal.SIGINT)
        assert up.wait(60) == 0
        _, alive = psutil.wait_procs(children, timeout=20)
        assert alive == []
    finally:
        if up.poll() is None:
            up.kill()
