"""`python -m bench.peers <module>`: one peer's run, as the process that is timed.

The job comes as JSON on standard input, so no password stands in the process list.
"""

from __future__ import annotations

import importlib
import sys

from bench.endpoints import Job


def main() -> None:
    job = Job.loads(sys.stdin.read())
    peer = importlib.import_module(f"bench.peers.{sys.argv[1]}")
    peer.run(job.source, job.warehouse, job.rows)


if __name__ == "__main__":
    main()
