"""Installing a server with apt, where that is allowed without asking for a password."""

import fcntl
import os
import subprocess
from collections.abc import Callable
from pathlib import Path

from embedded.machine import Machine, Unavailable


def apt_install(machine: Machine, package: str, say: Callable[[str], None]) -> None:
    """Install `package` as root or through `sudo -n`; raises Unavailable if that cannot be done."""
    apt = machine.find("apt-get")
    if apt is None:
        raise Unavailable("no apt-get here")
    rights = _rights(machine)
    say(f"installing {package} with {' '.join([*rights, 'apt-get'])}; Debian may start its service")
    # -E is refused by many sudoers files; env(1) hands the variable over in all of them
    apt_get = [*rights, "env", "DEBIAN_FRONTEND=noninteractive", str(apt), "-qq"]
    apt_get += ["-o", "DPkg::Lock::Timeout=300"]
    with Path(__file__).open() as one_at_a_time:  # test workers come here at the same moment
        fcntl.flock(one_at_a_time, fcntl.LOCK_EX)
        _run([*apt_get, "update"])
        _run([*apt_get, "install", "-y", "--no-install-recommends", package])


def _run(command: list[str]) -> None:
    done = subprocess.run(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        last = (done.stdout.strip().splitlines() or ["no output"])[-1]
        raise Unavailable(f"{' '.join(command)} failed: {last}")


def _rights(machine: Machine) -> list[str]:
    if os.geteuid() == 0:
        return []
    sudo = machine.find("sudo")
    if sudo is None:
        raise Unavailable("not root, and no sudo here")
    if subprocess.run([sudo, "-n", "true"], capture_output=True, check=False).returncode != 0:
        raise Unavailable("not root, and sudo wants a password")
    return [str(sudo), "-n"]
