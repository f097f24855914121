"""What a container may use, read from files as the kernel writes them: control groups of version 2 and 1."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from shardlake import machine
from tests.world import ROOT

GB = 1 << 30
BOUND = float(len(os.sched_getaffinity(0)))
WHOLE = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def groups(folder: Path, **files: str) -> Path:
    """A tree of control groups: `cpu__cpu_max="…"` is the file cpu/cpu.max."""
    for name, text in files.items():
        place = folder / name.replace("__", "/").replace("_DOT_", ".")
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text + "\n")
    return folder


@pytest.mark.parametrize(
    ("quota", "cores"), [("50000 100000", 0.5), ("100000 100000", 1.0), ("max 100000", BOUND), ("6400000 100000", min(64.0, BOUND))]
)
def test_the_cores_of_a_container_are_its_quota_of_version_2(tmp_path: Path, quota: str, cores: float) -> None:
    assert machine.cores(groups(tmp_path, cpu_DOT_max=quota)) == cores


@pytest.mark.parametrize(("quota", "cores"), [("25000", 0.25), ("-1", BOUND)])
def test_the_cores_of_a_container_are_its_quota_of_version_1(tmp_path: Path, quota: str, cores: float) -> None:
    root = groups(tmp_path, cpu__cpu_DOT_cfs_quota_us=quota, cpu__cpu_DOT_cfs_period_us="100000")
    assert machine.cores(root, own=groups(tmp_path / "of", cgroup="4:cpu,cpuacct:/\n0::/") / "cgroup") == cores


@pytest.mark.parametrize(
    ("name", "text", "size"),
    [("memory_DOT_max", "536870912", GB // 2), ("memory_DOT_max", "max", WHOLE), ("memory__memory_DOT_limit_in_bytes", str(GB), GB),
     ("memory__memory_DOT_limit_in_bytes", "9223372036854771712", WHOLE)],
)  # fmt: skip
def test_the_memory_of_a_container_is_its_limit(tmp_path: Path, name: str, text: str, size: int) -> None:
    own = groups(tmp_path / "of", cgroup="9:memory:/\n0::/") / "cgroup"
    assert machine.memory(groups(tmp_path, **{name: text}), own=own) == size


def test_the_limit_of_a_group_above_holds_too(tmp_path: Path) -> None:
    own = groups(tmp_path / "of", cgroup="0::/pod/container") / "cgroup"
    root = groups(tmp_path, pod__container__cpu_DOT_max="max 100000", pod__cpu_DOT_max="75000 100000", pod__memory_DOT_max=str(GB))
    assert (machine.cores(root, own=own), machine.memory(root, own=own)) == (0.75, GB)


def test_a_process_that_is_bound_to_one_core_has_one() -> None:
    code = "import os; os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})\nfrom shardlake.parallelism import of_machine; print(of_machine())"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout == "Parallelism(chains=2, readers=1)\n"
