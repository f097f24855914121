"""sling, one target table a shard.

Streams run in parallel only in sling's paid edition, so two processes share the shards. Ten shards
in one table lose rows in incremental mode (see sling_one_table), hence ten tables. They get no key:
that is sling's default, and its fastest first load (11 s against 16 s with a unique index).
"""

from __future__ import annotations

import json
import os
import subprocess
import sysconfig
from pathlib import Path

from bench.endpoints import Shard, Source, Warehouse

AT_ONCE = 2


def run(source: Source, warehouse: Warehouse, rows: int) -> None:
    replicate(
        [source.shards[first::AT_ONCE] for first in range(AT_ONCE)],
        source,
        warehouse,
        "bench_sling.{stream_schema}_orders",
    )


def replicate(
    groups: list[tuple[Shard, ...]], source: Source, warehouse: Warehouse, target: str, *, keyed: bool = False
) -> None:
    """Run one sling process a group of shards, all at once; raise if one of them fails."""
    processes = []
    for number, shards in enumerate(groups):
        home = Path(warehouse.state) / f"home{number}"
        home.mkdir(parents=True, exist_ok=True)
        replication = home / "replication.json"
        replication.write_text(json.dumps(_replication(shards, source, target, keyed=keyed)), encoding="utf-8")
        environment = os.environ | {
            "SHOP": shards[0].url("mysql"),
            "WAREHOUSE": warehouse.url() + "?sslmode=disable",
            "SLING_HOME_DIR": str(home),
            "SLING_DISABLE_TELEMETRY": "TRUE",
        }
        # The wheel's own binary: the `sling` command would look for it on the network first.
        command = [str(binary()), "run", "-r", str(replication)]
        processes.append(subprocess.Popen(command, env=environment))
    ended = [process.wait() for process in processes]  # all of them, also after a failure
    if any(ended):
        raise SystemExit("sling: a process failed")


def _replication(
    shards: tuple[Shard, ...], source: Source, target: str, *, keyed: bool
) -> dict[str, object]:
    defaults: dict[str, object] = {"mode": "incremental", "primary_key": ["id"], "object": target}
    if keyed:
        defaults["target_options"] = {"table_keys": {"primary": ["id"]}}
    if not source.reread:  # without an update key it upserts everything that it reads
        defaults["update_key"] = "updated_at"
    return {
        "source": "SHOP",
        "target": "WAREHOUSE",
        "defaults": defaults,
        "streams": {f"{shard.name}.{source.table}": None for shard in shards},
    }


def binary() -> Path:
    """The program in sling's wheel."""
    return Path(sysconfig.get_path("purelib")) / "sling_linux_amd64/bin/sling-linux-amd64"
