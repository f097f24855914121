"""What this process may use: the cores and the memory of its container, not the host's."""

import os
from pathlib import Path

_GROUPS, _OWN = Path("/sys/fs/cgroup"), Path("/proc/self/cgroup")


def cores(root: Path = _GROUPS, own: Path = _OWN) -> float:
    """Cores: those that the process is bound to, and no more than its control group's quota, which may be a fraction."""
    bound = float(len(os.sched_getaffinity(0))) if hasattr(os, "sched_getaffinity") else float(os.cpu_count() or 1)
    return min([bound, *(quota for folder in _folders(root, own, "cpu") if (quota := _quota(folder)) is not None)])


def memory(root: Path = _GROUPS, own: Path = _OWN) -> int:
    """Bytes of memory: the machine's, and no more than its control group may have."""
    whole = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    limits = [_number(folder / name) for folder in _folders(root, own, "memory") for name in ("memory.max", "memory.limit_in_bytes")]
    return min([whole, *(limit for limit in limits if limit is not None)])


def _folders(root: Path, own: Path, controller: str) -> list[Path]:
    """Where the limits of this process may stand: its group of version 2 or 1, the groups above it, and the root, which is its
    own group in a container.
    """
    found: list[Path] = []
    for line in _text(own).splitlines():
        _, controllers, path = line.split(":", 2)
        if not controllers or controller in controllers.split(","):
            for base in [root] if not controllers else [root / controller, root / controllers]:
                group = base / path.strip("/")
                found += [group, *(p for p in group.parents if p.is_relative_to(base))]
    return list(dict.fromkeys(found))


def _quota(folder: Path) -> float | None:
    """A group's quota in cores; None where it has none."""
    if text := _text(folder / "cpu.max"):
        quota, _, period = text.partition(" ")
        return None if quota == "max" else int(quota) / int(period or 100_000)
    quota_us, period_us = _number(folder / "cpu.cfs_quota_us"), _number(folder / "cpu.cfs_period_us")
    return quota_us / period_us if quota_us and period_us else None


def _number(path: Path) -> int | None:
    """A positive number in a file; None where there is none (`max`, -1), and where it is past all memory, as version 1 says it."""
    text = _text(path)
    return int(text) if text.isdigit() and int(text) < 1 << 60 else None


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii").strip()
    except OSError:
        return ""
