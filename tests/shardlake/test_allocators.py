"""The allocators: what is freed goes back, and is not mapped anew for each block."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from tests.world import ROOT

FAULTS = """
import resource
from shardlake.allocators import tune_allocators
tune_allocators()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(500):
    bytes(1 << 20)[0]
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="it is glibc that is set")
def test_blocks_of_a_megabyte_are_not_mapped_anew_each_time() -> None:
    environment = {k: v for k, v in os.environ.items() if not k.startswith("MALLOC_")}
    done = subprocess.run([sys.executable, "-c", FAULTS], cwd=ROOT, env=environment, capture_output=True, text=True, check=True)
    assert int(done.stdout) < 20_000  # of 128,000 where each is
