"""sling, one file a shard into one table a shard, as `sling_tables` does it from the shards themselves.

Files without a header have columns col_001 and on. The JSON is declared as text: sling would find out for itself what it is, and
store it as json. Its parallel streams are in its paid edition, so two processes share the files.
"""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

from bench.endpoints import Shard, Source, Warehouse
from bench.peers.sling_tables import AT_ONCE, binary


def run(source: Source, warehouse: Warehouse, rows: int) -> None:
    groups = [source.shards[first::AT_ONCE] for first in range(AT_ONCE)]
    processes = []
    for number, shards in enumerate(groups):
        home = Path(warehouse.state) / f"home{number}"
        home.mkdir(parents=True, exist_ok=True)
        replication = home / "replication.json"
        replication.write_text(json.dumps(_replication(shards, source)), encoding="utf-8")
        environment = os.environ | {
            "WAREHOUSE": warehouse.url() + "?sslmode=disable",
            "SLING_HOME_DIR": str(home),
            "SLING_DISABLE_TELEMETRY": "TRUE",
        }
        processes.append(subprocess.Popen([str(binary()), "run", "-r", str(replication)], env=environment))
    ended = [process.wait() for process in processes]  # all of them, also after a failure
    if any(ended):
        raise SystemExit("sling: a process failed")


def _replication(shards: tuple[Shard, ...], source: Source) -> dict[str, object]:
    def stream(shard: Shard) -> tuple[str, dict[str, str]]:
        file = Path(source.drops).absolute() / shard.name / source.table / "LOAD00000001.csv"
        return f"file://{file}", {"object": f"bench_sling.{shard.name}_orders"}

    return {
        "source": "LOCAL",
        "target": "WAREHOUSE",
        "defaults": {
            "mode": "full-refresh",
            "source_options": {"format": "csv", "header": False, "null_if": "NULL", "columns": {"col_006": "text"}},
        },
        "streams": dict(map(stream, shards)),
    }
