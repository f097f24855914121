"""What is not said: a driver's remarks beside the command's own message."""

from __future__ import annotations

import subprocess
import sys

import pytest


@pytest.mark.parametrize("hushed", [True, False])
def test_connections_that_were_broken_off_are_no_lines_of_the_driver(hushed: bool) -> None:
    script = "import logging\nfrom shardlake.quiet import hush_drivers\n"
    script += "hush_drivers()\n" if hushed else ""
    script += "logging.getLogger('psycopg.pool').warning('discarding closed connection')\n"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=True)
    assert done.stderr == ("" if hushed else "discarding closed connection\n")
