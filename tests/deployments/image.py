"""The image, built without Docker on a bare Debian: a base by debootstrap, the Dockerfile by buildah, runs in a read-only root."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from embedded.apt import apt_install
from embedded.machine import Machine, Unavailable
from tests.world import ROOT

SUITE = "bookworm"
TAG, BASE = "localhost/shardlake:test", "localhost/shardlake-base:test"
ASKED = "SHARDLAKE_TEST_IMAGE"


def why_not() -> str | None:
    """Why the image cannot be built here, or None. Installs what is missing only where SHARDLAKE_TEST_IMAGE asks for it."""
    if os.geteuid() != 0:
        return "the image is built by root alone: buildah's chroot isolation and debootstrap need it"
    for tool in ("buildah", "debootstrap"):
        if shutil.which(tool) is None and os.environ.get(ASKED):
            try:
                apt_install(Machine(), tool, print)
            except Unavailable as reason:
                return f"{tool} cannot be installed: {reason}"
        if shutil.which(tool) is None:
            return f"{tool} is not here; {ASKED}=1 installs it"
    return None


@dataclass
class Image:
    """A built image, and one container made of it whose root can be looked at."""

    folder: Path
    root: Path
    container: str
    config: dict[str, Any]
    seconds: dict[str, float]

    def run(self, *command: str, **environment: str) -> subprocess.CompletedProcess[str]:
        """A command by `buildah run`, as the image's own user and with its environment. Secrets do not belong here: `ps` shows words."""
        given = [word for name, value in environment.items() for word in ("--env", f"{name}={value}")]
        return _buildah(self.folder, "run", "--isolation", "chroot", *given, self.container, "--", *command, check=False)

    def run_read_only(self, *command: str, mounts: dict[Path, str], **environment: str) -> subprocess.CompletedProcess[str]:
        """A command as ECS would run it: the root read-only, /scratch an empty volume, the image's user, its environment and ours."""
        script = ['mount --bind "$1" "$1"', 'mount -o remount,bind,ro "$1"', 'mount -t proc proc "$1/proc"', 'mount --rbind /dev "$1/dev"']
        script += ['mount -t tmpfs -o uid=10001,gid=10001,mode=755 scratch "$1/scratch"']
        script += [f"mount --bind '{source}' \"$1{target}\"" for source, target in mounts.items()]
        script += [
            'root="$1"; shift',
            'exec /usr/sbin/chroot --userspec="$USERSPEC" "$root" sh -c \'cd "$0" && exec "$@"\' "$WORKDIR" "$@"',
        ]
        own = dict(item.split("=", 1) for item in self.config["Env"])
        own |= {"USERSPEC": self.config["User"], "WORKDIR": self.config["WorkingDir"]} | environment
        words = ["unshare", "--mount", "--propagation", "private", "sh", "-ec", "\n".join(script), "sh", str(self.root), *command]
        return subprocess.run(words, env=own, capture_output=True, text=True, timeout=300, check=False)

    def megabytes(self) -> float:
        """All files of the image, uncompressed."""
        done = subprocess.run(["du", "-sb", str(self.root)], capture_output=True, text=True, check=True)
        return int(done.stdout.split()[0]) / 1e6


def build(folder: Path) -> Image:
    """Make the base, build the Dockerfile on it, and mount what came out."""
    began = time.monotonic()
    _base(folder)
    based = time.monotonic()
    words = ["--isolation", "chroot", "--pull-never", "--build-arg", f"BASE={BASE}", "--build-arg", "VERSION=test", "--tag", TAG]
    _buildah(folder, "bud", *words, *_package_settings(folder), str(ROOT))
    built = time.monotonic()
    container = _buildah(folder, "from", "--pull-never", TAG).stdout.strip()
    root = Path(_buildah(folder, "mount", container).stdout.strip())
    inspected = json.loads(_buildah(folder, "inspect", "--type", "image", TAG).stdout)
    seconds = {"base": based - began, "build": built - based}
    return Image(folder, root, container, inspected["OCIv1"]["config"], seconds)


def remove(folder: Path) -> None:
    """Unmount and delete all of it: some gigabytes."""
    _buildah(folder, "rm", "--all", check=False)
    _buildah(folder, "rmi", "--all", "--force", check=False)
    shutil.rmtree(folder, ignore_errors=True)


def _base(folder: Path) -> None:
    """What python:3.11-slim-bookworm is elsewhere: a small Debian with its Python 3.11. No image registry is asked."""
    root = folder / "base"
    wanted = "--include=python3,python3-venv,ca-certificates"
    _call("debootstrap", "--variant=minbase", wanted, SUITE, str(root))
    for left in ("var/cache/apt/archives", "var/lib/apt/lists"):
        shutil.rmtree(root / left)
        (root / left / "partial").mkdir(parents=True)
    container = _buildah(folder, "from", "scratch").stdout.strip()
    _buildah(folder, "copy", "--quiet", container, str(root), "/")
    _buildah(folder, "commit", "--quiet", "--rm", container, BASE)
    shutil.rmtree(root)


def _package_settings(folder: Path) -> list[str]:
    """How pip is set up on this machine, as build secrets: which index, which certificate."""
    done = _call("python3", "-m", "pip", "config", "list")
    settings = dict(line.split("=", 1) for line in done.stdout.splitlines() if "=" in line)
    by_name = {name.rpartition(".")[2]: value.strip("'") for name, value in settings.items()}
    kept = [f"{name} = {by_name[name]}" for name in ("index-url", "extra-index-url", "trusted-host") if "://" in by_name.get(name, "")]
    kept = [line for line in kept if "file://" not in line]  # a folder of this machine is not in the builder
    secret = folder / "pip.conf"
    secret.touch(mode=0o600)
    secret.write_text("\n".join(["[global]", *kept, ""]))
    words = ["--secret", f"id=pip.conf,src={secret}"]
    return [*words, "--secret", f"id=ca.crt,src={by_name['cert']}"] if by_name.get("cert") else words


def _buildah(folder: Path, verb: str, *words: str, check: bool = True) -> subprocess.CompletedProcess[str]:
    place = ["--root", str(folder / "storage"), "--runroot", str(folder / "run"), "--storage-driver", "vfs"]
    return _call("buildah", *place, verb, *words, check=check)


def _call(*command: str, check: bool = True) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(command, capture_output=True, text=True, timeout=1200, check=False)
    assert not check or done.returncode == 0, (
        f"{' '.join(command[:8])} … ended with {done.returncode}:\n{(done.stdout + done.stderr)[-3000:]}"
    )
    return done
