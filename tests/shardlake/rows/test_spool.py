"""Temporary folders: whose they are, and when they go."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from shardlake.rows.spool import Scratch, Spool
from tests.shardlake.sink.lake.test_append import order, shop
from tests.world import ROOT, WorldMaker

HOLD = "import sys, time\nfrom shardlake.rows.spool import Scratch\ns = Scratch()\nprint(s.path, flush=True)\ntime.sleep(600)"


@pytest.fixture
def disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder for temporary files that other containers share."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


@pytest.fixture
def holder(disk: Path) -> Iterator[tuple[subprocess.Popen[str], Path]]:
    """Another process with a temporary folder that was made long ago."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD], cwd=ROOT, env={**os.environ, "TMPDIR": str(disk)}, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    folder = Path(process.stdout.readline().strip())
    (folder / "000000.rows").write_text("rows")
    aged(folder.parent)
    yield process, folder
    process.kill()
    process.wait()
    process.stdout.close()


def aged(folder: Path) -> None:
    before = time.time() - 3600
    os.utime(folder, (before, before))


def test_a_folder_that_another_process_holds_is_left_to_it_and_goes_when_that_was_killed(
    holder: tuple[subprocess.Popen[str], Path],
) -> None:
    process, folder = holder
    Scratch().close()
    assert (folder / "000000.rows").read_text() == "rows"
    process.kill()
    process.wait()
    Scratch().close()
    assert not folder.parent.exists()


def test_a_folder_of_a_moment_ago_and_what_is_not_ours_are_left_alone(disk: Path) -> None:
    new, others, full = disk / "shardlake-scratch-new", disk / "shardlake-12-theirs", disk / "shardlake-scratch-nolock"
    for folder in (new, others, full):
        folder.mkdir()
    (full / "file").write_text("who knows whose")
    aged(others)
    aged(full)
    Scratch().close()
    assert sorted(disk.iterdir()) == sorted([new, others, full])
    aged(new)  # somebody was killed between making and locking it
    Scratch().close()
    assert sorted(disk.iterdir()) == sorted([others, full])


def test_a_spool_that_nobody_has_opened_keeps_nothing_and_leaves_nothing(disk: Path) -> None:
    spool = Spool()
    spool.fill([1], lambda window_id: pytest.fail(f"window {window_id} was made"))
    assert (spool.kept(1), spool.held([1])) == (None, 0)
    spool.drop([1])
    assert list(disk.iterdir()) == []
    spool.open()
    spool.open()
    assert len(list(disk.iterdir())) == 1
    spool.close()
    spool.close()
    assert list(disk.iterdir()) == []


def test_a_run_closes_what_it_opened(world: WorldMaker, disk: Path) -> None:
    w = shop(world)
    order(w, "shop_00", 1, 1, city="Rome")
    w.job()
    w.must_sync()
    assert [f.name for f in disk.iterdir() if f.name.startswith("shardlake-")] == []
    assert w.query("SELECT count(*) FROM orders") == [(1,)]


def test_raw_files_of_a_run_that_was_killed_are_made_known_by_the_next(world: WorldMaker) -> None:
    w = shop(world)
    order(w, "shop_00", 1, 1, city="Rome")
    assert w.engine_process(SHARDLAKE_FAILPOINT="extract.recorded=kill").returncode < 0
    w.must_sync()
    assert w.query("SELECT id FROM raw.orders") == [(1,)]
    assert w.warehouse("SELECT count(*) FROM shardlake.windows WHERE raw_registered_at IS NULL AND raw_rows > 0") == [(0,)]
