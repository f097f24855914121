"""Which version runs: the image's own word, the commit of a checkout, or the package's version."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from shardlake import __version__
from shardlake.version import definition_here, running_version


def git(folder: Path, *words: str) -> str:
    named = ["-c", "user.name=x", "-c", "user.email=x@example.com"]
    return subprocess.run(["git", "-C", str(folder), *named, *words], check=True, capture_output=True, text=True).stdout.strip()


def test_a_checkout_says_its_commit_and_whether_files_differ_from_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SHARDLAKE_VERSION", raising=False)
    monkeypatch.setenv("SHARDLAKE_VIEWS", str(tmp_path / "views"))
    view = tmp_path / "views" / "orders" / "view.yaml"
    view.parent.mkdir(parents=True)
    view.write_text("name: orders")
    git(tmp_path, "init", "-q")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "-q", "-m", "x")
    git(tmp_path, "tag", "-a", "v9", "-m", "a tag is no commit")
    commit = git(tmp_path, "rev-parse", "--short=12", "HEAD")
    assert running_version() == commit
    view.write_text("name: orders\nowner: x")
    assert running_version() == f"{commit}-dirty"
    monkeypatch.setenv("SHARDLAKE_VERSION", "1a2b3c4")
    assert running_version() == "1a2b3c4"


def test_without_a_checkout_it_is_the_packages_version(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SHARDLAKE_VERSION", raising=False)
    monkeypatch.setenv("SHARDLAKE_VIEWS", str(tmp_path))
    monkeypatch.setenv("PATH", str(tmp_path))  # no git, as in the image
    assert running_version() == __version__


def test_a_views_definition_is_its_yaml_and_its_sql(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SHARDLAKE_VIEWS", str(tmp_path))
    assert definition_here("orders") is None
    home = tmp_path / "orders"
    home.mkdir()
    (home / "extract.sql").write_text("SELECT 1")
    assert definition_here("orders") is None
    (home / "view.yaml").write_text("name: orders")
    first = definition_here("orders")
    assert first == "4d4054dee666"
    (home / "README.md").write_text("A word on it.")
    assert definition_here("orders") == first
    (home / "extract.sql").write_text("SELECT 2")
    assert definition_here("orders") != first
