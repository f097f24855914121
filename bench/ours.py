"""This project's run, as the process that is timed: sync one view, print its report as JSON.

    python -m bench.ours --view bench/views/orders --connections connections.yaml \\
        --views bench/views --state .bench/state/shardlake
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import sys
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Arguments:
    """`state` is a folder that lives from a first load to the last rerun: raw may go there."""

    view: Path
    connections: Path
    views: Path
    state: Path
    cores: int | None
    chains: int | None
    readers: int | None


def parse(words: list[str]) -> Arguments:
    parser = argparse.ArgumentParser(prog="python -m bench.ours", description=__doc__)
    parser.add_argument("--view", type=Path, required=True, help="the folder of the view to sync")
    parser.add_argument("--connections", type=Path, required=True, help="connections.yaml")
    parser.add_argument("--views", type=Path, required=True, help="the folder of all views")
    parser.add_argument("--state", type=Path, required=True, help="a folder of its own")
    parser.add_argument("--cores", type=int, help="bind this process and its readers to so many; all where it is left out")
    parser.add_argument("--chains", type=int, help="in place of what the machine says")
    parser.add_argument("--readers", type=int, help="in place of what the machine says")
    return Arguments(**vars(parser.parse_args(words)))


def sync_view(arguments: Arguments) -> dict[str, object]:
    """Sync the view once. Raises if anything did not arrive.

    Returns {"seconds": …, "cpu": {"own": …, "own_system": …, "readers": …}, "shards": {"shop_00": {"read": …, "merged": …, "unchanged": …,
    "superseded": …, "rejected": …, "seconds": …}, …}}.
    """
    if arguments.cores:  # before anything starts a thread
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[: arguments.cores])
    import psutil

    # imported here: the readers' processes import this module again, as multiprocessing has it
    from shardlake.connection.connection_file import connection_names, load_connection
    from shardlake.connection.lake import Lake
    from shardlake.run.sync import sync
    from shardlake.view.view_file import load_view

    connections = {name: load_connection(arguments.connections, name) for name in connection_names(arguments.connections)}
    lake = Lake(url=str(arguments.state / "lake"))
    connect = {"athena-lake/main": lake, **connections}.__getitem__
    report = sync(load_view(arguments.view), connect, threads=arguments.chains, readers=arguments.readers)
    if not report.ok:
        raise SystemExit(report.headline())
    found = report.as_json()
    own = resource.getrusage(resource.RUSAGE_SELF)
    below = [child.cpu_times() for child in psutil.Process().children(recursive=True)]
    cpu = {"own": own.ru_utime + own.ru_stime, "own_system": own.ru_stime, "readers": sum(t.user + t.system for t in below)}
    return {
        "seconds": found["seconds"],
        "cpu": cpu,
        "stages": found["totals"]["seconds"],
        "shards": {s["shard"]: s for s in found["shards"]},
    }


def main() -> None:
    report = sync_view(parse(sys.argv[1:]))
    print(json.dumps(report))


if __name__ == "__main__":
    main()
