"""This project's layouts, as the process that is timed: every layout of a view, from raw.

python -m bench.ours_lake connections.yaml views/orders
"""

import json
import sys
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from uuid import uuid4

from shardlake.connection.connection_file import load_connection
from shardlake.run import deliver
from shardlake.run.job import open_job
from shardlake.view.view_file import load_view


def main() -> None:
    """Write them, two at a time, and print how many rows each has."""
    connections, view = map(Path, sys.argv[1:])
    job, run = open_job(load_view(view), partial(load_connection, connections)), uuid4()
    with ThreadPoolExecutor(2) as pool:
        done = pool.map(lambda layout: deliver.catch_up(job, run, layout.table), job.view.lake.layouts)
        print(json.dumps([[w.total.merged for w in written] for written in done]))


if __name__ == "__main__":
    main()
