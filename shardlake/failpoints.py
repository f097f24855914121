"""Named places where a test can end the process or raise, to prove that a rerun heals.

`SHARDLAKE_FAILPOINT=merge.committed=kill` ends the process there as `kill -9` does; `=kill@3` at the third passage;
`=error` raises; `=hold` stays there until the run is broken off, and `=hang` also then, and both say so on standard error. Unset, a failpoint costs one dictionary look-up.
"""

import os
import signal
import sys
import time
from collections import Counter

from shardlake import cancellation

NAMES = (
    "window.opened", "extract.chunk", "extract.written", "extract.recorded", "stage.copied", "merge.started",
    "merge.cast", "merge.before_commit", "merge.committed", "merge.recorded", "swap.before_commit", "swap.committed",
    "lake.opened", "lake.encoded", "lake.recorded", "lake.put", "lake.tombstones", "lake.merged", "lake.settled", "lake.registered",
    "lake.before_publish", "lake.published", "glue.changed", "sweep.removing", "sweep.removed", "schema.kept",
)  # fmt: skip
_passed: Counter[str] = Counter()


def failpoint(name: str) -> None:
    """Do what SHARDLAKE_FAILPOINT says for `name`, or nothing."""
    wanted = os.environ.get("SHARDLAKE_FAILPOINT", "")
    if not wanted.startswith(name + "="):
        return
    action, _, passage = wanted.partition("=")[2].partition("@")
    _passed[name] += 1
    if _passed[name] < int(passage or 1):
        return
    if action == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    if action in ("hold", "hang"):
        sys.stderr.write(f"at the failpoint {name}\n")
        sys.stderr.flush()
        while True:
            cancellation.pause(0.1) if action == "hold" else time.sleep(60)
    raise RuntimeError(f"failpoint {name}")
