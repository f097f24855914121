"""A Postgres cluster: the programs, the data folder and the superuser's password of one server."""

import secrets
import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path

from embedded.account import Account, account_for, home_for, run_as
from embedded.machine import Machine, Unavailable
from embedded.server import ServerFailed


@dataclass(frozen=True)
class Cluster:
    """`home` holds `data`, the log and the password, and belongs to `account`."""

    home: Path
    programs: Path
    account: Account | None
    password: str = field(repr=False)


def installed_programs(machine: Machine) -> Path:
    """The folder of postgres and initdb on the machine, the newest version first."""
    postgres = machine.find("postgres")
    if postgres is None or not (postgres.parent / "initdb").exists():
        raise Unavailable("not found")
    return postgres.parent


def wheel_programs(machine: Machine) -> Path:
    """The folder of the newest programs in the wheel.

    Nothing else of the package is used: it would make an account of its own, and loosen the
    permissions of the folders above its data.
    """
    wheel = find_spec(machine.wheel)
    if wheel is None or wheel.origin is None:
        raise Unavailable("not installed here")
    trees = sorted(Path(wheel.origin).parent.glob("pginstall*/bin/postgres"), reverse=True)
    if not trees:
        raise Unavailable(f"{wheel.origin} comes without pginstall*/bin/postgres")
    return trees[0].parent


def cluster_in(folder: Path, programs: Path, say: Callable[[str], None]) -> Cluster:
    """The cluster in `folder/postgres`, made if it is not there."""
    account = account_for("postgres")
    home = home_for(account, folder, "postgres", say)
    if account and not account.can_enter(programs / "initdb"):
        say(f"postgres: the account {account.name} cannot enter {programs}; using a copy in {home}")
        programs = _copy(programs, home / "programs", account)
    if not (home / "data").exists():
        _initialise(home, programs, account)
    return Cluster(home, programs, account, (home / "password").read_text())


def _copy(programs: Path, to: Path, account: Account) -> Path:
    """A copy for `account` of a wheel in a venv under /root, and the programs' folder in it.

    The programs find their own files from where they are, and the shared libraries that the wheel
    brings beside its package, in `<package>.libs`; so both are copied, as they lie.
    """
    tree = programs.parent
    package = tree.parent
    libraries = package.with_name(f"{package.name}.libs")
    copied = to / package.name / tree.name
    shutil.copytree(tree, copied, dirs_exist_ok=True)
    if libraries.is_dir():
        shutil.copytree(libraries, to / libraries.name, dirs_exist_ok=True)
    account.own(to, *to.rglob("*"))
    return copied / programs.name


def _initialise(home: Path, programs: Path, account: Account | None) -> None:
    """Make the cluster, under another name until it is whole, its superuser with a password."""
    password = home / "password"
    password.touch(mode=0o600)
    password.write_text(secrets.token_urlsafe(18))
    if account:
        account.own(password)
    unfinished = home / "data.unfinished"
    shutil.rmtree(unfinished, ignore_errors=True)
    done = run_as(
        account,
        [
            f"{programs}/initdb",
            f"--pgdata={unfinished}",
            "--username=postgres",
            f"--pwfile={password}",
            "--auth=scram-sha-256",
            "--encoding=UTF8",
            f"--locale={'C.UTF-8' if sys.platform == 'linux' else 'C'}",
            "--no-sync",
        ],
        home,
    )
    if done.returncode != 0:
        raise ServerFailed(f"initdb failed in {home}:\n{done.stdout}")
    unfinished.rename(home / "data")
