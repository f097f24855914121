"""What the figures were taken on."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import psutil

from bench.peers.environments import pinned
from bench.servers import POSTGRES, Servers

OURS = ("shardlake", "connectorx", "polars", "duckdb", "psycopg", "pyarrow")
DLT = ("dlt", "connectorx", "adbc-driver-postgresql", "SQLAlchemy", "pyarrow")


def machine() -> str:
    gigabytes = psutil.virtual_memory().total / 2**30
    load = os.getloadavg()[0]
    return (
        f"{os.cpu_count()} cores of {_cpu()}, {gigabytes:.0f} GB, {_system()}, "
        f"kernel {platform.release()}; load before the start {load:.2f}"
    )


def versions(servers: Servers) -> list[str]:
    """One line for the servers, one for us, one a peer."""
    mariadb = servers.mariadb.execute("SELECT version()")[0][0]
    postgres = servers.run_sql("SHOW server_version")[0][0]
    settings = ", ".join(f"{key}={value}" for key, value in POSTGRES.items())
    dlt = pinned("dlt.txt")
    drivers = ", ".join(f"{name} {dlt[name]}" for name in DLT)
    return [
        f"MariaDB {mariadb}; Postgres {postgres} ({settings}, else as it comes)",
        f"Python {sys.version.split()[0]}; ours {', '.join(map(_version, OURS))}; commit {_commit()}",
        f"sling {pinned('sling.txt')['sling']}",
        drivers,
    ]


def _version(package: str) -> str:
    try:
        return f"{package} {version(package)}"
    except PackageNotFoundError:
        return f"{package} (not installed)"


def _commit() -> str:
    command = ["git", "describe", "--always", "--dirty"]
    house = Path(__file__).parent
    done = subprocess.run(command, cwd=house, capture_output=True, text=True, check=False)
    return done.stdout.strip() or "none yet"


def _cpu() -> str:
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as info:
            return next(line.split(":")[1].strip() for line in info if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


def _system() -> str:
    try:
        return platform.freedesktop_os_release()["PRETTY_NAME"]
    except (OSError, KeyError):
        return platform.platform()
