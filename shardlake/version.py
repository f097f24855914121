"""Which version runs: the image's, the checkout's, or the package's; and which definitions of views it has."""

import os
import subprocess
from collections.abc import Iterable
from hashlib import sha256
from pathlib import Path

from shardlake import __version__
from shardlake.settings import views_folder


def running_version() -> str:
    """The version of what runs here.

    The image says it in SHARDLAKE_VERSION. Elsewhere it is the commit of the checkout that holds the views, or else of the
    one that holds this code, with `-dirty` where files differ from it; and the package's version where there is no checkout.
    """
    if said := os.environ.get("SHARDLAKE_VERSION"):
        return said
    return _commit(views_folder()) or _commit(Path(__file__).parent) or __version__


def running_image() -> str | None:
    """The image that the deployment says it runs; None where a run has none of its own."""
    return os.environ.get("SHARDLAKE_IMAGE") or None


def _commit(folder: Path) -> str | None:
    """The commit of a checkout; None for a folder that git does not keep, or where there is no git."""
    words = ["git", "-C", str(folder), "describe", "--always", "--dirty", "--exclude=*", "--abbrev=12"]
    quiet = {**os.environ, "GIT_OPTIONAL_LOCKS": "0"}  # a look must not write into a checkout that others are at work in
    try:
        kept = subprocess.run(["git", "-C", str(folder), "ls-files", "--error-unmatch", "."], env=quiet, capture_output=True, timeout=10)
        done = subprocess.run(words, env=quiet, capture_output=True, text=True, timeout=10)
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip() or None if kept.returncode == 0 and done.returncode == 0 else None


def definition(files: Iterable[tuple[str, bytes]]) -> str:
    """What a view's files come to, names and contents, as twelve hexadecimal digits.

    >>> definition([("view.yaml", b"name: orders")])
    '94cdebd6829f'
    """
    whole = sha256()
    for name, content in sorted(files):
        whole.update(f"{name}\0{len(content)}\0".encode())
        whole.update(content)
    return whole.hexdigest()[:12]


def of_view(name: str) -> bool:
    """Whether a file in a view's folder is a part of the view: view.yaml, and SQL beside it."""
    return name == "view.yaml" or (name.endswith(".sql") and not name.startswith("."))


def definition_here(view: str) -> str | None:
    """The definition of a view in the folder of views; None where it is not there, or cannot be read."""
    home = views_folder() / view
    try:
        files = [(path.name, path.read_bytes()) for path in home.iterdir() if of_view(path.name) and path.is_file()]
    except OSError:
        return None
    return definition(files) if any(name == "view.yaml" for name, _ in files) else None
