"""The operating-system account that a server runs as, and the folders that it can enter.

Postgres refuses to run as root, and MariaDB should not. Started by root they get an account of
their own, which must own its data folder and be let through every folder above it: /root and
pytest's temporary folders let nobody through. An ordinary user's servers run as that user.
"""

import atexit
import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

TEMPORARY = Path("/tmp")  # not gettempdir(): TMPDIR may be a folder that only root enters


@dataclass(frozen=True)
class Account:
    """A system account to drop to."""

    name: str
    uid: int
    gid: int

    def own(self, *paths: Path) -> None:
        for path in paths:
            os.chown(path, self.uid, self.gid, follow_symlinks=False)

    def can_enter(self, path: Path) -> bool:
        """Whether it may pass into a folder or run a program. Asked of the kernel: ACLs count."""
        return run_as(self, ["test", "-x", str(path)], Path("/")).returncode == 0


def account_for(*names: str) -> Account | None:
    """The first of `names`, or else `nobody`, for root to drop to; None when we are not root."""
    if os.geteuid() != 0:
        return None
    for name in (*names, "nobody"):
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        return Account(name, entry.pw_uid, entry.pw_gid)
    raise LookupError(f"root needs one of these accounts to run a server as: {names}, nobody")


def run_as(account: Account | None, command: Sequence[str], folder: Path) -> "subprocess.CompletedProcess[str]":
    """Run to its end as `account` (None: as we are), in `folder`; both outputs in `stdout`."""
    return subprocess.run(
        command,
        cwd=folder,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        user=account.uid if account else None,
        group=account.gid if account else None,
        extra_groups=[] if account else None,
    )


def temporary_folder(prefix: str, account: Account | None) -> Path:
    """A short path of `account`'s own that goes when we do."""
    folder = Path(tempfile.mkdtemp(prefix=prefix, dir=TEMPORARY))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    if account:
        account.own(folder)
    return folder


def home_for(account: Account | None, folder: Path, name: str, say: Callable[[str], None]) -> Path:
    """`folder/name`, owned by `account`; a temporary folder, and a word of it, if out of reach."""
    home = folder.absolute() / name
    home.mkdir(parents=True, exist_ok=True)
    if account is None:
        return home
    account.own(home)
    if account.can_enter(home):
        return home
    elsewhere = temporary_folder(f"shardlake-{name}-", account)
    say(f"{name}: the account {account.name} cannot enter {home}; data is in {elsewhere} meanwhile")
    return elsewhere
