"""What may die, hang or be refused in mid-read: it fails by name, nothing counts twice, and the next run heals."""

from __future__ import annotations

import json
import signal
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Any

import pytest
from bson import encode
from pydantic import ValidationError
from pymongo import monitoring

from embedded.machine import Machine
from embedded.secantusdb import SecantusDB, obtain_secantusdb
from shardlake.cancellation import Cancellation
from shardlake.connection.mongodb import MongoDB
from shardlake.errors import RunEnded, SourceTimeout
from shardlake.raw.files import RawTarget
from shardlake.source.mongodb import read
from shardlake.source.mongodb.position import Interval, Window
from shardlake.source.mongodb.read import Request
from shardlake.source.mongodb.waiting import apart
from shardlake.view.mongodb import MongoCollection
from shardlake.view.view import View
from tests.audit import unfinished
from tests.collections_world import Collections, CollectionsMaker, people

DAY = datetime(2026, 1, 2)
COLUMNS = {"_id": "text", "name": "text", "age": "bigint"}
ROWS = [(str(n), f"n{n}", n) for n in range(900)]


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SecantusDB]:
    """A server that may be killed and stopped; never one that a URL led to."""
    with obtain_secantusdb(tmp_path_factory.mktemp("own"), durable=True, machine=Machine(environ={})) as server:
        yield server


def filled(collections: CollectionsMaker, server: SecantusDB | None = None, **changes: object) -> Collections:
    """Nine hundred documents, in chunks of a few, by two ranges at once; one of them is a reject."""
    w = collections(
        server,
        view=people(source={"chunk": 2000, "deadline": "20s"}, columns=COLUMNS),
        connection_changes={"ranges": 2, "statement_timeout": "3s", **changes},
    )
    w.people().insert_many([{"_id": n, "name": f"n{n}", "age": n, "updatedAt": DAY} for n in range(900)])
    w.people().insert_one({"_id": 999, "age": "old", "updatedAt": DAY})
    return w


def arrived(w: Collections) -> None:
    assert w.target("_id, name, age", "_id::int") == ROWS
    assert w.rejects() == [(w.database(), {"_id": "999"}, "age", "old", "is not bigint")]
    assert unfinished(w) == []


@pytest.mark.parametrize("failpoint", ["extract.chunk", "extract.recorded", "merge.committed"])
def test_a_run_that_is_killed_is_made_good_by_the_next(collections: CollectionsMaker, failpoint: str) -> None:
    w = filled(collections)
    ended = w.engine_process(SHARDLAKE_FAILPOINT=f"{failpoint}=kill{'@3' if failpoint == 'extract.chunk' else ''}")
    assert (ended.returncode, ended.stdout) == (-signal.SIGKILL, ""), ended.stderr
    w.must_sync()
    arrived(w)
    w.must_sync()
    arrived(w)


def in_mid_read(monkeypatch: pytest.MonkeyPatch, do: Callable[[], object]) -> list[int]:
    """Do something once, when the second chunk is in raw. The list has an entry for each chunk."""
    chunks: list[int] = []

    def passing(name: str) -> None:
        chunks.append(1)
        if len(chunks) == 2:
            do()

    monkeypatch.setattr(read, "failpoint", passing)
    return chunks


@pytest.mark.parametrize("how", ["killed", "paused"])
def test_a_server_that_dies_or_hangs_in_mid_read_fails_its_database_by_name_and_the_next_run_heals(
    collections: CollectionsMaker, own: SecantusDB, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    w = filled(collections, own, connect_timeout="1s", statement_timeout="1s")
    chunks = in_mid_read(monkeypatch, own.kill if how == "killed" else own.pause)
    began = time.monotonic()
    try:
        report = w.sync()
    finally:
        own.start() if how == "killed" else own.resume()
    error = str(report.shards[w.database()].error)
    assert error.startswith(f"{w.database()} ({own.host}:{own.port}) cannot be reached, or broke off"), error
    assert len(chunks) >= 2
    assert time.monotonic() - began < 20
    assert w.ledger("SELECT count(*) FROM shardlake.sink_windows") == [(0,)]
    w.must_sync()
    arrived(w)


def test_a_window_that_takes_too_long_is_ended_at_the_views_deadline(
    collections: CollectionsMaker, own: SecantusDB, monkeypatch: pytest.MonkeyPatch
) -> None:
    w = filled(collections, own)
    w.view["source"]["deadline"] = "0.5s"
    in_mid_read(monkeypatch, own.pause)
    source, view = w.mongo_source(), w.model()
    plan, raw = source.plan(view, w.database(), None), RawTarget(w.job().lake, "raw/people/load_date=2026-01-01/shard=a", 1, 1)
    try:
        with pytest.raises(SourceTimeout) as late:
            source.read(view, w.database(), plan.extent, raw)
    finally:
        own.resume()
    assert str(late.value) == (
        f"{w.database()} ({own.host}:{own.port}): the window was not read in 0.5 s; reading was ended. Check the server, or raise source.deadline."
    )


@pytest.mark.parametrize("first", ["the driver", "who waits for it"])
def test_a_hung_server_is_given_up_before_anything_is_planned(
    collections: CollectionsMaker, own: SecantusDB, monkeypatch: pytest.MonkeyPatch, first: str
) -> None:
    """It never says a word: which of the two deadlines is noticed first, by the machine's load, does not change what is told."""
    w = filled(collections, own, connect_timeout="0.5s", statement_timeout="0.5s", url=own.url("one"), databases=None)
    if first == "who waits for it":
        monkeypatch.setattr("shardlake.source.mongodb.source.apart", lambda functions, _: apart(functions, 0.01))
    own.pause()
    try:
        error = w.sync().shards["one"].error
    finally:
        own.resume()
    assert str(error).startswith(f"one ({own.host}:{own.port}) cannot be reached, or broke off"), error
    assert w.ledger("SELECT count(*) FROM shardlake.windows") == [(0,)]


def test_a_run_that_is_broken_off_while_the_server_hangs_ends_at_once(
    collections: CollectionsMaker, own: SecantusDB, monkeypatch: pytest.MonkeyPatch
) -> None:
    w = filled(collections, own, statement_timeout="60s")
    run = Cancellation()
    in_mid_read(monkeypatch, lambda: (own.pause(), run.break_off()))
    source, view = w.mongo_source(), w.model()
    plan, raw = source.plan(view, w.database(), None), RawTarget(w.job().lake, "raw/people/load_date=2026-01-01/shard=a", 1, 1)
    began = time.monotonic()
    try:
        with pytest.raises(RunEnded), run.working():
            source.read(view, w.database(), plan.extent, raw)
        assert time.monotonic() - began < 5
    finally:
        own.resume()


def test_a_run_that_is_broken_off_does_not_wait_for_the_lake_and_what_comes_there_later_is_taken_back() -> None:
    view = View.model_validate(people(columns=COLUMNS))
    source = view.source
    assert isinstance(source, MongoCollection)
    raw = SlowRaw()
    window = Window(None, "any", intervals=(Interval(),))
    request: Any = Request(view, source, MongoDB(url="mongodb://r@db/shop"), "shop", window, None, 1)  # type: ignore[arg-type]
    reader = read._Reader(request, None, raw, deque())  # type: ignore[arg-type]
    maker = reader._maker()
    maker.add(encode({"_id": 1}))
    writing = threading.Thread(target=reader._write, args=(maker,))
    writing.start()
    assert raw.begun.wait(5)
    began = time.monotonic()
    reader.stop()
    assert time.monotonic() - began < 1
    raw.go_on.set()
    writing.join()
    assert (raw.files, reader.rows) == ([], 0)


class SlowRaw:
    """A lake that takes its time."""

    def __init__(self) -> None:
        self.files: list[str] = []
        self.begun, self.go_on = threading.Event(), threading.Event()

    def write(self, table: object) -> None:
        self.begun.set()
        self.go_on.wait(5)
        self.files.append("a")

    def take_back(self, count: int) -> None:
        del self.files[count:]


CANARY = "c4n4ry-p@ss/w0rd"


def test_a_wrong_password_is_refused_once_and_shows_nowhere(collections: CollectionsMaker) -> None:
    w = filled(collections, password=CANARY, url="mongodb://root@127.0.0.1:1/", databases="a*")
    w.connection_changes |= {"url": w.server.url("one"), "databases": None}
    done = w.command("plan", "people")
    report, connection = w.sync(), w.connect("mongodb/platform")
    refused = (
        f"one (127.0.0.1:{w.server.port}) refuses user 'root' (AuthenticationFailed 18). Check password, auth_source and the role read."
    )
    assert report.shards["one"].error == refused
    assert done.returncode == 1
    assert refused in " ".join(done.stdout.split())
    assert CANARY not in done.stdout + done.stderr + repr(connection) + str(connection) + json.dumps(report.as_json())
    assert w.ledger("SELECT count(*) FROM shardlake.runs WHERE runs::text LIKE %s", f"%{CANARY}%") == [(0,)]
    assert connection.secrets() == (CANARY,)


def test_a_url_with_a_password_is_refused_without_showing_it() -> None:
    with pytest.raises(ValidationError) as refused:
        MongoDB(url=f"mongodb://root:{CANARY}@db/shop")
    assert CANARY not in str(refused.value)
    assert "a URL holds a password" in str(refused.value)


def test_two_runs_at_once_bring_each_document_once(collections: CollectionsMaker) -> None:
    w = filled(collections)
    barrier = threading.Barrier(2)
    reports = []

    def run() -> None:
        barrier.wait()
        reports.append(w.sync())

    threads = [threading.Thread(target=run) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    arrived(w)
    assert sum(s.merged for report in reports for s in report.shards.values()) == 900


def test_a_database_without_the_collection_fails_alone_and_by_name(collections: CollectionsMaker) -> None:
    w = filled(collections)
    w.db("b")["other"].insert_one({})
    report = w.sync()
    assert [s.state for s in report.shards.values()] == ["merged", "failed"]
    assert report.shards[w.database("b")].error == f"{w.database('b')} has no collection 'people'; it has: other. Check the name."
    arrived(w)


def test_never_more_connections_are_open_than_the_connection_says(collections: CollectionsMaker, own: SecantusDB) -> None:
    w = filled(collections, own, ranges=3, max_connections=3)
    w.view["source"]["chunk"] = 500
    seen: list[int] = []
    listener = Sockets(seen)
    monitoring.register(listener)
    w.must_sync()
    monitoring._LISTENERS.cmap_listeners.remove(listener)  # the registry has no way out
    assert 1 < max(seen) <= 3


class Sockets(monitoring.ConnectionPoolListener):
    """How many connections are checked out, at each change."""

    def __init__(self, seen: list[int]) -> None:
        self.seen, self.out, self.lock = seen, 0, threading.Lock()

    def connection_checked_out(self, event: object) -> None:
        with self.lock:
            self.out += 1
            self.seen.append(self.out)

    def connection_checked_in(self, event: object) -> None:
        with self.lock:
            self.out -= 1

    def _nothing(self, event: object) -> None:
        """Nothing."""

    pool_created = pool_ready = pool_cleared = pool_closed = connection_created = connection_ready = connection_closed = _nothing
    connection_check_out_started = connection_check_out_failed = _nothing
