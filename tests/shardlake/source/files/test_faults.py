"""What the source of files must survive: kills, a place that dies, hangs or refuses, and secrets that must not show."""

from __future__ import annotations

import signal
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from shardlake import failpoints
from shardlake.errors import ShardlakeError
from shardlake.source.files import read
from tests.breaking import broken_at
from tests.landing import Landing, LandingMaker, view_of

STEPS = [name for name in failpoints.NAMES if name.split(".")[0] in ("window", "extract", "merge")]
DELETE: dict[str, Any] = {"on_removed": "delete"}


def landed(landing: LandingMaker) -> Landing:
    """Two shards with a load, changes, and a file that goes."""
    w = landing(view=view_of(DELETE))
    w.land("dms/s1/orders/LOAD00000001.csv", "1,new,1\n2,new,2\n3,bad,x\n")
    w.land("dms/s1/orders/20261128-101500123.csv", "U,1,paid,1\nD,2,,\n")
    w.land("dms/s2/orders/LOAD00000001.csv.gz", "1,new,1\n2,new,2\n")
    return w


FIRST = [("s1", 1, "paid"), ("s2", 1, "new"), ("s2", 2, "new")]
AFTER = [("s1", 1, "paid"), ("s1", 7, "new"), ("s2", 2, "changed")]


def change(w: Landing) -> None:
    """A new file, one with other content, and one that is gone."""
    w.land("dms/s1/orders/20261128-101600000.csv", "I,7,new,7\n")
    w.land("dms/s2/orders/LOAD00000001.csv.gz", "2,changed,2\n")


@pytest.mark.parametrize("step", STEPS)
def test_a_run_that_breaks_at_any_step_is_made_good_by_the_next(landing: LandingMaker, step: str) -> None:
    w = landed(landing)
    with suppress(ShardlakeError, RuntimeError), broken_at(step):
        w.sync()
    w.must_sync()
    assert w.target("_shard, id, status", "1, 2") == FIRST
    change(w)
    with suppress(ShardlakeError, RuntimeError), broken_at(step):
        w.sync()
    w.must_sync()
    assert w.target("_shard, id, status", "1, 2") == AFTER
    assert [(r[1], r[3]) for r in w.rejects()] == [({"id": "3"}, "x")]


@pytest.mark.parametrize("step", ["extract.written", "merge.before_commit"])
def test_a_process_that_is_killed_leaves_nothing_that_the_next_does_not_mend(landing: LandingMaker, step: str) -> None:
    w = landed(landing)
    assert w.engine_process(SHARDLAKE_FAILPOINT=f"{step}=kill").returncode == -signal.SIGKILL
    w.must_sync()
    assert w.target("_shard, id, status", "1, 2") == FIRST


def test_raw_that_is_lost_is_read_again_from_its_files_unless_they_have_changed(landing: LandingMaker) -> None:
    w = landed(landing)
    with pytest.raises(RuntimeError), broken_at("extract.recorded"):
        w.sync()
    for file in (w.folder / "lake").rglob("*.parquet"):
        file.unlink()
    w.must_sync()
    assert w.target("_shard, id, status", "1, 2") == FIRST


def test_a_file_that_may_not_be_read_fails_its_shard_by_name(landing: LandingMaker, monkeypatch: pytest.MonkeyPatch) -> None:
    w = landed(landing)
    honest = Path.open

    def guarded(self: Path, *words: Any, **named: Any) -> Any:
        if self.name == "20261128-101500123.csv":
            raise PermissionError(13, "no", str(self))
        return honest(self, *words, **named)

    monkeypatch.setattr(Path, "open", guarded)  # as root every file may be read
    report = w.sync()
    assert {s.shard: s.error for s in report.shards.values()} == {
        "s1": "dms/s1/orders/20261128-101500123.csv cannot be read (PermissionError). Check the keys, and the rights to list and to read.",
        "s2": None,
    }
    monkeypatch.undo()
    w.must_sync()
    assert w.target("_shard, id, status", "1, 2") == FIRST


def test_rows_that_are_lost_between_file_and_raw_commit_nothing(landing: LandingMaker, monkeypatch: pytest.MonkeyPatch) -> None:
    w = landed(landing)
    honest = read.raw_rows
    monkeypatch.setattr(read, "raw_rows", lambda *given: honest(*given).slice(1))
    report = w.sync()
    assert "2 rows were read, and its 1 files hold 1. Nothing of it counts" in str(report.shards["s2"].error)
    assert w.ledger("SELECT count(*) FROM shardlake.sink_windows WHERE applied_at IS NOT NULL") == [(0,)]
    monkeypatch.undo()
    w.must_sync()
    assert w.target("_shard, id, status", "1, 2") == FIRST
