"""An environment for each set of requirements, made on first use under .bench/envs.

sling and dlt bring trees of their own, and awswrangler wants an older pyarrow than ours: a peer is
never installed beside us, nor beside another peer.
"""

from __future__ import annotations

import hashlib
import subprocess
import sys
from pathlib import Path


def python_of(requirements: str | None, folder: Path) -> Path:
    """The Python that runs a peer; ours where it needs nothing but programs of the system."""
    if requirements is None:
        return Path(sys.executable)
    pins = Path(__file__).with_name(requirements)
    environment = folder / pins.stem
    python = environment / "bin" / "python"
    made_of = environment / "made-of"
    digest = hashlib.sha256(pins.read_bytes()).hexdigest()
    if made_of.exists() and made_of.read_text() == digest:
        return python
    print(f"making the environment {environment} from {pins.name}", flush=True)
    subprocess.run([sys.executable, "-m", "venv", "--clear", str(environment)], check=True)
    install = [str(python), "-m", "pip", "install", "-qq", "--no-deps", "-r", str(pins)]
    subprocess.run([*install, "--disable-pip-version-check"], check=True)
    made_of.write_text(digest)
    return python


def pinned(requirements: str) -> dict[str, str]:
    """Package and version of each line of a requirements file."""
    lines = Path(__file__).with_name(requirements).read_text(encoding="utf-8").split()
    return dict(line.split("==") for line in lines)
